//! The mark behind a BAR, on a directory that stands for `/`.

use std::fs;

use super::*;
use crate::linux::recover::witness::tests::{GCTL, SCRATCH, address, dword, machine, put_dword, subject};
use crate::linux::test_root::{DEVICES, TestRoot, facts_of};

fn prepared(machine: &TestRoot, subject: &RecoverySubject) -> (Option<BarMarkOf>, String) {
    let mut findings = Vec::new();
    let prepared = prepare(&machine.root(), subject, &mut findings);
    (prepared, facts_of(&findings))
}

fn on_driver(machine: &TestRoot, driver: &str) {
    let function = address(0).to_string();
    fs::remove_file(machine.root().path(format!("{DEVICES}/{function}/driver"))).unwrap();
    machine.on_driver(&function, driver);
}

#[test]
fn the_mark_takes_its_bits_and_is_put_back() {
    let machine = machine();
    let (mark, findings) = prepared(&machine, &subject());
    assert_eq!(findings, "");
    let mark = mark.unwrap();
    assert_eq!(dword(&machine, 0, "resource0", SCRATCH), 3, "it is not written yet");
    let mut findings = Vec::new();
    assert_eq!(place(&machine.root(), mark, &mut findings), Some(mark));
    assert_eq!(dword(&machine, 0, "resource0", SCRATCH), 0x5a5a_0003);
    assert_eq!(trace(&machine.root(), mark, &mut findings), Trace::Kept);
    put_dword(&machine, 0, "resource0", SCRATCH, 0);
    assert_eq!(trace(&machine.root(), mark, &mut findings), Trace::Gone);
    take_back(&machine.root(), mark).unwrap();
    assert_eq!(dword(&machine, 0, "resource0", SCRATCH), 3);
    assert_eq!(findings, Vec::new());
}

#[test]
fn nothing_is_read_of_a_model_without_such_a_register() {
    let machine = machine();
    let mut other = subject();
    other.members[0].identity = "1002:73ef".parse().unwrap();
    // It would be reported that there is nothing to read.
    fs::remove_file(machine.root().path(format!("{DEVICES}/0000:01:00.0/resource0"))).unwrap();
    assert_eq!(prepared(&machine, &other), (None, String::new()));
    let (mark, findings) = prepared(&machine, &subject());
    assert_eq!(mark, None);
    assert!(findings.starts_with("no-mark-behind-bar 0000:01:00.0"), "{findings}");
}

#[test]
fn a_register_that_another_driver_works_with_is_left_alone() {
    let machine = machine();
    on_driver(&machine, "nouveau");
    let (mark, findings) = prepared(&machine, &subject());
    assert_eq!(mark, None);
    assert!(findings.starts_with("no-mark-behind-bar 0000:01:00.0"), "{findings}");
}

#[test]
fn a_gpu_whose_registers_read_all_ones_gets_no_mark() {
    let machine = machine();
    put_dword(&machine, 0, "resource0", SCRATCH, u32::MAX);
    assert_eq!(prepared(&machine, &subject()), (None, String::new()));
}

#[test]
fn a_mark_that_cannot_be_written_is_none() {
    let machine = machine();
    let mark = prepared(&machine, &subject()).0.unwrap();
    fs::remove_file(machine.root().path(format!("{DEVICES}/0000:01:00.0/resource0"))).unwrap();
    let mut findings = Vec::new();
    assert_eq!(place(&machine.root(), mark, &mut findings), None);
    assert!(facts_of(&findings).starts_with("no-mark-behind-bar"));
}

fn prepared_audio(machine: &TestRoot) -> (Option<BarMarkOf>, String) {
    let mut findings = Vec::new();
    let prepared = prepare_controller(&machine.root(), &subject().members[1], &mut findings);
    (prepared, facts_of(&findings))
}

#[test]
fn audio_is_taken_out_of_its_reset_and_put_back() {
    let machine = machine();
    let (mark, findings) = prepared_audio(&machine);
    assert_eq!(findings, "");
    let mark = mark.unwrap();
    assert_eq!(dword(&machine, 1, "resource0", GCTL), 0, "it is not written yet");
    let mut findings = Vec::new();
    assert_eq!(place(&machine.root(), mark, &mut findings), Some(mark));
    assert_eq!(dword(&machine, 1, "resource0", GCTL), 1);
    assert_eq!(trace_controller(&machine.root(), mark, &mut findings), Trace::Kept);
    take_back(&machine.root(), mark).unwrap();
    assert_eq!(trace_controller(&machine.root(), mark, &mut findings), Trace::Gone);
    assert_eq!(findings, Vec::new());
}

#[test]
fn a_bit_that_the_last_tenant_left_is_the_mark() {
    let machine = machine();
    put_dword(&machine, 1, "resource0", GCTL, 0x101);
    let mark = prepared_audio(&machine).0.unwrap();
    let mut findings = Vec::new();
    assert_eq!(place(&machine.root(), mark, &mut findings), Some(mark));
    take_back(&machine.root(), mark).unwrap();
    assert_eq!(dword(&machine, 1, "resource0", GCTL), 0x101);
    assert_eq!(findings, Vec::new());
}

#[test]
fn a_controller_that_does_not_decode_gets_no_mark_and_shows_nothing() {
    let machine = machine();
    let mark = prepared_audio(&machine).0.unwrap();
    put_dword(&machine, 1, "config", 0x04, 0x0010_0000);
    let (none, findings) = prepared_audio(&machine);
    assert_eq!(none, None);
    assert_eq!(
        findings,
        "no-mark-behind-bar 0000:01:00.1 cause=its memory decode is off"
    );
    let trace = trace_controller(&machine.root(), mark, &mut Vec::new());
    assert_eq!(trace, Trace::Unclear);
}

#[test]
fn a_controller_of_another_driver_is_left_alone() {
    let machine = machine();
    fs::remove_file(machine.root().path(format!("{DEVICES}/0000:01:00.1/driver"))).unwrap();
    machine.on_driver("0000:01:00.1", "snd_hda_intel");
    let (none, findings) = prepared_audio(&machine);
    assert_eq!(none, None);
    assert!(findings.starts_with("no-mark-behind-bar 0000:01:00.1"), "{findings}");
}

#[test]
fn nothing_is_enabled_of_a_controller_that_is_gone() {
    let machine = machine();
    let mark = prepared_audio(&machine).0.unwrap();
    fs::remove_dir_all(machine.root().path(format!("{DEVICES}/0000:01:00.1"))).unwrap();
    let mut findings = Vec::new();
    assert_eq!(trace_controller(&machine.root(), mark, &mut findings), Trace::Unclear);
    assert_eq!(findings, Vec::new());
}

#[test]
fn the_decode_of_a_controller_without_a_driver_is_switched_on() {
    let machine = machine();
    fs::remove_file(machine.root().path(format!("{DEVICES}/0000:01:00.1/driver"))).unwrap();
    put_dword(&machine, 1, "config", 0x04, 0x0010_0000);
    machine.function("0000:01:00.1", &[("enable", "")]);
    // The kernel would set Memory Space Enable now.
    let (none, findings) = prepared_audio(&machine);
    assert_eq!(none, None);
    assert_eq!(
        findings,
        "no-mark-behind-bar 0000:01:00.1 cause=its memory decode is off"
    );
    assert_eq!(machine.read(&format!("{DEVICES}/0000:01:00.1/enable")), "0\n");
}
