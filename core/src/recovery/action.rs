//! What a recovery has done, and what it is told.

use core::fmt;
use core::time::Duration;

use super::{End, Reason, Record};
use crate::decision::{Exclusivity, Use};
use crate::health::Verdict;
use crate::presence::{PortLink, Readiness};

/// One thing done to the machine. Whoever does it does exactly this, through the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Operation {
    /// Find out whether anybody uses the GPU or anything in its domain. Answer:
    /// [`Observation::Use`].
    CheckUse,
    /// Read what the port says about its link. Touches nothing below it. Answer:
    /// [`Observation::Link`].
    ReadLink,
    /// Find out anew who is below the card root, and so would be hit. Answer:
    /// [`Observation::Domain`].
    CheckDomain,
    /// Judge the readiness of every function of the GPU, and of what else was removed with it, each
    /// after its port's link. Answer: [`Observation::Functions`].
    LookAtFunctions,
    /// Have every function in D0, by the kernel's `power/control`.
    Wake,
    /// Take the driver off every function of the GPU, so that nobody can open it meanwhile.
    Unbind,
    /// The kernel's FLR and no other method; `reset_method` is put back as it was.
    KernelFlr,
    /// The kernel's PM reset and no other method; `reset_method` is put back as it was.
    KernelPm,
    /// Write down durably what has to be put back: identities, drivers, BAR sizes, overrides, the
    /// port. What an earlier rung wrote stays.
    Journal,
    /// Write down what every function and port on the path has counted of errors, for the verdict.
    /// The reset comes next.
    RecordErrors,
    /// Remove the functions below the card root that are in the journal, and no others. Whatever it
    /// answers, some may be gone.
    RemoveBelowCardRoot,
    /// Secondary bus reset at the card root. If the bus is not empty, do nothing and say
    /// [`Failure::NotEmpty`]: the kernel would restore what it never saved.
    ResetEmptyBus,
    /// Have the bus below the port scanned. Harmless where the kernel has done so by itself.
    Rescan,
    /// Resizable BARs back to the sizes in the journal. Before any driver is bound; one that the
    /// kernel has bound meanwhile is taken off first.
    RestoreBarSizes,
    /// The driver overrides in the journal.
    RestoreOverride,
    /// Bind every function to the driver that it is to have, and read that back.
    Claim,
    /// Pin every function in D0. After the bind, which would undo it.
    PinD0,
    /// Cut the slot's power.
    PowerOff,
    /// Switch it on again.
    PowerOn,
    /// Have the BMC switch the GPU's power off and on. It sees to the time between, and that the power is on in the end,
    /// whatever becomes of this machine.
    CyclePower,
    /// Hold every function of the GPU, and what else was reset with it, against its baseline. Answer:
    /// [`Observation::Health`].
    Verify,
}

impl Operation {
    /// Whether the function itself is read or written: never while its link is not active.
    pub const fn touches_function(self) -> bool {
        match self {
            Self::LookAtFunctions
            | Self::Wake
            | Self::Unbind
            | Self::KernelFlr
            | Self::KernelPm
            | Self::Rescan
            | Self::RestoreBarSizes
            | Self::RestoreOverride
            | Self::Claim
            | Self::PinD0
            | Self::Verify => true,
            // A removal is what the kernel does to a function that is gone, too.
            Self::CheckUse
            | Self::CheckDomain
            | Self::ReadLink
            | Self::Journal
            | Self::RecordErrors
            | Self::RemoveBelowCardRoot
            | Self::ResetEmptyBus
            | Self::PowerOff
            | Self::PowerOn
            | Self::CyclePower => false,
        }
    }

    /// Whether it resets the function.
    pub const fn resets(self) -> bool {
        matches!(
            self,
            Self::KernelFlr | Self::KernelPm | Self::ResetEmptyBus | Self::PowerOff | Self::CyclePower
        )
    }

    /// Whether it only looks. What changes nothing may stay stuck without harm to what follows.
    pub const fn only_looks(self) -> bool {
        matches!(
            self,
            Self::CheckUse
                | Self::CheckDomain
                | Self::ReadLink
                | Self::LookAtFunctions
                | Self::RecordErrors
                | Self::Verify
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CheckUse => "check who uses it",
            Self::ReadLink => "read the port's link",
            Self::CheckDomain => "check who would be hit",
            Self::LookAtFunctions => "look at the functions",
            Self::Wake => "wake",
            Self::Unbind => "unbind",
            Self::KernelFlr => "FLR by the kernel",
            Self::KernelPm => "PM reset by the kernel",
            Self::Journal => "write the journal",
            Self::RecordErrors => "record error counters",
            Self::RemoveBelowCardRoot => "remove everything below the card root",
            Self::ResetEmptyBus => "secondary bus reset on the empty bus",
            Self::Rescan => "rescan",
            Self::RestoreBarSizes => "restore BAR sizes",
            Self::RestoreOverride => "restore driver overrides",
            Self::Claim => "bind",
            Self::PinD0 => "pin in D0",
            Self::PowerOff => "slot power off",
            Self::PowerOn => "slot power on",
            Self::CyclePower => "power off and on by the BMC",
            Self::Verify => "verify",
        })
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Action {
    /// An operation on the machine.
    Do(Operation),
    /// Write down what came of a rung. Answer: [`Observation::Done`].
    Record(Record),
    /// Take the GPU out of service, durably: the note of it first, since the rest may block. Where
    /// somebody has come to use it meanwhile, the note is all. Answer: [`Observation::Done`].
    Quarantine(Reason),
}

/// Tells orders apart, so that a late answer is not taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ticket(pub(super) u32);

/// An action, and until when it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Order {
    /// To be given back with the answer.
    pub ticket: Ticket,
    /// What to do.
    pub action: Action,
    /// When its answer counts as [`Observation::Blocked`].
    pub deadline: Duration,
}

/// Where a recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Progress {
    /// Do this and tell what it brought.
    Do(Order),
    /// It has ended.
    Ended(End),
}

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
    /// It does not come back.
    Blocked,
    /// What it was to be done to is not there any more (ENODEV, ENOENT).
    Vanished,
    /// The kernel refused it.
    Failed(Failure),
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
            | Observation::Health(_) => Self::WrongAnswer,
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

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Heard {
    /// It was taken.
    Taken,
    /// It is not the one that is waited for: it came twice, or too late.
    TooLate,
}
