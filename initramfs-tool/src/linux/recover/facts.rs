//! What the rule is told that no topology knows, and what it would do with that.

use std::time::Duration;

use reseat_core::decision::{Attempt, Bmc, Facts, Known, Reach, Sickness, Tried, Use, decide};
use reseat_core::recovery::Observation;

use super::ladder::Ladder;
use super::run::Options;
use crate::linux::state::kernel_log;
use crate::recovery::{Answer, Event, Means, Planned, Step, Task, whole_milliseconds};
use crate::report::Tone;

/// Holding a GPU against its baseline before anything is done.
const EXAMINE_LIMIT: Duration = Duration::from_secs(5);

impl Ladder<'_> {
    /// What the rule is told that no topology knows.
    pub(super) fn known(&mut self, options: &Options) -> Known {
        let mut words = self.surveyed.words.clone();
        words.extend(self.surveyed.domain_in_words());
        let (usage, users) = self.usage(options);
        words.extend(users);
        let (sickness, findings) = self.sickness(usage, options);
        words.extend(findings);
        let (class, standing) = self.chronicle.class();
        words.extend(standing);
        if !words.is_empty() {
            self.tell(&Event::Found { words });
        }
        Known {
            usage,
            tdi: self.surveyed.tdi,
            bmc: Bmc::NotConfigured,
            class,
            sickness,
            preference: options.preference,
            highest: options.highest,
            only: options.only,
        }
    }

    fn usage(&mut self, options: &Options) -> (Use, Vec<String>) {
        let (observation, mut words) = self.take(Step::CheckUse, Step::CheckUse.limit());
        let usage = match observation {
            Observation::Use(usage) => usage,
            _ => Use::Unknown,
        };
        if usage == Use::Free || !options.force {
            return (usage, words);
        }
        match self.not_forced() {
            Some(obstacle) => {
                words.push(obstacle);
                (usage, words)
            }
            None => {
                words.push("to be reset all the same: --force".to_owned());
                self.chronicle.forced();
                self.forced = true;
                (Use::Free, words)
            }
        }
    }

    /// Why somebody's use is not passed over, in words: the kernel would wait for him, and hold the GPU and whoever looks at
    /// it meanwhile. The kernel's log keeps that.
    pub(super) fn not_forced(&mut self) -> Option<String> {
        let task = Task::FindHolders(self.surveyed.subject.clone());
        let why = match self.workers.ask(&task, Step::CheckUse.limit()) {
            Ok(Answer::Holders(holders)) if holders.is_empty() => return None,
            Ok(Answer::Holders(holders)) => holders.join("; "),
            Ok(other) => format!("nobody knows who has it through VFIO: {other:?}"),
            Err(error) => format!("nobody knows who has it through VFIO: {error}"),
        };
        let words = format!(
            "not forced: {why}; the kernel would not come back from the unbind before that is closed: stop the virtual \
             machine or the process, and recover it then"
        );
        let line = format!("{}: {words}", self.surveyed.subject.device);
        // The operator is told in any case.
        kernel_log::log(self.root, Tone::Warning, &line).ok();
        Some(words)
    }

    /// The rungs that would come if none of them helped, and whom each would hit.
    pub(super) fn plan(&self, facts: &Facts) -> Event {
        let mut tried = Tried::none();
        let mut facts = *facts;
        let mut rungs = Vec::new();
        loop {
            let decision = decide(&facts, &tried);
            let Some(rung) = decision.next.rung() else {
                let skipped = decision.skipped.into_iter();
                return Event::Planned {
                    rungs,
                    skipped: skipped.filter(|skipped| !tried.contains(skipped.rung)).collect(),
                    then: decision.next,
                };
            };
            rungs.push(Planned {
                rung,
                hits: self.surveyed.hit_by(rung),
                limit_ms: rung.deadline().map(whole_milliseconds),
            });
            tried.note(Attempt {
                rung,
                reach: Reach::Reset,
            });
            facts.known.sickness.set_last_reset_failed(true);
        }
    }

    /// What is wrong with the GPU as it is found, and that its last reset failed.
    fn sickness(&mut self, usage: Use, options: &Options) -> (Sickness, Vec<String>) {
        let mut sickness = Sickness::new();
        let mut words = Vec::new();
        // Whoever only asks what would be done has nothing taken off its driver.
        let means = if options.dry_run {
            Means::Resource
        } else {
            Means::OrVfio
        };
        // What is in use is not looked at: nothing is going to be done to it.
        if usage == Use::Free {
            match self
                .workers
                .ask(&Task::Examine(self.surveyed.subject.clone(), means), EXAMINE_LIMIT)
            {
                Ok(Answer::Examined(examined)) => {
                    sickness = examined.verdict.sickness();
                    words = examined.words;
                }
                Ok(other) => words.push(format!("not examined: {other:?}")),
                Err(error) => words.push(format!("not examined: {error}")),
            }
        }
        if options.resume {
            sickness.set_last_reset_failed(true);
            words.push("its recovery was broken off".to_owned());
        }
        if self.chronicle.last_reset_failed() {
            sickness.set_last_reset_failed(true);
            words.push("its last reset was not verified".to_owned());
        }
        (sickness, words)
    }
}
