//! The facts that no topology knows, and the plan that follows from all.

use std::time::Duration;

use reseat_core::decision::{
    Attempt, Bmc, Facts, Known, Next, Reach, Refusal, Rung, Sickness, SlotPower, Tried, Use, decide,
};
use reseat_core::quirk;
use reseat_core::recovery::Observation;

use super::ladder::Ladder;
use super::run::RecoverOptions;
use super::worker::{no_answer, no_result};
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, id};
use crate::recovery::{LadderStep, Means, Planned, RecoveryEvent, Task, TaskAnswer, WaysOut, whole_milliseconds};

/// The limit of comparing a GPU with its baseline before anything is done.
const EXAMINE_LIMIT: Duration = Duration::from_secs(5);

impl Ladder<'_> {
    /// The facts that no topology knows. All findings on the GPU are reported here, before anything is done to it.
    pub(super) fn known(&mut self, options: &RecoverOptions) -> Known {
        let mut findings = self.surveyed.findings.clone();
        findings.extend(self.surveyed.reset_domain());
        let (usage, users) = self.usage(options);
        findings.extend(users);
        let (sickness, faults) = self.sickness(usage, options);
        findings.extend(faults);
        findings.extend(self.bookkeeping.problems());
        let (class, standing) = self.bookkeeping.class_history(Rung::KernelFlr);
        findings.extend(standing);
        let (in_place, standing) = self.bookkeeping.class_history(Rung::BusResetInPlace);
        findings.extend(standing);
        self.report_findings(findings);
        Known {
            usage,
            tdi: self.surveyed.tdi,
            bmc: Bmc::NotConfigured,
            reset_class: class,
            in_place,
            in_place_shows: self.surveyed.in_place_shows,
            own_means: self.surveyed.own_means,
            sickness,
            preference: options.preference,
            highest: options.highest,
            only: options.only,
        }
    }

    fn usage(&mut self, options: &RecoverOptions) -> (Use, Vec<Finding>) {
        let (observation, mut findings) = self.take(LadderStep::CheckUse, LadderStep::CheckUse.limit());
        let usage = match observation {
            Observation::Use(usage) => usage,
            _ => Use::Unknown,
        };
        if usage == Use::Free || !options.force {
            return (usage, findings);
        }
        match self.not_forced() {
            Some(refusal) => {
                findings.push(refusal);
                (usage, findings)
            }
            None => {
                findings.push(Finding::warning(id::FORCED, self.subject()));
                self.bookkeeping.forced();
                self.forced = true;
                (Use::Free, findings)
            }
        }
    }

    /// The reason for which `--force` does not reset a GPU in use: the kernel would wait for the user, and hold the GPU and
    /// every process that looks at it meanwhile.
    pub(super) fn not_forced(&mut self) -> Option<Finding> {
        let task = Task::FindHolders(self.surveyed.subject.clone());
        let unknown = Finding::refusal(id::HOLDERS_UNKNOWN, self.subject()).remedy(id::CLOSE_VFIO);
        match self.workers.ask(&task, LadderStep::CheckUse.limit()) {
            Ok(TaskAnswer::Holders(holders)) if holders.is_empty() => None,
            Ok(TaskAnswer::Holders(holders)) => {
                let holders: Vec<String> = holders.iter().map(holder).collect();
                let refusal = Finding::refusal(id::NOT_FORCED, self.subject()).with("holders", holders.join("; "));
                Some(refusal.remedy(id::CLOSE_VFIO))
            }
            Ok(other) => Some(unknown.with("cause", format!("{other:?}"))),
            Err(error) => Some(unknown.with("cause", error)),
        }
    }

    /// The rungs that would come if none of them helped, and whom each would hit.
    pub(super) fn plan(&self, facts: &Facts) -> RecoveryEvent {
        let mut tried = Tried::none();
        let mut facts = *facts;
        let mut rungs = Vec::new();
        loop {
            let decision = decide(&facts, &tried);
            let Some(rung) = decision.next.rung() else {
                let skipped = decision.skipped.into_iter();
                let nothing_wrong = rungs.is_empty() && !facts.is_sick();
                return RecoveryEvent::Planned {
                    rungs,
                    skipped: skipped.filter(|skipped| !tried.contains(skipped.rung)).collect(),
                    then: match decision.next {
                        // What is sick is not left as it is.
                        Next::Refuse(Refusal::FabricUnknown) if facts.is_sick() => Next::Quarantine,
                        Next::Quarantine if nothing_wrong => Next::Refuse(Refusal::NoReset),
                        next => next,
                    },
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

    /// What is left where no reset helps.
    pub(super) fn ways_out(&self) -> WaysOut {
        let has_controller = matches!(self.surveyed.surroundings.slot_power, SlotPower::Controller { .. });
        let subject = &self.surveyed.subject;
        let main = subject.members.iter().find(|member| member.address == subject.function);
        let model = main.map(|member| quirk::Subject {
            identity: member.identity,
            class: member.class,
            on_root_bus: subject.ports.is_empty(),
        });
        let suspend = model.as_ref().and_then(quirk::revived_by_suspend);
        WaysOut {
            slot_power: has_controller && !self.bookkeeping.has_tried(Rung::SlotPower),
            suspend: suspend.filter(|_| offers_deep_sleep(self.root)),
            reboot: self.reboot,
        }
    }

    /// The faults of the GPU as it is found, and of its last reset.
    fn sickness(&mut self, usage: Use, options: &RecoverOptions) -> (Sickness, Vec<Finding>) {
        let mut sickness = Sickness::new();
        let mut findings = Vec::new();
        // A dry run takes nothing off its driver.
        let means = if options.dry_run {
            Means::Resource
        } else {
            Means::OrVfio
        };
        // What is in use is not examined: nothing is going to be done to it.
        if usage == Use::Free {
            let task = Task::Examine(self.surveyed.subject.clone(), means);
            match self.workers.ask(&task, EXAMINE_LIMIT) {
                Ok(TaskAnswer::Examined(examined)) => {
                    sickness = examined.verdict.sickness();
                    findings = examined.findings;
                }
                Ok(other) => {
                    findings.push(Finding::error(id::NOT_EXAMINED, self.subject()));
                    findings.extend(no_result(self.surveyed.subject.device, other));
                }
                Err(error) => {
                    findings.push(Finding::error(id::NOT_EXAMINED, self.subject()));
                    findings.push(no_answer(self.surveyed.subject.device, &error));
                }
            }
        }
        if options.resume {
            sickness.set_last_reset_failed(true);
            findings.push(Finding::note(id::RESUMED, self.subject()));
        }
        if self.bookkeeping.last_reset_failed() {
            sickness.set_last_reset_failed(true);
            findings.push(Finding::warning(id::LAST_RESET_UNVERIFIED, self.subject()));
        }
        (sickness, findings)
    }
}

/// True if the machine offers suspend to RAM, chosen now or not: `s2idle [deep]`.
fn offers_deep_sleep(root: &Root) -> bool {
    let offered = attributes::read_if_there(&root.path("/sys/power/mem_sleep"));
    let deep = |word: &str| word.trim_matches(['[', ']']) == "deep";
    offered.is_ok_and(|text| text.is_some_and(|text| text.split_whitespace().any(deep)))
}

/// A user in one fact: its process and file.
fn holder(user: &Finding) -> String {
    let fact = |name| user.evidence.get(name).unwrap_or("unknown");
    match user.evidence.get("pid") {
        Some(pid) => format!("process {pid} ({}) has {} open", fact("command"), fact("file")),
        None => format!("{} is open", fact("file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;

    #[test]
    fn suspend_to_ram_is_offered_where_the_kernel_names_it() {
        for (text, offers) in [
            ("s2idle [deep]\n", true),
            ("[s2idle] deep\n", true),
            ("[s2idle]\n", false),
        ] {
            let machine = TestRoot::new();
            assert!(!offers_deep_sleep(&machine.root()));
            machine.write("/sys/power/mem_sleep", text);
            assert_eq!(offers_deep_sleep(&machine.root()), offers, "{text}");
        }
    }
}
