//! The latest that says anything about a class decides, and the form of an entry is frozen.

use reseat_core::decision::Rung;
use reseat_core::health::Verdict;
use reseat_core::recovery::{Operation, Outcome, Trouble};

use super::*;
use crate::model::identification::tests::first;
use crate::records::checked_lines;

fn class(kernel: &str) -> ResetClass {
    ResetClass {
        identity: "10de:2231".parse().unwrap(),
        subsystem: Some("10de:1458".parse().unwrap()),
        vbios: Some("94.02.5c.00.08".to_owned()),
        kernel: kernel.to_owned(),
    }
}

fn with_vbios(vbios: Option<&str>) -> ResetClass {
    ResetClass {
        vbios: vbios.map(str::to_owned),
        ..class("6.12")
    }
}

fn history_of(entries: &[HistoryEntry], class: &ResetClass) -> ClassHistory {
    reset_class_history(entries, class, Rung::KernelFlr).map_or(ClassHistory::Unknown, |standing| standing.history)
}

/// One entry a change, a second apart.
fn entries(kernel: &str, changes: &[ClassChange]) -> Vec<HistoryEntry> {
    let entry = |(second, change): (i64, &ClassChange)| {
        let record = match change {
            ClassChange::Demote => Record {
                rung: Rung::KernelFlr,
                outcome: Outcome::TimedOut,
                reset_class: *change,
            },
            _ => Record {
                rung: Rung::KernelFlr,
                outcome: Outcome::Judged(Verdict::Verified),
                reset_class: *change,
            },
        };
        let time = Timestamp::from_second(1_790_000_000 + second).unwrap();
        HistoryEntry::new(time, first(), class(kernel), record, Duration::from_millis(66_041))
    };
    (0..).zip(changes).map(entry).collect()
}

#[test]
fn the_latest_change_decides() {
    use ClassChange::{Confirm, Demote, None};
    for (changes, expected) in [
        (&[][..], ClassHistory::Unknown),
        (&[None, None], ClassHistory::Unknown),
        (&[Demote], ClassHistory::Bad),
        (&[Demote, None], ClassHistory::Bad),
        (&[Demote, Confirm], ClassHistory::Good),
        (&[Confirm, None, Demote], ClassHistory::Bad),
    ] {
        let entries = entries("6.12", changes);
        assert_eq!(history_of(&entries, &class("6.12")), expected, "{changes:?}");
    }
}

#[test]
fn another_kernel_firmware_or_board_is_another_class() {
    let entries = entries("6.12", &[ClassChange::Demote]);
    let known = class("6.12");
    let others = [
        class("6.13"),
        with_vbios(Some("94.02.5c.00.09")),
        ResetClass {
            subsystem: None,
            ..known
        },
    ];
    for other in others {
        assert_eq!(history_of(&entries, &other), ClassHistory::Unknown, "{other}");
    }
}

#[test]
fn where_one_vbios_is_not_known_a_bad_word_is_believed_and_a_good_one_is_not() {
    use ClassChange::{Confirm, Demote};
    let (known, unknown) = (with_vbios(Some("94.02.5c.00.08")), with_vbios(None));
    let said = |class: &ResetClass, change| {
        let mut entries = entries("6.12", &[change]);
        entries[0].reset_class = class.clone();
        entries
    };
    for (one, other) in [(&known, &unknown), (&unknown, &known)] {
        assert_eq!(history_of(&said(one, Demote), other), ClassHistory::Bad, "{one}");
        assert_eq!(history_of(&said(one, Confirm), other), ClassHistory::Unknown, "{one}");
        // What was seen of itself counts for more.
        let both = [said(other, Confirm), said(one, Demote)].concat();
        assert_eq!(history_of(&both, other), ClassHistory::Good, "{one}");
    }
    let entries = said(&unknown, Demote);
    let found = reset_class_history(&entries, &known, Rung::KernelFlr).unwrap();
    assert!(found.reset_class.to_string().contains("VBIOS unknown"), "{found:?}");
    // Neither by way of a third, nor under another kernel.
    let mut old = said(&unknown, Demote);
    old[0].reset_class.kernel = "6.1".to_owned();
    assert_eq!(history_of(&old, &known), ClassHistory::Unknown);
}

#[test]
fn a_standing_is_since_the_first_that_said_so() {
    use ClassChange::{Confirm, Demote, None};
    let mut all = entries("6.12", &[Demote, Confirm, None, Demote, Demote]);
    all.extend(entries("6.13", &[None]));
    all.extend(entries("6.1", &[Confirm]));
    let findings: Vec<Finding> = standings(&all).iter().filter_map(ClassStanding::finding).collect();
    let facts = findings
        .iter()
        .map(|finding| (&finding.id, finding.evidence.get("since").unwrap()));
    assert_eq!(
        facts.collect::<Vec<_>>(),
        [
            (&id::FLR_KNOWN_GOOD, "2026-09-21T14:13:20Z"),
            (&id::FLR_KNOWN_BAD, "2026-09-21T14:13:23Z"),
        ]
    );
    assert_eq!(
        findings[0].evidence.get("reset_class"),
        Some("10de:2231 (subsystem 10de:1458), VBIOS 94.02.5c.00.08, kernel 6.1")
    );
}

#[test]
fn the_form_of_an_entry_is_frozen_and_version_1_is_read() {
    let [mut entry] = entries("6.12.95", &[ClassChange::Demote]).try_into().unwrap();
    entry.version = "0.1.0".to_owned();
    entry.record.outcome = Outcome::Failed {
        operation: Operation::Flr,
        trouble: Trouble::Blocked,
    };
    let frozen = include_str!("entry-2.json");
    assert_eq!(serde_json::to_string_pretty(&entry).unwrap(), frozen.trim_end());
    assert_eq!(serde_json::from_str::<HistoryEntry>(frozen).unwrap(), entry);
    let former = include_str!("entry-1.json");
    assert_eq!(serde_json::from_str::<HistoryEntry>(former).unwrap(), entry);
}

#[test]
fn an_entry_of_another_schema_is_no_entry() {
    let frozen = include_str!("entry-1.json").replace("history/1", "history/3");
    let other: Value = serde_json::from_str(&frozen).unwrap();
    let content = checked_lines::decode::<HistoryEntry>(checked_lines::encode(&other).unwrap().as_bytes());
    assert_eq!(content.records, []);
    assert!(
        content.damaged[0].cause.to_string().contains("reseat.history/3"),
        "{content:?}"
    );
}
