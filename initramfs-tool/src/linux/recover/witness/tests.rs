//! Marks on a directory that stands for `/`: a GPU that has Power Budgeting, and audio that has not and shows a reset behind its
//! BAR.

use std::fs;

use reseat_core::config::ByteOffset;

use super::*;
use crate::linux::test_root::{DEVICES, TestRoot};
use crate::model::subject::Member;
use crate::recovery::{Before, Journal};

/// `NV_PMC_BOOT_0` of an Ampere GPU.
const BOOT_0: u32 = 0x1740_00a1;
/// Its scratch register.
pub(in crate::linux::recover) const SCRATCH: usize = 0x1478;
/// `GCTL` of the audio, whose bit 0 is the mark.
pub(in crate::linux::recover) const GCTL: usize = 0x08;
const CACHE_LINE_SIZE: usize = 0x0c;
/// PMCSR of both functions.
const POWER_STATE: usize = 0x44;
/// Data Select of the GPU's Power Budgeting.
const DATA_SELECT: usize = 0x104;

pub(in crate::linux::recover) fn address(function: u8) -> FunctionAddress {
    format!("0000:01:00.{function}").parse().unwrap()
}

/// The GPU and its audio.
pub(in crate::linux::recover) fn subject() -> RecoverySubject {
    let member = |function, identity: &str, class: &str| Member {
        address: address(function),
        identity: identity.parse().unwrap(),
        class: class.parse().unwrap(),
    };
    RecoverySubject {
        device: "0000:01:00".parse().unwrap(),
        function: address(0),
        members: vec![member(0, "10de:2489", "030000"), member(1, "10de:228b", "040300")],
        switch: Vec::new(),
        ports: Vec::new(),
        card_root: None,
    }
}

/// Both functions in D0 on vfio-pci, and a journal in which nothing is marked.
pub(in crate::linux::recover) fn machine() -> TestRoot {
    let machine = TestRoot::new();
    for function in [0, 1] {
        machine.function(&address(function).to_string(), &[("power/control", "auto\n")]);
        machine.on_driver(&address(function).to_string(), "vfio-pci");
        put(&machine, function, "config", &config(function == 0));
        machine.write(
            &file(function, "resource"),
            "0x00000000fb000000 0x00000000fb003fff 0x0\n",
        );
        put(&machine, function, "resource0", &[0; 0x4000]);
    }
    put_dword(&machine, 0, "resource0", 0, BOOT_0);
    put_dword(&machine, 0, "resource0", SCRATCH, 0x0000_0003);
    let before = |function| Before {
        address: address(function),
        driver: Some("vfio-pci".to_owned()),
        iommu_group: None,
        driver_override: None,
        reset_method: None,
        bar_sizes: [0; 6],
    };
    let journal = Journal::new(subject(), vec![before(0), before(1)]);
    crate::linux::state::recovery_files::write_journal(&machine.root(), &journal).unwrap();
    machine
}

/// A function with memory decode, Power Management at 40, PCI Express at 50, and Power Budgeting at 100 if it has that.
fn config(power_budgeting: bool) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let mut dword = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    dword(0x00, 0x2489_10de);
    dword(0x04, 0x0010_0002);
    dword(0x34, 0x40);
    dword(0x40, 0x0003_5001);
    dword(0x50, 0x0002_0010);
    if power_budgeting {
        dword(0x100, 0x0001_0004);
    }
    bytes
}

fn file(function: u8, name: &str) -> String {
    format!("{DEVICES}/{}/{name}", address(function))
}

fn put(machine: &TestRoot, function: u8, name: &str, bytes: &[u8]) {
    fs::write(machine.root().path(file(function, name)), bytes).unwrap();
}

fn bytes(machine: &TestRoot, function: u8, name: &str) -> Vec<u8> {
    fs::read(machine.root().path(file(function, name))).unwrap()
}

pub(in crate::linux::recover) fn put_dword(machine: &TestRoot, function: u8, name: &str, at: usize, value: u32) {
    let mut all = bytes(machine, function, name);
    all[at..at + 4].copy_from_slice(&value.to_le_bytes());
    put(machine, function, name, &all);
}

pub(in crate::linux::recover) fn dword(machine: &TestRoot, function: u8, name: &str, at: usize) -> u32 {
    let all = bytes(machine, function, name);
    u32::from_le_bytes(all[at..at + 4].try_into().unwrap())
}

fn config_byte(machine: &TestRoot, function: u8, at: usize) -> u8 {
    bytes(machine, function, "config")[at]
}

fn put_config_byte(machine: &TestRoot, function: u8, at: usize, value: u8) {
    let mut all = bytes(machine, function, "config");
    all[at] = value;
    put(machine, function, "config", &all);
}

/// Does what a reset does to the configuration space of a function.
fn reset_interface(machine: &TestRoot, function: u8) {
    put_config_byte(machine, function, DATA_SELECT, 0);
    put_config_byte(machine, function, CACHE_LINE_SIZE, 0);
}

/// Does what a reset does to a whole function.
fn reset_device(machine: &TestRoot, function: u8) {
    reset_interface(machine, function);
    let register = if function == 0 { SCRATCH } else { GCTL };
    put_dword(machine, function, "resource0", register, 0);
}

/// The machine, on which the audio answers nothing behind its BAR.
fn machine_without_gctl() -> TestRoot {
    let machine = machine();
    put_dword(&machine, 1, "resource0", GCTL, u32::MAX);
    machine
}

fn marked(machine: &TestRoot) -> Witness {
    let mut findings = Vec::new();
    mark(&machine.root(), &subject(), &mut findings).unwrap();
    assert_eq!(findings, Vec::new());
    noted(machine)
}

fn noted(machine: &TestRoot) -> Witness {
    journal::read(&machine.root(), &subject()).unwrap().witness
}

fn proof(machine: &TestRoot) -> (Proof, Vec<(Id, String)>) {
    let mut findings = Vec::new();
    let proof = read(&machine.root(), &subject(), &mut findings).unwrap();
    (proof, named(&findings))
}

fn named(findings: &[Finding]) -> Vec<(Id, String)> {
    let named = findings
        .iter()
        .map(|finding| (finding.id.clone(), finding.subject.name.clone()));
    named.collect()
}

fn removed(machine: &TestRoot) {
    journal::note(&machine.root(), &subject(), |journal| journal.removed = true).unwrap();
}

#[test]
fn every_mark_lies_in_its_register_and_in_the_journal() {
    let machine = machine();
    let mut findings = Vec::new();
    let all = mark(&machine.root(), &subject(), &mut findings).unwrap();
    assert_eq!((all, findings), (Marked::All, Vec::new()));
    assert_eq!(config_byte(&machine, 0, CACHE_LINE_SIZE), 0x5a);
    assert_eq!(config_byte(&machine, 0, DATA_SELECT), 0x5a);
    assert_eq!(config_byte(&machine, 1, CACHE_LINE_SIZE), 0x5a);
    assert_eq!(dword(&machine, 0, "resource0", SCRATCH), 0x5a5a_0003);
    assert_eq!(dword(&machine, 1, "resource0", GCTL), 1);
    let noted = noted(&machine);
    let marks = noted.marks.iter().map(|mark| (mark.function, mark.placed.mark));
    let expected = [
        (address(0), Mark::CacheLineSize),
        (address(0), Mark::DataSelect),
        (address(1), Mark::CacheLineSize),
    ];
    assert_eq!(marks.collect::<Vec<_>>(), expected);
    assert_eq!(noted.behind_bar.map(|mark| mark.mark.before), Some(3));
    let controllers = noted.controllers.iter().map(|mark| (mark.function, mark.mark.before));
    assert_eq!(controllers.collect::<Vec<_>>(), [(address(1), 0)]);
    assert!(noted.absent.is_empty());
    // One that slept would lose its marks by waking.
    assert!(machine.read(&file(1, "power/control")).starts_with("on\n"));
}

#[test]
fn a_reset_that_cleared_the_marks_is_proven_and_one_that_did_not_is_disproven() {
    let machine = machine();
    marked(&machine);
    removed(&machine);
    assert_eq!(
        proof(&machine),
        (
            Proof::NotReset,
            vec![
                (id::MARK_KEPT, "0000:01:00.0".to_owned()),
                (id::MARK_KEPT, "0000:01:00.1".to_owned())
            ]
        )
    );
    // The values from before are back.
    assert_eq!(config_byte(&machine, 0, CACHE_LINE_SIZE), 0);
    assert_eq!(config_byte(&machine, 0, DATA_SELECT), 0);
    assert_eq!(dword(&machine, 0, "resource0", SCRATCH), 3);
    assert_eq!(dword(&machine, 1, "resource0", GCTL), 0);
    marked(&machine);
    removed(&machine);
    reset_device(&machine, 0);
    reset_device(&machine, 1);
    assert_eq!(proof(&machine), (Proof::Device, Vec::new()));
}

#[test]
fn a_mark_that_the_kernel_restores_proves_nothing() {
    let machine = machine_without_gctl();
    marked(&machine);
    reset_device(&machine, 0);
    reset_interface(&machine, 1);
    let (proof, findings) = proof(&machine);
    assert_eq!(proof, Proof::Unproven);
    assert_eq!(findings, [(id::NO_MARK, "0000:01:00.1".to_owned())]);
}

#[test]
fn a_reset_in_place_of_a_controller_is_proven_behind_its_bar() {
    let machine = machine();
    marked(&machine);
    reset_device(&machine, 0);
    reset_device(&machine, 1);
    // As the kernel restores it.
    put_config_byte(&machine, 1, CACHE_LINE_SIZE, 0x5a);
    assert_eq!(proof(&machine), (Proof::Device, Vec::new()));
}

#[test]
fn a_reset_of_the_interface_alone_is_disproven_where_a_register_behind_a_bar_shows_it() {
    for (whole, kept) in [(1, "0000:01:00.0"), (0, "0000:01:00.1")] {
        let machine = machine();
        marked(&machine);
        removed(&machine);
        reset_interface(&machine, 1 - whole);
        reset_device(&machine, whole);
        let (proof, findings) = proof(&machine);
        assert_eq!(proof, Proof::NotReset);
        assert_eq!(findings, [(id::MARK_KEPT, kept.to_owned())]);
    }
}

#[test]
fn one_function_that_kept_its_mark_disproves_the_reset_of_all() {
    let machine = machine_without_gctl();
    marked(&machine);
    removed(&machine);
    reset_device(&machine, 0);
    let (proof, findings) = proof(&machine);
    assert_eq!(proof, Proof::NotReset);
    assert_eq!(findings, [(id::MARK_KEPT, "0000:01:00.1".to_owned())]);
}

#[test]
fn a_controller_that_another_driver_has_is_proven_by_its_interface_alone() {
    let machine = machine();
    marked(&machine);
    removed(&machine);
    reset_device(&machine, 0);
    reset_interface(&machine, 1);
    fs::remove_file(machine.root().path(file(1, "driver"))).unwrap();
    // It has taken the controller out of its reset.
    machine.on_driver(&address(1).to_string(), "snd_hda_intel");
    put_dword(&machine, 1, "resource0", GCTL, 1);
    assert_eq!(proof(&machine), (Proof::Configuration, Vec::new()));
    assert_eq!(dword(&machine, 1, "resource0", GCTL), 1, "it is left alone");
}

#[test]
fn what_the_rung_does_not_reset_is_named() {
    let machine = machine();
    marked(&machine);
    let only = Some(vec![address(0)]);
    journal::note(&machine.root(), &subject(), |journal| journal.witness.only = only).unwrap();
    reset_device(&machine, 0);
    let (proof, findings) = proof(&machine);
    assert_eq!(proof, Proof::Unproven);
    assert_eq!(dword(&machine, 1, "resource0", GCTL), 0, "its mark is taken back");
    assert_eq!(findings, [(id::NOT_RESET_BY_FLR, "0000:01:00.1".to_owned())]);
}

#[test]
fn a_function_that_was_gone_and_answers_is_proven() {
    let machine = machine();
    let alive = bytes(&machine, 1, "config");
    put(&machine, 1, "config", &[0xff; 4096]);
    let witness = marked(&machine);
    assert_eq!(witness.absent, [address(1)]);
    assert!(witness.marks.iter().all(|mark| mark.function == address(0)));
    removed(&machine);
    reset_device(&machine, 0);
    // Still gone.
    let (still, findings) = proof(&machine);
    assert_eq!(still, Proof::Unproven);
    assert_eq!(findings, [(id::NO_MARK, "0000:01:00.1".to_owned())]);
    put(&machine, 1, "config", &alive);
    assert_eq!(proof(&machine), (Proof::Configuration, Vec::new()));
}

#[test]
fn a_function_in_d3hot_gets_no_mark() {
    let machine = machine();
    put_config_byte(&machine, 1, POWER_STATE, 3);
    let witness = marked(&machine);
    assert!(witness.marks.iter().all(|mark| mark.function == address(0)));
    assert_eq!(config_byte(&machine, 1, CACHE_LINE_SIZE), 0);
    assert_eq!(
        (dword(&machine, 1, "resource0", GCTL), witness.controllers),
        (0, Vec::new())
    );
}

#[test]
fn what_is_put_back_is_what_was_there_before_the_first_mark() {
    let machine = machine();
    put_config_byte(&machine, 1, CACHE_LINE_SIZE, 0x10);
    marked(&machine);
    assert_eq!(config_byte(&machine, 1, CACHE_LINE_SIZE), 0x5a);
    let second = marked(&machine);
    assert_eq!(config_byte(&machine, 1, CACHE_LINE_SIZE), 0xa6, "told from the first");
    let audio = second.marks.iter().find(|mark| mark.function == address(1)).unwrap();
    assert_eq!(audio.placed.before, 0x10);
    assert_eq!(second.behind_bar.map(|mark| mark.mark.before), Some(3));
    assert_eq!(second.controllers[0].mark.before, 0, "the bit was set by the first");
    proof(&machine);
    assert_eq!(config_byte(&machine, 1, CACHE_LINE_SIZE), 0x10);
    assert_eq!(dword(&machine, 1, "resource0", GCTL), 0);
}

#[test]
fn a_register_that_keeps_nothing_is_no_mark_in_the_journal() {
    let machine = machine();
    let mut placed = vec![MarkOf {
        function: address(0),
        placed: Placed {
            mark: Mark::DataSelect,
            offset: ByteOffset::new(0x104).unwrap(),
            before: 0,
            value: 0,
        },
    }];
    let mut findings = Vec::new();
    place(&machine.root(), &mut placed, &mut findings);
    assert_eq!((placed, findings), (Vec::new(), Vec::new()));
}

#[test]
fn a_mark_that_cannot_be_written_is_reported() {
    let machine = machine();
    let mut placed = marked(&machine).marks;
    fs::remove_file(machine.root().path(file(0, "config"))).unwrap();
    let mut findings = Vec::new();
    place(&machine.root(), &mut placed, &mut findings);
    assert!(placed.iter().all(|mark| mark.function == address(1)));
    assert_eq!(named(&findings), [(id::MARK_FAILED, "0000:01:00.0".to_owned())]);
}

#[test]
fn a_reset_in_place_shows_where_every_function_has_a_register_for_it() {
    let machine = machine();
    let registers = bytes(&machine, 1, "resource0");
    assert!(shows_in_place(&machine.root(), &subject()));
    assert_eq!(bytes(&machine, 1, "resource0"), registers, "nothing is written");
    // Another driver's, and then one that decodes no memory.
    fs::remove_file(machine.root().path(file(1, "driver"))).unwrap();
    machine.on_driver(&address(1).to_string(), "snd_hda_intel");
    assert!(!shows_in_place(&machine.root(), &subject()));
    fs::remove_file(machine.root().path(file(1, "driver"))).unwrap();
    machine.on_driver(&address(1).to_string(), "vfio-pci");
    put_config_byte(&machine, 1, 0x04, 0);
    assert!(!shows_in_place(&machine.root(), &subject()));
    // Power Budgeting is enough.
    put(&machine, 1, "config", &config(true));
    assert!(shows_in_place(&machine.root(), &subject()));
    // Of no known kind.
    put(&machine, 1, "config", &config(false));
    let mut other = subject();
    other.members[1].class = "0c8000".parse().unwrap();
    other.members[1].identity = "1002:7444".parse().unwrap();
    assert!(!shows_in_place(&machine.root(), &other));
}
