//! Why an operation failed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What a decision can be made on.
    pub kind: FailureKind,
    /// The file or attribute, and the cause, for people.
    pub message: String,
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

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Failure {
    /// A failure of no particular kind.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Other,
            message: message.into(),
        }
    }
}
