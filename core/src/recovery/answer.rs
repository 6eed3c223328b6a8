//! The answers that a recovery receives.

use core::fmt;

use crate::decision::{Exclusivity, Use};
use crate::health::Verdict;
use crate::presence::{PortLink, Readiness};
use crate::witness::Proof;

/// The answer to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Observation {
    /// The action was done; its effect is checked separately.
    Done,
    /// The use of the GPU.
    Use(Use),
    /// The state of the port's link.
    Link(PortLink),
    /// The exclusivity of everything below the card root.
    Domain(Exclusivity),
    /// The combined readiness [of all functions](Readiness::and).
    Functions(Readiness),
    /// The combined health [of all functions](Verdict::and), each compared with its baseline.
    Health(Verdict),
    /// The functions with a mark that the next reset has to clear.
    Marked(Marked),
    /// The proof that the reset took place: the weakest proof of all functions that it should reset.
    Witnessed(Proof),
    /// The operation hangs.
    Blocked,
    /// Its target no longer exists (ENODEV, ENOENT).
    Vanished,
    /// The kernel refused it.
    Failed(Failure),
}

/// The functions of a GPU that hold a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Marked {
    /// Every function holds one that shows a reset in place.
    All,
    /// Some hold none; a reset in place cannot be proven for those.
    NotAll,
}

/// The reason why the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Failure {
    /// ENOTTY: not supported, or, after a minute, never ready again. The elapsed time distinguishes them.
    NotSupported,
    /// EAGAIN, EBUSY: the lock is taken.
    Busy,
    /// EPERM, EACCES.
    Denied,
    /// EINVAL: an invalid request.
    Invalid,
    /// EIO: an I/O error.
    Io,
    /// ETIMEDOUT: a time limit of the kernel.
    TimedOut,
    /// The bus has to be empty and is not.
    NotEmpty,
    /// Any other error number.
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

/// The reason why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Trouble {
    /// The kernel hung in it.
    Blocked,
    /// Its target did not exist.
    Vanished,
    /// The kernel refused it.
    Failed(Failure),
    /// The answer was of the wrong kind.
    WrongAnswer,
    /// Every attempt within the time limit failed.
    TimedOut,
}

impl Trouble {
    /// The reason for failure in an observation other than the expected one.
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

    /// Returns true if the operation may have taken effect although it failed so.
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
            Self::WrongAnswer => f.write_str("unexpected answer"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}
