//! The position on a rung: what of it is done, and what it has taken away.

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
    /// How many steps are done.
    pub(super) step: usize,
    /// How many operations of an `Until` are answered well.
    pub(super) turn: usize,
    /// How long the step is waited for, if it is one that is done again.
    pub(super) wait: Option<Wait>,
    pub(super) reach: Reach,
    /// The proof that its reset took place.
    pub(super) proof: Proof,
    /// True once the functions were verified after the reset: they are verified again when they have settled.
    pub(super) settled: bool,
    removed: Removed,
    /// Of a rung that has failed: how. The steps are those of [`PUT_BACK`] then.
    pub(super) failed: Option<Outcome>,
}

/// What a rung has taken away and not put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removed {
    Nothing,
    Functions,
    /// And the power.
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

    /// Goes on to put back what was taken away, if anything was. A link that was waited for in vain
    /// is looked at once more, and not waited for again.
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

    /// Notes what an operation has done, or may have done.
    pub(super) fn note(&mut self, operation: Operation, observation: Observation) {
        let done = observation == Observation::Done;
        // Of several functions some may be gone, whatever is said of the one that was not removed.
        if operation == Operation::Detach {
            self.removed = Removed::Functions;
        }
        // Of a link that does not come back, the kernel says after the reset that it is not supported.
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

    /// Whether the step is one to be tried only. An operation that changes something and does not
    /// come back may yet act, whatever it is.
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

    /// After an operation that was done.
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
