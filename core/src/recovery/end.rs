//! The outcome of a rung and of a recovery.

use core::fmt;

use super::answer::Trouble;
use crate::decision::{Reach, Refusal, Rung};
use crate::health::{Aspect, Aspects, Verdict};
use crate::ladder::operation::Operation;
use crate::witness::Proof;

/// The outcome of a rung, for the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Record {
    /// The rung.
    pub rung: Rung,
    /// The outcome.
    pub outcome: Outcome,
    /// The effect on the history of this rung in the function's class. It applies to FLR and to the bus reset in place.
    #[cfg_attr(feature = "serde", serde(alias = "class"))]
    pub reset_class: ClassChange,
}

impl Record {
    pub(super) const fn new(rung: Rung, reach: Reach, outcome: Outcome) -> Self {
        let class = match (rung, reach) {
            // A reset that was not done teaches nothing.
            (_, Reach::NotReset) => ClassChange::None,
            (Rung::KernelFlr | Rung::BusResetInPlace, Reach::Reset | Reach::Ignored) => ClassChange::by(outcome),
            _ => ClassChange::None,
        };
        Self {
            rung,
            outcome,
            reset_class: class,
        }
    }
}

/// The outcome of a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// It completed with this verdict.
    Judged(Verdict),
    /// The kernel's reset timed out.
    TimedOut,
    /// The functions are well, and a mark shows that the reset did nothing or only part.
    NotReset,
    /// The functions are well, but the reset is not proven as far as it has to be.
    Unproven(Proof),
    /// It ended early.
    Failed {
        /// The operation that failed.
        operation: Operation,
        /// The reason.
        trouble: Trouble,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Judged(verdict) => verdict.fmt(f),
            Self::TimedOut => f.write_str("timed out"),
            Self::NotReset => f.write_str("the reset did not take place"),
            Self::Unproven(proof) => write!(f, "well, and the reset is not proven: {proof}"),
            Self::Failed { operation, trouble } => write!(f, "{operation}: {trouble}"),
        }
    }
}

/// The effect of an outcome on a rung's history in a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ClassChange {
    /// No effect.
    None,
    /// The rung is bad for this class.
    Demote,
    /// The rung recovered this function.
    Confirm,
}

impl ClassChange {
    /// A rung is bad if the kernel reports that the function did not return from it, if the kernel itself hangs in it,
    /// if it has no effect, or if the function is absent or without working firmware afterwards. A reader that was
    /// denied or hangs teaches nothing.
    const fn by(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Judged(Verdict::Verified) => Self::Confirm,
            Outcome::Judged(verdict @ Verdict::Sick(wrong)) => {
                let sickness = verdict.sickness();
                let gone = wrong.contains(Aspect::Identity);
                if gone || sickness.vendor_register() || sickness.transactions_stuck() {
                    Self::Demote
                } else {
                    Self::None
                }
            }
            Outcome::TimedOut
            | Outcome::Failed {
                operation: Operation::LookAtFunctions,
                trouble: Trouble::TimedOut | Trouble::Vanished,
            }
            | Outcome::Failed {
                operation: Operation::Flr | Operation::BusResetInPlace,
                trouble: Trouble::Blocked,
            }
            | Outcome::NotReset => Self::Demote,
            Outcome::Judged(Verdict::Unverified { .. }) | Outcome::Unproven(_) | Outcome::Failed { .. } => Self::None,
        }
    }
}

/// The end of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum End {
    /// The functions were verified after this rung, and its reset is proven.
    Recovered {
        /// The last rung.
        by: Rung,
        /// The proof of its reset.
        proof: Proof,
    },
    /// The functions were verified after this rung, but nothing proves its reset, and no other rung's reset would be
    /// proven. Not recovered.
    Unproven {
        /// The last rung after which the functions were well.
        after: Rung,
    },
    /// No problem was found after this rung, but not everything could be compared, and no other rung would change that.
    /// Not recovered.
    Unverified {
        /// The last rung.
        after: Rung,
        /// The aspects that could not be compared.
        missing: Aspects,
    },
    /// No rung was started, or no further one.
    Refused(Refusal),
    /// The GPU is out of service, or should be.
    OutOfService {
        /// The reason.
        why: Reason,
        /// The result of the quarantine.
        quarantine: Quarantine,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovered { by, proof } => write!(f, "recovered by {by}, verified, reset proven: {proof}"),
            Self::Unproven { after } => write!(f, "well after {after}, reset not proven"),
            Self::Unverified { after, missing } => write!(f, "unverified after {after}: {missing}"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::OutOfService { why, quarantine } => write!(f, "{quarantine}: {why}"),
        }
    }
}

/// The reason why a GPU goes out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reason {
    /// No rung is left.
    Exhausted,
    /// A reset failed, and the next one was refused.
    Refused(Refusal),
    /// The kernel hangs in this operation.
    Stuck(Operation),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted => f.write_str("no rung is left"),
            Self::Refused(refusal) => write!(f, "the next rung was refused: {refusal}"),
            Self::Stuck(operation) => write!(f, "the kernel does not come back: {operation}"),
        }
    }
}

/// The result of a quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Quarantine {
    /// The GPU is out of service.
    Done,
    /// The quarantine failed, wholly or in part.
    Failed(Trouble),
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("quarantined"),
            Self::Failed(trouble) => write!(f, "quarantine failed ({trouble})"),
        }
    }
}
