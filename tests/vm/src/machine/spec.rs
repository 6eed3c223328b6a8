//! What a machine is made of, and how QEMU is told.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::devices::{Nvme, PartOf, RootPort, Switch, VfioUser};
use super::platform::{Platform, Translation};
use super::start::{QMP_SOCKET, SHELL_SOCKET};
use super::{Machine, MachineError, amd_switch, trace};
use crate::artifacts::{Bed, Kernel, KernelFiles, Missing, Tree};
use crate::initramfs::Image;

/// A panic ends the machine; no check of a root that is never written; no self-tests of ciphers, which take 0.6 s under TCG.
const APPEND: &str = "panic=-1 root=/dev/vda rootfstype=ext4 ro fsck.mode=skip cryptomgr.notests";

/// The translation that the machine has for DMA: an Intel one on x86-64, a version 3 SMMU on aarch64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iommu {
    /// None: vfio needs its no-IOMMU mode.
    None,
    /// One of which the kernel's command line says nothing; whether it is used then is the kernel's choice.
    Untold,
    /// One that is in use.
    Told,
    /// One that the kernel is told to use, and that is for nothing that stands on the buses.
    Elsewhere,
}

/// How a machine boots.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Boot {
    /// QEMU enters the kernel by its PVH note.
    Directly,
    /// A BIOS enters the kernel.
    Bios,
    /// UEFI does, from this flash image.
    Uefi(PathBuf),
}

/// What a machine is made of.
#[derive(Debug, Clone)]
pub struct MachineSpec {
    name: String,
    platform: Platform,
    kernel: KernelFiles,
    image: PathBuf,
    root: PathBuf,
    append: String,
    memory_mib: u32,
    iommu: Iommu,
    ports: Vec<RootPort>,
    switches: Vec<Switch>,
    functions: Vec<VfioUser>,
    disks: Vec<Nvme>,
    trace: bool,
    boot: Boot,
    counted: bool,
    arguments: Vec<String>,
    logs: PathBuf,
    qemu: Tree,
}

impl MachineSpec {
    /// A machine with 512 MiB, an IOMMU and no ports; `name` is for its log.
    ///
    /// # Errors
    /// When the kernel is not in the bed, or no emulator for it.
    pub fn new(bed: &Bed, name: &str, kernel: Kernel, image: &Image, root: &Path) -> Result<Self, Missing> {
        Ok(Self {
            name: name.to_owned(),
            platform: Platform::of(kernel.architecture()),
            kernel: bed.kernel(kernel)?,
            image: image.path.clone(),
            root: root.to_owned(),
            append: String::new(),
            memory_mib: 512,
            iommu: Iommu::Told,
            ports: Vec::new(),
            switches: Vec::new(),
            functions: Vec::new(),
            disks: Vec::new(),
            trace: false,
            boot: Boot::Directly,
            counted: false,
            arguments: Vec::new(),
            logs: bed.part("logs"),
            qemu: bed.emulator(kernel.architecture())?,
        })
    }

    /// Adds words to the kernel's command line.
    #[must_use]
    pub fn append(mut self, words: &str) -> Self {
        self.append.push(' ');
        self.append.push_str(words);
        self
    }

    /// Sets the memory.
    #[must_use]
    pub const fn memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = memory;
        self
    }

    /// Sets the IOMMU.
    #[must_use]
    pub const fn iommu(mut self, iommu: Iommu) -> Self {
        self.iommu = iommu;
        self
    }

    /// Adds a root port.
    #[must_use]
    pub fn root_port(mut self, port: RootPort) -> Self {
        self.ports.push(port);
        self
    }

    /// Adds a switch.
    #[must_use]
    pub fn switch(mut self, switch: Switch) -> Self {
        self.switches.push(switch);
        self
    }

    /// Adds a disk.
    #[must_use]
    pub fn disk(mut self, disk: Nvme) -> Self {
        self.disks.push(disk);
        self
    }

    /// Has the guest's clock count instructions, 4 ns each, whatever else the host does meanwhile: times are the same in
    /// every run then, but what a device takes to answer is not in them.
    #[must_use]
    pub const fn count_instructions(mut self) -> Self {
        self.counted = true;
        self
    }

    /// Has QEMU write down every write to configuration space, for [`Machine::config_writes`].
    #[must_use]
    pub const fn trace_config_writes(mut self) -> Self {
        self.trace = true;
        self
    }

    /// Has a BIOS boot the compressed image as it does on a real machine: only so is the kernel told of a framebuffer.
    #[must_use]
    pub fn bios_boots(mut self) -> Self {
        self.boot = Boot::Bios;
        self
    }

    /// As [`MachineSpec::bios_boots`], by UEFI.
    ///
    /// # Errors
    /// When that is not in the bed.
    pub fn uefi_boots(mut self, bed: &Bed) -> Result<Self, Missing> {
        self.boot = Boot::Uefi(bed.uefi()?);
        Ok(self)
    }

    /// Adds a function.
    #[must_use]
    pub fn function(mut self, function: VfioUser) -> Self {
        self.functions.push(function);
        self
    }

    /// Adds arguments to QEMU's, after all others.
    #[must_use]
    pub fn arguments<T: Into<String>>(mut self, more: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(more.into_iter().map(Into::into));
        self
    }

    /// Starts QEMU; the guest has only begun to boot.
    ///
    /// # Errors
    /// When QEMU does not start or does not connect.
    pub fn start(&self) -> Result<Machine, MachineError> {
        Machine::start(self)
    }

    /// Starts QEMU and waits for the guest's shell.
    ///
    /// # Errors
    /// As [`MachineSpec::start`], and when the boot does not end in time.
    pub fn boot(&self, timeout: Duration) -> Result<Machine, MachineError> {
        let mut machine = self.start()?;
        machine.wait_shell(timeout)?;
        Ok(machine)
    }

    fn command_line(&self) -> String {
        let iommu = match self.iommu {
            Iommu::None | Iommu::Untold => "",
            Iommu::Told | Iommu::Elsewhere => self.platform.use_iommu(),
        };
        format!("{} {APPEND}{iommu}{}", self.platform.words(), self.append)
    }

    /// QEMU's arguments, with the sockets in a directory.
    fn qemu_arguments(&self, sockets: &Path) -> Vec<String> {
        let mut all = vec!["-nodefaults".to_owned(), "-no-reboot".to_owned()];
        let options = [
            self.platform(sockets),
            connections(sockets),
            self.functions(),
            self.disk_and_kernel(),
            if self.trace {
                trace::options(sockets)
            } else {
                Vec::new()
            },
        ];
        for (option, value) in options.into_iter().flatten() {
            all.extend([option.to_owned(), value]);
        }
        all.extend(self.arguments.iter().cloned());
        all
    }

    fn platform(&self, directory: &Path) -> Vec<QemuOption> {
        let accelerator = if self.counted {
            "tcg,thread=single"
        } else {
            "tcg,thread=multi"
        };
        let mut options = vec![
            ("-accel", accelerator.to_owned()),
            ("-m", format!("{}M", self.memory_mib)),
            ("-display", "none".to_owned()),
        ];
        options.extend(self.platform.options(self.iommu, Translation::Bypassed));
        if self.counted {
            options.push(("-icount", "shift=2,sleep=off".to_owned()));
        }
        if let Some(tree) = self.device_tree(directory) {
            options.push(("-dtb", tree.display().to_string()));
        }
        options
    }

    /// The file for the machine's device tree, where QEMU is to be given one.
    pub(super) fn device_tree(&self, directory: &Path) -> Option<PathBuf> {
        self.platform.device_tree(self.iommu, directory)
    }

    /// A QEMU that writes down the device tree of this machine, with its ports for the console and the shell, and ends.
    pub(super) fn dump_device_tree(&self, to: &Path) -> Command {
        let mut command = self.qemu(Path::new(self.platform.program()));
        command.args(["-nodefaults", "-display", "none", "-serial", "null", "-serial", "null"]);
        for (option, value) in self.platform.options(self.iommu, Translation::Real) {
            command.arg(option).arg(value);
        }
        command.arg("-machine").arg(format!("dumpdtb={}", to.display()));
        command
    }

    fn functions(&self) -> Vec<QemuOption> {
        let ports = self.ports.iter().map(RootPort::arguments);
        let switches = self.switches.iter().flat_map(Switch::arguments);
        let functions = self.functions.iter().map(VfioUser::arguments);
        let disks = self.disks.iter().map(Nvme::arguments);
        let devices = ports.chain(switches).chain(functions).chain(disks);
        let devices = devices.map(|device| ("-device", device.to_string()));
        let files = self.disks.iter().map(|disk| ("-blockdev", disk.file().to_string()));
        files.chain(devices).collect()
    }

    fn disk_and_kernel(&self) -> Vec<QemuOption> {
        // Machines that run side by side share the image, which none of them writes.
        let root = json!({
            "driver": "raw",
            "node-name": "root",
            "read-only": true,
            "file": { "driver": "file", "filename": self.root, "locking": "off" },
        });
        let kernel = match &self.boot {
            Boot::Bios | Boot::Uefi(_) => self.kernel.image(),
            Boot::Directly => self.kernel.vmlinux.clone(),
        };
        let mut options = vec![
            ("-blockdev", root.to_string()),
            ("-device", "virtio-blk-pci,drive=root".to_owned()),
            ("-kernel", kernel.display().to_string()),
            ("-initrd", self.image.display().to_string()),
            ("-append", self.command_line()),
        ];
        if let Boot::Uefi(flash) = &self.boot {
            options.push(("-bios", flash.display().to_string()));
        }
        options
    }

    pub(super) fn command(&self, directory: &Path) -> Result<Command, MachineError> {
        let mut program = PathBuf::from(self.platform.program());
        let of_cards = self.switches.iter().filter(|switch| switch.part_of == PartOf::AmdCard);
        match of_cards.count() {
            0 => {}
            all if all == self.switches.len() => {
                let copy = directory.join("qemu");
                amd_switch::write(&self.qemu.path.join(program), &copy)?;
                program = copy;
            }
            _ => return Err(MachineError::Switches),
        }
        let mut command = self.qemu(&program);
        command.args(self.qemu_arguments(directory));
        Ok(command)
    }

    /// A program of the tree, or a copy of one.
    fn qemu(&self, program: &Path) -> Command {
        let tree = &self.qemu.path;
        let mut command = self.qemu.command(&program.to_string_lossy());
        for data in ["usr/share/qemu", "usr/share/seabios"] {
            command.arg("-L").arg(tree.join(data));
        }
        command.env("QEMU_MODULE_DIR", tree.join("usr/lib/x86_64-linux-gnu/qemu"));
        command
    }

    /// A log of its own for each machine, also when a test runs twice at once.
    pub(super) fn log(&self) -> PathBuf {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        self.logs.join(format!("{}.{process}.{number}.log", self.name))
    }
}

/// An option and its value.
pub(super) type QemuOption = (&'static str, String);

/// The console on QEMU's output, the shell's serial port and the monitor on sockets.
fn connections(sockets: &Path) -> Vec<QemuOption> {
    let socket = |name: &str| sockets.join(name).display().to_string();
    vec![
        ("-chardev", "stdio,id=console,signal=off".to_owned()),
        ("-serial", "chardev:console".to_owned()),
        ("-chardev", format!("socket,id=shell,path={}", socket(SHELL_SOCKET))),
        ("-serial", "chardev:shell".to_owned()),
        ("-qmp", format!("unix:{}", socket(QMP_SOCKET))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Among, DownstreamPort, Siblings};

    fn function(siblings: Siblings) -> VfioUser {
        VfioUser {
            id: "gpu0".to_owned(),
            port: "rp0".to_owned(),
            function: 0,
            socket: "/tmp/s".into(),
            siblings,
        }
    }

    fn spec() -> MachineSpec {
        MachineSpec {
            name: "test".to_owned(),
            platform: Platform::Q35,
            kernel: KernelFiles::at("6.1", Path::new("/kernel")),
            image: "/image".into(),
            root: "/root".into(),
            append: String::new(),
            memory_mib: 512,
            iommu: Iommu::Told,
            ports: Vec::new(),
            switches: Vec::new(),
            functions: Vec::new(),
            disks: Vec::new(),
            trace: false,
            boot: Boot::Directly,
            counted: false,
            arguments: Vec::new(),
            logs: "/logs".into(),
            qemu: Tree { path: "/qemu".into() },
        }
    }

    fn line(spec: &MachineSpec) -> String {
        spec.qemu_arguments(Path::new("/s")).join(" ")
    }

    #[test]
    fn ports_come_before_the_functions_below_them() {
        let port = RootPort {
            id: "rp0".to_owned(),
            slot: 1,
            device: 16,
            among: Among::Alone,
        };
        let line = line(&spec().function(function(Siblings::None)).root_port(port));
        let at = |text: &str| line.find(text).unwrap_or_else(|| panic!("no {text}: {line}"));
        assert!(at(r#""addr":"10.0""#) < at(r#""driver":"vfio-user-pci""#));
        assert!(!line.contains("multifunction"));
    }

    #[test]
    fn root_ports_of_one_device_say_that_there_are_others() {
        let port = |function| RootPort {
            id: format!("rp{function}"),
            slot: 1 + function,
            device: 3,
            among: Among::Others(function),
        };
        let line = line(&spec().root_port(port(0)).root_port(port(1)));
        assert!(
            line.contains(r#""addr":"03.0""#) && line.contains(r#""addr":"03.1""#),
            "{line}"
        );
        assert_eq!(line.matches(r#""multifunction":true"#).count(), 2, "{line}");
    }

    #[test]
    fn a_switch_stands_between_its_root_port_and_the_disk_below() {
        let port = RootPort {
            id: "rp0".to_owned(),
            slot: 1,
            device: 3,
            among: Among::Alone,
        };
        let below = DownstreamPort {
            id: "dp0".to_owned(),
            slot: 2,
        };
        let switch = Switch {
            id: "sw0".to_owned(),
            port: "rp0".to_owned(),
            downstream: vec![below],
            part_of: PartOf::Machine,
        };
        let disk = Nvme {
            id: "disk0".to_owned(),
            port: "dp0".to_owned(),
            function: 0,
            file: "/disk".into(),
        };
        let line = line(&spec().disk(disk).switch(switch).root_port(port));
        let at = |text: &str| line.find(text).unwrap_or_else(|| panic!("no {text}: {line}"));
        assert!(at("pcie-root-port") < at("x3130-upstream"));
        assert!(at("x3130-upstream") < at("xio3130-downstream"));
        assert!(at("xio3130-downstream") < at(r#""driver":"nvme""#));
        assert!(at(r#""node-name":"disk0-file""#) < at(r#""drive":"disk0-file""#));
    }

    #[test]
    fn writes_are_traced_only_where_it_is_wanted() {
        assert!(!line(&spec()).contains("-trace"));
        let line = line(&spec().trace_config_writes());
        assert!(line.contains("-trace enable=pci_cfg_write,file=/s/trace"), "{line}");
    }

    #[test]
    fn a_function_with_siblings_says_so() {
        let arguments = function(Siblings::Some).arguments();
        assert_eq!(arguments["multifunction"], true);
        assert_eq!(arguments["addr"], "00.0");
        assert_eq!(arguments["socket"]["path"], "/tmp/s");
    }

    #[test]
    fn without_an_iommu_neither_the_device_nor_the_words_are_there() {
        assert!(line(&spec()).contains("intel-iommu"));
        assert!(line(&spec()).contains("intel_iommu=on iommu=pt"));
        let without = line(&spec().iommu(Iommu::None));
        assert!(!without.contains("iommu"), "{without}");
    }

    #[test]
    fn a_machine_with_an_smmu_takes_its_tree_from_its_directory() {
        let spec = MachineSpec {
            platform: Platform::Virt,
            ..spec()
        };
        let with = line(&spec);
        assert!(with.contains("-dtb /s/device-tree"), "{with}");
        assert!(
            with.contains("console=ttyAMA0") && with.contains("iommu.passthrough=1"),
            "{with}"
        );
        let without = line(&spec.iommu(Iommu::None));
        assert!(!without.contains("-dtb") && !without.contains("mmu"), "{without}");
    }

    #[test]
    fn firmware_boots_the_compressed_image() {
        assert!(line(&spec()).contains("-kernel /kernel/vmlinux "));
        let by_bios = line(&spec().bios_boots());
        assert!(by_bios.contains("-kernel /kernel/lib/modules/6.1/vmlinuz ") && !by_bios.contains("-bios"));
        let boot = Boot::Uefi("/flash".into());
        let by_uefi = line(&MachineSpec { boot, ..spec() });
        assert!(
            by_uefi.contains("/vmlinuz ") && by_uefi.contains("-bios /flash"),
            "{by_uefi}"
        );
    }

    #[test]
    fn added_words_and_arguments_come_last() {
        let spec = spec().append("a=1").append("b").arguments(["-snapshot"]);
        assert!(spec.command_line().ends_with(" a=1 b"));
        assert!(line(&spec).ends_with("a=1 b -snapshot"));
    }
}
