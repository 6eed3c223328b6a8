//! The records that outlive a recovery: the history, what it says of the reset class, and the quarantine.

use std::time::Duration;

use jiff::Timestamp;
use reseat_core::decision::{ClassHistory, Rung};
use reseat_core::health::Verdict;
use reseat_core::recovery::{Outcome, Reason, Record};

use crate::linux::state;
use crate::linux::state::durable::DurableError;
use crate::linux::state::history;
use crate::linux::state::quarantine::QuarantineFileError;
use crate::linux::state::recovery_files;
use crate::linux::survey::{identity, reset_class};
use crate::linux::sysfs::functions;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::identification::{Identification, Likeness};
use crate::model::subject::RecoverySubject;
use crate::records::history::{HistoryEntry, ResetClass, damaged_line, reset_class_history};
use crate::records::quarantine::{Attempt, DriverBefore, QuarantineEntry};
use crate::recovery::Baseline;

/// The records of one GPU.
pub(super) struct Bookkeeping<'a> {
    root: &'a Root,
    gpu: Identification,
    /// None where it cannot be told: nothing is learnt then.
    reset_class: Option<ResetClass>,
    entries: Vec<HistoryEntry>,
    /// What of the history could not be read.
    problems: Vec<Finding>,
    /// The rungs of this recovery.
    attempts: Vec<Attempt>,
    /// When the rung that is under way was begun.
    since: Duration,
    forced: bool,
    /// The operator's statement about the GPU's fabric.
    fabric: Option<String>,
}

impl<'a> Bookkeeping<'a> {
    pub(super) fn open(root: &'a Root, subject: &RecoverySubject, baseline: Option<&Baseline>) -> Self {
        let mut problems = Vec::new();
        let content = history::read(root).map(|content| {
            problems.extend(content.damaged.iter().map(damaged_line));
            content.records
        });
        let entries = content.unwrap_or_else(|error| {
            problems.push(Finding::error(id::HISTORY_UNREADABLE, Subject::machine()).with("cause", error));
            Vec::new()
        });
        let gpu = subject.gpu();
        let identification = identity::of(root, &gpu);
        let reset_class = reset_class::of_gpu(root, &gpu, subject.function, &identification, baseline);
        let reset_class = reset_class.unwrap_or_else(|error| {
            problems.push(Finding::error(id::RESET_CLASS_UNKNOWN, Subject::gpu(gpu.device)).with("cause", error));
            None
        });
        Self {
            root,
            gpu: identification,
            reset_class,
            entries,
            problems,
            attempts: Vec::new(),
            since: Duration::ZERO,
            forced: false,
            fabric: None,
        }
    }

    /// The parts of the history that could not be read.
    pub(super) fn problems(&self) -> Vec<Finding> {
        self.problems.clone()
    }

    /// The standing of a rung in the GPU's reset class, and as a finding.
    pub(super) fn class_history(&self, rung: Rung) -> (ClassHistory, Option<Finding>) {
        let reset_class = self.reset_class.as_ref();
        match reset_class.and_then(|reset_class| reset_class_history(&self.entries, reset_class, rung)) {
            Some(standing) => (standing.history, standing.finding()),
            None => (ClassHistory::Unknown, None),
        }
    }

    /// True if the last reset of this GPU was not verified.
    pub(super) fn last_reset_failed(&self) -> bool {
        let mut of_gpu = self.entries.iter().rev();
        let last = of_gpu.find(|entry| self.gpu.likeness(&entry.gpu) == Likeness::Same);
        last.is_some_and(|entry| !is_good(&entry.record))
    }

    /// True if this recovery has begun the rung.
    pub(super) fn has_tried(&self, rung: Rung) -> bool {
        let mut attempts = self.attempts.iter();
        attempts.any(|attempt| matches!(attempt, Attempt::Rung { record, .. } if record.rung == rung))
    }

    /// The reason for which the GPU is out of service, and the way back; nothing if it is in service.
    pub(super) fn out_of_service(&self) -> Option<Finding> {
        state::quarantine::read(self.root)
            .standing(&self.gpu)
            .refusal(&self.gpu)
    }

    /// Notes that the GPU is reset although it is in use.
    pub(super) fn forced(&mut self) {
        self.forced = true;
    }

    /// Notes the operator's statement about the GPU's fabric.
    pub(super) fn fabric_is(&mut self, statement: Option<String>) {
        self.fabric = statement;
    }

    /// Writes down what came of a rung that has ended at `now`.
    pub(super) fn record(&mut self, record: Record, now: Duration) -> Result<(), DurableError> {
        self.attempts.push(Attempt::Rung {
            record,
            forced: self.forced,
        });
        let took = now.saturating_sub(self.since);
        self.since = now;
        let Some(reset_class) = self.reset_class.clone() else {
            return Ok(());
        };
        let mut entry = HistoryEntry::new(Timestamp::now(), self.gpu.clone(), reset_class, record, took);
        entry.forced = self.forced;
        entry.fabric.clone_from(&self.fabric);
        history::append(self.root, &entry)
    }

    /// Takes the GPU out of service, on the disk.
    pub(super) fn quarantine(&self, reason: Reason) -> Result<(), QuarantineFileError> {
        let now = Timestamp::now();
        let entry = QuarantineEntry {
            gpu: self.gpu.clone(),
            reason: reason.to_string(),
            cause: Some(reason),
            since: now,
            attempts: self.attempts.clone(),
            drivers: self.drivers(),
        };
        state::quarantine::add(self.root, now, entry)
    }
}

impl Bookkeeping<'_> {
    /// The drivers that the GPU had before the recovery, by its journal; those that it has if there is none.
    fn drivers(&self) -> Vec<DriverBefore> {
        let journal = recovery_files::journal(self.root, self.gpu.device).ok().flatten();
        let functions = self.gpu.functions.iter().map(|function| function.address);
        let drivers = functions.filter_map(|function| {
            let before = journal.as_ref().and_then(|journal| journal.of(function));
            let driver = match before {
                Some(before) => before.driver.clone(),
                None => functions::driver_of(self.root, function).ok().flatten(),
            };
            Some(DriverBefore {
                function,
                driver: driver?,
            })
        });
        drivers.collect()
    }
}

/// What could not be compared was not found wrong: that is no reset that failed.
fn is_good(record: &Record) -> bool {
    matches!(
        record.outcome,
        Outcome::Judged(Verdict::Verified | Verdict::Unverified { .. }) | Outcome::Unproven(_)
    )
}
