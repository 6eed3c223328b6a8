//! Isolation and its end on a directory that stands for `/`.

use std::fs;

use super::*;
use crate::claim::VFIO_PCI;
use crate::linux::test_root::{DEVICES, TestRoot};
use crate::model::subject::Member;

/// Two functions that nobody has open.
fn machine() -> TestRoot {
    let machine = TestRoot::with_processes();
    machine.write("/sys/bus/pci/drivers_probe", "");
    machine.write("/sys/bus/pci/drivers/vfio-pci/unbind", "");
    for address in ["0000:01:00.0", "0000:01:00.1"] {
        machine.function(address, &[("driver_override", "(null)\n")]);
        machine.in_group(address);
    }
    machine
}

fn override_of(machine: &TestRoot, function: u8) -> String {
    let text = machine.read(&format!("{DEVICES}/0000:01:00.{function}/driver_override"));
    text.lines().next().unwrap_or_default().to_owned()
}

/// A GPU of two functions.
pub(in crate::linux::recover) fn subject() -> RecoverySubject {
    let member = |function: u8| Member {
        address: format!("0000:01:00.{function}").parse().unwrap(),
        identity: "10de:2489".parse().unwrap(),
        class: "030000".parse().unwrap(),
    };
    RecoverySubject {
        device: "0000:01:00".parse().unwrap(),
        function: "0000:01:00.0".parse().unwrap(),
        members: vec![member(0), member(1)],
        switch: Vec::new(),
        ports: Vec::new(),
        card_root: None,
    }
}

#[test]
fn every_function_is_reserved_for_nobody_and_given_back() {
    let machine = machine();
    let root = machine.root();
    assert_eq!(isolate(&root, &subject()), (Observation::Done, Vec::new()));
    assert_eq!(
        (override_of(&machine, 0), override_of(&machine, 1)),
        (NOBODY.to_owned(), NOBODY.to_owned())
    );
    release(&root, &subject(), &[]).unwrap();
    assert_eq!(
        (override_of(&machine, 0), override_of(&machine, 1)),
        (String::new(), String::new())
    );
    assert!(machine.read("/sys/bus/pci/drivers_probe").contains("0000:01:00.1"));
}

#[test]
fn a_function_returns_to_the_host_driver_that_it_had() {
    let machine = machine();
    machine.write("/sys/bus/pci/drivers/nouveau/bind", "");
    machine.write(&format!("{DEVICES}/0000:01:00.0/driver_override"), NOBODY);
    let had = DriverBefore {
        // In another slot.
        function: "0000:65:00.0".parse().unwrap(),
        driver: "nouveau".to_owned(),
    };
    // The kernel of this machine binds nothing, so that it is asked for the one that the function had.
    release(&machine.root(), &subject(), &[had]).unwrap_err();
    assert_eq!(override_of(&machine, 0), "");
    assert_eq!(machine.read("/sys/bus/pci/drivers_probe"), "0000:01:00.0\n");
    assert_eq!(machine.read("/sys/bus/pci/drivers/nouveau/bind"), "0000:01:00.0\n");
}

#[test]
fn no_driver_is_asked_for_a_function_that_was_on_vfio_pci() {
    let machine = machine();
    machine.write(&format!("{DEVICES}/0000:01:00.0/driver_override"), NOBODY);
    let had = DriverBefore {
        function: "0000:01:00.0".parse().unwrap(),
        driver: VFIO_PCI.to_owned(),
    };
    // The claim fails on what is no machine; what counts is that the kernel was not told to look for a driver.
    release(&machine.root(), &subject(), &[had]).ok();
    assert_eq!(machine.read("/sys/bus/pci/drivers_probe"), "");
}

#[test]
fn what_is_still_on_its_driver_is_not_isolated() {
    let machine = machine();
    machine.on_driver("0000:01:00.1", VFIO_PCI);
    let (observation, findings) = isolate(&machine.root(), &subject());
    assert!(matches!(observation, Observation::Failed(_)), "{observation:?}");
    assert_eq!(findings[0].id, id::DRIVER_NOT_REMOVED);
    assert_eq!(findings[0].evidence.get("driver"), Some(VFIO_PCI));
    assert_eq!(machine.read("/sys/bus/pci/drivers/vfio-pci/unbind"), "0000:01:00.1\n");
}

#[test]
fn one_that_is_isolated_already_is_not_asked_for_users() {
    let machine = machine();
    for function in [0, 1] {
        machine.write(&format!("{DEVICES}/0000:01:00.{function}/driver_override"), NOBODY);
    }
    // Without it nobody knows who uses it.
    fs::remove_dir_all(machine.root().path("/proc")).unwrap();
    assert_eq!(isolate(&machine.root(), &subject()), (Observation::Done, Vec::new()));
    machine.write(&format!("{DEVICES}/0000:01:00.1/driver_override"), "(null)\n");
    let (observation, _) = isolate(&machine.root(), &subject());
    assert_eq!(observation, Observation::Failed(Failure::Busy));
    assert_eq!(override_of(&machine, 1), "(null)");
}

#[test]
fn an_override_of_somebody_else_is_not_released() {
    let machine = machine();
    machine.write(&format!("{DEVICES}/0000:01:00.0/driver_override"), VFIO_PCI);
    release(&machine.root(), &subject(), &[]).unwrap();
    assert_eq!(override_of(&machine, 0), VFIO_PCI);
}
