//! The functions that the running system needs: those below its mounted and its swap devices, and below its network.
//!
//! Something that cannot be read counts as unused: a rule takes such functions only where it names them.

use std::fs;
use std::path::{Path, PathBuf};

use reseat_core::address::FunctionAddress;

use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::slots::names_of;
use crate::model::system_use::{SystemUse, SystemUseKind, default_routes, mounted, swaps};

/// The layers of devices that lie on one another, at most: encryption on volumes on mirrors on disks.
const DEEPEST: usize = 16;

/// The uses of this moment, disks first.
pub(crate) fn gather(root: &Root, command_line: &str) -> Vec<SystemUse> {
    let mut found = Found { root, uses: Vec::new() };
    found.mounts();
    found.swap();
    found.root_device(command_line);
    found.network();
    found.uses
}

struct Found<'a> {
    root: &'a Root,
    uses: Vec<SystemUse>,
}

impl Found<'_> {
    fn read(&self, path: &str) -> String {
        attributes::read_configuration(&self.root.path(path))
    }

    fn mounts(&mut self) {
        for device in mounted(&self.read("/proc/self/mountinfo")) {
            // Those of some file systems are made up, which their sources are not.
            let by_number = self.root.path("/sys/dev/block").join(&device.number);
            let directory = fs::canonicalize(by_number).ok().or_else(|| self.block(&device.source));
            self.add_block(directory, &SystemUseKind::Mounted(device.at));
        }
    }

    fn swap(&mut self) {
        for name in swaps(&self.read("/proc/swaps")) {
            self.add_block(self.block(name), &SystemUseKind::Swap);
        }
    }

    /// The root of the boot, where that is another file system by now.
    fn root_device(&mut self, command_line: &str) {
        let mut parameters = command_line.split_ascii_whitespace();
        let Some(named) = parameters.find_map(|parameter| parameter.strip_prefix("root=")) else {
            return;
        };
        let path = match named.split_once('=') {
            Some((kind, name)) => format!("/dev/disk/by-{}/{}", kind.to_ascii_lowercase(), name.trim_matches('"')),
            None => named.to_owned(),
        };
        self.add_block(self.block(&path), &SystemUseKind::Root);
    }

    fn network(&mut self) {
        let (ipv4, ipv6) = (self.read("/proc/net/route"), self.read("/proc/net/ipv6_route"));
        let class = self.root.path("/sys/class/net");
        for interface in default_routes(&ipv4, &ipv6) {
            self.add(&class.join(interface), &SystemUseKind::DefaultRoute);
        }
        for interface in fs::read_dir(&class).into_iter().flatten().flatten() {
            let path = interface.path();
            if attributes::read(&path.join("operstate")).is_ok_and(|state| state == "up") {
                self.add(&path, &SystemUseKind::Up);
            }
        }
    }

    /// The directory of a block device, by the path of its node or of a link to that.
    fn block(&self, node: &str) -> Option<PathBuf> {
        let node = self.root.path(node);
        let node = fs::canonicalize(&node).unwrap_or(node);
        // In names a slash is written so.
        let below = node.strip_prefix(self.root.path("/dev")).ok().map(Path::to_owned);
        let name = below.as_deref().or(node.file_name().map(Path::new))?;
        let name = name.to_string_lossy().replace('/', "!");
        fs::canonicalize(self.root.path("/sys/class/block").join(name)).ok()
    }

    fn add_block(&mut self, directory: Option<PathBuf>, kind: &SystemUseKind) {
        if let Some(directory) = directory {
            self.add(&directory, kind);
        }
    }

    fn add(&mut self, directory: &Path, kind: &SystemUseKind) {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        for function in functions_below(directory) {
            let Some(device) = name(directory) else { continue };
            let known = self
                .uses
                .iter()
                .any(|known| known.function == function && known.device == device);
            if !known {
                let kind = kind.clone();
                self.uses.push(SystemUse { function, device, kind });
            }
        }
    }
}

/// The functions that a device of a class is made of.
fn functions_below(directory: &Path) -> Vec<FunctionAddress> {
    let mut functions = Vec::new();
    let mut rest = vec![(directory.to_owned(), 0)];
    while let Some((directory, depth)) = rest.pop() {
        let Ok(path) = fs::canonicalize(&directory) else {
            continue;
        };
        let own = names_of(&path).iter().rev().find_map(|name| name.parse().ok());
        match own {
            Some(function) if !functions.contains(&function) => functions.push(function),
            None if depth < DEEPEST => rest.extend(lower(&path).into_iter().map(|lower| (lower, depth + 1))),
            Some(_) | None => {}
        }
    }
    functions
}

/// The devices that a device without a function of its own lies on: those of volumes and mirrors, of bridges and bonds, and
/// the paths to an NVMe disk that may have several. A partition has those of its disk.
fn lower(path: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let disk = path.parent().filter(|_| path.join("partition").exists());
    let mut lower: Vec<PathBuf> = disk.map(Path::to_owned).into_iter().collect();
    lower.extend(entries(&path.join("slaves")).map(|entry| entry.path()));
    let links = entries(path).filter(|entry| entry.file_name().to_string_lossy().starts_with("lower_"));
    lower.extend(links.map(|entry| entry.path()));
    let subsystem = path
        .parent()
        .filter(|parent| names_of(parent).iter().any(|name| name == "nvme-subsystem"));
    let paths = subsystem
        .into_iter()
        .flat_map(entries)
        .filter(|entry| entry.path().is_symlink());
    lower.extend(
        paths
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("nvme"))
            .map(|entry| entry.path()),
    );
    lower
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;

    const DISK: &str = "/sys/devices/pci0000:00/0000:00:01.3/0000:03:00.0/nvme/nvme0/nvme0n1";
    const NETWORK: &str = "/sys/devices/pci0000:00/0000:00:01.3/0000:04:00.0/net/eth0";

    fn machine() -> TestRoot {
        let machine = TestRoot::new();
        machine.write(&format!("{DISK}/nvme0n1p2/partition"), "2\n");
        machine.link(
            "/sys/class/block/nvme0n1p2",
            "../../devices/pci0000:00/0000:00:01.3/0000:03:00.0/nvme/nvme0/nvme0n1/nvme0n1p2",
        );
        machine.link(
            "/sys/dev/block/259:2",
            "../../devices/pci0000:00/0000:00:01.3/0000:03:00.0/nvme/nvme0/nvme0n1/nvme0n1p2",
        );
        machine.write(&format!("{NETWORK}/operstate"), "down\n");
        machine.link(
            "/sys/class/net/eth0",
            "../../devices/pci0000:00/0000:00:01.3/0000:04:00.0/net/eth0",
        );
        machine
    }

    fn uses(machine: &TestRoot, command_line: &str) -> Vec<(String, String, SystemUseKind)> {
        let uses = gather(&machine.root(), command_line).into_iter();
        uses.map(|it| (it.function.to_string(), it.device, it.kind)).collect()
    }

    fn disk(kind: SystemUseKind) -> Vec<(String, String, SystemUseKind)> {
        vec![("0000:03:00.0".to_owned(), "nvme0n1p2".to_owned(), kind)]
    }

    #[test]
    fn a_disk_without_a_mount_and_an_interface_that_is_down_carry_nothing() {
        assert_eq!(uses(&machine(), "quiet"), []);
    }

    #[test]
    fn a_mounted_disk_is_found_by_its_number_and_by_its_name() {
        for (number, source) in [("259:2", "none"), ("0:20", "/dev/nvme0n1p2")] {
            let machine = machine();
            machine.write(
                "/proc/self/mountinfo",
                &format!("21 1 {number} / / rw - ext4 {source} rw\n"),
            );
            assert_eq!(
                uses(&machine, ""),
                disk(SystemUseKind::Mounted("/".to_owned())),
                "{number}"
            );
        }
    }

    #[test]
    fn swap_and_the_root_parameter_count_as_well() {
        let machine = machine();
        machine.write("/proc/swaps", "Filename\tType\n/dev/nvme0n1p2 partition 8 0 -2\n");
        assert_eq!(uses(&machine, ""), disk(SystemUseKind::Swap));
        machine.write("/proc/swaps", "");
        machine.write("/dev/nvme0n1p2", "");
        machine.link("/dev/disk/by-uuid/12-34", "../../nvme0n1p2");
        assert_eq!(uses(&machine, "root=UUID=12-34"), disk(SystemUseKind::Root));
    }

    #[test]
    fn below_an_encrypted_volume_lies_its_disk_and_below_a_bridge_its_card() {
        let machine = machine();
        machine.link(
            "/sys/devices/virtual/block/dm-0/slaves/nvme0n1p2",
            "../../../../../class/block/nvme0n1p2",
        );
        machine.link("/sys/dev/block/253:0", "../../devices/virtual/block/dm-0");
        machine.write("/proc/self/mountinfo", "21 1 253:0 / / rw - ext4 /dev/mapper/root rw\n");
        machine.link("/sys/devices/virtual/net/br0/lower_eth0", "../../../../class/net/eth0");
        machine.link("/sys/class/net/br0", "../../devices/virtual/net/br0");
        machine.write(
            "/proc/net/route",
            "Iface\nbr0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\n",
        );
        let found: Vec<String> = uses(&machine, "").into_iter().map(|(function, ..)| function).collect();
        assert_eq!(found, ["0000:03:00.0", "0000:04:00.0"]);
    }

    #[test]
    fn an_nvme_disk_with_several_paths_is_below_the_functions_of_all() {
        let machine = machine();
        let subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0";
        machine.write(&format!("{subsystem}/nvme0n1/nvme0n1p1/partition"), "1\n");
        machine.link(
            &format!("{subsystem}/nvme0"),
            "../../../pci0000:00/0000:00:01.3/0000:03:00.0/nvme/nvme0",
        );
        machine.link(
            "/sys/dev/block/259:9",
            "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p1",
        );
        machine.write(
            "/proc/self/mountinfo",
            "21 1 259:9 / /data rw - ext4 /dev/nvme0n1p1 rw\n",
        );
        let found: Vec<String> = uses(&machine, "").into_iter().map(|(function, ..)| function).collect();
        assert_eq!(found, ["0000:03:00.0"]);
    }
}
