//! Shortfalls of an image.

use std::path::Path;

use crate::model::finding::{Finding, Id, Subject, id};

/// A shortfall of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// It contains nothing of reseat.
    NoClaim,
    /// The program differs from the one on the machine, or is not executable.
    OtherProgram,
    /// The program would not run, or only after drivers are loaded.
    NotRun(NotRun),
    /// It does not contain the rules.
    NoRules,
    /// Its rules differ from those on the machine.
    OtherRules,
    /// Its quarantine differs from the one on the machine.
    OtherQuarantine,
    /// It lacks a module.
    NoModule(String),
    /// It has no program to load modules.
    NoModprobe,
    /// Its modprobe is busybox's, which ignores soft dependencies and variants.
    BusyboxModprobe,
    /// It has no list to find modules.
    NoModuleList,
}

/// A reason why an image would not run the program in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRun {
    /// The script for initramfs-tools is missing or not executable.
    ScriptMissing,
    /// The script is not in the order of scripts.
    ScriptNotOrdered,
    /// The script comes after udev's.
    ScriptAfterUdev,
    /// systemd's unit is missing.
    UnitMissing,
    /// Nothing starts the unit.
    UnitNotStarted,
    /// dracut's hook is missing.
    DracutHookMissing,
    /// mkinitcpio's hook is missing.
    MkinitcpioHookMissing,
    /// mkinitcpio's hook is not among the early ones.
    MkinitcpioHookNotEarly,
    /// mkinitcpio's hook comes after udev's.
    MkinitcpioHookAfterUdev,
}

impl NotRun {
    const fn id(self) -> Id {
        match self {
            Self::ScriptMissing => id::IMAGE_SCRIPT_MISSING,
            Self::ScriptNotOrdered => id::IMAGE_SCRIPT_NOT_ORDERED,
            Self::ScriptAfterUdev => id::IMAGE_SCRIPT_AFTER_UDEV,
            Self::UnitMissing => id::IMAGE_UNIT_MISSING,
            Self::UnitNotStarted => id::IMAGE_UNIT_NOT_STARTED,
            Self::DracutHookMissing => id::IMAGE_DRACUT_HOOK_MISSING,
            Self::MkinitcpioHookMissing => id::IMAGE_MKINITCPIO_HOOK_MISSING,
            Self::MkinitcpioHookNotEarly => id::IMAGE_MKINITCPIO_HOOK_NOT_EARLY,
            Self::MkinitcpioHookAfterUdev => id::IMAGE_MKINITCPIO_HOOK_AFTER_UDEV,
        }
    }
}

impl Shortfall {
    /// Returns true if a change on the machine after the build causes it.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(
            self,
            Self::OtherProgram | Self::OtherRules | Self::OtherQuarantine | Self::NoRules
        )
    }

    /// The finding about the image of a kernel.
    #[must_use]
    pub fn finding(&self, image: &Path, kernel: &str) -> Finding {
        let finding = Finding::warning(self.id(), Subject::file(image)).with("kernel", kernel);
        match self {
            Self::NoModule(module) => finding.with("module", module),
            _ => finding,
        }
    }

    const fn id(&self) -> Id {
        match self {
            Self::NoClaim => id::IMAGE_WITHOUT_CLAIM,
            Self::OtherProgram => id::IMAGE_PROGRAM_DIFFERS,
            Self::NotRun(why) => why.id(),
            Self::NoRules => id::IMAGE_RULES_MISSING,
            Self::OtherRules => id::IMAGE_RULES_DIFFER,
            Self::OtherQuarantine => id::IMAGE_QUARANTINE_DIFFERS,
            Self::NoModule(_) => id::IMAGE_MODULE_MISSING,
            Self::NoModprobe => id::IMAGE_MODPROBE_MISSING,
            Self::BusyboxModprobe => id::IMAGE_MODPROBE_BY_BUSYBOX,
            Self::NoModuleList => id::IMAGE_MODULE_LIST_MISSING,
        }
    }
}
