//! The signs of a hypervisor below this kernel: a guest sees the functions that it was given, not the machine.

use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;

/// Names in DMI that only virtual machines have: the file below /sys/class/dmi/id, and how its text begins.
const VIRTUAL: &[(&str, &str)] = &[
    ("sys_vendor", "QEMU"),
    ("sys_vendor", "VMware"),
    ("sys_vendor", "innotek GmbH"),
    ("sys_vendor", "Xen"),
    ("sys_vendor", "OpenStack"),
    ("sys_vendor", "Parallels"),
    ("product_name", "KVM"),
    ("product_name", "Standard PC"),
    ("product_name", "VirtualBox"),
    ("product_name", "VMware"),
    ("product_name", "Virtual Machine"),
    ("product_name", "Google Compute Engine"),
    ("product_name", "HVM domU"),
    ("bios_vendor", "SeaBIOS"),
    ("bios_vendor", "Bochs"),
    ("bios_vendor", "Xen"),
];

/// Files that only a guest has, or a host below whose kernel another one runs.
const FILES: &[&str] = &["/sys/hypervisor/type", "/proc/device-tree/hypervisor/compatible"];

/// The first sign of a hypervisor below this kernel; none on a machine of its own. A file that is there and cannot be read is
/// one.
pub(crate) fn hypervisor(root: &Root) -> Option<String> {
    let cpu = "/proc/cpuinfo";
    let by_processor = match attributes::read_if_there(&root.path(cpu)) {
        Ok(text) => text
            .is_some_and(|text| has_flag(&text))
            .then(|| format!("{cpu}: hypervisor")),
        Err(error) => Some(error.to_string()),
    };
    by_processor
        .or_else(|| {
            FILES
                .iter()
                .find(|file| root.path(file).exists())
                .map(|&file| file.to_owned())
        })
        .or_else(|| VIRTUAL.iter().find_map(|(file, begin)| firmware(root, file, begin)))
        .or_else(|| board(root))
}

/// True if the first processor has the flag by which x86 shows a guest.
fn has_flag(cpuinfo: &str) -> bool {
    let mut flags = cpuinfo.lines().filter(|line| line.starts_with("flags"));
    flags
        .next()
        .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

fn firmware(root: &Root, file: &str, begin: &str) -> Option<String> {
    let path = format!("/sys/class/dmi/id/{file}");
    let text = attributes::read_if_there(&root.path(&path)).ok()??;
    text.starts_with(begin).then(|| format!("{path}: {text}"))
}

/// The board of a virtual machine without DMI, as QEMU's device tree names it.
fn board(root: &Root) -> Option<String> {
    let path = "/proc/device-tree/compatible";
    let text = attributes::read_if_there(&root.path(path)).ok()??;
    text.contains("dummy-virt").then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;

    #[test]
    fn a_machine_of_its_own_has_no_sign() {
        let machine = TestRoot::new();
        assert_eq!(hypervisor(&machine.root()), None);
        machine.write("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme vmx hypervisors\n");
        machine.write("/sys/class/dmi/id/sys_vendor", "Supermicro\n");
        machine.write("/sys/class/dmi/id/product_name", "Super Server\n");
        assert_eq!(hypervisor(&machine.root()), None);
    }

    #[test]
    fn every_sign_of_a_guest_counts() {
        for (file, text) in [
            (
                "/proc/cpuinfo",
                "processor\t: 0\nflags\t\t: fpu vme hypervisor lahf_lm\n",
            ),
            ("/sys/hypervisor/type", "xen\n"),
            ("/sys/class/dmi/id/sys_vendor", "QEMU\n"),
            ("/sys/class/dmi/id/product_name", "Virtual Machine\n"),
            ("/proc/device-tree/compatible", "linux,dummy-virt\0"),
        ] {
            let machine = TestRoot::new();
            machine.write(file, text);
            let sign = hypervisor(&machine.root());
            assert!(sign.is_some_and(|sign| sign.contains(file)), "{file}");
        }
    }
}
