use std::os::unix::fs::symlink;

use super::*;
use crate::decode::{self, hex};
use crate::model::finding::id;
use crate::model::subject::Member;
use crate::records::evidence::{Role, hex_of};

const GPU_SPACE: &str = include_str!("../../../../../core/tests/fixtures/nvidia-rtx-3060-ti-2489.hex");
const PORT_SPACE: &str = include_str!("../../../../../core/tests/fixtures/intel-skylake-root-port-2030.hex");
const PORT: &str = "0000:00:01.0";
const GPU: &str = "0000:01:00.0";
/// The upper byte of the port's Link Status, in which bit 5 says that the link is active.
const LINK_STATUS: usize = 0xa3;

struct Machine {
    _directory: tempfile::TempDir,
    root: Root,
    subject: RecoverySubject,
}

/// The 4096 bytes of a fixture: those that it does not give are 0.
fn bytes(fixture: &str) -> Vec<u8> {
    let mut space = hex::read(fixture).functions.remove(0).space;
    let offsets = (0..4096_u16).step_by(4).map(|offset| Offset::new(offset).unwrap());
    let registers = offsets.map(|at| space.read(at).unwrap_or_default());
    registers.flat_map(u32::to_le_bytes).collect()
}

fn address(text: &str) -> FunctionAddress {
    text.parse().unwrap()
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let gpu = address(GPU);
        let machine = Self {
            root: Root::at(directory.path()),
            _directory: directory,
            subject: RecoverySubject {
                device: gpu.device_address(),
                function: gpu,
                members: vec![Member {
                    address: gpu,
                    identity: "10de:2489".parse().unwrap(),
                    class: "030000".parse().unwrap(),
                }],
                switch: Vec::new(),
                ports: vec![address(PORT)],
                card_root: Some(address(PORT)),
            },
        };
        machine.write(PORT, "config", bytes(PORT_SPACE));
        machine.write(GPU, "config", bytes(GPU_SPACE));
        machine
    }

    fn write(&self, function: &str, file: &str, content: impl AsRef<[u8]>) {
        let path = self.root.function(address(function)).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn collect(&self, part: Part) -> Collected {
        collect(&self.root, part, &self.subject)
    }

    fn space(&self, function: &str) -> SpaceDump {
        let collected = self.collect(Part::Function(address(function)));
        assert_eq!(collected.not_read, Vec::new());
        collected.functions[0].space.clone().unwrap()
    }
}

#[test]
fn of_a_space_everything_is_read_that_can_be_decoded() {
    let machine = Machine::new();
    for (function, fixture) in [(PORT, PORT_SPACE), (GPU, GPU_SPACE)] {
        let space = machine.space(function);
        assert!(
            matches!(space.state, SpaceState::Read(Readiness::Ready(_))),
            "{space:?}"
        );
        let registers = space
            .hex
            .split_ascii_whitespace()
            .filter(|word| word.len() == 2)
            .count()
            / 4;
        assert!(registers <= 300, "{function}: {registers} registers");
        let listed = hex_of(address(function), "", &space);
        let mut whole = format!("{function} \n");
        for (row, bytes) in bytes(fixture).chunks(16).enumerate() {
            let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            whole.push_str(&format!("{:02x}: {}\n", row * 16, bytes.join(" ")));
        }
        let text = |dump: &str| {
            let decoded = decode::decode("-".as_ref(), dump.as_bytes());
            assert_eq!(decoded.problems, Vec::new());
            // The first line says how many bytes there are.
            let text = decoded.functions[0].to_string();
            text.split_once(" bytes\n").unwrap().1.to_owned()
        };
        assert_eq!(text(&listed), text(&whole));
    }
}

#[test]
fn below_a_link_that_is_not_active_nothing_is_read() {
    let machine = Machine::new();
    let mut port = bytes(PORT_SPACE);
    port[LINK_STATUS] &= !0x20;
    machine.write(PORT, "config", port);
    // Whoever opened it would be told so.
    fs::remove_file(machine.root.function(address(GPU)).join("config")).unwrap();
    machine.write(GPU, "current_link_speed", "16.0 GT/s PCIe\n");
    let collected = machine.collect(Part::Function(address(GPU)));
    assert_eq!(collected.not_read, Vec::new());
    let function = &collected.functions[0];
    let space = function.space.as_ref().unwrap();
    assert_eq!(space.state, SpaceState::Read(Readiness::LinkInactive));
    assert_eq!(space.hex, "");
    assert!(function.attributes.is_empty(), "{function:?}");
    assert!(machine.space(PORT).answered());
}

#[test]
fn what_sleeps_is_not_woken() {
    let machine = Machine::new();
    fs::remove_file(machine.root.function(address(GPU)).join("config")).unwrap();
    for (file, value) in [("power_state", "D3cold"), ("power/runtime_status", "suspended")] {
        machine.write(GPU, file, value);
        let space = machine.space(GPU);
        assert_eq!(space.state, SpaceState::Asleep(value.to_owned()));
        machine.write(GPU, file, "active");
    }
}

#[test]
fn of_what_does_not_answer_one_register_is_read() {
    let machine = Machine::new();
    machine.write(GPU, "config", [0xff; 4096]);
    machine.write(GPU, "current_link_width", "63\n");
    machine.write(GPU, "driver_override", "vfio-pci\n");
    let collected = machine.collect(Part::Function(address(GPU)));
    let function = &collected.functions[0];
    let space = function.space.as_ref().unwrap();
    assert_eq!(space.hex, "00: ff ff ff ff\n");
    assert_eq!(space.state, SpaceState::Read(Readiness::Absent));
    let names: Vec<&String> = function.attributes.keys().collect();
    assert_eq!(names, ["driver_override"]);
}

#[test]
fn what_was_removed_and_what_cannot_be_read_is_named() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.root.function(address(GPU))).unwrap();
    machine.write(PORT, "config", [0; 10]);
    for part in [Part::Remembered, Part::Function(address(GPU))] {
        let collected = machine.collect(part);
        let gpu = collected.functions.last().unwrap();
        assert_eq!((gpu.role, gpu.listed, &gpu.space), (Role::Gpu, false, &None));
    }
    let collected = machine.collect(Part::Function(address(PORT)));
    assert_eq!(collected.not_read[0].id, id::CONFIG_UNREADABLE);
    let cause = collected.not_read[0].evidence.get("cause").unwrap();
    assert!(cause.contains("is short"), "{cause}");
    assert_eq!(machine.collect(Part::Users), Collected::default());
}

#[test]
fn what_the_kernel_remembers_is_taken_as_it_stands() {
    let machine = Machine::new();
    machine.write(PORT, "aer_dev_fatal", "SDES 1\nTOTAL_ERR_FATAL 1\n");
    machine.write(GPU, "resource", "x".repeat(10_000));
    symlink(
        "../../drivers/vfio-pci",
        machine.root.function(address(GPU)).join("driver"),
    )
    .unwrap();
    let collected = machine.collect(Part::Remembered);
    let [port, gpu] = &collected.functions[..] else {
        panic!("{collected:?}")
    };
    assert_eq!(port.attributes["aer_dev_fatal"], "SDES 1\nTOTAL_ERR_FATAL 1");
    assert_eq!((port.role, gpu.attributes["driver"].as_str()), (Role::Port, "vfio-pci"));
    assert_eq!(gpu.attributes["resource"].len(), LONGEST_ATTRIBUTE);
}

#[test]
fn a_bridge_of_the_card_is_read_after_the_ports_that_the_kernel_has_above_it() {
    let mut machine = Machine::new();
    let bridge = "0000:02:01.0";
    let real = machine.root.path(format!("/sys/devices/pci0000:00/{PORT}/{bridge}"));
    fs::create_dir_all(&real).unwrap();
    fs::write(real.join("config"), bytes(PORT_SPACE)).unwrap();
    machine.subject.switch.push(address(bridge));
    symlink(
        format!("../../../devices/pci0000:00/{PORT}/{bridge}"),
        machine.root.function(address(bridge)),
    )
    .unwrap();
    assert!(machine.space(bridge).answered());
    let mut port = bytes(PORT_SPACE);
    port[LINK_STATUS] &= !0x20;
    machine.write(PORT, "config", port);
    assert!(!machine.space(bridge).answered());
}
