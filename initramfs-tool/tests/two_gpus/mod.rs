//! A directory that stands for `/`: two identical GPUs in slots, behind root ports.

#[allow(dead_code, reason = "not all of it is for here")]
#[path = "../files/mod.rs"]
mod files;
#[allow(dead_code, reason = "not every fixture is for here")]
#[path = "../../src/linux/fixtures.rs"]
pub(crate) mod fixtures;

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use files::Files;

/// The machine. Gone when it is dropped.
pub(crate) struct Machine {
    files: Files,
}

/// A PCI Express capability at 40, linked behind the one at 60, and a serial number at 100.
pub(crate) fn config_space(serial: u32) -> Vec<u8> {
    let mut bytes = fixtures::config_space(fixtures::IN_D0);
    bytes.resize(4096, 0);
    bytes[0x61] = 0x40;
    bytes[0x40..0x44].copy_from_slice(&0x0012_0010_u32.to_le_bytes());
    bytes[0x100..0x104].copy_from_slice(&0x0001_0003_u32.to_le_bytes());
    bytes[0x104..0x108].copy_from_slice(&serial.to_le_bytes());
    bytes
}

#[derive(Clone, Copy)]
pub(crate) enum LinkSays {
    Active,
    Inactive,
}

/// A PCI Express capability at 40, of a root port that reports its link.
pub(crate) fn port_space(link: LinkSays) -> Vec<u8> {
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

impl Deref for Machine {
    type Target = Files;

    fn deref(&self) -> &Files {
        &self.files
    }
}

impl Machine {
    pub(crate) fn new(rules: &str) -> Self {
        let machine = Self { files: Files::new() };
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
    pub(crate) fn gpu(&self, bus: u8) {
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

    /// Lets the kernel reset a GPU by FLR: it can, it has no driver, and nobody has it open.
    pub(crate) fn offer_flr(&self, bus: u8) {
        let directory = self.function_directory(bus);
        let mut space = config_space(bus.into());
        // Device Capabilities: Function Level Reset Capability.
        space[0x47] |= 0x10;
        self.write(&format!("{directory}/config"), space);
        let bars = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n".repeat(13);
        for (file, content) in [("reset_method", "flr\n"), ("reset", ""), ("resource", &bars)] {
            self.write(&format!("{directory}/{file}"), content);
        }
        fs::remove_file(self.path(&format!("{directory}/driver"))).unwrap();
        self.write("sys/bus/pci/drivers_probe", "");
        fs::create_dir_all(self.path("proc/1/ns")).unwrap();
        symlink("pid:[4026531836]", self.path("proc/1/ns/pid")).unwrap();
    }

    /// The root port above it.
    pub(crate) fn port(&self, bus: u8) {
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

    pub(crate) fn function_directory(&self, bus: u8) -> String {
        format!("sys/devices/pci0000:00/0000:00:{bus:02x}.0/0000:{bus:02x}:00.0")
    }

    /// The exit status and the output of `reseat rules check`.
    pub(crate) fn check(&self, arguments: &[&str]) -> (Option<i32>, String) {
        said(
            Command::new(env!("CARGO_BIN_EXE_reseat"))
                .args(["rules", "check", "--root"])
                .arg(self.root())
                .args(arguments)
                .output()
                .unwrap(),
        )
    }

    /// The same of `reseat inventory`.
    pub(crate) fn inventory(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut inventory = Command::new(env!("CARGO_BIN_EXE_reseat"));
        let inventory = inventory.args(["inventory", "--root"]).arg(self.root());
        said(inventory.args(arguments).output().unwrap())
    }

    /// The same of `reseat-claim`.
    pub(crate) fn claim(&self, arguments: &[&str]) -> (Option<i32>, String) {
        said(
            Command::new(env!("CARGO_BIN_EXE_reseat-claim"))
                .arg("--root")
                .arg(self.root())
                .args(arguments)
                .output()
                .unwrap(),
        )
    }

    /// Has the firmware's framebuffer in the memory of a GPU, with a driver that draws on it.
    pub(crate) fn show_something_on(&self, bus: u8) {
        let memory = format!("c0000000-cfffffff : 0000:{bus:02x}:00.0\n  c0000000-c02fffff : BOOTFB\n");
        self.write("proc/iomem", memory);
        fs::create_dir_all(self.path("sys/bus/platform/devices/efi-framebuffer.0")).unwrap();
        self.write("sys/bus/platform/drivers/efi-framebuffer/unbind", "");
        let link = self.path("sys/bus/platform/devices/efi-framebuffer.0/driver");
        symlink("/sys/bus/platform/drivers/efi-framebuffer", link).unwrap();
    }
}

pub(crate) fn said(output: Output) -> (Option<i32>, String) {
    let words = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(words).unwrap())
}
