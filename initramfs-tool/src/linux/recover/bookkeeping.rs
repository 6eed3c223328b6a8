//! What outlives a recovery: its history, what that says of the class, and the quarantine.

use std::time::Duration;

use jiff::Timestamp;
use reseat_core::decision::ClassHistory;
use reseat_core::health::Verdict;
use reseat_core::recovery::{Outcome, Record};

use crate::linux::state;
use crate::linux::state::durable::DurableError;
use crate::linux::state::history;
use crate::linux::state::quarantine::QuarantineFileError;
use crate::linux::survey::identity;
use crate::linux::survey::reset_class::class_of;
use crate::linux::sysfs::root::Root;
use crate::model::identification::{Identification, Likeness};
use crate::records::history::{ClassKey, Entry, class_history};
use crate::records::quarantine;
use crate::recovery::{Baseline, Subject};

/// The books, open at one GPU.
pub(super) struct Chronicle<'a> {
    root: &'a Root,
    gpu: Identification,
    /// None where it cannot be told: nothing is learnt then.
    class: Option<ClassKey>,
    entries: Vec<Entry>,
    /// What of the history could not be read, in words.
    problems: Vec<String>,
    /// What came of the rungs of this recovery.
    attempts: Vec<String>,
    /// When the rung that is under way was begun.
    since: Duration,
    forced: bool,
}

impl<'a> Chronicle<'a> {
    pub(super) fn open(root: &'a Root, subject: &Subject, baseline: Option<&Baseline>) -> Self {
        let mut problems = Vec::new();
        let content = history::read(root).map(|content| {
            let damaged = content.damaged.iter();
            problems.extend(damaged.map(|line| format!("history, line {}: {}", line.line, line.cause)));
            content.records
        });
        let entries = content.unwrap_or_else(|error| {
            problems.push(error.to_string());
            Vec::new()
        });
        let gpu = subject.gpu();
        let identification = identity::of(root, &gpu);
        // What a GPU that is sick might say of its VBIOS is not asked for.
        let vbios = baseline.filter(|baseline| baseline.is_of(&identification));
        let vbios = vbios.and_then(|baseline| baseline.vbios.clone());
        let class = gpu
            .function(subject.function)
            .map(|function| class_of(root, function, vbios));
        let class = class.transpose().unwrap_or_else(|error| {
            problems.push(error.to_string());
            None
        });
        Self {
            root,
            gpu: identification,
            class,
            entries,
            problems,
            attempts: Vec::new(),
            since: Duration::ZERO,
            forced: false,
        }
    }

    /// What is known of FLR in the GPU's class, and words.
    pub(super) fn class(&self) -> (ClassHistory, Vec<String>) {
        let mut words = self.problems.clone();
        let Some(class) = &self.class else {
            return (ClassHistory::Unknown, words);
        };
        let standing = class_history(&self.entries, class);
        words.extend(standing.iter().map(ToString::to_string));
        let history = standing.map_or(ClassHistory::Unknown, |standing| standing.history);
        (history, words)
    }

    /// Whether the last reset of this GPU was not verified.
    pub(super) fn last_reset_failed(&self) -> bool {
        let mut of_gpu = self.entries.iter().rev();
        let last = of_gpu.find(|entry| self.gpu.likeness(&entry.gpu) == Likeness::Same);
        last.is_some_and(|entry| !is_good(&entry.record))
    }

    /// What stands against the GPU, and the way back, in words.
    pub(super) fn out_of_service(&self) -> Option<String> {
        let state = state::quarantine::read(self.root);
        let standing = state.standing(&self.gpu);
        let way = match standing {
            quarantine::Standing::InService | quarantine::Standing::Replaces(_) => return None,
            quarantine::Standing::Quarantined(_) => {
                format!("`reseat return-to-service {}` tries it", self.gpu.device)
            }
            quarantine::Standing::Unknown { .. } => "`reseat quarantine list` tells more".to_owned(),
        };
        Some(format!("{standing}; {way}"))
    }

    /// Notes that somebody's use of the GPU was passed over.
    pub(super) fn forced(&mut self) {
        self.forced = true;
    }

    /// Writes down what came of a rung that has ended at `now`.
    pub(super) fn record(&mut self, record: Record, now: Duration) -> Result<(), DurableError> {
        let mut attempt = quarantine::Entry::attempt(&record);
        if self.forced {
            attempt.push_str(" (forced: it was in use)");
        }
        self.attempts.push(attempt);
        let took = now.saturating_sub(self.since);
        self.since = now;
        let Some(class) = self.class.clone() else {
            return Ok(());
        };
        let mut entry = Entry::new(Timestamp::now(), self.gpu.clone(), class, record, took);
        entry.forced = self.forced;
        history::append(self.root, &entry)
    }

    /// Takes the GPU out of service, on the disk.
    pub(super) fn quarantine(&self, reason: &str) -> Result<(), QuarantineFileError> {
        let now = Timestamp::now();
        let entry = quarantine::Entry {
            gpu: self.gpu.clone(),
            reason: reason.to_owned(),
            since: now,
            attempts: self.attempts.clone(),
        };
        state::quarantine::add(self.root, now, entry)
    }
}

/// What could not be compared was not found wrong: that is no reset that failed.
fn is_good(record: &Record) -> bool {
    matches!(
        record.outcome,
        Outcome::Judged(Verdict::Verified | Verdict::Unverified { .. })
    )
}
