//! On a rung: step by step, to the verdict or to the step that failed.

use core::time::Duration;

use super::action::{Failure, Observation, Operation, Trouble};
use super::end::{End, Outcome, Reason, Record};
use super::machine::{AfterRecord, Pause, Place, Recovery, State};
use super::script::{Step, steps};
use super::timing::{BUSY_LIMIT, RRS_LIMIT, TIME_AFTER_LINK_ACTIVE, TIME_WITHOUT_LINK_REPORT, after};
use super::wait::Wait;
use crate::decision::{Answer, Attempt, Reach, Rung, Use};
use crate::health::Verdict;
use crate::presence::PortLink;

#[derive(Clone, Copy, Debug)]
pub(super) struct Climb {
    pub(super) rung: Rung,
    /// How many steps are done.
    step: usize,
    /// How many operations of an `Until` are answered well.
    turn: usize,
    /// How long the step is waited for, if it is one that is done again.
    wait: Option<Wait>,
    reach: Reach,
}

impl Climb {
    pub(super) const fn begin(rung: Rung) -> Self {
        Self {
            rung,
            step: 0,
            turn: 0,
            wait: None,
            reach: Reach::NotReset,
        }
    }

    fn step(self) -> Option<Step> {
        steps(self.rung).get(self.step).copied()
    }

    pub(super) const fn next_step(self) -> Self {
        Self {
            step: self.step.saturating_add(1),
            turn: 0,
            wait: None,
            ..self
        }
    }

    const fn next_turn(self) -> Self {
        Self {
            turn: self.turn.saturating_add(1),
            ..self
        }
    }

    const fn first_turn(self, wait: Wait) -> Self {
        Self {
            turn: 0,
            wait: Some(wait),
            ..self
        }
    }
}

impl Recovery {
    /// Begins a step.
    pub(super) fn enter(&mut self, now: Duration, mut climb: Climb) -> State {
        let pause = |time: Duration| State::Pausing {
            until: after(now, time),
            pause: Pause::GoOn(climb),
        };
        match climb.step() {
            Some(Step::Pause(time)) => pause(time),
            Some(Step::Settle) => pause(match self.facts.link {
                PortLink::NotReported => TIME_WITHOUT_LINK_REPORT,
                PortLink::Active | PortLink::Inactive | PortLink::Unreadable => TIME_AFTER_LINK_ACTIVE,
            }),
            Some(Step::Do(operation)) => State::Due(Place::Climb { climb, operation }),
            Some(Step::Until { ask, limit }) => match ask.get(climb.turn) {
                Some(&operation) => {
                    climb.wait = climb.wait.or(Some(Wait::new(now, limit)));
                    State::Due(Place::Climb { climb, operation })
                }
                None => self.enter(now, climb.next_step()),
            },
            // The last step is the verdict, which ends the rung.
            None => self.fail(climb, Operation::Verify, Trouble::WrongAnswer),
        }
    }

    pub(super) fn climbed(
        &mut self,
        now: Duration,
        mut climb: Climb,
        operation: Operation,
        took: Duration,
        observation: Observation,
    ) -> State {
        let trouble = Trouble::of(observation);
        if operation.resets() && (observation == Observation::Done || trouble.may_have_acted()) {
            climb.reach = Reach::Reset;
        }
        match (operation, observation) {
            (Operation::CheckUse, _) => self.use_checked(now, climb, observation),
            (Operation::ReadLink, _) if self.note_link(observation) => self.enter(now, climb.next_turn()),
            (Operation::ReadLink, _) => self.again(now, climb, operation, trouble),
            (Operation::LookAtFunction, _) => self.looked(now, climb, observation),
            (Operation::Verify, Observation::Health(verdict)) => self.verified(climb, verdict),
            (Operation::KernelFlr | Operation::KernelPm, Observation::Failed(failure))
                if reset_timed_out(failure, took) =>
            {
                climb.reach = Reach::Reset;
                self.conclude(climb, Outcome::TimedOut)
            }
            (_, Observation::Failed(Failure::Busy)) => self.again(now, climb, operation, trouble),
            (Operation::Verify, _) => self.fail(climb, operation, trouble),
            (Operation::Rescan, Observation::Done) => self.enter(now, climb.next_turn()),
            (_, Observation::Done) => self.enter(now, climb.next_step()),
            _ => self.fail(climb, operation, trouble),
        }
    }

    fn use_checked(&mut self, now: Duration, climb: Climb, observation: Observation) -> State {
        self.facts.usage = match observation {
            Observation::Use(usage) => usage,
            // Whatever else came, nobody knows who uses it.
            _ => Use::Unknown,
        };
        match self.facts.usage {
            Use::Free => self.enter(now, climb.next_step()),
            Use::Used | Use::Unknown => self.ask_rule(now),
        }
    }

    fn looked(&mut self, now: Duration, mut climb: Climb, observation: Observation) -> State {
        self.note_function(observation);
        match (self.facts.answer, &mut climb.wait) {
            (Answer::Ready, _) => return self.enter(now, climb.next_step()),
            // It is there and asks for time: that is another wait than for one that is not there.
            (Answer::NotReady, Some(wait)) => wait.last(RRS_LIMIT),
            _ => {}
        }
        self.again(now, climb, Operation::LookAtFunction, Trouble::of(observation))
    }

    /// Tries a step once more, from its first operation on, while there is time.
    fn again(&mut self, now: Duration, climb: Climb, operation: Operation, trouble: Trouble) -> State {
        let mut wait = climb.wait.unwrap_or(Wait::new(now, BUSY_LIMIT));
        match wait.poll(now, None::<()>) {
            Err(nb::Error::WouldBlock) => State::Pausing {
                until: wait.look_again(),
                pause: Pause::Again {
                    climb: climb.first_turn(wait),
                    wait,
                },
            },
            Ok(()) | Err(nb::Error::Other(_)) => {
                let trouble = match trouble {
                    // Good answers, but never the one that was waited for.
                    Trouble::WrongAnswer => Trouble::TimedOut,
                    other => other,
                };
                self.fail(climb, operation, trouble)
            }
        }
    }

    fn verified(&mut self, climb: Climb, verdict: Verdict) -> State {
        let after = climb.rung;
        match verdict {
            Verdict::Verified => {
                let end = End::Recovered { by: after };
                self.record(Record::new(after, Outcome::Judged(verdict)), AfterRecord::End(end))
            }
            // Another reset would leave the same things unread, and nothing was found wrong.
            Verdict::Unverified { missing, lasting } if missing == lasting => {
                let end = End::Unverified { after, missing };
                self.record(Record::new(after, Outcome::Judged(verdict)), AfterRecord::End(end))
            }
            Verdict::Unverified { .. } | Verdict::Sick(_) => {
                self.facts.sickness = verdict.sickness();
                self.conclude(climb, Outcome::Judged(verdict))
            }
        }
    }

    fn fail(&mut self, climb: Climb, operation: Operation, trouble: Trouble) -> State {
        self.conclude(climb, Outcome::Failed { operation, trouble })
    }

    /// Ends a rung that has not brought the function back.
    fn conclude(&mut self, climb: Climb, outcome: Outcome) -> State {
        let Climb { rung, reach, .. } = climb;
        self.tried.note(Attempt { rung, reach });
        if reach == Reach::Reset {
            self.facts.sickness.set_last_reset_failed(true);
        }
        let then = match outcome {
            // It may still act when the kernel lets go: into the middle of the next rung.
            Outcome::Failed {
                operation,
                trouble: Trouble::Blocked,
            } if !operation.only_looks() => AfterRecord::Quarantine(Reason::Stuck(operation)),
            Outcome::Failed { .. } | Outcome::TimedOut | Outcome::Judged(_) => AfterRecord::Survey,
        };
        self.record(Record::new(rung, outcome), then)
    }
}

/// ENOTTY means "not supported", and also "never ready again" after the minute that the kernel
/// waits for a function.
fn reset_timed_out(failure: Failure, took: Duration) -> bool {
    match failure {
        Failure::TimedOut => true,
        Failure::NotSupported => took >= RRS_LIMIT,
        Failure::Busy | Failure::Denied | Failure::Invalid | Failure::Io | Failure::NotEmpty | Failure::Other(_) => {
            false
        }
    }
}
