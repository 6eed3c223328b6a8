//! The position on a rung: its completed steps, and what it has removed.

use super::answer::{Failure, Observation, Trouble};
use super::end::Outcome;
use super::script::{PUT_BACK, step};
use super::wait::Wait;
use crate::decision::{Reach, Rung};
use crate::ladder::operation::Operation;
use crate::ladder::rung::Step;
use crate::witness::Proof;

#[derive(Clone, Copy, Debug)]
pub(super) struct Climb {
    pub(super) rung: Rung,
    /// The number of completed steps.
    pub(super) step: usize,
    /// The number of operations of an `Until` that succeeded.
    pub(super) turn: usize,
    /// The time limit of a step that is repeated.
    pub(super) wait: Option<Wait>,
    pub(super) reach: Reach,
    /// The proof of this rung's reset.
    pub(super) proof: Proof,
    /// True after the first verdict of "verified": the functions are verified again once they have settled.
    pub(super) settled: bool,
    removed: Removed,
    /// The outcome of a failed rung. Its steps are then those of [`PUT_BACK`].
    pub(super) failed: Option<Outcome>,
}

/// The part that a rung has removed and not yet put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removed {
    Nothing,
    Functions,
    /// The functions and the power.
    Power,
}

impl Climb {
    pub(super) const fn begin(rung: Rung) -> Self {
        Self {
            rung,
            step: 0,
            turn: 0,
            wait: None,
            reach: Reach::NotReset,
            proof: Proof::Unproven,
            settled: false,
            removed: Removed::Nothing,
            failed: None,
        }
    }

    /// Starts to put back what was removed, if anything. A link that never came up is checked once more, but not waited
    /// for again.
    pub(super) fn put_back(self, failed: Outcome) -> Option<Self> {
        let step = match self.removed {
            Removed::Nothing => return None,
            Removed::Power => 0,
            // The power is on.
            Removed::Functions => 1,
        };
        let no_link = Outcome::Failed {
            operation: Operation::ReadLink,
            trouble: Trouble::TimedOut,
        };
        Some(Self {
            step,
            turn: 0,
            wait: self.wait.filter(|_| failed == no_link),
            failed: Some(failed),
            ..self
        })
    }

    /// Records the possible effect of an operation.
    pub(super) fn note(&mut self, operation: Operation, observation: Observation) {
        let done = observation == Observation::Done;
        // Some functions may be gone even if the removal of another one failed.
        if operation == Operation::Detach {
            self.removed = Removed::Functions;
        }
        // If the link does not return, the kernel reports "not supported" after the reset.
        let in_place =
            operation == Operation::BusResetInPlace && observation == Observation::Failed(Failure::NotSupported);
        if done || in_place || Trouble::of(observation).may_have_acted() {
            if operation.resets() {
                self.reach = Reach::Reset;
            }
            if operation == Operation::PowerOff {
                self.removed = Removed::Power;
            }
        }
        if done {
            match operation {
                Operation::PowerOn => self.removed = Removed::Functions,
                Operation::Restore => self.removed = Removed::Nothing,
                _ => {}
            }
        }
    }

    /// Returns true if the rung may continue without this step. An operation that changes something and hangs may still
    /// act, so it never may.
    pub(super) fn may_go_on_without(self, operation: Operation, trouble: Trouble) -> bool {
        let stuck = trouble == Trouble::Blocked && !operation.only_looks();
        matches!(self.step(), Some(Step::Try(_))) && !stuck
    }

    pub(super) fn step(self) -> Option<Step> {
        match self.failed {
            None => step(self.rung, self.step),
            Some(_) => PUT_BACK.get(self.step).copied(),
        }
    }

    /// Advances after a completed operation.
    pub(super) fn next(self) -> Self {
        match self.step() {
            Some(Step::Until { .. }) => self.next_turn(),
            _ => self.next_step(),
        }
    }

    pub(super) const fn next_step(self) -> Self {
        Self {
            step: self.step.saturating_add(1),
            turn: 0,
            wait: None,
            ..self
        }
    }

    pub(super) const fn next_turn(self) -> Self {
        Self {
            turn: self.turn.saturating_add(1),
            ..self
        }
    }

    pub(super) const fn first_turn(self, wait: Wait) -> Self {
        Self {
            turn: 0,
            wait: Some(wait),
            ..self
        }
    }
}
