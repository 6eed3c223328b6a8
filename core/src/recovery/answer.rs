//! What a recovery is told.

use core::fmt;

use crate::decision::{Exclusivity, Use};
use crate::health::Verdict;
use crate::presence::{PortLink, Readiness};
use crate::witness::Proof;

/// What an action brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Observation {
    /// It was done; whether it helped is another question.
    Done,
    /// Who uses the GPU.
    Use(Use),
    /// What the port says.
    Link(PortLink),
    /// Whether everything below the card root is ours.
    Domain(Exclusivity),
    /// What the functions answer: [of all of them](Readiness::and) together.
    Functions(Readiness),
    /// What the functions are, each held against its baseline: [of all of them](Verdict::and)
    /// together.
    Health(Verdict),
    /// The functions that have a mark which the next reset has to clear.
    Marked(Marked),
    /// The proof that the reset took place: the least of all functions that it was to reset.
    Witnessed(Proof),
    /// It does not come back.
    Blocked,
    /// What it was to be done to is not there any more (ENODEV, ENOENT).
    Vanished,
    /// The kernel refused it.
    Failed(Failure),
}

/// The functions of a GPU that have a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Marked {
    /// Every function has one that a reset in place shows in.
    All,
    /// Some have none: a reset in place cannot be proven for those.
    NotAll,
}

/// Why the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Failure {
    /// ENOTTY: not supported, or, after a minute, never ready again. The time tells which.
    NotSupported,
    /// EAGAIN, EBUSY: somebody has the lock.
    Busy,
    /// EPERM, EACCES.
    Denied,
    /// EINVAL.
    Invalid,
    /// EIO.
    Io,
    /// ETIMEDOUT.
    TimedOut,
    /// The bus that was to be empty is not.
    NotEmpty,
    /// Anything else, by its number.
    Other(i32),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSupported => f.write_str("not supported, or not ready"),
            Self::Busy => f.write_str("busy"),
            Self::Denied => f.write_str("not permitted"),
            Self::Invalid => f.write_str("refused as invalid"),
            Self::Io => f.write_str("I/O error"),
            Self::TimedOut => f.write_str("timed out"),
            Self::NotEmpty => f.write_str("the bus is not empty"),
            Self::Other(number) => write!(f, "error {number}"),
        }
    }
}

/// Why an operation did not do what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Trouble {
    /// The kernel did not come back from it.
    Blocked,
    /// What it was to be done to was not there.
    Vanished,
    /// The kernel refused it.
    Failed(Failure),
    /// The answer was to some other question.
    WrongAnswer,
    /// It was done as often as there was time, and what it was for did not come.
    TimedOut,
}

impl Trouble {
    /// The trouble in an observation that is not the one hoped for.
    pub(super) const fn of(observation: Observation) -> Self {
        match observation {
            Observation::Blocked => Self::Blocked,
            Observation::Vanished => Self::Vanished,
            Observation::Failed(failure) => Self::Failed(failure),
            Observation::Done
            | Observation::Use(_)
            | Observation::Link(_)
            | Observation::Domain(_)
            | Observation::Functions(_)
            | Observation::Health(_)
            | Observation::Marked(_)
            | Observation::Witnessed(_) => Self::WrongAnswer,
        }
    }

    /// Whether an operation that ended so may have had its effect all the same.
    pub(super) const fn may_have_acted(self) -> bool {
        !matches!(
            self,
            Self::Vanished
                | Self::Failed(
                    Failure::NotSupported | Failure::Busy | Failure::Denied | Failure::Invalid | Failure::NotEmpty
                )
        )
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked => f.write_str("does not come back"),
            Self::Vanished => f.write_str("vanished"),
            Self::Failed(failure) => failure.fmt(f),
            Self::WrongAnswer => f.write_str("answered something else"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}
