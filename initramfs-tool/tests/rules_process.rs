//! What rules come to, by `reseat rules check` and `reseat-claim`, on a directory that stands for `/`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod two_gpus;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

use two_gpus::{LinkSays, Machine, config_space, fixtures, port_space};

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
            3,
            "no GPU has slot=9: there is slot=1, slot=2",
        ),
        (
            "[[claim]]\nselect = \"0000:01:00.0@10de:1eb8\"\n",
            3,
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
    assert_eq!(status, Some(3), "{said}");
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

/// A server's management controller shows its picture by a function without PCI Express, which has no room for a number: that
/// is no reason to keep silent on the numbers that there are.
#[test]
fn a_function_of_conventional_pci_has_no_serial_number_and_that_is_known() {
    let machine = Machine::new("[[claim]]\nselect = \"serial=00-00-00-00-00-00-00-07\"\n");
    let conventional = fixtures::config_space(fixtures::IN_D0);
    machine.write("sys/bus/pci/devices/0000:02:00.0/config", &conventional);
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(3), "{said}");
    let there = "no GPU has serial=00-00-00-00-00-00-00-07: there is serial=00-00-00-00-00-00-00-01\n";
    assert!(said.contains(there), "{said}");
    let (status, shown) = machine.inventory(&["--selectors"]);
    assert_eq!(status, Some(0), "{shown}");

    // One whose list is not told to its end may have had the capability behind.
    let mut damaged = conventional;
    damaged[0x61] = 0x60;
    machine.write("sys/bus/pci/devices/0000:02:00.0/config", damaged);
    let (_, said) = machine.check(&[]);
    let why = "the serial number of 0000:02:00.0 is not known: only 256 bytes are readable";
    assert!(said.contains(why), "{said}");
}

/// A read of its registers does not come back: the one behind it is found all the same.
#[test]
fn one_that_does_not_answer_keeps_no_other_from_being_found_by_its_serial_number() {
    let machine = Machine::new("[[claim]]\nselect = \"serial=00-00-00-00-00-00-00-02\"\n");
    // A pipe that nobody writes to: even to open it for reading waits.
    let config = machine.path(&format!("{}/config", machine.function_directory(1)));
    fs::remove_file(&config).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &config, rustix::fs::Mode::RUSR).unwrap();
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("0000:02:00: would claim 1 function"), "{said}");
}

/// The quarantine of the GPU that says the number 1, in slot 1 when that was written.
fn quarantine() -> String {
    let text = include_str!("../src/records/quarantine/quarantine-1.json");
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
    assert_eq!(status, Some(3), "{said}");
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
    assert_eq!(status, Some(4), "{said}");
    let why = "0000:01:00: refused: it is the only display of this machine (the firmware's framebuffer \
               (efi-framebuffer.0 on driver efi-framebuffer) is in the memory of 0000:01:00.0)";
    assert!(said.contains(why), "{said}");
    assert!(said.contains("0000:02:00: would claim 1 function"), "{said}");

    // A file does not free the memory, as vfio-pci has the kernel do: then nobody can use the GPU.
    machine.write("etc/reseat/reseat.toml", format!("{both}force-display = true\n"));
    let (status, said) = machine.claim(&[]);
    let why = "BOOTFB lies in the memory of 0000:01:00.0, so that no VM can have it; add \
               `initcall_blacklist=sysfb_init` to the kernel command line";
    assert!(status != Some(0) && said.contains(why), "{said}");

    machine.write("proc/iomem", "c0000000-cfffffff : 0000:01:00.0\n");
    let (status, said) = machine.claim(&[]);
    assert_eq!(status, Some(0), "{said}");
    let unbound = machine.read("sys/bus/platform/drivers/efi-framebuffer/unbind");
    assert_eq!(unbound, "efi-framebuffer.0\n");
    let report: serde_json::Value = serde_json::from_str(&machine.read("run/reseat/claim.json")).unwrap();
    let shown = &report["gpus"][0]["display"][0];
    assert_eq!(shown["id"], "display-framebuffer", "{report:#}");
    assert_eq!(shown["evidence"]["framebuffer"], "efi-framebuffer.0", "{report:#}");
}

#[test]
fn the_text_console_is_a_picture_where_it_is_or_may_be() {
    const CONSOLE: &str = "sys/class/vtconsole/vtcon0";
    let machine = Machine::new("[[claim]]\nselect = \"gpu\"\n");
    let why =
        "0000:01:00: refused: it is the only display of this machine (the kernel's text console is on 0000:01:00.0)";
    let refused = || {
        let (status, said) = machine.check(&[]);
        assert_eq!(status == Some(4), said.contains(why), "{said}");
        said.contains(why)
    };
    for (name, bind, refuses) in [
        ("(S) VGA+", "1\n", true),
        ("(S) VGA+", "0\n", false),
        ("(S) dummy device", "1\n", false),
    ] {
        machine.write(&format!("{CONSOLE}/name"), name);
        machine.write(&format!("{CONSOLE}/bind"), bind);
        assert_eq!(refused(), refuses, "{name}, bind {bind}");
    }
    // A pipe into which nobody writes: whoever opens it waits, as for the lock of the consoles.
    machine.write(&format!("{CONSOLE}/name"), "(S) VGA+");
    let bind = machine.path(&format!("{CONSOLE}/bind"));
    fs::remove_file(&bind).unwrap();
    assert!(Command::new("mkfifo").arg(&bind).status().unwrap().success());
    let begin = Instant::now();
    assert!(refused());
    assert!(begin.elapsed() < Duration::from_secs(20));
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

/// A disk beside the first GPU, in a group with it, on its driver.
fn with_a_disk(rules: &str) -> Machine {
    let machine = Machine::new(rules);
    let disk = "sys/bus/pci/devices/0000:03:00.0";
    for (file, content) in [
        ("vendor", "0x2646"),
        ("device", "0x2263"),
        ("class", "0x010802"),
        ("driver_override", "(null)"),
    ] {
        machine.write(&format!("{disk}/{file}"), content);
    }
    for function in ["0000:01:00.0", "0000:03:00.0"] {
        let link = machine.path(&format!("sys/bus/pci/devices/{function}/iommu_group"));
        if link.is_symlink() {
            fs::remove_file(&link).unwrap();
        }
        symlink("../../../kernel/iommu_groups/12", link).unwrap();
    }
    fs::create_dir_all(machine.path("sys/bus/pci/drivers/nvme")).unwrap();
    symlink("../../drivers/nvme", machine.path(&format!("{disk}/driver"))).unwrap();
    machine.write(&format!("{disk}/nvme/nvme0/nvme0n1/nvme0n1p2/partition"), "2");
    fs::create_dir_all(machine.path("sys/dev/block")).unwrap();
    let block = "../../bus/pci/devices/0000:03:00.0/nvme/nvme0/nvme0n1/nvme0n1p2";
    symlink(block, machine.path("sys/dev/block/259:2")).unwrap();
    machine
}

const ROOT_ON_THE_DISK: &str = "21 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n";

#[test]
fn a_disk_in_the_group_is_refused_unless_it_is_named_and_carries_nothing() {
    let rule = |peers: &str| format!("[[claim]]\nselect = \"0000:01:00.0\"\n{peers}");
    for (peers, mounted, status, part) in [
        (
            "",
            false,
            7,
            "no VM can open 0000:01:00: 0000:03:00.0, in its IOMMU group, is on driver nvme",
        ),
        ("", true, 7, "(0000:03:00.0 has nvme0n1p2, which is mounted on /)"),
        (
            "group-peers = true\n",
            false,
            4,
            "name it in the rule: `group-peers = [\"0000:03:00.0\"]`",
        ),
        (
            "group-peers = true\n",
            true,
            4,
            "carries the system: 0000:03:00.0 has nvme0n1p2, which is mounted on /",
        ),
        (
            "group-peers = [\"0000:03:00.0\"]\n",
            false,
            0,
            "would claim 2 functions",
        ),
        ("group-peers = [\"2646:2263\"]\n", true, 4, "carries the system"),
    ] {
        let machine = with_a_disk(&rule(peers));
        if mounted {
            machine.write("proc/self/mountinfo", ROOT_ON_THE_DISK);
        }
        let (found, said) = machine.check(&[]);
        assert_eq!(found, Some(status), "{peers} {mounted}: {said}");
        assert!(said.contains(part), "{peers} {mounted}: {said}");
    }
    // The boot cannot see what is mounted later, and takes such a disk by its name only.
    let (status, said) = with_a_disk(&rule("group-peers = true\n")).claim(&["--dry-run"]);
    assert_eq!(status, Some(4), "{said}");
}
