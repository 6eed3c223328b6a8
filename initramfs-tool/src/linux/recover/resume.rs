//! The resumption of a recovery that was interrupted.

use reseat_core::recovery::{Observation, Operation};

use super::ladder::Ladder;
use super::run;
use super::run::RecoverError;
use super::worker::{SURVEY_LIMIT, no_answer, no_result};
use crate::linux::claim::flr_kept_out;
use crate::linux::state::recovery_files;
use crate::model::finding::{Finding, id};
use crate::recovery::{Task, TaskAnswer};

impl Ladder<'_> {
    /// Restores what a reading through VFIO has left behind whose worker was killed.
    pub(super) fn settle(&mut self) {
        let device = self.surveyed.subject.device;
        let task = Task::Settle(self.surveyed.subject.clone());
        let failed = |ladder: &Self| vec![Finding::error(id::NOT_RESTORED, ladder.subject())];
        let findings = match self.workers.ask(&task, SURVEY_LIMIT) {
            Ok(TaskAnswer::Operated(_, findings)) => findings,
            Ok(other) => failed(self).into_iter().chain(no_result(device, other)).collect(),
            Err(error) => vec![no_answer(device, &error)],
        };
        self.report_findings(findings);
    }

    /// Restores what the interrupted recovery has taken away, as far as it comes back: the functions, for the ladder to begin
    /// again with them. What fails here fails again on a rung, and counts there.
    ///
    /// Returns true if every function has the driver again that it is to have.
    pub(super) fn restore(&mut self, powered_off: bool) -> bool {
        let mut is_put_back = false;
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
                return false;
            }
            is_put_back = operation == Operation::HandBack && observation == Observation::Done;
        }
        // What the first survey did not find may have come back.
        let task = Task::Survey(self.surveyed.subject.device, self.surveyed.subject.members.clone());
        if let Ok(TaskAnswer::Surveyed(surveyed)) = self.workers.ask(&task, SURVEY_LIMIT) {
            self.surveyed.surroundings = surveyed.surroundings;
            self.surveyed.bystanders = surveyed.bystanders;
            self.surveyed.findings = surveyed.findings;
        }
        is_put_back
    }

    /// Puts back what the recovery has taken away, since a signal asks it to end.
    pub(super) fn stop(&mut self) -> RecoverError {
        let device = self.surveyed.subject.device;
        let is_put_back = match recovery_files::journal(self.root, device) {
            Ok(None) => true,
            Ok(Some(journal)) => {
                self.restore(journal.powered_off) && recovery_files::remove_journal(self.root, device).is_ok()
            }
            Err(_) => false,
        };
        self.report_findings(flr_kept_out::keep(self.root, device));
        self.report_findings(vec![run::stopped(device, is_put_back)]);
        RecoverError::Stopped { device, is_put_back }
    }
}
