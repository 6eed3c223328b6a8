//! Events of a recovery, and its end.

use std::time::Duration;

use reseat_core::address::FunctionAddress;
use reseat_core::decision::{Branch, Next, Rung, Skipped};
use reseat_core::recovery::{End, Observation, Record};
use serde::{Deserialize, Serialize};

use super::LadderStep;
use crate::model::finding::Finding;
use crate::records::wire;

/// The schema of an event stream: fields may be added under the same name.
pub const SCHEMA: &str = "reseat.recovery-event/2";

/// Something that happens in a recovery. It is a line of `reseat recover --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RecoveryEvent {
    /// Findings on the GPU and its surroundings, or on what reseat has just done.
    Found {
        /// One at least.
        findings: Vec<Finding>,
    },
    /// The rule has decided.
    Decided {
        /// The branch that applied.
        #[serde(with = "wire")]
        branch: Branch,
        /// The rung that comes; none if the ladder ends.
        rung: Option<Rung>,
        /// The rungs that were passed over, with the reasons.
        #[serde(with = "wire")]
        skipped: Vec<Skipped>,
    },
    /// The plan of a recovery that is only planned: these rungs, one after the other, while none helps.
    Planned {
        /// The rungs.
        rungs: Vec<Planned>,
        /// The rungs that would not come, with the reasons.
        #[serde(with = "wire")]
        skipped: Vec<Skipped>,
        /// What comes when they are through.
        #[serde(with = "wire")]
        then: Next,
    },
    /// A step begins.
    Began {
        /// The rung that it belongs to.
        rung: Option<Rung>,
        /// The step.
        operation: LadderStep,
        /// How long it may take, in milliseconds.
        limit_ms: u64,
    },
    /// A step has ended.
    Ended {
        /// The step.
        operation: LadderStep,
        /// How long it took, in milliseconds.
        took_ms: u64,
        /// What it brought.
        #[serde(with = "wire")]
        observation: Observation,
        /// What else there is to report.
        findings: Vec<Finding>,
    },
    /// Nothing is done for a while.
    Waiting {
        /// The rung that it belongs to.
        rung: Option<Rung>,
        /// What is waited for.
        #[serde(rename = "for")]
        awaited: Waited,
        /// For how long at most, in milliseconds.
        limit_ms: u64,
    },
    /// A rung has ended.
    Recorded {
        /// What came of it.
        #[serde(with = "wire")]
        record: Record,
    },
    /// The recovery has ended.
    Done {
        /// Its end.
        #[serde(with = "wire")]
        end: End,
        /// What is left to do.
        findings: Vec<Finding>,
        /// How long all of it took, in milliseconds.
        took_ms: u64,
    },
}

/// What a recovery waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waited {
    /// The time that the specification gives.
    SpecifiedTime,
    /// Something that is not there yet.
    Appearance,
    /// The answer of a step.
    Answer,
    /// The kernel, which holds the GPU in a reset.
    KernelReset,
    /// The last step of the recovery that was interrupted.
    InterruptedRecovery,
}

/// A rung that would come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The rung.
    pub rung: Rung,
    /// The functions that it would hit.
    pub hits: Vec<FunctionAddress>,
    /// How long the kernel may stay in it without a report, in milliseconds, where that is long.
    pub limit_ms: Option<u64>,
}

/// A time as reports have it.
pub(crate) fn whole_milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use reseat_core::decision::{BusReset, Refusal, SkipReason};
    use reseat_core::health::{Aspect, Aspects, Verdict};
    use reseat_core::recovery::{ClassChange, Outcome, Quarantine, Reason};
    use serde_json::json;

    use super::*;
    use crate::model::finding::{Subject, id};

    #[track_caller]
    fn assert_form(event: &RecoveryEvent, form: serde_json::Value) {
        assert_eq!(serde_json::to_value(event).unwrap(), form);
        assert_eq!(serde_json::from_value::<RecoveryEvent>(form).unwrap(), *event);
    }

    #[test]
    fn decisions_and_plans_are_names_and_objects() {
        let skipped = vec![
            Skipped {
                rung: Rung::BmcPower,
                why: SkipReason::NotConfigured,
            },
            Skipped {
                rung: Rung::DetachSbr,
                why: SkipReason::Quirk(BusReset::ForbiddenAtPort),
            },
        ];
        let as_json = json!([
            {"rung": "bmc-power", "why": "not-configured", "bus_reset": null},
            {"rung": "detach-sbr", "why": "quirk", "bus_reset": "forbidden-at-port"},
        ]);
        assert_form(
            &RecoveryEvent::Decided {
                branch: Branch::HotplugNotOurs,
                rung: Some(Rung::KernelFlr),
                skipped: skipped.clone(),
            },
            json!({"event": "decided", "branch": "hotplug-not-ours", "rung": "kernel-flr", "skipped": as_json}),
        );
        assert_form(
            &RecoveryEvent::Planned {
                rungs: vec![Planned {
                    rung: Rung::KernelFlr,
                    hits: vec!["0000:01:00.0".parse().unwrap()],
                    limit_ms: Some(80_000),
                }],
                skipped,
                then: Next::Refuse(Refusal::FabricUnknown),
            },
            json!({
                "event": "planned",
                "rungs": [{"rung": "kernel-flr", "hits": ["0000:01:00.0"], "limit_ms": 80000}],
                "skipped": as_json,
                "then": {"kind": "refuse", "refusal": "fabric-unknown"},
            }),
        );
    }

    #[test]
    fn verdicts_are_lists_of_names() {
        let missing = Aspects::none().with(Aspect::Errors).with(Aspect::Boot);
        let verdict = Verdict::Unverified {
            missing,
            lasting: Aspects::none().with(Aspect::Boot),
        };
        let form = json!({"kind": "unverified", "missing": ["errors", "boot"], "lasting": ["boot"]});
        assert_form(
            &RecoveryEvent::Recorded {
                record: Record {
                    rung: Rung::KernelFlr,
                    outcome: Outcome::Judged(verdict),
                    reset_class: ClassChange::None,
                },
            },
            json!({
                "event": "recorded",
                "record": {"rung": "kernel-flr", "outcome": {"kind": "judged", "verdict": form}, "reset_class": "none"},
            }),
        );
        assert_form(
            &RecoveryEvent::Ended {
                operation: LadderStep::Verify,
                took_ms: 18,
                observation: Observation::Health(verdict),
                findings: Vec::new(),
            },
            json!({
                "event": "ended",
                "operation": "verify",
                "took_ms": 18,
                "observation": {"kind": "health", "verdict": form},
                "findings": [],
            }),
        );
    }

    #[test]
    fn an_end_is_an_object_and_findings_stand_beside_it() {
        let finding = Finding::note(id::REBOOT_LEFT, Subject::gpu("0000:01:00".parse().unwrap()));
        assert_form(
            &RecoveryEvent::Done {
                end: End::OutOfService {
                    why: Reason::Stuck(reseat_core::recovery::Operation::Release),
                    quarantine: Quarantine::Done,
                },
                findings: vec![finding.clone()],
                took_ms: 7,
            },
            json!({
                "event": "done",
                "end": {
                    "kind": "out-of-service",
                    "why": {"kind": "stuck", "operation": "release"},
                    "trouble": null,
                },
                "findings": [finding],
                "took_ms": 7,
            }),
        );
        assert_form(
            &RecoveryEvent::Waiting {
                rung: None,
                awaited: Waited::SpecifiedTime,
                limit_ms: 100,
            },
            json!({"event": "waiting", "rung": null, "for": "specified-time", "limit_ms": 100}),
        );
    }
}
