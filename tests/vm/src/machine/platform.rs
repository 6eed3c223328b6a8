//! What machines with one processor have in common, and those with another do not.

use std::path::{Path, PathBuf};

use super::spec::{Iommu, QemuOption};
use crate::artifacts::Architecture;

/// The kind of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    /// A PC.
    Q35,
    /// Arm's, of which the kernel learns from a device tree.
    Virt,
}

/// Whether a machine's IOMMU stands between its functions and memory, as QEMU emulates them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Translation {
    /// As on a real machine.
    Real,
    /// Passed by. What QEMU has of an SMMU refuses functions that another process serves ("requires iommu MAP notifier");
    /// those of a bed read and write no memory, so that nothing is missing but the translation itself.
    Bypassed,
}

impl Platform {
    pub(super) const fn of(architecture: Architecture) -> Self {
        match architecture {
            Architecture::X86_64 => Self::Q35,
            Architecture::Aarch64 => Self::Virt,
        }
    }

    /// The emulator.
    pub(super) const fn program(self) -> &'static str {
        match self {
            Self::Q35 => "usr/bin/qemu-system-x86_64",
            Self::Virt => "usr/bin/qemu-system-aarch64",
        }
    }

    /// The first words of the kernel's command line: the console; on a PC no test of the timer's interrupt, which on a
    /// loaded host comes so late that the kernel panics ("timer doesn't work through Interrupt-remapped IO-APIC").
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Q35 => "console=ttyS0 no_timer_check",
            Self::Virt => "console=ttyAMA0",
        }
    }

    /// What tells the kernel to use the IOMMU; the kernel's own drivers are to go past it.
    pub(super) const fn use_iommu(self) -> &'static str {
        match self {
            Self::Q35 => " intel_iommu=on iommu=pt",
            // In use it is without being asked.
            Self::Virt => " iommu.passthrough=1",
        }
    }

    /// The machine, its processor and its IOMMU.
    pub(super) fn options(self, iommu: Iommu, translation: Translation) -> Vec<QemuOption> {
        match self {
            Self::Q35 => q35(iommu),
            Self::Virt => vec![
                ("-cpu", "cortex-a57".to_owned()),
                ("-machine", virt(iommu, translation)),
            ],
        }
    }

    /// Where the machine's device tree is to be, if QEMU's own does not do: that one says of no function that an SMMU
    /// which QEMU passes by is for it.
    pub(super) fn device_tree(self, iommu: Iommu, directory: &Path) -> Option<PathBuf> {
        let covers = matches!(iommu, Iommu::Told | Iommu::Untold);
        (self == Self::Virt && covers).then(|| directory.join("device-tree"))
    }
}

fn q35(iommu: Iommu) -> Vec<QemuOption> {
    let machine = match iommu {
        Iommu::None | Iommu::Untold | Iommu::Told => "q35,kernel-irqchip=split",
        Iommu::Elsewhere => "q35,kernel-irqchip=split,default-bus-bypass-iommu=on",
    };
    let mut options = vec![
        // Of AMD's processors the kernel keeps the addresses below 1 TiB for HyperTransport, which are just those that a
        // machine of this size has for large BARs: what is found anew would get none.
        ("-cpu", "qemu64,vendor=GenuineIntel".to_owned()),
        ("-machine", machine.to_owned()),
        // With it acpiphp owns the slots: no pciehp, and a secondary bus reset fails.
        (
            "-global",
            "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off".to_owned(),
        ),
    ];
    if iommu != Iommu::None {
        let iommu = "intel-iommu,intremap=on,caching-mode=on";
        options.push(("-device", iommu.to_owned()));
    }
    options
}

fn virt(iommu: Iommu, translation: Translation) -> String {
    let mut machine = "virt,gic-version=3".to_owned();
    if iommu != Iommu::None {
        machine.push_str(",iommu=smmuv3");
        if translation == Translation::Bypassed {
            machine.push_str(",default-bus-bypass-iommu=on");
        }
    }
    machine
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(platform: Platform, iommu: Iommu, translation: Translation) -> String {
        format!("{:?}", platform.options(iommu, translation))
    }

    #[test]
    fn without_an_iommu_neither_the_device_nor_a_tree_of_its_own_is_there() {
        for platform in [Platform::Q35, Platform::Virt] {
            let line = line(platform, Iommu::None, Translation::Bypassed);
            assert!(!line.contains("iommu") && !line.contains("smmu"), "{line}");
            assert_eq!(platform.device_tree(Iommu::None, Path::new("/d")), None);
        }
    }

    #[test]
    fn an_iommu_for_nothing_on_the_buses_is_there_and_passed_by() {
        for platform in [Platform::Q35, Platform::Virt] {
            let line = line(platform, Iommu::Elsewhere, Translation::Bypassed);
            assert!(line.contains("bypass-iommu=on"), "{line}");
            assert!(line.contains("intel-iommu") || line.contains("smmuv3"), "{line}");
            assert_eq!(platform.device_tree(Iommu::Elsewhere, Path::new("/d")), None);
        }
    }

    #[test]
    fn an_smmu_is_told_of_by_a_tree_that_was_made_without_the_bypass() {
        let bypassed = line(Platform::Virt, Iommu::Told, Translation::Bypassed);
        assert!(
            bypassed.contains("iommu=smmuv3,default-bus-bypass-iommu=on"),
            "{bypassed}"
        );
        let real = line(Platform::Virt, Iommu::Told, Translation::Real);
        assert!(real.contains("iommu=smmuv3") && !real.contains("bypass"), "{real}");
        assert!(Platform::Virt.device_tree(Iommu::Told, Path::new("/d")).is_some());
        assert_eq!(Platform::Q35.device_tree(Iommu::Told, Path::new("/d")), None);
    }
}
