//! Who is quarantined, and the frozen form of the file.

use reseat_core::decision::Rung;
use reseat_core::recovery::{ClassChange, Outcome};

use super::*;
use crate::model::identification::tests::{first, second};

fn entry(gpu: Identification, since: i64) -> QuarantineEntry {
    let record = Record {
        rung: Rung::KernelFlr,
        outcome: Outcome::TimedOut,
        reset_class: ClassChange::Demote,
    };
    QuarantineEntry {
        gpu,
        reason: Reason::Exhausted.to_string(),
        cause: Some(Reason::Exhausted),
        since: Timestamp::from_second(1_790_000_000 + since).unwrap(),
        attempts: vec![Attempt::Rung { record, forced: false }],
        drivers: Vec::new(),
    }
}

#[test]
fn the_drivers_of_service_stay_while_it_is_out_of_service() {
    let in_service = vec![DriverBefore {
        function: first().functions[0].address,
        driver: "vfio-pci".to_owned(),
    }];
    let mut ledger = Ledger::default();
    ledger.add(QuarantineEntry {
        drivers: in_service.clone(),
        ..entry(first(), 0)
    });
    // A trial has failed: it has no driver now.
    ledger.add(entry(first(), 60));
    assert_eq!(ledger.entries[0].drivers, in_service);
    let text = serde_json::to_string(&ledger).unwrap();
    assert_eq!(Ledger::parse(text.as_bytes()).unwrap(), ledger);
}

fn lost() -> Lost {
    Lost {
        since: Timestamp::from_second(1_790_000_000).unwrap(),
        reason: "it is no quarantine file".to_owned(),
        kept: "quarantine.json.corrupt-20260921T141320.000Z".to_owned(),
    }
}

fn verified() -> Closing {
    Closing::VerifiedResets { count: 3 }
}

fn with(entries: &[QuarantineEntry]) -> Ledger {
    let mut ledger = Ledger::default();
    for entry in entries {
        ledger.add(entry.clone());
    }
    ledger
}

#[test]
fn a_quarantined_gpu_is_so_and_its_twin_is_not() {
    let entry = entry(first(), 0);
    let state = State::Known(with(std::slice::from_ref(&entry)));
    assert_eq!(state.standing(&first()), Standing::Quarantined(&entry));
    assert_eq!(state.standing(&second()), Standing::InService);
    let refusal = state.standing(&first()).refusal(&first()).unwrap();
    assert_eq!(
        (&refusal.id, refusal.subject.name.as_str()),
        (&id::OUT_OF_SERVICE, "0000:01:00")
    );
    assert_eq!(refusal.evidence.get("reason"), Some("no rung is left"));
    assert_eq!(refusal.evidence.get("since"), Some("2026-09-21T14:13:20Z"));
    assert_eq!(state.standing(&second()).refusal(&second()), None);
}

#[test]
fn another_gpu_in_its_place_is_in_service_and_that_is_told() {
    let entry = entry(first(), 0);
    let state = State::Known(with(std::slice::from_ref(&entry)));
    let mut other = first();
    other.functions[0].identity.device ^= 1;
    assert_eq!(state.standing(&other), Standing::Replaces(&entry));
    assert!(!state.standing(&other).is_quarantined());
}

#[test]
fn what_cannot_be_read_or_was_lost_quarantines_every_gpu() {
    let reason = "cannot read it".to_owned();
    assert!(State::Corrupt { reason }.standing(&first()).is_quarantined());
    let mut ledger = Ledger::after(lost());
    let entry = entry(first(), 0);
    ledger.add(entry.clone());
    let state = State::Known(ledger);
    assert_eq!(state.standing(&first()), Standing::Quarantined(&entry));
    assert!(matches!(state.standing(&second()), Standing::Unknown { .. }));
}

#[test]
fn a_gpu_stands_in_the_ledger_once_and_since_the_first_time() {
    let mut again = entry(first(), 60);
    again.reason = "the next rung was refused".to_owned();
    let mut ledger = with(&[entry(first(), 0), entry(second(), 30), again.clone()]);
    again.since = entry(first(), 0).since;
    assert_eq!(ledger.entries, [entry(second(), 30), again.clone()]);
    assert_eq!(ledger.close(&first(), again.since, &verified()), [again]);
    assert_eq!(ledger.entries, [entry(second(), 30)]);
}

#[test]
fn a_serial_number_that_was_known_once_stays_known() {
    let serial = Some("48-b0-2d-00-00-00-00-01".to_owned());
    let mut known = entry(first(), 0);
    known.gpu.serial.clone_from(&serial);
    let mut ledger = with(&[known, entry(first(), 60)]);
    assert_eq!(ledger.entries.len(), 1);
    assert_eq!(ledger.entries[0].gpu.serial, serial);
    assert!(State::Known(ledger.clone()).knows_serials());
    // And one that is learnt later is learnt.
    ledger.close(&first(), entry(first(), 0).since, &verified());
    assert!(!State::Known(ledger.clone()).knows_serials());
    ledger.add(entry(first(), 0));
    let mut later = entry(first(), 60);
    later.gpu.serial.clone_from(&serial);
    ledger.add(later);
    assert_eq!(ledger.entries[0].gpu.serial, serial);
}

#[test]
fn why_a_gpu_is_back_is_kept_and_not_for_ever() {
    let now = entry(first(), 0).since;
    let mut ledger = Ledger::after(lost());
    assert!(ledger.accept_loss(now, "looked at it").is_some());
    assert_eq!(ledger.accept_loss(now, "again"), None);
    for round in 0..MOST_PAST + 10 {
        ledger.add(entry(first(), 0));
        let reason = format!("round {round}");
        ledger.close(&first(), now, &Closing::Forced { reason });
    }
    assert_eq!(ledger.past.len(), MOST_PAST);
    let last = ledger.past.last().unwrap();
    let reason = "round 109".to_owned();
    assert_eq!(last.why, Closing::Forced { reason });
    let entry = entry(first(), 0);
    assert_eq!(last.what, PastEntry::Gpu { entry });
    let text = serde_json::to_string(&ledger).unwrap();
    assert_eq!(Ledger::parse(text.as_bytes()).unwrap(), ledger);
}

fn frozen() -> Ledger {
    let mut ledger = with(&[entry(first(), 0), entry(second(), 30)]);
    ledger.close(&second(), entry(second(), 60).since, &verified());
    ledger.lost = Some(lost());
    ledger
}

#[test]
fn the_form_of_the_file_is_frozen() {
    let text = include_str!("quarantine-2.json");
    assert_eq!(serde_json::to_string_pretty(&frozen()).unwrap(), text.trim_end());
    assert_eq!(Ledger::parse(text.as_bytes()).unwrap(), frozen());
}

#[test]
fn version_1_is_read_and_its_sentences_are_kept() {
    let mut former: Value = serde_json::from_str(include_str!("quarantine-1.json")).unwrap();
    let text = |text: &str| text.to_owned();
    let mut expected = frozen();
    expected.past.clear();
    expected.entries[0].cause = None;
    expected.entries[0].attempts = vec![Attempt::Text {
        text: text("kernel FLR: timed out"),
    }];
    assert_eq!(Ledger::parse(former.to_string().as_bytes()).unwrap(), expected);
    former["past"] = serde_json::json!([
        {"until": "2026-09-21T14:13:20Z", "what": "0000:01:00: quarantined", "why": "after 3 verified resets"}
    ]);
    let read = Ledger::parse(former.to_string().as_bytes()).unwrap();
    let what = PastEntry::Text {
        text: text("0000:01:00: quarantined"),
    };
    let why = Closing::Text {
        text: text("after 3 verified resets"),
    };
    assert_eq!((&read.past[0].what, &read.past[0].why), (&what, &why));
}

#[test]
fn another_schema_is_not_taken_for_damage() {
    let other = br#"{"schema": "reseat.quarantine/3", "gpus": 7}"#;
    assert!(matches!(Ledger::parse(other), Err(VersionError::Schema { .. })));
    assert!(matches!(Ledger::parse(b"{"), Err(VersionError::Form(_))));
}
