//! What is told of rules, machines and kernels that are not in order, by `reseat` and `reseat-claim`, on a directory that
//! stands for `/`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod two_gpus;

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use two_gpus::{Machine, said};

#[test]
fn many_rules_are_all_told_to_people_and_not_all_to_the_kernel() {
    let rules = |range: std::ops::Range<u8>| -> String {
        range
            .map(|bus| format!("[[claim]]\nselect = \"0000:{bus:02x}:00.0\"\n"))
            .collect()
    };
    let machine = Machine::new(&rules(0x20..0x60));
    let last = "rule `0000:5f:00.0` (/etc/reseat/reseat.toml:128): no function at 0000:5f:00.0; \
                the GPUs' functions are 0000:01:00.0, 0000:02:00.0\n";
    for (_, said) in [machine.check(&[]), machine.claim(&["--dry-run"]), machine.claim(&[])] {
        assert!(said.contains(last), "{said}");
    }
    let report = Command::new(env!("CARGO_BIN_EXE_reseat"))
        .arg("report")
        .arg(machine.path("run/reseat/claim.json"))
        .output()
        .unwrap();
    let (_, said) = said(report);
    assert!(said.contains(last), "{said}");
    let log = machine.read("dev/kmsg");
    assert!(log.contains("24 more lines are in the report\n"), "{log}");
    assert_eq!(log.lines().count(), 42, "{log}");
}

#[test]
fn a_function_that_cannot_be_read_is_told_whatever_the_rules_name() {
    for selector in ["gpu", "slot=1", "10de:2489"] {
        let machine = Machine::new(&format!("[[claim]]\nselect = \"{selector}\"\n"));
        machine.write("sys/bus/pci/devices/0000:02:00.0/class", "0x03");
        let (status, said) = machine.check(&[]);
        assert_eq!(status, Some(3), "{said}");
        assert!(said.contains("0000:02:00.0/class holds `0x03`"), "{selector}: {said}");
        assert!(
            said.contains("0000:01:00: would claim 1 function"),
            "{selector}: {said}"
        );
    }
    // A GPU that is refused for it says so itself.
    let machine = Machine::new("[[claim]]\nselect = \"gpu\"\n");
    machine.write("sys/bus/pci/devices/0000:02:00.1/vendor", "");
    let (_, said) = machine.check(&[]);
    assert_eq!(said.matches("0000:02:00.1/vendor holds").count(), 1, "{said}");
}

const RULES: &str = "etc/reseat/reseat.toml";

/// A check of rules that are something else than a file ends at once, and says so.
fn refused_at_once(make: impl FnOnce(&Machine), why: &str) {
    let machine = Machine::new("");
    fs::remove_file(machine.path(RULES)).unwrap();
    make(&machine);
    let mut child = Command::new(env!("CARGO_BIN_EXE_reseat"))
        .args(["rules", "check", "--root"])
        .arg(machine.root())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() && begin.elapsed().as_secs() < 10 {
        thread::sleep(Duration::from_millis(10));
    }
    // One that still waits is a failure, and is not to be left behind.
    child.kill().unwrap();
    let (status, said) = said(child.wait_with_output().unwrap());
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains(why), "{said}");
    assert!(!said.contains("the boot goes on"), "{said}");
}

/// Nobody waits for who never writes, and nobody reads for ever.
#[test]
fn rules_that_are_no_file_are_refused_at_once() {
    let no_file = "cannot read /etc/reseat/reseat.toml: it is no regular file";
    let make_pipe = |machine: &Machine| {
        let made = Command::new("mkfifo").arg(machine.path(RULES)).status().unwrap();
        assert!(made.success());
    };
    refused_at_once(make_pipe, no_file);
    for (to, why) in [
        ("/dev/zero", no_file),
        ("reseat.toml", "cannot read /etc/reseat/reseat.toml: "),
        ("/nowhere/reseat.toml", "cannot read /etc/reseat/reseat.toml: "),
    ] {
        refused_at_once(|machine| symlink(to, machine.path(RULES)).unwrap(), why);
    }
}

#[test]
fn a_kernel_without_vfio_pci_would_claim_nothing() {
    let machine = Machine::new("[[claim]]\nselect = \"slot=2\"\n");
    fs::remove_dir(machine.path("sys/bus/pci/drivers/vfio-pci")).unwrap();
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(4), "{said}");
    assert!(said.contains("there is no modprobe at"), "{said}");
    let refused = "0000:02:00: refused: vfio-pci is not there to take it\n";
    assert!(said.contains(refused), "{said}");
    let (_, claimed) = machine.claim(&[]);
    assert!(claimed.contains(refused), "{claimed}");

    // One that is a module is found, and not loaded.
    fs::create_dir_all(machine.path("sbin")).unwrap();
    let modprobe = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modprobe.sh");
    symlink(modprobe, machine.path("sbin/modprobe")).unwrap();
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("0000:02:00: would claim 1 function"), "{said}");
}

#[test]
fn the_inventory_names_what_it_cannot_read_in_every_form() {
    let machine = Machine::new("");
    machine.write("sys/bus/pci/devices/0000:02:00.0/class", "0x03");
    for arguments in [&[][..], &["--json"], &["--selectors"]] {
        let (status, said) = machine.inventory(arguments);
        assert_eq!(status, Some(3), "{arguments:?}: {said}");
        assert!(said.contains("0000:01:00.0"), "{arguments:?}: {said}");
        assert!(
            said.contains("0000:02:00.0/class holds `0x03`"),
            "{arguments:?}: {said}"
        );
    }
    machine.write("sys/bus/pci/devices/0000:01:00.0/class", "0x020000");
    for arguments in [&[][..], &["--selectors"]] {
        let (_, said) = machine.inventory(arguments);
        assert!(said.starts_with("no GPU\n"), "{arguments:?}: {said}");
    }
}

/// A boot with these switches would claim nothing, whatever the rules say.
#[test]
fn the_check_names_a_switch_of_this_boot() {
    for (command_line, told) in [
        ("quiet", None),
        ("quiet reseat.claim=gpu reseat=off", Some("is switched off")),
        ("rd.reseat=0", Some("is switched off")),
        ("reseat.dry-run", Some("is a dry run")),
        ("reseat.dry", Some("is a dry run")),
    ] {
        let machine = Machine::new("[[claim]]\nselect = \"gpu\"\n");
        machine.write("proc/cmdline", command_line);
        let (_, said) = machine.check(&[]);
        assert!(said.contains("0000:01:00: would claim 1 function\n"), "{said}");
        let note = said.lines().find(|line| line.starts_with("note: "));
        assert_eq!(note.is_some(), told.is_some(), "{command_line}: {said}");
        assert!(
            told.is_none_or(|told| note.unwrap().contains(told)),
            "{command_line}: {said}"
        );
    }
}

/// Or it would be found out when a GPU is to be recovered.
#[test]
fn the_check_names_a_mistake_in_the_contract_of_recovery() {
    let rules = "[[claim]]\nselect = \"gpu\"\n\n[recover]\nhighest = \"warm\"\n";
    let machine = Machine::new(rules);
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("0000:01:00: would claim 1 function\n"), "{said}");
    assert!(
        said.contains("/etc/reseat/reseat.toml:5: unknown rung `warm`, expected one of `kernel-pm`"),
        "{said}"
    );
    // To the claim it is nothing.
    assert_eq!(machine.claim(&[]).0, Some(0));
    machine.write("etc/reseat/reseat.toml", rules.replace("warm", "flr"));
    assert_eq!(machine.check(&[]).0, Some(0));
    // Where no rule is understood, that is what is told, and once.
    machine.write("etc/reseat/reseat.toml", "[[claim]\n");
    let (status, said) = machine.check(&[]);
    assert_eq!((status, said.matches("reseat.toml:1").count()), (Some(2), 1), "{said}");
}

#[test]
fn a_parameter_that_nobody_knows_is_told_with_what_came_of_it() {
    let machine = Machine::new("[[claim]]\nselect = \"gpu\"\n");
    for (parameter, consequence) in [
        ("reseat.debug", "so nothing is touched"),
        ("reseat=1,off", "so nothing is touched"),
        ("reseat.clam=gpu", "did you mean reseat.claim, so it claims nothing"),
    ] {
        machine.write("proc/cmdline", format!("quiet {parameter}"));
        let (_, said) = machine.claim(&[]);
        let line = format!("unknown kernel parameter `{parameter}`, {consequence}\n");
        assert!(said.contains(&line), "{said}");
    }
}

#[test]
fn no_report_means_that_no_claim_has_run() {
    let machine = Machine::new("");
    let mut report = Command::new(env!("CARGO_BIN_EXE_reseat"));
    let report = report.arg("report").arg(machine.path("run/reseat/claim.json"));
    let (status, said) = said(report.output().unwrap());
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("no claim has run") && said.contains("`reseat initramfs status`"),
        "{said}"
    );
}
