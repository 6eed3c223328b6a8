//! Everything the bed downloads: fetched once, checked by hash, unpacked whole.
//!
//! The cache directory holds
//!
//! ```text
//! lock                 held while a process fetches or unpacks
//! apt/<release>/       a private apt root; apt/<release>-<architecture>/ one for another processor
//! debs/                package files
//! manifests/<set>      what was fetched for a set, with SHA-256 sums
//! trees/<set>/         the set unpacked; .stamp names what it was made from
//! images/, roots/      what `Bed::initramfs` and `Bed::root` build, by fingerprint
//! logs/                consoles
//! ```

mod apt;
mod cache;
mod host;
mod kernel;
mod modules;
mod packages;
mod sources;
mod unpack;

use std::path::{Path, PathBuf};

pub use self::apt::AptError;
pub use self::host::{HostError, install};
pub(crate) use self::host::{is_root, program};
pub use self::kernel::{Kernel, KernelError, KernelFiles};
pub(crate) use self::modules::BuiltModules;
pub use self::modules::ModulesError;
pub use self::sources::SourcesError;
pub(crate) use self::unpack::Tree;
pub use self::unpack::UnpackError;

use self::cache::Layout;
pub use self::packages::Architecture;
use self::packages::{BUSYBOX, BUSYBOX_ARM64, CRASH_TOOLS, DRACUT, MODULES, OVMF, PackageSet, QEMU, QEMU_ARM, TOOLS};
use crate::files::FileError;
use crate::progress::Progress;

/// Where the bed lies when it is not in the workspace's `target`.
pub const DIRECTORY_VARIABLE: &str = "RESEAT_BED_DIR";

/// The bed could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The host lacks something.
    #[error(transparent)]
    Host(#[from] HostError),
    /// No mirror.
    #[error(transparent)]
    Sources(#[from] SourcesError),
    /// Packages could not be fetched.
    #[error(transparent)]
    Apt(#[from] AptError),
    /// They could not be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A kernel could not be made ready.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Modules could not be built.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// A file of the cache.
    #[error(transparent)]
    File(#[from] FileError),
    /// A package file is not the one that was fetched.
    #[error("{} is not the file that was fetched, and was removed; run the same again to fetch it", .0.display())]
    Changed(PathBuf),
    /// What was unpacked is not there.
    #[error(transparent)]
    Missing(#[from] Missing),
}

/// A part of the bed is not there.
#[derive(Debug, thiserror::Error)]
#[error("the test bed in {} lacks {what}; run: cargo xtask vm fetch", bed.display())]
pub struct Missing {
    /// The cache directory.
    pub bed: PathBuf,
    /// The part.
    pub what: &'static str,
}

/// What a bed may have beside what every one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A kernel, and what a machine with its processor needs beside it.
    Kernel(Kernel),
    /// `dracut`, and the systemd that it puts into images.
    Dracut,
    /// Firmware that boots by UEFI.
    Uefi,
    /// Modules that Debian 13's kernel lacks, built from its own source.
    Modules,
    /// What loads the kernel that is started when the running one crashes.
    CrashTools,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Kernel(Kernel::Bookworm),
        Self::Kernel(Kernel::Trixie),
        Self::Kernel(Kernel::TrixieBackports),
        Self::Kernel(Kernel::TrixieArm64),
        Self::Dracut,
        Self::Uefi,
        Self::Modules,
        Self::CrashTools,
    ];

    /// Its name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel(Kernel::Bookworm) => "kernel 6.1",
            Self::Kernel(Kernel::Trixie) => "kernel 6.12",
            Self::Kernel(Kernel::TrixieBackports) => "the newest kernel",
            Self::Kernel(Kernel::TrixieArm64) => "kernel 6.12 for aarch64",
            Self::Dracut => "dracut",
            Self::Uefi => "UEFI",
            Self::Modules => "modules built from source",
            Self::CrashTools => "kexec",
        }
    }

    fn packages(self) -> Vec<PackageSet> {
        match self {
            Self::Kernel(kernel) => match kernel.architecture() {
                // Every bed has the rest.
                Architecture::X86_64 => vec![kernel.packages()],
                Architecture::Aarch64 => vec![kernel.packages(), QEMU_ARM, BUSYBOX_ARM64],
            },
            Self::Dracut => vec![DRACUT],
            Self::Uefi => vec![OVMF],
            Self::Modules => vec![MODULES],
            Self::CrashTools => vec![CRASH_TOOLS],
        }
    }
}

/// The test bed's parts, ready to use.
#[derive(Debug, Clone)]
pub struct Bed {
    layout: Layout,
    qemu: Tree,
    pub(crate) tools: Tree,
    busybox: Tree,
}

impl Bed {
    /// Fetches and unpacks what is not there yet; without the network when all of it is.
    ///
    /// # Errors
    /// When the host lacks something, the mirror does not answer, or a file cannot be written.
    pub fn prepare(parts: &[Part], progress: &Progress) -> Result<Self, PrepareError> {
        let layout = Layout::locate();
        layout.create()?;
        let _lock = layout.lock(progress)?;
        layout.forget_old()?;
        let sets = layout.lacks(parts);
        if !sets.is_empty() {
            host::require()?;
            layout.fetch(&sets, progress)?;
            layout.unpack(&sets, progress)?;
        }
        Ok(Self::of(layout)?)
    }

    /// Makes sure that this machine can prepare a bed and run it; root installs what is missing. [`Bed::prepare`] does the
    /// same, but whoever has long work to do beside it wants to know before.
    ///
    /// # Errors
    /// When it is another kind of machine, when programs are missing, or when its apt names no mirror of Debian.
    pub fn check_host(parts: &[Part]) -> Result<(), PrepareError> {
        host::check_architecture()?;
        if !Layout::locate().lacks(parts).is_empty() {
            host::require()?;
            sources::mirror(Path::new("/etc/apt"))?;
        }
        Ok(())
    }

    /// The bed as it lies in the cache; nothing is fetched.
    ///
    /// # Errors
    /// When a part that every machine needs is not there.
    pub fn open() -> Result<Self, Missing> {
        Self::of(Layout::locate())
    }

    fn of(layout: Layout) -> Result<Self, Missing> {
        Ok(Self {
            qemu: layout.require(&QEMU)?,
            tools: layout.require(&TOOLS)?,
            busybox: layout.require(&BUSYBOX)?,
            layout,
        })
    }

    /// A kernel's files.
    ///
    /// # Errors
    /// When this kernel has not been fetched.
    pub fn kernel(&self, kernel: Kernel) -> Result<KernelFiles, Missing> {
        let set = kernel.packages();
        let tree = self.layout.require(&set)?;
        KernelFiles::find(&tree.path).map_err(|_| self.layout.missing(set.name))
    }

    /// The system that `dracut` runs in.
    ///
    /// # Errors
    /// When it has not been fetched.
    pub(crate) fn dracut(&self) -> Result<Tree, Missing> {
        self.layout.require(&DRACUT)
    }

    /// The system with the program that loads a crash kernel.
    ///
    /// # Errors
    /// When it has not been fetched.
    pub(crate) fn crash_tools(&self) -> Result<Tree, Missing> {
        self.layout.require(&CRASH_TOOLS)
    }

    /// The emulator of machines with this processor.
    ///
    /// # Errors
    /// When it has not been fetched.
    pub(crate) fn emulator(&self, architecture: Architecture) -> Result<Tree, Missing> {
        match architecture {
            Architecture::X86_64 => Ok(self.qemu.clone()),
            Architecture::Aarch64 => self.layout.require(&QEMU_ARM),
        }
    }

    /// The user space for this processor.
    ///
    /// # Errors
    /// When it has not been fetched.
    pub(crate) fn busybox(&self, architecture: Architecture) -> Result<Tree, Missing> {
        match architecture {
            Architecture::X86_64 => Ok(self.busybox.clone()),
            Architecture::Aarch64 => self.layout.require(&BUSYBOX_ARM64),
        }
    }

    /// The firmware that boots by UEFI: a flash image.
    ///
    /// # Errors
    /// When it has not been fetched.
    pub(crate) fn uefi(&self) -> Result<PathBuf, Missing> {
        let tree = self.layout.tree(&OVMF).ok_or_else(|| self.layout.missing(OVMF.name))?;
        Ok(tree.path.join("usr/share/ovmf/OVMF.fd"))
    }

    /// The modules that were built for a kernel from its own source.
    ///
    /// # Errors
    /// When they have not been built, or for another version of it.
    pub(crate) fn built_modules(&self, kernel: &KernelFiles) -> Result<BuiltModules, Missing> {
        let missing = || self.layout.missing(MODULES.name);
        let tree = self.layout.tree(&MODULES).ok_or_else(missing)?;
        let built = BuiltModules::in_tree(tree);
        let other =
            "modules for this version of its kernel (both sets are fetched anew once their manifests are removed)";
        let other = || self.layout.missing(other);
        built.is_for(kernel).then_some(built).ok_or_else(other)
    }

    /// Returns true if a part is there.
    #[must_use]
    pub fn has_part(&self, part: Part) -> bool {
        part.packages().iter().all(|set| self.layout.tree(set).is_some())
    }

    /// Names a part that is not there.
    #[must_use]
    pub fn missing(&self, part: Part) -> Missing {
        self.layout.missing(part.name())
    }

    /// The size of the packages that a bed with these parts is made from, in bytes.
    ///
    /// # Errors
    /// When a package file is not in the cache.
    pub fn package_bytes(&self, parts: &[Part]) -> Result<u64, FileError> {
        self.layout.package_bytes(parts)
    }

    /// The cache directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.layout.root
    }

    /// A directory of the cache, by one of the names in the module's documentation.
    pub(crate) fn part(&self, name: &str) -> PathBuf {
        self.layout.root.join(name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_part_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Part::ALL.into_iter().map(Part::name).collect();
        assert_eq!(names.len(), Part::ALL.len());
    }
}
