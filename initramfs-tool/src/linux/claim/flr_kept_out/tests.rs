use super::*;
use crate::linux::test_root::{DEVICES, TestRoot, facts_of};

const ENTRY: &str = include_str!("../../../records/history/entry-2.json");
const GPU: &str = "0000:01:00.0";
const AUDIO: &str = "0000:01:00.1";
const USB: &str = "0000:01:00.2";

/// A GPU whose USB function has FLR, too, and whose audio function has none.
fn machine() -> TestRoot {
    let machine = TestRoot::new();
    for (function, class, methods) in [
        (GPU, "0x030000", "flr pm\n"),
        (AUDIO, "0x040300", "pm\n"),
        (USB, "0x0c0330", "flr\n"),
    ] {
        machine.function(
            function,
            &[("vendor", "0x10de"), ("device", "0x2489"), ("class", class)],
        );
        machine.function(function, &[("reset", ""), ("reset_method", methods)]);
    }
    machine.write("/proc/sys/kernel/osrelease", "6.12.95\n");
    machine
}

/// Adds what came of an FLR of this class to the history.
fn flr_was(machine: &TestRoot, change: &str, identity: &str) {
    let text = ENTRY.replace("\"demote\"", &format!("\"{change}\""));
    let text = text
        .replace("\"10de:1458\"", "null")
        .replace("\"94.02.5c.00.08\"", "null");
    let mut entry: HistoryEntry = serde_json::from_str(&text).unwrap();
    entry.reset_class.identity = identity.parse().unwrap();
    history::append(&machine.root(), &entry).unwrap();
}

fn applied(machine: &TestRoot) -> String {
    facts_of(&apply(&machine.root(), "0000:01:00".parse().unwrap()))
}

/// The lists. A plain file keeps the end of a longer text, behind the line feed.
fn methods(machine: &TestRoot) -> [String; 3] {
    [GPU, AUDIO, USB].map(|function| {
        let text = machine.read(&format!("{DEVICES}/{function}/reset_method"));
        text.lines().next().unwrap_or_default().to_owned()
    })
}

#[test]
fn a_class_that_is_known_bad_loses_flr_of_every_function_and_one_known_good_gets_it_back() {
    let machine = machine();
    flr_was(&machine, "demote", "10de:2489");
    let told = applied(&machine);
    assert_eq!(methods(&machine), ["pm", "pm", ""]);
    assert!(
        told.starts_with("flr-kept-out 0000:01:00 functions=0000:01:00.0, 0000:01:00.2 "),
        "{told}"
    );
    // Found again by a scan, a function has the kernel's list.
    machine.function(GPU, &[("reset_method", "flr pm\n")]);
    assert_eq!(applied(&machine), told);
    assert_eq!(methods(&machine), ["pm", "pm", ""]);

    flr_was(&machine, "confirm", "10de:2489");
    let told = applied(&machine);
    assert_eq!(methods(&machine), ["flr pm", "pm", "flr"]);
    assert!(
        told.starts_with("flr-put-back 0000:01:00 functions=0000:01:00.0, 0000:01:00.2 "),
        "{told}"
    );
    assert_eq!(applied(&machine), "");
}

#[test]
fn a_class_of_which_nothing_bad_is_known_keeps_its_methods() {
    for (change, identity) in [("none", "10de:2489"), ("confirm", "10de:2489"), ("demote", "10de:2231")] {
        let machine = machine();
        flr_was(&machine, change, identity);
        assert_eq!(applied(&machine), "");
        assert_eq!(methods(&machine), ["flr pm", "pm", "flr"], "{change}, {identity}");
    }
    // Somebody else's choice stays his, though the class is known good.
    let machine = machine();
    machine.function(GPU, &[("reset_method", "pm\n")]);
    flr_was(&machine, "confirm", "10de:2489");
    assert_eq!(applied(&machine), "");
    assert_eq!(methods(&machine), ["pm", "pm", "flr"]);
}

#[test]
fn a_kernel_without_reset_method_and_one_that_refuses_are_reported() {
    let machine = machine();
    flr_was(&machine, "demote", "10de:2489");
    std::fs::remove_file(machine.root().path(format!("{DEVICES}/{GPU}/reset_method"))).unwrap();
    // A directory takes no list.
    let usb = machine.root().path(format!("{DEVICES}/{USB}/reset_method"));
    std::fs::remove_file(&usb).unwrap();
    std::fs::create_dir(&usb).unwrap();
    let findings = apply(&machine.root(), "0000:01:00".parse().unwrap());
    let told = facts_of(&findings);
    assert!(
        told.contains("flr-not-kept-out 0000:01:00.0 cause=the kernel has no reset_method"),
        "{told}"
    );
    assert!(
        told.contains("flr-not-kept-out 0000:01:00.2 cause=cannot read "),
        "{told}"
    );
    assert!(findings.iter().all(|finding| finding.remedy.is_some()), "{told}");
    // Without `reset` the kernel resets nothing.
    std::fs::remove_file(machine.root().path(format!("{DEVICES}/{GPU}/reset"))).unwrap();
    let told = applied(&machine);
    assert!(!told.contains("0000:01:00.0"), "{told}");
}

#[test]
fn a_disk_with_the_gpus_device_number_keeps_its_reset_methods() {
    let machine = machine();
    let disk = "0000:01:00.3";
    machine.function(
        disk,
        &[("vendor", "0x144d"), ("device", "0xa808"), ("class", "0x010802")],
    );
    machine.function(disk, &[("reset", ""), ("reset_method", "flr\n")]);
    flr_was(&machine, "demote", "10de:2489");
    let told = applied(&machine);
    assert_eq!(methods(&machine), ["pm", "pm", ""]);
    assert_eq!(
        machine.read(&format!("{DEVICES}/{disk}/reset_method")).trim(),
        "flr",
        "{told}"
    );
    assert!(!told.contains(disk), "{told}");
}
