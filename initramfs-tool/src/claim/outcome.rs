//! What came of a GPU's claim.

use std::fmt;

use reseat_core::address::FunctionAddress;
use serde::{Deserialize, Serialize};

use super::operation::{Failure, FailureKind, Operation, PowerReading};

/// What came of a GPU's claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
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

/// A claim that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// The function that failed.
    pub function: FunctionAddress,
    /// The operation that failed.
    pub during: String,
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
}

impl fmt::Display for Rollback {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.during, self.failure)
    }
}
