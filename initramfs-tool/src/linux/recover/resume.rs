//! Going on with a recovery that was broken off.

use reseat_core::recovery::{Observation, Operation};

use super::ladder::Ladder;
use super::run::LOOK_LIMIT;
use crate::recovery::{Answer, Event, Task};

impl Ladder<'_> {
    /// Puts back what a look through VFIO has left behind whose worker was killed.
    pub(super) fn settle(&mut self) {
        let task = Task::Settle(self.surveyed.subject.clone());
        let words = match self.workers.ask(&task, LOOK_LIMIT) {
            Ok(Answer::Operated(_, words)) => words,
            Ok(other) => vec![format!("not put back: {other:?}")],
            Err(error) => vec![error.to_string()],
        };
        if !words.is_empty() {
            self.tell(&Event::Found { words });
        }
    }

    /// Puts back what the recovery that was broken off has taken away, as far as it comes back: the functions, for the
    /// ladder to begin anew with them. What fails here fails again on a rung, and counts there.
    pub(super) fn put_back(&mut self, powered_off: bool) {
        let power = powered_off.then_some(Operation::PowerOn);
        let rest = [
            Operation::ReadLink,
            Operation::Rescan,
            Operation::Restore,
            Operation::HandBack,
        ];
        for operation in power.into_iter().chain(rest) {
            let deadline = self.begin.elapsed().saturating_add(operation.limit());
            let observation = self.operate(None, operation, deadline);
            let below_reach = matches!(observation, Observation::Link(link) if link.admit().is_err());
            if below_reach || observation == Observation::Blocked {
                return;
            }
        }
        // What the first look saw may have come back.
        let task = Task::Survey(self.surveyed.subject.device, self.surveyed.subject.members.clone());
        if let Ok(Answer::Surveyed(surveyed)) = self.workers.ask(&task, LOOK_LIMIT) {
            self.surveyed.surroundings = surveyed.surroundings;
            self.surveyed.bystanders = surveyed.bystanders;
            self.surveyed.words = surveyed.words;
        }
    }
}
