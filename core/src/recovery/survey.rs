//! The look at the functions before the rule is asked: the port's link first, then they.

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
            // Somebody else's reset may be in progress: it ends, or the kernel is stuck.
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
        // A function may be on its way back from a reset of somebody else's; from one of ours it
        // has had its time.
        if self.facts.surroundings.answer == Answer::NotReady
            && self.tried.attempts().is_empty()
            && wait.poll(now, None::<()>) == Err(nb::Error::WouldBlock)
        {
            return State::again(wait);
        }
        self.ask_rule(now)
    }

    /// Takes what the port says, and whether what is below may be touched.
    pub(super) fn note_link(&mut self, observation: Observation) -> bool {
        self.facts.surroundings.link = match observation {
            Observation::Link(link) => link,
            // Whatever else came, the link was not read.
            _ => PortLink::Unreadable,
        };
        self.facts.surroundings.link.admit().is_ok()
    }

    /// Takes what the functions answer.
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
