//! What came of a rung, and of the whole.

use core::fmt;

use super::answer::Trouble;
use crate::decision::{Reach, Refusal, Rung};
use crate::health::{Aspect, Aspects, Verdict};
use crate::ladder::operation::Operation;
use crate::witness::Proof;

/// What came of a rung, for the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Record {
    /// Which.
    pub rung: Rung,
    /// What came of it.
    pub outcome: Outcome,
    /// The change that it makes to the standing of this rung in the function's class: of FLR and of the bus reset in place.
    #[cfg_attr(feature = "serde", serde(alias = "class"))]
    pub reset_class: ClassChange,
}

impl Record {
    pub(super) const fn new(rung: Rung, reach: Reach, outcome: Outcome) -> Self {
        let class = match (rung, reach) {
            // Of a reset that was not done, nothing is learned.
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

/// What came of a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// It went to its end, and this was the verdict.
    Judged(Verdict),
    /// The kernel's reset timed out.
    TimedOut,
    /// The functions are well, and a mark shows that the reset did nothing, or not everything.
    NotReset,
    /// The functions are well, and nothing proves the reset as far as it has to be proven.
    Unproven(Proof),
    /// It ended before.
    Failed {
        /// In this operation.
        operation: Operation,
        /// By this.
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

/// What an outcome says about a rung in a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ClassChange {
    /// Nothing.
    None,
    /// It is bad.
    Demote,
    /// It brought this one back.
    Confirm,
}

impl ClassChange {
    /// It is bad where the kernel says that the function did not come back from it, where the kernel itself does not come
    /// back from it, where it does nothing, and where the function is found absent or without working firmware. Of a
    /// reader that was denied or hangs, nothing is learned.
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

/// How a recovery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum End {
    /// The functions were verified after this rung, and its reset is proven.
    Recovered {
        /// The last one.
        by: Rung,
        /// How far it is proven.
        proof: Proof,
    },
    /// The functions were verified after this rung, and nothing proves that it reset them, and no other rung would be
    /// proven. Not recovered.
    Unproven {
        /// The last rung after which they were well.
        after: Rung,
    },
    /// Nothing was found wrong after this rung, but not everything could be compared, and no other
    /// rung would change that. Not recovered.
    Unverified {
        /// The last one.
        after: Rung,
        /// What could not be compared.
        missing: Aspects,
    },
    /// Nothing was done, or nothing more.
    Refused(Refusal),
    /// The GPU is out of service, or ought to be.
    OutOfService {
        /// Why.
        why: Reason,
        /// Whether it is.
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

/// Why a GPU goes out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reason {
    /// No rung is left.
    Exhausted,
    /// A reset has failed, and what comes next was refused.
    Refused(Refusal),
    /// The kernel does not come back from this.
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

/// Whether a quarantine was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Quarantine {
    /// It was.
    Done,
    /// It was not, or not wholly.
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
