//! The facts about a machine that an installation depends on.

use std::fmt;
use std::path::PathBuf;

use super::builder::Builder;
use super::measured::{Binding, BindingError};
use crate::model::finding::Finding;

/// The facts about the machine.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The installed builders.
    pub builders: Vec<Builder>,
    /// The builder of the first chosen kernel's image; read only if several are installed.
    pub made_by: Option<Builder>,
    /// The running kernel.
    pub running: Option<String>,
    /// The installed kernels.
    pub kernels: Vec<Kernel>,
    /// The places to search for the image of a kernel `VERSION`.
    pub places: Vec<String>,
    /// True if `/usr/sbin/reseat-claim` exists.
    pub has_program: bool,
    /// The deployment tool, if it builds the system as a whole.
    pub deployed: Option<Deployed>,
    /// The signs of unified kernel images.
    pub unified: Vec<UnifiedSign>,
    /// True if openSUSE's sdbootutil puts images on the boot loader's partition, under its own names.
    pub by_sdbootutil: bool,
    /// The reason why mkinitcpio would not read drop-in files.
    pub no_drop_ins: Option<NoDropIns>,
    /// True if the firmware starts only signed images.
    pub secure_boot: bool,
    /// The encrypted disks.
    pub disks: Vec<Disk>,
    /// The reason why the disks are unknown.
    pub disks_unknown: Option<DisksError>,
    /// The rules for the image.
    pub rules: RulesState,
    /// The refusals of GPUs whose IOMMU groups carry the running system.
    pub peers_in_system: Vec<Finding>,
}

/// The state of the rules file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RulesState {
    /// Every rule is valid.
    #[default]
    Valid,
    /// There is no rules file.
    Missing(PathBuf),
    /// The file, or some of its rules, are invalid.
    Invalid(Vec<Finding>),
}

/// A sign of unified kernel images.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnifiedSign {
    /// A unified image.
    Image(PathBuf),
    /// A file that makes a builder produce unified images.
    Setting {
        /// The file.
        file: PathBuf,
        /// The setting in the file.
        setting: &'static str,
    },
    /// A preset of mkinitcpio that produces one.
    Preset(PathBuf),
    /// The EFI variable that the stub of a booted unified image sets.
    Booted,
}

impl fmt::Display for UnifiedSign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(file) => write!(formatter, "{}", file.display()),
            Self::Setting { file, setting } => write!(formatter, "{setting} in {}", file.display()),
            Self::Preset(file) => write!(formatter, "preset {}", file.display()),
            Self::Booted => formatter.write_str("firmware variable StubInfo"),
        }
    }
}

/// The reason why mkinitcpio reads no drop-in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDropIns {
    /// It is older than version 38.
    TooOld,
    /// This preset names a configuration.
    ConfigurationNamed(PathBuf),
}

/// Disks that cannot be listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct DisksError {
    /// The file or directory, and the kernel's error.
    pub cause: String,
}

/// An encrypted disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The path of the disk.
    pub path: PathBuf,
    /// The binding of its key.
    pub binding: Result<Binding, BindingError>,
}

/// A system that is replaced as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployed {
    /// ostree deploys it.
    Ostree,
    /// bootc deploys it, from a container image.
    Bootc,
}

/// An installed kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The version, as in `uname -r`.
    pub version: String,
    /// The initramfs of the kernel.
    pub image: Option<Image>,
}

/// An initramfs on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The path of the image.
    pub path: PathBuf,
    /// The size in bytes.
    pub size: u64,
    /// The free bytes of its file system.
    pub free: u64,
    /// The device number of that file system.
    pub file_system: u64,
    /// True if that file system is mounted read-only.
    pub read_only: bool,
}
