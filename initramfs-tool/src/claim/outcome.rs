//! What came of a GPU's claim.

use reseat_core::address::FunctionAddress;
use serde::{Deserialize, Serialize};

use super::failure::{Failure, FailureKind};
use super::operation::{Operation, form};
use super::power::PowerReading;
use crate::model::finding::{Finding, Subject, id};

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
    pub during: Option<Operation>,
    /// Why.
    pub failure: Failure,
    /// What could not be taken back.
    pub leftovers: Vec<Leftover>,
}

/// Something that a claim could not take back, or an isolation did not reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// The operation that would have done it, if it was one.
    #[serde(with = "form")]
    pub operation: Option<Operation>,
    /// What is left, or why.
    pub finding: Finding,
}

impl Rollback {
    /// Notes that `operation`, part of taking back, failed. A function that is gone took its changes with it.
    pub(super) fn leave(&mut self, operation: &Operation, failure: &Failure) {
        if failure.kind != FailureKind::Vanished {
            self.push(operation, failure.finding.clone());
        }
    }

    /// Notes that `operation`, part of taking back, was not tried.
    pub(super) fn leave_untried(&mut self, operation: &Operation) {
        self.push(
            operation,
            Finding::error(id::UNDO_NOT_TRIED, Subject::function(operation.function)),
        );
    }

    /// Notes that `operation` was begun and did not come back: it may have happened, or happen long after everybody has
    /// gone.
    pub(super) fn leave_pending(&mut self, operation: &Operation) {
        self.push(
            operation,
            Finding::error(id::OUTCOME_UNKNOWN, Subject::function(operation.function)),
        );
    }

    fn push(&mut self, operation: &Operation, finding: Finding) {
        let operation = Some(operation.clone());
        self.leftovers.push(Leftover { operation, finding });
    }
}
