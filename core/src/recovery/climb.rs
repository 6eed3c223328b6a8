//! Execution of a rung: step by step, to the verdict or to the failed step.

use core::time::Duration;

use super::answer::{Failure, Marked, Observation, Trouble};
use super::end::{End, Outcome, Reason, Record};
use super::machine::Recovery;
use super::position::Climb;
use super::state::{AfterRecord, Pause, Place, State};
use super::wait::Wait;
use crate::decision::{Answer, Attempt, Exclusivity, Reach, Rung, SlotPower, Use};
use crate::health::Verdict;
use crate::ladder::operation::Operation;
use crate::ladder::rung::{Limit, Step};
use crate::ladder::timing::{
    BUSY_LIMIT, RRS_LIMIT, SLOT_POWER_OFF_TIME, TIME_AFTER_LINK_ACTIVE, TIME_WITHOUT_LINK_REPORT, after,
};
use crate::presence::PortLink;
use crate::witness::Proof;

impl Recovery {
    /// Starts a step.
    pub(super) fn enter(&mut self, now: Duration, mut climb: Climb) -> State {
        let pause = |time: Duration| State::Pausing {
            until: after(now, time),
            pause: Pause::GoOn(climb),
        };
        match climb.step() {
            Some(Step::Pause(time)) => pause(time),
            Some(Step::StayOff) => pause(self.waits.power_off.max(SLOT_POWER_OFF_TIME)),
            Some(Step::Settle) => pause(match self.facts.surroundings.link {
                PortLink::NotReported => TIME_WITHOUT_LINK_REPORT,
                PortLink::Active | PortLink::Inactive | PortLink::Unreadable => TIME_AFTER_LINK_ACTIVE,
            }),
            Some(Step::Do(operation) | Step::Try(operation)) => State::Due(Place::Climb { climb, operation }),
            Some(Step::Until { ask, limit }) => match ask.get(climb.turn) {
                Some(&operation) => {
                    let limit = match limit {
                        Limit::Link => self.waits.link,
                        Limit::Ready => self.waits.ready,
                    };
                    climb.wait = climb.wait.or(Some(Wait::new(now, limit)));
                    State::Due(Place::Climb { climb, operation })
                }
                None => self.enter(now, climb.next_step()),
            },
            None => match climb.failed {
                Some(outcome) => self.conclude(climb, outcome),
                // The last step is the verdict, which ends the rung.
                None => self.fail(now, climb, Operation::Verify, Trouble::WrongAnswer),
            },
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
        climb.note(operation, observation);
        self.note_release(operation, observation);
        match (operation, observation) {
            (Operation::CheckUse, _) => self.use_checked(now, climb, observation),
            (Operation::CheckDomain, _) => self.domain_checked(now, climb, observation),
            (Operation::ReadLink, _) if self.note_link(observation) => self.enter(now, climb.next_turn()),
            (Operation::ReadLink, _) => self.again(now, climb, operation, trouble),
            (Operation::LookAtFunctions, _) => self.functions_read(now, climb, observation),
            (Operation::Mark, Observation::Marked(marked)) => self.marked(now, climb, marked),
            (Operation::ReadMarks, Observation::Witnessed(proof)) => {
                climb.proof = proof;
                self.enter(now, climb.next_step())
            }
            (Operation::Verify, Observation::Health(verdict)) => self.verified(now, climb, verdict),
            (_, Observation::Failed(failure)) if operation.resets_in_place() && reset_timed_out(failure, took) => {
                climb.reach = Reach::Reset;
                self.conclude(climb, Outcome::TimedOut)
            }
            (_, Observation::Failed(Failure::Busy)) => self.again(now, climb, operation, trouble),
            (Operation::Verify, _) => self.fail(now, climb, operation, trouble),
            (_, Observation::Done) => self.enter(now, climb.next()),
            _ => self.fail(now, climb, operation, trouble),
        }
    }

    fn note_release(&mut self, operation: Operation, observation: Observation) {
        match operation {
            Operation::Release | Operation::Detach => self.released = true,
            Operation::HandBack if observation == Observation::Done => self.released = false,
            _ => {}
        }
    }

    fn use_checked(&mut self, now: Duration, climb: Climb, observation: Observation) -> State {
        self.facts.known.usage = match observation {
            Observation::Use(usage) => usage,
            // After any other answer, the use is unknown.
            _ => Use::Unknown,
        };
        match self.facts.known.usage {
            Use::Free => self.enter(now, climb.next_step()),
            Use::Used | Use::Unknown => self.ask_rule(now),
        }
    }

    /// Stops if another function joined the domain since the rule ran.
    fn domain_checked(&mut self, now: Duration, climb: Climb, observation: Observation) -> State {
        let domain = match observation {
            Observation::Domain(domain) => domain,
            // After any other answer, the domain is unknown.
            _ => Exclusivity::Unknown,
        };
        match domain {
            Exclusivity::Exclusive => self.enter(now, climb.next_step()),
            Exclusivity::Shared | Exclusivity::Unknown => {
                self.facts.surroundings.exclusivity = domain;
                // The slot powers at least everything below the card root.
                if let SlotPower::Controller { domain: powered } = &mut self.facts.surroundings.slot_power {
                    *powered = domain;
                }
                self.ask_rule(now)
            }
        }
    }

    fn functions_read(&mut self, now: Duration, mut climb: Climb, observation: Observation) -> State {
        self.note_functions(observation);
        match (self.facts.surroundings.answer, &mut climb.wait) {
            (Answer::Ready, _) => return self.enter(now, climb.next_step()),
            // Before the reset, a partial answer is good enough: it may be the reason for the reset.
            (Answer::Half, _) if climb.reach == Reach::NotReset => return self.enter(now, climb.next_step()),
            // The function is present and requests time: that wait is longer than the one for an absent function.
            (Answer::NotReady, Some(wait)) => wait.last(RRS_LIMIT),
            _ => {}
        }
        self.again(now, climb, Operation::LookAtFunctions, Trouble::of(observation))
    }

    /// Repeats a step from its first operation on, while there is time.
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
                    // The answers were valid, but never the expected one.
                    Trouble::WrongAnswer => Trouble::TimedOut,
                    other => other,
                };
                self.fail(now, climb, operation, trouble)
            }
        }
    }

    /// Handles the marks. A bus reset in place that could not be proven yields to a reset that can.
    fn marked(&mut self, now: Duration, climb: Climb, marked: Marked) -> State {
        if climb.rung == Rung::BusResetInPlace && marked == Marked::NotAll && self.facts.known.in_place_shows {
            self.facts.known.in_place_shows = false;
            return self.ask_rule(now);
        }
        self.enter(now, climb.next_step())
    }

    fn verified(&mut self, now: Duration, mut climb: Climb, verdict: Verdict) -> State {
        if climb.proof == Proof::NotReset {
            climb.reach = Reach::Ignored;
        }
        let Climb { rung, reach, .. } = climb;
        match verdict {
            Verdict::Verified | Verdict::Unverified { .. } if reach == Reach::Ignored => {
                self.conclude(climb, Outcome::NotReset)
            }
            Verdict::Verified if !climb.settled => {
                climb.settled = true;
                self.settle(now, climb)
            }
            Verdict::Verified if climb.proof < Proof::Configuration => {
                self.unproven = Some(rung);
                self.conclude(climb, Outcome::Unproven(climb.proof))
            }
            Verdict::Verified => {
                let proof = climb.proof;
                let record = Record::new(rung, reach, Outcome::Judged(verdict));
                self.record(record, AfterRecord::End(End::Recovered { by: rung, proof }))
            }
            // Another reset would leave the same parts unread, and nothing is wrong.
            Verdict::Unverified { missing, lasting } if missing == lasting => {
                let end = End::Unverified { after: rung, missing };
                let record = Record::new(rung, reach, Outcome::Judged(verdict));
                self.record(record, AfterRecord::End(end))
            }
            Verdict::Unverified { .. } | Verdict::Sick(_) => {
                self.facts.known.sickness = verdict.sickness();
                self.conclude(climb, Outcome::Judged(verdict))
            }
        }
    }

    /// Verifies again after the functions have settled: a function may die a moment after its reset.
    fn settle(&self, now: Duration, climb: Climb) -> State {
        let wait = Wait::new(now, self.waits.settle);
        State::Pausing {
            until: wait.until(),
            pause: Pause::Again { climb, wait },
        }
    }

    /// Continues after a failed optional step, or ends the rung. The result of putting functions back does not change
    /// the reason for the failure, unless the kernel hangs.
    fn fail(&mut self, now: Duration, climb: Climb, operation: Operation, trouble: Trouble) -> State {
        if climb.may_go_on_without(operation, trouble) {
            return self.enter(now, climb.next_step());
        }
        let outcome = Outcome::Failed { operation, trouble };
        match climb.failed {
            _ if is_stuck(outcome).is_some() => self.conclude(climb, outcome),
            Some(first) => self.conclude(climb, first),
            None => match climb.put_back(outcome) {
                Some(back) => self.enter(now, back),
                None => self.conclude(climb, outcome),
            },
        }
    }

    /// Ends a rung that did not recover the function.
    fn conclude(&mut self, climb: Climb, outcome: Outcome) -> State {
        let Climb { rung, reach, .. } = climb;
        self.tried.note(Attempt { rung, reach });
        if reach != Reach::NotReset && !matches!(outcome, Outcome::Unproven(_)) {
            self.facts.known.sickness.set_last_reset_failed(true);
            if outcome != Outcome::NotReset {
                self.unproven = None;
            }
        }
        let then = match is_stuck(outcome) {
            Some(operation) => AfterRecord::Quarantine(Reason::Stuck(operation)),
            None => AfterRecord::Survey,
        };
        self.record(Record::new(rung, reach, outcome), then)
    }
}

/// Returns the operation in which the kernel hangs, if the rung ended so. The operation may still act when the kernel
/// resumes, in the middle of the next rung.
fn is_stuck(outcome: Outcome) -> Option<Operation> {
    match outcome {
        Outcome::Failed {
            operation,
            trouble: Trouble::Blocked,
        } if !operation.only_looks() => Some(operation),
        Outcome::Failed { .. } | Outcome::TimedOut | Outcome::Judged(_) | Outcome::NotReset | Outcome::Unproven(_) => {
            None
        }
    }
}

/// ENOTTY means "not supported". It also means "never ready again", after the minute that the kernel waits for a
/// function.
fn reset_timed_out(failure: Failure, took: Duration) -> bool {
    match failure {
        Failure::TimedOut => true,
        Failure::NotSupported => took >= RRS_LIMIT,
        Failure::Busy | Failure::Denied | Failure::Invalid | Failure::Io | Failure::NotEmpty | Failure::Other(_) => {
            false
        }
    }
}
