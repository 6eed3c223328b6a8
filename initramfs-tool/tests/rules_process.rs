//! What rules come to, by `reseat rules check` and `reseat-claim`, on a directory that stands for `/`: two identical GPUs in
//! slots, behind root ports.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not every fixture is for here")]
#[path = "../src/linux/fixtures.rs"]
mod fixtures;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

struct Machine {
    directory: TempDir,
}

/// A PCI Express capability at 40, linked behind the one at 60, and a serial number at 100.
fn config_space(serial: u32) -> Vec<u8> {
    let mut bytes = fixtures::config_space(fixtures::IN_D0);
    bytes.resize(4096, 0);
    bytes[0x61] = 0x40;
    bytes[0x40..0x44].copy_from_slice(&0x0012_0010_u32.to_le_bytes());
    bytes[0x100..0x104].copy_from_slice(&0x0001_0003_u32.to_le_bytes());
    bytes[0x104..0x108].copy_from_slice(&serial.to_le_bytes());
    bytes
}

#[derive(Clone, Copy)]
enum LinkSays {
    Active,
    Inactive,
}

/// A PCI Express capability at 40, of a root port that reports its link.
fn port_space(link: LinkSays) -> Vec<u8> {
    let mut bytes = fixtures::config_space(fixtures::IN_D0);
    bytes[0x0e] = 0x01;
    bytes[0x34] = 0x40;
    bytes[0x40..0x44].copy_from_slice(&0x0042_0010_u32.to_le_bytes());
    bytes[0x4c..0x50].copy_from_slice(&0x0010_0000_u32.to_le_bytes());
    bytes[0x53] = match link {
        LinkSays::Active => 0x20,
        LinkSays::Inactive => 0,
    };
    bytes
}

impl Machine {
    fn new(rules: &str) -> Self {
        let machine = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        machine.write("proc/cmdline", "quiet");
        machine.write("proc/sys/kernel/osrelease", "6.12.0");
        machine.write("dev/kmsg", "");
        machine.write("etc/reseat/reseat.toml", rules);
        machine.write("sys/module/vfio_pci/parameters/disable_idle_d3", "Y\n");
        for directory in [
            "sys/bus/pci/drivers/vfio-pci",
            "sys/bus/pci/devices",
            "sys/bus/platform/devices",
        ] {
            fs::create_dir_all(machine.path(directory)).unwrap();
        }
        for bus in [1, 2] {
            machine.gpu(bus);
        }
        machine
    }

    /// A GPU on its bus, in the slot of the same number, behind the root port of the same number.
    fn gpu(&self, bus: u8) {
        let directory = self.function_directory(bus);
        for (file, content) in [
            ("vendor", "0x10de"),
            ("device", "0x2489"),
            ("class", "0x030000"),
            ("subsystem_vendor", "0x1458"),
            ("subsystem_device", "0x4077"),
            ("driver_override", "(null)"),
            ("d3cold_allowed", "1"),
            ("power/control", "on"),
            ("power/runtime_status", "active"),
            ("power_state", "D0"),
            ("boot_vga", if bus == 1 { "1" } else { "0" }),
        ] {
            self.write(&format!("{directory}/{file}"), content);
        }
        self.write(&format!("{directory}/config"), config_space(bus.into()));
        self.port(bus);
        let link = |to: &str, at: &str| symlink(to, self.path(at)).unwrap();
        link("/sys/kernel/iommu_groups/1", &format!("{directory}/iommu_group"));
        link("/sys/bus/pci/drivers/vfio-pci", &format!("{directory}/driver"));
        let devices = format!("sys/bus/pci/devices/0000:{bus:02x}:00.0");
        symlink(self.path(&directory), self.path(&devices)).unwrap();
        self.write(
            &format!("sys/bus/pci/slots/{bus}/address"),
            format!("0000:{bus:02x}:00\n"),
        );
    }

    /// The root port above it.
    fn port(&self, bus: u8) {
        let directory = format!("sys/devices/pci0000:00/0000:00:{bus:02x}.0");
        for (file, content) in [
            ("vendor", "0x8086"),
            ("device", "0x352a"),
            ("class", "0x060400"),
            ("power_state", "D0"),
        ] {
            self.write(&format!("{directory}/{file}"), content);
        }
        self.write(&format!("{directory}/config"), port_space(LinkSays::Active));
        let devices = format!("sys/bus/pci/devices/0000:00:{bus:02x}.0");
        symlink(self.path(&directory), self.path(&devices)).unwrap();
    }

    fn function_directory(&self, bus: u8) -> String {
        format!("sys/devices/pci0000:00/0000:00:{bus:02x}.0/0000:{bus:02x}:00.0")
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

    /// The exit status and the output of `reseat rules check`.
    fn check(&self, arguments: &[&str]) -> (Option<i32>, String) {
        said(
            Command::new(env!("CARGO_BIN_EXE_reseat"))
                .args(["rules", "check", "--root"])
                .arg(self.directory.path())
                .args(arguments)
                .output()
                .unwrap(),
        )
    }

    fn claim(&self, arguments: &[&str]) -> (Option<i32>, String) {
        said(
            Command::new(env!("CARGO_BIN_EXE_reseat-claim"))
                .arg("--root")
                .arg(self.directory.path())
                .args(arguments)
                .output()
                .unwrap(),
        )
    }

    /// Has the firmware's framebuffer in the memory of a GPU, with a driver that draws on it.
    fn show_something_on(&self, bus: u8) {
        let memory = format!("c0000000-cfffffff : 0000:{bus:02x}:00.0\n  c0000000-c02fffff : BOOTFB\n");
        self.write("proc/iomem", memory);
        fs::create_dir_all(self.path("sys/bus/platform/devices/efi-framebuffer.0")).unwrap();
        self.write("sys/bus/platform/drivers/efi-framebuffer/unbind", "");
        let link = self.path("sys/bus/platform/devices/efi-framebuffer.0/driver");
        symlink("/sys/bus/platform/drivers/efi-framebuffer", link).unwrap();
    }
}

fn said(output: Output) -> (Option<i32>, String) {
    let words = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(words).unwrap())
}

/// Without the time, which is never twice the same.
fn words(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.split(';').next().unwrap()).collect()
}

#[test]
fn twins_are_told_apart_in_the_same_words_by_the_check_and_by_a_dry_run() {
    for selector in [
        "slot=2",
        "serial=00-00-00-00-00-00-00-02",
        "path=pci0000:00/02.0/00.0@10de:2489",
        "gpu\"\nnot = \"slot=1",
        "subsystem=1458:4077\"\nnot = \"serial=00-00-00-00-00-00-00-01",
    ] {
        let machine = Machine::new(&format!("[[claim]]\nselect = \"{selector}\"\n"));
        let (status, checked) = machine.check(&[]);
        assert_eq!(status, Some(0), "{selector}: {checked}");
        assert!(
            checked.contains("0000:02:00: would claim 1 function"),
            "{selector}: {checked}"
        );
        assert!(!checked.contains("0000:01:00: would claim"), "{selector}: {checked}");
        let (_, dry_run) = machine.claim(&["--dry-run"]);
        assert_eq!(words(&checked), words(&dry_run));
        let untouched = machine.read("sys/bus/pci/devices/0000:02:00.0/driver_override");
        assert_eq!(untouched, "(null)");
    }
}

#[test]
fn exit_statuses_tell_a_rule_that_comes_to_nothing_from_one_that_means_nothing() {
    for (rules, status, part) in [
        ("", 0, "no rules: nothing to claim"),
        (
            "[[claim]]\nselect = \"slot=9\"\n",
            1,
            "no GPU has slot=9: there is slot=1, slot=2",
        ),
        (
            "[[claim]]\nselect = \"0000:01:00.0@10de:1eb8\"\n",
            1,
            "is 10de:2489, not 10de:1eb8",
        ),
        ("[[claim]]\nselect = \"bay=9\"\n", 2, "`bay=` is not known"),
        ("[[claim]]\nselect = \"gpu\"\nnot = \"all\"\n", 2, "not a selector"),
        (
            "[[claim]]\nselct = \"gpu\"\n",
            2,
            "/etc/reseat/reseat.toml:2: unknown field `selct`",
        ),
    ] {
        let (found, said) = Machine::new(rules).check(&[]);
        assert_eq!(found, Some(status), "{rules}: {said}");
        assert!(said.contains(part), "{rules}: {said}");
    }
    let (status, said) = Machine::new("").check(&["--rules", "/nowhere.toml"]);
    assert_eq!(status, Some(2), "{said}");
    let (status, said) = Machine::new("[[claim]]\nselect = \"slot=1\"\n").check(&["--json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (status, &report["gpus"][0]["verdict"]),
        (Some(0), &"would-claim".into())
    );
}

#[test]
fn one_that_sleeps_is_not_woken_for_its_serial_number() {
    let machine = Machine::new("[[claim]]\nselect = \"serial=00-00-00-00-00-00-00-02\"\n");
    machine.write("sys/bus/pci/devices/0000:02:00.0/power_state", "D3cold");
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(1), "{said}");
    let why = "the serial number of 0000:02:00.0 is not known: it is asleep (D3cold)";
    assert!(said.contains(why), "{said}");
}

#[test]
fn below_a_port_that_sleeps_or_has_no_link_nobody_is_asked_for_a_serial_number() {
    let machine = Machine::new("[[claim]]\nselect = \"serial=00-00-00-00-00-00-00-02\"\n");
    let port = "sys/bus/pci/devices/0000:00:02.0";
    machine.write(&format!("{port}/power_state"), "D3hot");
    let (_, said) = machine.check(&[]);
    let why = "the serial number of 0000:02:00.0 is not known: 0000:00:02.0 above it is asleep (D3hot)";
    assert!(said.contains(why), "{said}");

    machine.write(&format!("{port}/power_state"), "D0");
    machine.write(&format!("{port}/config"), port_space(LinkSays::Inactive));
    let (_, said) = machine.check(&[]);
    let why = "the serial number of 0000:02:00.0 is not known: not read: the link is not active";
    assert!(said.contains(why), "{said}");

    machine.write(&format!("{port}/config"), port_space(LinkSays::Active));
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(0), "{said}");
}

/// The quarantine of the GPU that says the number 1, in slot 1 when that was written.
fn quarantine() -> String {
    let text = include_str!("../src/quarantine/quarantine-1.json");
    let mut file: serde_json::Value = serde_json::from_str(text).unwrap();
    file["lost"] = serde_json::Value::Null;
    let gpu = &mut file["entries"][0]["gpu"];
    gpu["functions"][0]["identity"] = "10de:2489".into();
    gpu["slot"] = "1".into();
    gpu["serial"] = "00-00-00-00-00-00-00-01".into();
    file.to_string()
}

fn with_serial(machine: &Machine, bus: u8, serial: u32) {
    let config = format!("sys/bus/pci/devices/0000:{bus:02x}:00.0/config");
    machine.write(&config, config_space(serial));
}

/// What is said of the GPUs on both buses, in which 1 and 2 give these serial numbers.
fn said_of(serials: [u32; 2]) -> String {
    let machine = Machine::new("[[claim]]\nselect = \"gpu\"\n");
    machine.write("etc/reseat/quarantine.json", quarantine());
    for (bus, serial) in [1, 2].into_iter().zip(serials) {
        with_serial(&machine, bus, serial);
    }
    machine.check(&[]).1
}

#[test]
fn one_that_is_out_of_service_is_found_again_by_its_serial_number_and_its_twin_in_its_place_is_not_taken_for_it() {
    let out = |bus: u8| format!("0000:0{bus}:00: out of service (no rung is left)");
    let claimed = |bus: u8| format!("0000:0{bus}:00: would claim 1 function");
    let in_its_place = "0000:01:00: in the place of another, which is out of service: 0000:01:00 [10de:2489] in slot 1, \
                        serial number 00-00-00-00-00-00-00-01: no rung is left";
    let said = said_of([1, 2]);
    assert!(said.contains(&out(1)) && said.contains(&claimed(2)), "{said}");
    assert!(!said.contains("in the place"), "{said}");
    let said = said_of([2, 1]);
    assert!(said.contains(&out(2)) && said.contains(&claimed(1)), "{said}");
    assert!(said.contains(in_its_place), "{said}");
    let said = said_of([3, 2]);
    assert!(said.contains(&claimed(1)) && said.contains(&claimed(2)), "{said}");
    assert!(said.contains(in_its_place), "{said}");
    // What gives none may be any.
    let said = said_of([0, 2]);
    assert!(said.contains(&out(1)) && said.contains(&claimed(2)), "{said}");
}

#[test]
fn one_that_could_have_been_moved_and_does_not_say_is_told() {
    let machine = Machine::new("[[claim]]\nselect = \"gpu\"\n");
    machine.write("etc/reseat/quarantine.json", quarantine());
    machine.write("sys/bus/pci/devices/0000:02:00.0/power_state", "D3cold");
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("0000:02:00.0 is not known: it is asleep (D3cold); whether it is a GPU that is out"),
        "{said}"
    );
    // Without a serial number in the list nobody is asked.
    let text = quarantine().replace("\"00-00-00-00-00-00-00-01\"", "null");
    machine.write("etc/reseat/quarantine.json", text);
    let (_, said) = machine.check(&[]);
    assert!(!said.contains("asleep"), "{said}");
}

#[test]
fn the_only_display_is_claimed_when_forced_and_its_framebuffer_let_go() {
    let both = "[[claim]]\nselect = \"gpu\"\n";
    let machine = Machine::new(both);
    machine.show_something_on(1);
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(1), "{said}");
    let why = "0000:01:00: refused: it is the only display of this machine (the firmware's framebuffer \
               (efi-framebuffer.0 on driver efi-framebuffer) is in the memory of 0000:01:00.0)";
    assert!(said.contains(why), "{said}");
    assert!(said.contains("0000:02:00: would claim 1 function"), "{said}");

    machine.write("etc/reseat/reseat.toml", format!("{both}force-display = true\n"));
    let (status, said) = machine.claim(&[]);
    assert_eq!(status, Some(0), "{said}");
    let unbound = machine.read("sys/bus/platform/drivers/efi-framebuffer/unbind");
    assert_eq!(unbound, "efi-framebuffer.0\n");
    let report: serde_json::Value = serde_json::from_str(&machine.read("run/reseat/claim.json")).unwrap();
    let shown = report["gpus"][0]["display"][0].as_str().unwrap();
    assert!(shown.contains("efi-framebuffer.0"), "{report:#}");
}

#[test]
fn a_variant_is_chosen_by_its_alias() {
    let machine = Machine::new("[[claim]]\nselect = \"slot=2\"\n");
    machine.write(
        "lib/modules/6.12.0/modules.alias",
        "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n\
         alias vfio_pci:v000010DEd00002489sv*sd*bc*sc*i* made_for_vfio_pci\n",
    );
    fs::create_dir_all(machine.path("sbin")).unwrap();
    let modprobe = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modprobe.sh");
    symlink(modprobe, machine.path("sbin/modprobe")).unwrap();
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(0), "{said}");
    let words = "0000:02:00: would claim 1 function (0000:02:00.0 by made_for_vfio_pci)";
    assert!(said.contains(words), "{said}");
}

#[test]
fn vfio_pci_that_is_built_in_without_its_parameter_is_told() {
    let machine = Machine::new("[[claim]]\nselect = \"slot=2\"\n");
    machine.write("sys/module/vfio_pci/parameters/disable_idle_d3", "N\n");
    let (_, said) = machine.check(&[]);
    let cure = "it is built in: add `vfio_pci.disable_idle_d3=1` to the kernel command line";
    assert!(said.contains(cure), "{said}");
    machine.write("sys/module/vfio_pci/initstate", "live\n");
    let (_, said) = machine.check(&[]);
    assert!(said.contains("options vfio-pci disable_idle_d3=1"), "{said}");
}

#[test]
fn many_rules_are_all_told_to_people_and_not_all_to_the_kernel() {
    let rules = |range: std::ops::Range<u8>| -> String {
        range
            .map(|bus| format!("[[claim]]\nselect = \"0000:{bus:02x}:00.0\"\n"))
            .collect()
    };
    let machine = Machine::new(&rules(0x20..0x60));
    let last = "rule `0000:5f:00.0` (/etc/reseat/reseat.toml:128): no function at 0000:5f:00.0\n";
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
        assert_eq!(status, Some(1), "{said}");
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

/// Nobody waits for who never writes, and nobody reads for ever.
#[test]
fn rules_that_are_no_file_are_refused_at_once() {
    let rules = "etc/reseat/reseat.toml";
    let make_pipe = |machine: &Machine| {
        let made = Command::new("mkfifo").arg(machine.path(rules)).status().unwrap();
        assert!(made.success());
    };
    let link = |to: &'static str| move |machine: &Machine| symlink(to, machine.path(rules)).unwrap();
    let cases: [(&dyn Fn(&Machine), &str); 4] = [
        (&make_pipe, "cannot read /etc/reseat/reseat.toml: it is no regular file"),
        (
            &link("/dev/zero"),
            "cannot read /etc/reseat/reseat.toml: it is no regular file",
        ),
        (&link("reseat.toml"), "cannot read /etc/reseat/reseat.toml: "),
        (&link("/nowhere/reseat.toml"), "cannot read /etc/reseat/reseat.toml: "),
    ];
    for (make, part) in cases {
        let machine = Machine::new("");
        fs::remove_file(machine.path(rules)).unwrap();
        make(&machine);
        let mut child = Command::new(env!("CARGO_BIN_EXE_reseat"))
            .args(["rules", "check", "--root"])
            .arg(machine.directory.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let begin = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() && begin.elapsed().as_secs() < 10 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        // One that still waits is a failure, and is not to be left behind.
        child.kill().unwrap();
        let (status, said) = said(child.wait_with_output().unwrap());
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(part), "{said}");
        assert!(!said.contains("the boot goes on"), "{said}");
    }
}
