//! The plan of a recovery by `reseat recover --dry-run`, on a directory that stands for `/`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod two_gpus;

use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use two_gpus::{Machine, said};

const DEVICE: &str = "sys/bus/pci/devices/0000:01:00.0";
const PORT: &str = "sys/bus/pci/devices/0000:00:02.0";

/// Two GPUs of this model.
fn machine(vendor: &str, device: &str, class: &str) -> Machine {
    let machine = Machine::new("");
    for (file, content) in [("vendor", vendor), ("device", device), ("class", class)] {
        machine.write(&format!("{DEVICE}/{file}"), content);
    }
    for (port, bus) in [(1, "1"), (2, "2")] {
        for file in ["secondary_bus_number", "subordinate_bus_number"] {
            machine.write(&format!("sys/bus/pci/devices/0000:00:{port:02x}.0/{file}"), bus);
        }
    }
    machine
}

fn plan(machine: &Machine, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reseat"));
    command.args(["recover", "0000:01:00", "--dry-run", "--root"]);
    said(command.arg(machine.root()).args(arguments).output().unwrap())
}

/// The findings of the plan as JSON. Of a machine of its own: the worker of an earlier plan may still hold the lock.
fn findings(machine: &Machine) -> Vec<Value> {
    let (_, output) = plan(machine, &["--json"]);
    let lines = output.lines().filter(|line| line.starts_with('{'));
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!events.is_empty(), "{output}");
    for event in &events {
        assert_eq!(event["schema"], "reseat.recovery-event/2", "{event}");
    }
    let found = events.iter().filter(|event| event["event"] == "found");
    found
        .flat_map(|event| event["findings"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn what_is_reported_of_a_model_is_printed_before_a_reset() {
    for (vendor, device, class, id, sentence) in [
        (
            "0x10de",
            "0x2b85",
            "0x030000",
            "flr-may-not-return",
            "may not come back from FLR",
        ),
        (
            "0x1002",
            "0x74a1",
            "0x120000",
            "absent-after-reset",
            "may read all-ones after any reset",
        ),
        (
            "0x1002",
            "0x75a3",
            "0x120000",
            "absent-after-reset",
            "may read all-ones after any reset",
        ),
        (
            "0x1002",
            "0x731f",
            "0x030000",
            "needs-vendor-reset",
            "needs a reset of the vendor's own",
        ),
        (
            "0x1002",
            "0x687f",
            "0x030000",
            "needs-vendor-reset",
            "needs a reset of the vendor's own",
        ),
        (
            "0x1002",
            "0x67df",
            "0x030000",
            "needs-vendor-reset",
            "needs a reset of the vendor's own",
        ),
    ] {
        let (_, text) = plan(&machine(vendor, device, class), &[]);
        let warning = text.lines().position(|line| line.contains(sentence));
        let plan = text
            .lines()
            .position(|line| line.starts_with("while none of them helps"));
        assert!(warning.is_some() && warning < plan, "{text}");
        assert!(text.contains("confidence: reported"), "{text}");
        let findings = findings(&machine(vendor, device, class));
        let found = findings.iter().find(|finding| finding["id"] == id).unwrap();
        assert_eq!(found["severity"], "warning", "{found}");
        assert_eq!(found["subject"]["name"], "0000:01:00.0", "{found}");
        assert_eq!(found["evidence"]["confidence"], "reported", "{found}");
        assert!(found["evidence"]["source"].is_string(), "{found}");
        assert!(found["message"].as_str().unwrap().contains(sentence), "{found}");
    }
    let ids: Vec<Value> = findings(&machine("0x10de", "0x2489", "0x030000"))
        .into_iter()
        .map(|mut finding| finding["id"].take())
        .collect();
    assert!(ids.contains(&"reset-domain".into()), "{ids:?}");
    assert!(!ids.contains(&"flr-may-not-return".into()), "{ids:?}");
}

/// A GPU out of service that may be reset.
fn out_of_service(vendor: &str, device: &str) -> Machine {
    let machine = machine(vendor, device, "0x030000");
    machine.offer_flr(1);
    let (status, text) = reseat(&machine, &["quarantine", "add", "01:00", "--reason", "fan"]);
    assert_eq!(status, Some(0), "{text}");
    machine
}

fn reseat(machine: &Machine, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reseat"));
    command.args(arguments).arg("--root").arg(machine.root());
    said(command.output().unwrap())
}

#[test]
fn a_return_to_service_warns_of_a_model_before_it_resets() {
    let back = ["return-to-service", "01:00", "--resets", "1"];
    let machine = out_of_service("0x10de", "0x2b85");
    let (status, text) = reseat(&machine, &back);
    assert_eq!(
        (status, machine.read(&format!("{DEVICE}/reset")).trim_end()),
        (Some(5), "1"),
        "{text}"
    );
    let place = |part| text.lines().position(|line| line.contains(part));
    let (warning, reset) = (place("may not come back from FLR"), place("FLR by the kernel"));
    assert!(warning.is_some() && warning < reset, "{text}");

    let (_, text) = reseat(&out_of_service("0x10de", "0x2b85"), &[&back[..], &["--json"]].concat());
    let place = |parts: [&str; 2]| {
        text.lines()
            .position(|line| parts.iter().all(|part| line.contains(part)))
    };
    let warning = place(["\"event\":\"found\"", "flr-may-not-return"]);
    let reset = place(["\"event\":\"began\"", "\"operation\":\"kernel-flr\""]);
    assert!(warning.is_some() && warning < reset, "{text}");

    let (_, text) = reseat(&out_of_service("0x10de", "0x2489"), &back);
    assert!(text.contains("FLR by the kernel"), "{text}");
    assert!(!text.contains("may not come back"), "{text}");
}

#[test]
fn a_reset_domain_that_is_not_known_has_a_reason() {
    let machine = || {
        let machine = machine("0x10de", "0x2489", "0x030000");
        machine.write(&format!("{PORT}/secondary_bus_number"), "1");
        machine
    };
    let (_, text) = plan(&machine(), &[]);
    assert!(
        text.contains("not known which functions a reset hits: 0000:00:02.0: same secondary bus as 0000:00:01.0"),
        "{text}"
    );
    let findings = findings(&machine());
    let reasons = findings
        .iter()
        .filter(|finding| finding["id"] == "reset-domain-uncertain");
    let reasons: Vec<(&Value, &Value)> = reasons
        .map(|finding| (&finding["subject"]["name"], &finding["evidence"]["anomaly"]))
        .collect();
    assert!(
        reasons.contains(&(&"0000:00:02.0".into(), &"bus-claimed-twice".into())),
        "{reasons:?}"
    );
}

/// A recovery whose unbind blocks in the kernel until somebody reads the pipe that stands for it.
fn machine_that_blocks() -> Machine {
    let machine = machine("0x10de", "0x2489", "0x030000");
    let mut space = two_gpus::config_space(1);
    // Device Capabilities: FLR.
    space[0x44..0x48].copy_from_slice(&0x1000_8000_u32.to_le_bytes());
    machine.write(&format!("{DEVICE}/config"), space);
    machine.write(&format!("{DEVICE}/resource"), "0x0 0x0 0x0\n".repeat(13));
    machine.write(&format!("{DEVICE}/reset_method"), "flr\n");
    fs::create_dir_all(machine.path("proc/1/ns")).unwrap();
    std::os::unix::fs::symlink("pid:[4026531836]", machine.path("proc/1/ns/pid")).unwrap();
    let unbind = machine.path("sys/bus/pci/drivers/vfio-pci/unbind");
    let made = Command::new("mkfifo").arg(&unbind).status().unwrap();
    assert!(made.success());
    machine
}

#[test]
fn a_signal_waits_for_the_operation_that_runs() {
    let machine = machine_that_blocks();
    let output = machine.path("output");
    let mut recovery = Command::new(env!("CARGO_BIN_EXE_reseat"))
        .args(["recover", "0000:01:00", "--prefer", "flr", "--json", "--root"])
        .arg(machine.root())
        .stdout(File::create(&output).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&output).unwrap();
    while !said().contains("\"operation\":\"unbind\"") {
        assert_eq!(recovery.try_wait().unwrap(), None, "{}", said());
        thread::sleep(Duration::from_millis(10));
    }
    let pid = Pid::from_child(&recovery);
    for signal in [Signal::HUP, Signal::TERM, Signal::TERM] {
        kill_process(pid, signal).unwrap();
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(recovery.try_wait().unwrap(), None, "it did not wait for the unbind");

    let mut unbound = String::new();
    let unbind = machine.path("sys/bus/pci/drivers/vfio-pci/unbind");
    File::open(unbind).unwrap().read_to_string(&mut unbound).unwrap();
    assert_eq!(unbound.trim(), "0000:01:00.0");
    // A directory cannot be put back as a kernel's files can, which is told, too.
    let status = recovery.wait().unwrap();
    assert!(matches!(status.code(), Some(3 | 6)), "{status}: {}", said());
    assert!(said().contains("\"id\":\"stopped-"), "{}", said());
    assert!(!said().contains("\"operation\":\"kernel-flr\""), "{}", said());
}
