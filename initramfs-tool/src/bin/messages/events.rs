//! Events of a recovery as text.

use std::fmt::Write;

use reseat::model::finding::Finding;
use reseat::recovery::{Planned, RecoveryEvent, Waited};
use reseat_core::decision::{Exclusivity, Next, Skipped, Use};
use reseat_core::recovery::{Marked, Observation};

use super::line;

/// An event. The lines that belong to its first one are indented.
pub(crate) fn event(event: &RecoveryEvent) -> String {
    match event {
        RecoveryEvent::Found { findings } => lines(findings, ""),
        RecoveryEvent::Decided { branch, rung, skipped } => {
            let rung = rung.map_or_else(|| "no rung".to_owned(), |rung| rung.to_string());
            let skipped = skipped
                .iter()
                .map(|Skipped { rung, why }| format!("\n  not {rung}: {why}"));
            format!("{branch}: {rung}{}", skipped.collect::<String>())
        }
        RecoveryEvent::Planned { rungs, skipped, then } => plan(rungs, skipped, *then),
        RecoveryEvent::Began {
            operation, limit_ms, ..
        } => format!("  {operation} (at most {})", time(*limit_ms)),
        RecoveryEvent::Ended {
            operation,
            took_ms,
            observation: brought,
            findings,
        } => {
            let first = format!("  {operation}: {} ({})", observation(*brought), time(*took_ms));
            [first, lines(findings, "    ")].join(if findings.is_empty() { "" } else { "\n" })
        }
        RecoveryEvent::Waiting { awaited, limit_ms, .. } => {
            format!("  waiting for {} (at most {})", waited(*awaited), time(*limit_ms))
        }
        RecoveryEvent::Recorded { record } => format!("{}: {}", record.rung, record.outcome),
        RecoveryEvent::Done { end, findings, took_ms } => {
            let first = format!("{end} ({})", time(*took_ms));
            [first, lines(findings, "")].join(if findings.is_empty() { "" } else { "\n" })
        }
    }
}

fn lines(findings: &[Finding], indent: &str) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("{indent}{}", line(finding)))
        .collect();
    lines.join("\n")
}

fn plan(rungs: &[Planned], skipped: &[Skipped], then: Next) -> String {
    let mut text = "while none of them helps:".to_owned();
    for (number, Planned { rung, hits, limit_ms }) in (1..).zip(rungs) {
        let hits: Vec<String> = hits.iter().map(ToString::to_string).collect();
        write!(text, "\n  {number}. {rung}: hits {}", hits.join(", ")).ok();
        if let Some(limit) = limit_ms {
            write!(text, "; the kernel may stay in it for {}", time(*limit)).ok();
        }
    }
    for Skipped { rung, why } in skipped {
        write!(text, "\n  {rung}: skipped: {why}").ok();
    }
    // Where it helps, detach-SBR does; what is dead it leaves dead, and reports success.
    text.push_str("\n  VFIO hot reset: skipped: detach-SBR resets the same, and restores nothing to what is dead");
    match then {
        Next::Refuse(refusal) => write!(text, "\n  then nothing more: {refusal}").ok(),
        Next::Try(_) | Next::Quarantine => write!(text, "\n  then out of service").ok(),
    };
    text
}

/// An observation of a step.
pub(crate) fn observation(observation: Observation) -> String {
    match observation {
        Observation::Done => "done".to_owned(),
        Observation::Use(Use::Free) => "nobody".to_owned(),
        Observation::Use(Use::Used) => "in use".to_owned(),
        Observation::Domain(Exclusivity::Exclusive) => "nobody else".to_owned(),
        Observation::Domain(Exclusivity::Shared) => "others as well".to_owned(),
        Observation::Use(Use::Unknown) | Observation::Domain(Exclusivity::Unknown) => "not known".to_owned(),
        Observation::Link(link) => link.to_string(),
        Observation::Functions(readiness) => readiness.to_string(),
        Observation::Health(verdict) => verdict.to_string(),
        Observation::Marked(Marked::All) => "a mark in every function".to_owned(),
        Observation::Marked(Marked::NotAll) => "not every function keeps a mark".to_owned(),
        Observation::Witnessed(proof) => format!("reset proven: {proof}"),
        Observation::Blocked => "does not come back".to_owned(),
        Observation::Vanished => "vanished".to_owned(),
        Observation::Failed(failure) => failure.to_string(),
    }
}

const fn waited(awaited: Waited) -> &'static str {
    match awaited {
        Waited::SpecifiedTime => "the time that the specification gives",
        Waited::Appearance => "what is not there yet",
        Waited::Answer => "an answer",
        Waited::KernelReset => "the kernel, which holds the GPU: a reset is in progress",
        Waited::InterruptedRecovery => "the last operation of the recovery that was broken off",
    }
}

fn time(milliseconds: u64) -> String {
    match milliseconds {
        short @ ..1000 => format!("{short} ms"),
        long => format!("{}.{} s", long / 1000, long % 1000 / 100),
    }
}

#[cfg(test)]
mod tests {
    use reseat::model::finding::{Subject, id};
    use reseat::recovery::LadderStep;
    use reseat_core::decision::{Refusal, Rung, SkipReason};
    use reseat_core::recovery::End;

    use super::*;

    #[test]
    fn a_plan_says_which_rungs_are_skipped_and_why() {
        let planned = RecoveryEvent::Planned {
            rungs: vec![Planned {
                rung: Rung::KernelFlr,
                hits: vec!["0000:01:00.0".parse().unwrap()],
                limit_ms: Some(80_000),
            }],
            skipped: vec![Skipped {
                rung: Rung::BmcPower,
                why: SkipReason::NotConfigured,
            }],
            then: Next::Quarantine,
        };
        assert_eq!(
            event(&planned),
            "while none of them helps:\n  \
             1. kernel FLR: hits 0000:01:00.0; the kernel may stay in it for 80.0 s\n  \
             power by the BMC: skipped: not configured\n  \
             VFIO hot reset: skipped: detach-SBR resets the same, and restores nothing to what is dead\n  \
             then out of service"
        );
    }

    #[test]
    fn findings_stand_below_their_step_and_their_end() {
        let function = Subject::function("0000:01:00.0".parse().unwrap());
        let device = Subject::gpu("0000:01:00".parse().unwrap());
        let used = Finding::warning(id::USED_BY_PROCESS, function.clone())
            .with("pid", 42)
            .with("command", "qemu")
            .with("file", "/dev/vfio/7")
            .with("how", "open");
        let ended = RecoveryEvent::Ended {
            operation: LadderStep::CheckUse,
            took_ms: 1200,
            observation: Observation::Use(Use::Used),
            findings: vec![used],
        };
        assert_eq!(
            event(&ended),
            "  check who uses it: in use (1.2 s)\n    process 42 (qemu) has /dev/vfio/7 of 0000:01:00.0 open"
        );
        let done = RecoveryEvent::Done {
            end: End::Refused(Refusal::InUse),
            findings: vec![Finding::note(id::NOTHING_RESET, device)],
            took_ms: 30,
        };
        assert_eq!(event(&done), "refused: in use (30 ms)\nnothing was reset");
    }
}
