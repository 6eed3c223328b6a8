//! The survey before the rule runs: the port's link first, then the functions.

use core::time::Duration;

use super::answer::Observation;
use super::end::Reason;
use super::machine::Recovery;
use super::state::{Place, State};
use super::wait::Wait;
use crate::decision::Answer;
use crate::ladder::operation::Operation;
use crate::presence::{PortLink, Readiness};

impl Recovery {
    pub(super) fn surveyed(
        &mut self,
        now: Duration,
        mut wait: Wait,
        operation: Operation,
        observation: Observation,
    ) -> State {
        if observation == Observation::Blocked {
            // Another process's reset may be in progress: it ends, or the kernel hangs.
            return match wait.poll(now, None::<()>) {
                Err(nb::Error::WouldBlock) => State::again(wait),
                Ok(()) | Err(nb::Error::Other(_)) => State::Due(Place::Quarantine(Reason::Stuck(operation))),
            };
        }
        match operation {
            Operation::ReadLink => {
                if self.note_link(observation) {
                    let operation = Operation::LookAtFunctions;
                    return State::Due(Place::Survey { wait, operation });
                }
                self.facts.surroundings.answer = Answer::Unknown;
            }
            _ => self.note_functions(observation),
        }
        // The function may be returning from a reset by another process. After one of ours it has already had its time.
        if self.facts.surroundings.answer == Answer::NotReady
            && self.tried.attempts().is_empty()
            && wait.poll(now, None::<()>) == Err(nb::Error::WouldBlock)
        {
            return State::again(wait);
        }
        self.ask_rule(now)
    }

    /// Records the port's link state, and returns true if the functions below may be touched.
    pub(super) fn note_link(&mut self, observation: Observation) -> bool {
        self.facts.surroundings.link = match observation {
            Observation::Link(link) => link,
            // After any other answer, the link is unknown.
            _ => PortLink::Unreadable,
        };
        self.facts.surroundings.link.admit().is_ok()
    }

    /// Records the answer of the functions.
    pub(super) fn note_functions(&mut self, observation: Observation) {
        self.facts.surroundings.answer = match observation {
            Observation::Functions(readiness) => {
                match readiness {
                    Readiness::LinkInactive => self.facts.surroundings.link = PortLink::Inactive,
                    Readiness::LinkUnknown => self.facts.surroundings.link = PortLink::Unreadable,
                    _ => {}
                }
                readiness.into()
            }
            Observation::Vanished => Answer::Absent,
            _ => Answer::Unknown,
        };
    }
}
