//! What came of a GPU's claim.

use std::fmt;

use reseat_core::address::FunctionAddress;
use serde::{Deserialize, Serialize};

use super::failure::{Failure, FailureKind};
use super::operation::Operation;
use super::power::PowerReading;

/// What came of a GPU's claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether anything was begun.
    pub begun: bool,
    /// The power state of each function, as far as it was read.
    pub power: Vec<FunctionPower>,
    /// Why the claim was taken back. Without it, every function was seen on vfio-pci, in D0 and pinned.
    pub rollback: Option<Rollback>,
}

/// A function's power state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionPower {
    /// Which function.
    pub address: FunctionAddress,
    /// What was read last.
    pub reading: PowerReading,
}

/// A claim that was taken back, or never begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// The function that failed, if it was one function.
    pub function: Option<FunctionAddress>,
    /// The operation that failed, if it was one.
    pub during: Option<String>,
    /// Why.
    pub failure: Failure,
    /// What could not be taken back, in words.
    pub leftovers: Vec<String>,
}

impl Rollback {
    /// Notes that `operation`, part of taking back, failed. A function that is gone took its changes with it.
    pub(super) fn leave(&mut self, operation: &Operation, failure: &Failure) {
        if failure.kind != FailureKind::Vanished {
            self.leftovers.push(format!("{operation}: {failure}"));
        }
    }

    /// Notes that `operation`, part of taking back, was not tried.
    pub(super) fn leave_untried(&mut self, operation: &Operation) {
        self.leftovers
            .push(format!("{operation}: not tried, the kernel holds the function"));
    }

    /// Notes that `operation` was begun and did not come back: it may have happened, or happen long after everybody has
    /// gone.
    pub(super) fn leave_pending(&mut self, operation: &Operation) {
        self.leftovers
            .push(format!("{operation}: not known whether it took effect, or still will"));
    }
}

impl fmt::Display for Rollback {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.during {
            Some(during) => write!(formatter, "{during}: {}", self.failure),
            None => self.failure.fmt(formatter),
        }
    }
}
