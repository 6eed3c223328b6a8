//! The stage: the bed, and the programs under test.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use reseat_vm::artifacts::{Bed, Kernel, Missing, Part};
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::{Builder, Image, ImageSpec, System};

/// The tree that `cargo xtask dist` lays out.
const DIST: &str = "RESEAT_DIST";
/// The tree that `cargo xtask dist --target aarch64` lays out.
const DIST_AARCH64: &str = "RESEAT_DIST_AARCH64";
/// The tree that is shipped: with the small `reseat-claim`, which the others need no compiler for.
const DIST_SHIPPED: &str = "RESEAT_DIST_SHIPPED";
/// The fake GPU's program.
const FAKE_GPU: &str = "RESEAT_FAKE_GPU";

/// The kernel that stories are played on which do not choose one themselves: `trixie`.
const KERNEL: &str = "RESEAT_KERNEL";

/// Set by whoever has prepared the stage: that it is not there then is a failure.
const REQUIRED: &str = "RESEAT_REQUIRE_STAGE";
/// Set where everything has to be there.
const CI: &str = "CI";

/// Where the operator's rules are.
const RULES_FILE: &str = "etc/reseat/reseat.toml";

/// The stories cannot be played here.
#[derive(Debug)]
pub enum NoStage {
    /// The bed has not been prepared.
    Bed(Missing),
    /// Nobody has said where a program is.
    Variable(&'static str),
    /// There is no kernel of this name.
    Kernel(String),
}

impl std::fmt::Display for NoStage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bed(missing) => missing.fmt(formatter),
            Self::Variable(name) => write!(formatter, "{name} is not set: run `cargo xtask test`"),
            Self::Kernel(name) => write!(formatter, "{KERNEL} is `{name}`: there is no such kernel"),
        }
    }
}

impl std::error::Error for NoStage {}

/// What every story needs.
#[derive(Clone, Debug)]
pub struct Stage {
    pub(crate) bed: Bed,
    pub(crate) kernel: Kernel,
    pub(crate) fake_gpu: PathBuf,
    dist: PathBuf,
}

/// A part of the stage that not every story needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A part of the bed; for a kernel for aarch64, also the programs for it.
    Part(Part),
    /// The tree that is shipped.
    Shipped,
}

impl Need {
    /// Its name, in a plan.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Part(part) => part.name(),
            Self::Shipped => "the small reseat-claim",
        }
    }

    /// Returns true if it needs a compiler that not every machine has.
    #[must_use]
    pub const fn is_compiled_apart(self) -> bool {
        matches!(self, Self::Shipped | Self::Part(Part::Kernel(Kernel::TrixieArm64)))
    }
}

/// The rules that are in the initramfs.
#[derive(Clone, Copy, Debug)]
pub enum Rules<'a> {
    /// None: there is no file.
    None,
    /// A file with this content, taken from the real root by the hook as any user's is.
    File(&'a str),
}

impl Stage {
    /// The stage that the environment describes.
    ///
    /// # Errors
    /// When the bed is not there, or the programs are not named.
    pub fn open() -> Result<Self, NoStage> {
        let (dist, fake_gpu) = (variable(DIST)?, variable(FAKE_GPU)?);
        let bed = Bed::open().map_err(NoStage::Bed)?;
        let stage = Self::new(bed, dist, fake_gpu);
        match env::var(KERNEL) {
            Ok(name) => match Kernel::named(&name) {
                Some(kernel) => Ok(stage.with_kernel(kernel)),
                None => Err(NoStage::Kernel(name)),
            },
            Err(_) => Ok(stage),
        }
    }

    /// The same stage with another kernel.
    #[must_use]
    pub fn with_kernel(&self, kernel: Kernel) -> Self {
        Self { kernel, ..self.clone() }
    }

    /// The same stage with aarch64's programs, kernel and machine.
    ///
    /// # Errors
    /// When the kernel is not there, or nobody has said where the programs are.
    pub fn aarch64(&self) -> Result<Self, NoStage> {
        let dist = variable(DIST_AARCH64)?;
        let kernel = Kernel::TrixieArm64;
        self.bed.kernel(kernel).map_err(NoStage::Bed)?;
        Ok(Self {
            kernel,
            dist,
            ..self.clone()
        })
    }

    /// The same stage with the programs that are shipped.
    ///
    /// # Errors
    /// When nobody has said where they are.
    pub fn shipped(&self) -> Result<Self, NoStage> {
        let dist = variable(DIST_SHIPPED)?;
        Ok(Self { dist, ..self.clone() })
    }

    /// Checks that a part of the stage is there.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, need: Need) -> Result<(), NoStage> {
        match need {
            Need::Part(Part::Kernel(Kernel::TrixieArm64)) => self.aarch64().map(drop),
            Need::Part(part) if self.bed.has_part(part) => Ok(()),
            Need::Part(part) => Err(NoStage::Bed(self.bed.missing(part))),
            Need::Shipped => self.shipped().map(drop),
        }
    }

    /// Whether a story that needs these, and cannot be played, counts as failed.
    pub fn is_required(needs: &[Need]) -> bool {
        is_set(CI) || (is_set(REQUIRED) && !needs.iter().any(|need| need.is_compiled_apart()))
    }

    /// A stage from its parts: the tree that `cargo xtask dist` lays out, and the fake GPU's program.
    pub fn new(bed: Bed, dist: PathBuf, fake_gpu: PathBuf) -> Self {
        Self {
            bed,
            kernel: Kernel::Bookworm,
            fake_gpu,
            dist,
        }
    }

    /// An image that the real initramfs-tools build on a system where reseat is installed, with `more` files beside it.
    /// The drivers that may come to a GPU's functions (`nouveau`, `snd_hda_intel`, `xhci_pci`) are in it for udev to load.
    ///
    /// # Errors
    /// When the build fails.
    pub fn image(&self, rules: Rules<'_>, more: impl IntoIterator<Item = GuestFile>) -> Result<Image> {
        self.build(ImageSpec::new(self.kernel), rules, more)
    }

    /// As [`Stage::image`], by another builder.
    ///
    /// # Errors
    /// When the build fails.
    pub fn image_by(
        &self,
        builder: Builder,
        rules: Rules<'_>,
        more: impl IntoIterator<Item = GuestFile>,
    ) -> Result<Image> {
        let spec = ImageSpec {
            builder,
            ..ImageSpec::new(self.kernel)
        };
        self.build(spec, rules, more)
    }

    /// As [`Stage::image`], put together without a builder, with the modules that reseat's hook would bring.
    ///
    /// # Errors
    /// When a module is missing, or a file cannot be read or written.
    pub fn bare_image(&self, rules: Rules<'_>) -> Result<Image> {
        let mut spec = ImageSpec {
            builder: Builder::Bare,
            ..ImageSpec::new(self.kernel)
        };
        spec.modules.extend(["vfio_pci", "vfio_iommu_type1"].map(str::to_owned));
        self.build(spec, rules, [])
    }

    /// As [`Stage::image`], with none of these drivers.
    ///
    /// # Errors
    /// When the build fails.
    pub fn image_without_drivers(&self, rules: Rules<'_>, more: impl IntoIterator<Item = GuestFile>) -> Result<Image> {
        self.image_with_modules(&[], rules, more)
    }

    /// As [`Stage::image`], with these modules for udev to load in place of the drivers.
    ///
    /// # Errors
    /// When the build fails.
    pub fn image_with_modules(
        &self,
        modules: &[&str],
        rules: Rules<'_>,
        more: impl IntoIterator<Item = GuestFile>,
    ) -> Result<Image> {
        let mut spec = ImageSpec::new(self.kernel);
        spec.modules = modules.iter().map(|module| (*module).to_owned()).collect();
        self.build(spec, rules, more)
    }

    /// As [`Stage::image`], as it is specified.
    ///
    /// # Errors
    /// When the build fails.
    pub fn image_of(
        &self,
        spec: ImageSpec,
        rules: Rules<'_>,
        more: impl IntoIterator<Item = GuestFile>,
    ) -> Result<Image> {
        self.build(spec, rules, more)
    }

    /// What `uname -r` says in the guest.
    ///
    /// # Errors
    /// When the kernel is not in the bed.
    pub fn kernel_version(&self) -> Result<String> {
        Ok(self.bed.kernel(self.kernel)?.version)
    }

    fn build(&self, spec: ImageSpec, rules: Rules<'_>, more: impl IntoIterator<Item = GuestFile>) -> Result<Image> {
        let mut files = self.installed()?;
        if let Rules::File(content) = rules {
            files.push(GuestFile::new(RULES_FILE, content));
        }
        files.extend(more);
        self.bed
            .initramfs(&spec.files(files))
            .context("cannot build the initramfs")
    }

    /// A system with a real builder on which reseat's programs and these rules are installed, and its files for builders are
    /// not: those are what `reseat initramfs install` brings.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn system_without_hooks(&self, builder: Builder, rules: &str) -> Result<System> {
        let mut files = self.installed()?;
        files.retain(|file| file.path.starts_with("usr/bin") || file.path.starts_with("usr/sbin"));
        files.push(GuestFile::new(RULES_FILE, rules));
        let mut spec = ImageSpec::new(self.kernel).files(files);
        spec.builder = builder;
        // Each driver makes every build longer, and none is wanted here.
        spec.modules.clear();
        self.bed.system(&spec).context("cannot make the system")
    }

    /// A file of the tree that is installed, by its path there.
    ///
    /// # Errors
    /// When it is not in it.
    pub fn installed_file(&self, path: &str) -> Result<Vec<u8>> {
        let path = self.dist.join(path.trim_start_matches('/'));
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The real root, with the operator's command on it, and `more`.
    ///
    /// # Errors
    /// When it cannot be built.
    pub(crate) fn root(&self, more: Vec<GuestFile>) -> Result<PathBuf> {
        let mut files = self.installed()?;
        files.extend(more);
        self.bed
            .root(self.kernel.architecture(), &files)
            .context("cannot build the real root")
    }

    /// The files of udev, for the real root.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn udev(&self) -> Result<Vec<GuestFile>> {
        self.bed.udev().context("cannot collect udev")
    }

    /// The files that the real root needs to load these modules by the real modprobe.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn loadable(&self, modules: &[&str]) -> Result<Vec<GuestFile>> {
        let files = self.bed.loadable(self.kernel, modules);
        files.context("cannot collect modules")
    }

    /// The files that the real root needs to load a kernel, with this image, for the case that the running one crashes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn kexec(&self, image: &Image) -> Result<Vec<GuestFile>> {
        self.bed.kexec(self.kernel, image).context("cannot collect kexec")
    }

    /// The files of an installed reseat.
    fn installed(&self) -> Result<Vec<GuestFile>> {
        let mut files = Vec::new();
        collect(&self.dist, &self.dist, &mut files)?;
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }
}

fn variable(name: &'static str) -> Result<PathBuf, NoStage> {
    env::var_os(name).map(PathBuf::from).ok_or(NoStage::Variable(name))
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty() && value != "false")
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<GuestFile>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let metadata = fs::metadata(&path).with_context(|| format!("cannot look at {}", path.display()))?;
            let mut file = GuestFile::program(path.strip_prefix(root)?, &path)?;
            file.mode = metadata.permissions().mode() & 0o777;
            files.push(file);
        }
    }
    Ok(())
}
