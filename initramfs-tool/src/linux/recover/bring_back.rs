//! Brings back functions that the kernel does not list: removed by hand, by hot-plug, or by a tool that was interrupted.

use reseat_core::address::FunctionAddress;

use super::ladder::Ladder;
use super::scan::{missing, release_drivers, slot_switched_off};
use super::worker::{SURVEY_LIMIT, no_answer, no_result};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::RecoverySubject;
use crate::recovery::{LadderStep, Task, TaskAnswer};

impl Ladder<'_> {
    /// Has the bus scanned if functions of the GPU are not listed, and surveys the machine again.
    ///
    /// # Errors
    /// The reasons for which the GPU is not to be recovered: its slot was switched off.
    pub(super) fn bring_back(&mut self) -> Result<(), Vec<Finding>> {
        // A scan that was killed may have left drivers off.
        release_drivers(self.root);
        let subject = self.surveyed.subject.clone();
        let before = missing(self.root, &subject);
        if before.is_empty() || subject.card_root.is_none() {
            return Ok(());
        }
        if let Some(slot) = slot_switched_off(self.root, &subject) {
            let off = Finding::refusal(id::SLOT_SWITCHED_OFF, Subject::gpu(subject.device));
            return Err(vec![off.with("slot", slot).remedy(id::SWITCH_SLOT_ON)]);
        }
        let mut findings = match self
            .workers
            .ask(&Task::Rescan(subject.clone()), LadderStep::Rescan.limit())
        {
            Ok(TaskAnswer::Operated(_, findings)) => findings,
            Ok(other) => no_result(subject.device, other),
            Err(error) => vec![no_answer(subject.device, &error)],
        };
        release_drivers(self.root);
        let task = Task::Survey(subject.device, subject.members.clone());
        if let Ok(TaskAnswer::Surveyed(surveyed)) = self.workers.ask(&task, SURVEY_LIMIT) {
            self.surveyed = *surveyed;
        }
        findings.insert(0, found(self.root, &subject, &before));
        self.report_findings(findings);
        Ok(())
    }
}

/// The finding about a scan for functions that were missing before it.
fn found(root: &Root, subject: &RecoverySubject, before: &[FunctionAddress]) -> Finding {
    let left = missing(root, subject);
    let (id, functions) = match left.is_empty() {
        true => (id::FOUND_BY_SCAN, before),
        false => (id::NOT_FOUND_BY_SCAN, left.as_slice()),
    };
    let functions: Vec<String> = functions.iter().map(ToString::to_string).collect();
    Finding::warning(id, Subject::gpu(subject.device)).with("functions", functions.join(", "))
}
