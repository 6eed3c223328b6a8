//! `reseat-claim` as a process, on a directory that stands for `/`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod files;
#[allow(dead_code, reason = "not every fixture is for here")]
#[path = "../src/linux/fixtures.rs"]
mod fixtures;

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use files::Files;

/// A machine made of files, whose functions are on vfio-pci already.
struct Machine {
    files: Files,
}

impl Deref for Machine {
    type Target = Files;

    fn deref(&self) -> &Files {
        &self.files
    }
}

impl Machine {
    fn new(command_line: &str) -> Self {
        let machine = Self { files: Files::new() };
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

    fn claim(&self, arguments: &[&str]) -> Output {
        reseat_claim()
            .arg("--root")
            .arg(self.root())
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

const QUARANTINE: &str = include_str!("../src/records/quarantine/quarantine-1.json");

/// The frozen file, with nothing lost, and of this machine's model.
fn quarantine() -> String {
    let mut file: serde_json::Value = serde_json::from_str(QUARANTINE).unwrap();
    file["lost"] = serde_json::Value::Null;
    file["entries"][0]["gpu"]["functions"][0]["identity"] = "10de:2489".into();
    file.to_string()
}

fn driver_override(machine: &Machine, bus: u8) -> String {
    machine.read(&format!("sys/bus/pci/devices/0000:{bus:02x}:00.0/driver_override"))
}

#[test]
fn what_is_out_of_service_is_isolated_and_its_twin_is_claimed() {
    let machine = Machine::new("reseat.claim=gpu");
    machine.gpu(1, "active");
    machine.gpu(2, "active");
    machine.write("sys/bus/pci/devices/0000:02:00.0/power/control", "on");
    fs::remove_file(machine.path("sys/bus/pci/devices/0000:01:00.0/driver")).unwrap();
    machine.write("etc/reseat/quarantine.json", quarantine());
    let output = machine.claim(&[]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let report = machine.report();
    assert_eq!(report["gpus"][0]["verdict"], "refused", "{report:#}");
    let expected = serde_json::json!({"reason": "no rung is left", "isolated": true});
    assert_eq!(report["gpus"][0]["quarantine"], expected);
    assert_eq!(report["gpus"][1]["verdict"], "claimed", "{report:#}");
    assert_eq!(driver_override(&machine, 1), "reseat-quarantine\n");
    assert!(driver_override(&machine, 2).starts_with("vfio-pci\n"));
    let log = machine.read("dev/kmsg");
    assert!(
        log.contains("<4>reseat: 0000:01:00: out of service, isolated: no rung is left\n"),
        "{log}"
    );
    assert!(log.contains("incomplete: 1 GPU claimed, 1 out of service in "), "{log}");
}

#[test]
fn what_is_still_on_its_driver_is_not_called_isolated() {
    let machine = Machine::new("");
    machine.gpu(1, "active");
    machine.write("sys/bus/pci/drivers/vfio-pci/unbind", "");
    machine.write("var/lib/reseat/quarantine.json", quarantine());
    machine.claim(&[]);
    let gpu = machine.report()["gpus"][0].clone();
    assert_eq!(gpu["quarantine"]["isolated"], false, "{gpu:#}");
    assert_eq!(machine.read("sys/bus/pci/drivers/vfio-pci/unbind"), "0000:01:00.0\n");
    let log = machine.read("dev/kmsg");
    assert!(log.contains("0000:01:00.0 is still on vfio-pci"), "{log}");
}

#[test]
fn a_damaged_quarantine_counts_for_every_gpu_that_the_rules_choose_and_no_other() {
    let machine = Machine::new("reseat.claim=0000:01:00.0");
    for bus in [1, 2] {
        machine.gpu(bus, "active");
        fs::remove_file(machine.path(&format!("sys/bus/pci/devices/0000:{bus:02x}:00.0/driver"))).unwrap();
    }
    machine.write("etc/reseat/quarantine.json", &QUARANTINE[..100]);
    let output = machine.claim(&[]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert_eq!(driver_override(&machine, 1), "reseat-quarantine\n");
    assert_eq!(driver_override(&machine, 2), "(null)");
    let log = machine.read("dev/kmsg");
    assert!(
        log.contains("<4>reseat: the quarantine: it is no quarantine file"),
        "{log}"
    );
}

#[test]
fn neither_off_nor_a_dry_run_isolates() {
    for (command_line, said) in [
        ("reseat=off", "off by the kernel command line"),
        (
            "reseat.dry-run",
            "0000:01:00: out of service (no rung is left), to be isolated",
        ),
    ] {
        let machine = Machine::new(command_line);
        machine.gpu(1, "active");
        machine.write("etc/reseat/quarantine.json", quarantine());
        let output = machine.claim(&[]);
        let output = String::from_utf8(output.stdout).unwrap();
        assert!(output.contains(said), "{output}");
        assert_eq!(driver_override(&machine, 1), "(null)");
    }
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

/// A GPU for each of these variants, none of which ever comes: plain vfio-pci takes its place in time.
#[test]
fn modules_that_never_come_cost_no_more_than_their_time() {
    let machine = Machine::new("reseat.claim=gpu");
    machine.write("proc/sys/kernel/osrelease", "6.12.0");
    fs::create_dir_all(machine.path("sbin")).unwrap();
    let modprobe = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modprobe-hangs.sh");
    symlink(modprobe, machine.path("sbin/modprobe")).unwrap();
    let mut aliases = String::new();
    for bus in 1..=4 {
        machine.gpu(bus, "active");
        let directory = format!("sys/bus/pci/devices/0000:{bus:02x}:00.0");
        machine.write(&format!("{directory}/power/control"), "on");
        machine.write(&format!("{directory}/subsystem_vendor"), "0x1458");
        machine.write(&format!("{directory}/subsystem_device"), format!("0x{bus:04x}"));
        aliases += &format!("alias vfio_pci:v*d*sv00001458sd{bus:08X}bc*sc*i* made_for_{bus}\n");
    }
    machine.write("lib/modules/6.12.0/modules.alias", aliases);
    let begin = Instant::now();
    machine.claim(&[]);
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    let report = machine.report();
    for gpu in report["gpus"].as_array().unwrap() {
        assert_eq!(gpu["verdict"], "claimed", "{report:#}");
    }
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(
        problems.iter().all(|problem| problem["id"] == "variant-given-up"),
        "{problems:?}"
    );
    let cause = |index: usize| problems[index]["evidence"]["cause"].as_str().unwrap();
    assert!(
        cause(0).ends_with("it has not come back after 5 s and was left behind"),
        "{problems:?}"
    );
    assert!(
        cause(3).ends_with("not tried, the time for it was over"),
        "{problems:?}"
    );
    let log = machine.read("dev/kmsg");
    assert!(
        log.contains("not tried, the time for it was over: vfio-pci takes its place"),
        "{log}"
    );
}

/// True if a process has this in its command line.
fn runs_with(word: &Path) -> bool {
    let word = word.as_os_str().as_encoded_bytes();
    let processes = fs::read_dir("/proc").unwrap();
    processes.flatten().any(|process| {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|part| part == word)
    })
}

/// The child that asks for serial numbers is blocked in a read that never comes back.
#[test]
fn a_child_that_hangs_is_left_behind_at_its_limit_and_the_claim_goes_on() {
    let machine = Machine::new("reseat.claim=serial=48-b0-2d-00-00-00-00-01,0000:02:00.0");
    machine.gpu(1, "active");
    machine.gpu(2, "active");
    machine.write("sys/bus/pci/devices/0000:02:00.0/power/control", "on");
    // A pipe that nobody writes to: even to open it for reading waits.
    let config = machine.path("sys/bus/pci/devices/0000:01:00.0/config");
    fs::remove_file(&config).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &config, rustix::fs::Mode::RUSR).unwrap();
    let begin = Instant::now();
    let output = machine.claim(&[]);
    let took = begin.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(12),
        "{took:?}"
    );
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report = machine.report();
    let gpus = report["gpus"].as_array().unwrap();
    let claimed = gpus.iter().find(|gpu| gpu["device"] == "0000:02:00");
    assert_eq!(claimed.unwrap()["verdict"], "claimed", "{report:#}");
    let log = machine.read("dev/kmsg");
    let why = "the serial number of 0000:01:00.0 is not known: it has not answered within 2 s";
    assert!(log.contains(why), "{log}");
    // It was killed: where the kernel lets go of it, it ends.
    while runs_with(machine.root()) {
        assert!(begin.elapsed() < Duration::from_secs(20), "it still runs");
        std::thread::sleep(Duration::from_millis(5));
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
    assert_eq!(output.status.code(), Some(3), "a rule came to nothing");
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
fn a_root_that_is_not_there_is_named_and_not_made() {
    let here = tempfile::tempdir().unwrap();
    let root = here.path().join("rot");
    let output = reseat_claim().arg("--root").arg(&root).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("rot is no directory")
    );
    assert!(!root.exists());
}

#[test]
fn arguments_without_sense_are_named() {
    let output = reseat_claim().arg("--dryrun").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--dryrun"), "{said}");
}
