//! Failures of operations.

use serde::{Deserialize, Serialize};

use crate::model::finding::Finding;

/// The failure of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What a decision can be made on.
    pub kind: FailureKind,
    /// What was found.
    pub finding: Finding,
}

/// The kinds of failure that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The function is no longer listed.
    Vanished,
    /// EBUSY: to `bind`, already bound (or a physical function with virtual ones).
    Busy,
    /// EAGAIN: the kernel has put it off.
    Again,
    /// The operation did not come back: the kernel holds whoever tries it.
    Blocked,
    /// The time for the claim was over.
    OutOfTime,
    /// Anything else.
    Other,
}

impl Failure {
    /// A failure of no particular kind.
    pub(crate) fn other(finding: Finding) -> Self {
        Self {
            kind: FailureKind::Other,
            finding,
        }
    }
}
