//! `reseat-claim` as a process, on a directory that stands for `/`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not every fixture is for here")]
#[path = "../src/linux/fixtures.rs"]
mod fixtures;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A machine made of files, whose functions are on vfio-pci already.
struct Machine {
    directory: TempDir,
}

impl Machine {
    fn new(command_line: &str) -> Self {
        let machine = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        machine.write("proc/cmdline", command_line);
        machine.write("dev/kmsg", "");
        machine.write("sys/module/vfio_pci/parameters/disable_idle_d3", "Y\n");
        fs::create_dir_all(machine.path("sys/bus/pci/drivers/vfio-pci")).unwrap();
        fs::create_dir_all(machine.path("sys/bus/pci/devices")).unwrap();
        machine
    }

    fn gpu(&self, bus: u8, runtime_status: &str) {
        let directory = format!("sys/bus/pci/devices/0000:{bus:02x}:00.0");
        for (file, content) in [
            ("vendor", "0x10de"),
            ("device", "0x2489"),
            ("class", "0x030000"),
            ("driver_override", "(null)"),
            ("d3cold_allowed", "1"),
            ("power/control", "auto"),
            ("power/runtime_status", runtime_status),
            ("power_state", "D0"),
        ] {
            self.write(&format!("{directory}/{file}"), content);
        }
        let link = |to: &str, name: &str| symlink(to, self.path(&format!("{directory}/{name}"))).unwrap();
        link("../../../kernel/iommu_groups/1", "iommu_group");
        link("../../bus/pci/drivers/vfio-pci", "driver");
        self.write(&format!("{directory}/config"), fixtures::config_space(fixtures::IN_D0));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn claim(&self, arguments: &[&str]) -> Output {
        reseat_claim()
            .arg("--root")
            .arg(self.directory.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.read("run/reseat/claim.json")).unwrap()
    }
}

fn reseat_claim() -> Command {
    Command::new(env!("CARGO_BIN_EXE_reseat-claim"))
}

#[test]
fn a_worker_pins_and_the_report_says_so() {
    let machine = Machine::new("reseat.claim=gpu");
    machine.gpu(1, "active");
    // Writing over these files leaves the rest of a longer old value behind.
    machine.write("sys/bus/pci/devices/0000:01:00.0/power/control", "on");
    let output = machine.claim(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = machine.report();
    assert_eq!(report["verdict"], "claimed", "{report:#}");
    assert_eq!(report["gpus"][0]["functions"][0]["power"]["d3cold_allowed"], "0");
    assert!(
        machine
            .read("sys/bus/pci/devices/0000:01:00.0/driver_override")
            .starts_with("vfio-pci")
    );
    assert!(machine.read("dev/kmsg").contains("<5>reseat: 1 GPU claimed in "));
}

/// Each of these takes a second to be given up, and tells of every look: neither that there are many nor that their worker
/// never falls silent may cost more than the limit.
#[test]
fn the_time_is_over_however_much_a_worker_has_to_say() {
    let machine = Machine::new("reseat.claim=gpu");
    for bus in 1..=20 {
        machine.gpu(bus, "suspended");
    }
    let begin = Instant::now();
    let output = machine.claim(&[]);
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = machine.report();
    let gpus = report["gpus"].as_array().unwrap();
    assert_eq!(gpus.len(), 20);
    assert_eq!(gpus[0]["verdict"], "rolled-back", "{report:#}");
    assert_eq!(gpus[19]["verdict"], "not-reached", "{report:#}");
    for bus in 1..=20 {
        let control = machine.read(&format!("sys/bus/pci/devices/0000:{bus:02x}:00.0/power/control"));
        assert!(control.starts_with("auto"), "bus {bus:02x}: {control}");
    }
}

#[test]
fn a_dry_run_prints_and_leaves_the_boots_report_alone() {
    let machine = Machine::new("");
    machine.gpu(1, "active");
    machine.write("run/reseat/claim.json", "the boot's");
    machine.write(
        "etc/reseat/reseat.toml",
        "[[claim]]\nselect = \"gpu\"\n\n[[claim]]\nselect = \"0000:09:00.0\"\n",
    );
    let output = machine.claim(&["--dry-run"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("0000:01:00: would claim 1 function\n"), "{said}");
    assert!(
        said.contains("rule `0000:09:00.0` (/etc/reseat/reseat.toml:5): no function at 0000:09:00.0"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1), "a rule came to nothing");
    assert_eq!(machine.read("run/reseat/claim.json"), "the boot's");
    assert_eq!(machine.read("dev/kmsg"), "");
    assert_eq!(
        machine.read("sys/bus/pci/devices/0000:01:00.0/driver_override"),
        "(null)"
    );
}

#[test]
fn a_report_goes_where_the_user_stands() {
    let here = tempfile::tempdir().unwrap();
    let report = Path::new("out.json");
    // Below `/`, the usual root, nothing but the report is touched: the command line is this machine's own.
    let output = reseat_claim()
        .current_dir(here.path())
        .args(["--dry-run", "--report"])
        .arg(report)
        .output()
        .unwrap();
    assert!(here.path().join(report).is_file(), "{output:?}");
}

#[test]
fn arguments_without_sense_are_named() {
    let output = reseat_claim().arg("--dryrun").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--dryrun"), "{said}");
}
