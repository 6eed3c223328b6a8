//! The machine, as far as an installation depends on it.

use std::fmt;
use std::path::PathBuf;

use super::builder::Builder;
use super::measured::{Binding, BindingError};
use crate::model::finding::Finding;

/// The machine, as far as it matters.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The builders that are installed.
    pub builders: Vec<Builder>,
    /// The builder of the first chosen kernel's image; read only if several are installed.
    pub made_by: Option<Builder>,
    /// The kernel that runs.
    pub running: Option<String>,
    /// The kernels that are installed.
    pub kernels: Vec<Kernel>,
    /// The places where images are searched, for a kernel `VERSION`.
    pub places: Vec<String>,
    /// True if `/usr/sbin/reseat-claim` is there.
    pub has_program: bool,
    /// The deployment, if something else makes the system as a whole.
    pub deployed: Option<Deployed>,
    /// The signs of unified kernel images.
    pub unified: Vec<UnifiedSign>,
    /// True if openSUSE's sdbootutil puts images on the boot loader's partition, under names of its own.
    pub by_sdbootutil: bool,
    /// The reason for which mkinitcpio would not read a file beside its configuration.
    pub no_drop_ins: Option<NoDropIns>,
    /// True if the firmware starts only signed images.
    pub secure_boot: bool,
    /// The encrypted disks.
    pub disks: Vec<Disk>,
    /// The reason for which not even the disks are known.
    pub disks_unknown: Option<DisksError>,
    /// The rules that go into the image.
    pub rules: RulesState,
    /// The refusals of GPUs whose IOMMU groups carry the running system.
    pub peers_in_system: Vec<Finding>,
}

/// The state of the rules file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RulesState {
    /// Every rule can be read.
    #[default]
    Valid,
    /// There is no such file.
    Missing(PathBuf),
    /// The file, or these of its rules, cannot.
    Invalid(Vec<Finding>),
}

/// A sign of unified kernel images.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnifiedSign {
    /// Such an image.
    Image(PathBuf),
    /// A file that has images built so.
    Setting {
        /// The file.
        file: PathBuf,
        /// The setting in it.
        setting: &'static str,
    },
    /// A preset of mkinitcpio's that has one built.
    Preset(PathBuf),
    /// The variable that the stub of such an image leaves behind.
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

/// A reason for which mkinitcpio reads no drop-in files.
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
    /// The file or directory, and the kernel's reason.
    pub cause: String,
}

/// An encrypted disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The disk.
    pub path: PathBuf,
    /// Its binding.
    pub binding: Result<Binding, BindingError>,
}

/// A system whose files are replaced as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployed {
    /// By ostree.
    Ostree,
    /// By bootc, from a container's image.
    Bootc,
}

/// A kernel that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its version, as `uname -r` has it.
    pub version: String,
    /// Its initramfs.
    pub image: Option<Image>,
}

/// An initramfs on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The free bytes of its file system.
    pub free: u64,
    /// The number of that file system.
    pub file_system: u64,
    /// True if that is mounted read-only.
    pub read_only: bool,
}
