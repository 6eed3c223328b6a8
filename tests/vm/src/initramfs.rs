//! Images built by the real initramfs-tools and dracut, or by stand-ins for mkinitcpio, each in a copy of an unpacked
//! system; and some by no builder, for another processor than this machine's.

mod bare;
mod dracut;
mod initramfs_tools;
mod mkinitcpio;
mod system;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

pub(crate) use self::bare::module_files;
pub use self::system::System;
use crate::artifacts::{Bed, Kernel, KernelFiles, Missing, Tree};
use crate::chroot::plain_environment;
use crate::cpio;
use crate::files::{self, FileError, GuestFile, link_tree};
use crate::fingerprint::{self, Fingerprint};
use crate::process::{self, CommandError};

/// What is needed to find the root.
const ROOT_MODULES: [&str; 3] = ["virtio_pci", "virtio_blk", "ext4"];

/// An initramfs could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The kernel is not in the bed.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A file of the build.
    #[error(transparent)]
    File(#[from] FileError),
    /// The builder or a hook refused; its output is in the error.
    #[error(transparent)]
    Build(#[from] CommandError),
    /// The builder went on after something that it could not find.
    #[error("the builder of the image warned:\n{0}")]
    Warned(String),
    /// A module that is wanted.
    #[error("the kernel {kernel} has no module {name}")]
    NoModule {
        /// Its name.
        name: String,
        /// The kernel's version.
        kernel: String,
    },
    /// A file for the archive.
    #[error(transparent)]
    TooLarge(#[from] cpio::TooLarge),
}

/// Who builds an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// Debian's `mkinitramfs`.
    InitramfsTools,
    /// `dracut`, whose own script is the image's init.
    Dracut,
    /// `dracut`, with systemd for the image's init.
    DracutSystemd,
    /// Stand-ins for mkinitcpio's functions and its init; mkinitcpio itself can be had from no registry.
    MkinitcpioStandIns,
    /// None: the files, the modules, busybox and an init are put into an archive. For a kernel of any processor.
    Bare,
}

/// What goes into an image.
#[derive(Debug, Clone)]
pub struct ImageSpec {
    /// Who builds it.
    pub builder: Builder,
    /// The kernel whose modules are used.
    pub kernel: Kernel,
    /// Modules that udev may load by alias, as in an image built with `MODULES=most`.
    pub modules: Vec<String>,
    /// Whether the kernel has also the modules that the bed has built for it; Debian 13's only.
    pub built_modules: bool,
    /// Files put into the system before the build: hooks, scripts, programs, configuration. Where there is no builder, they
    /// are put into the image.
    pub files: Vec<GuestFile>,
}

impl ImageSpec {
    /// By initramfs-tools, with the drivers that may come to a GPU's functions, and no further files.
    #[must_use]
    pub fn new(kernel: Kernel) -> Self {
        let drivers = ["nouveau", "snd_hda_intel", "xhci_pci"];
        Self {
            builder: Builder::InitramfsTools,
            kernel,
            modules: drivers.map(str::to_owned).to_vec(),
            built_modules: false,
            files: Vec::new(),
        }
    }

    /// Adds files.
    #[must_use]
    pub fn files(mut self, files: impl IntoIterator<Item = GuestFile>) -> Self {
        self.files.extend(files);
        self
    }
}

/// A built image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// How it came to be there.
    pub origin: Origin,
}

/// How an image came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was built by an earlier call with the same input.
    Cached,
    /// It was built now, in this time.
    Built(Duration),
}

impl Bed {
    /// The image for a specification, built if it is not in the cache.
    ///
    /// # Errors
    /// When the kernel or the builder is not in the bed, or the builder or one of its hooks fails.
    pub fn initramfs(&self, spec: &ImageSpec) -> Result<Image, ImageError> {
        let kernel = self.kernel(spec.kernel)?;
        let tree = self.tree_of(spec.builder)?;
        let busybox = self.busybox(spec.kernel.architecture())?;
        let print = Fingerprint::new("initramfs")
            .part(format!("{:?}", spec.builder))
            .parts(match spec.builder {
                Builder::InitramfsTools => initramfs_tools::RECIPE,
                Builder::Dracut | Builder::DracutSystemd => dracut::RECIPE,
                Builder::MkinitcpioStandIns => mkinitcpio::RECIPE,
                Builder::Bare => bare::RECIPE,
            })
            .part(tree.stamp()?)
            .part(kernel.tree_stamp()?)
            .parts(&spec.modules)
            .parts(match spec.built_modules {
                true => vec![self.built_modules(&kernel)?.stamp()?],
                false => Vec::new(),
            });
        let print = match spec.builder {
            Builder::Bare => print.part(busybox.stamp()?),
            _ => print,
        };
        let print = files::fingerprint(print, &spec.files).hex();
        let path = self.part("images").join(print).with_extension("img");
        // Whoever else wants the same image waits for it: to build it twice takes longer.
        let _building = self.building(&path)?;
        if self.has(&path)? {
            let origin = Origin::Cached;
            return Ok(Image { path, origin });
        }
        let started = Instant::now();
        let work = match spec.builder {
            Builder::Bare => self.work_directory()?,
            _ => self.copy_for(spec, &kernel)?,
        };
        let system = work.path();
        let built = match spec.builder {
            Builder::InitramfsTools => initramfs_tools::build(spec, &kernel, system)?,
            Builder::Dracut | Builder::DracutSystemd => dracut::build(spec, &kernel, system)?,
            Builder::MkinitcpioStandIns => mkinitcpio::build(spec, &kernel, system)?,
            Builder::Bare => bare::build(spec, &kernel, &busybox, &tree, system)?,
        };
        fs::rename(&built, &path).map_err(FileError::of("put in place", &path))?;
        let origin = Origin::Built(started.elapsed());
        Ok(Image { path, origin })
    }

    /// A copy of the builder's system, with the kernel's modules.
    fn copy_for(&self, spec: &ImageSpec, kernel: &KernelFiles) -> Result<TempDir, ImageError> {
        let work = self.work_directory()?;
        link_tree(&self.tree_of(spec.builder)?.path, work.path())?;
        link_tree(
            &kernel.modules(),
            &work.path().join("lib/modules").join(&kernel.version),
        )?;
        if spec.built_modules {
            let built = self.built_modules(kernel)?.files(kernel)?;
            built.iter().try_for_each(|file| file.install(work.path()))?;
            // It replaces its lists, which are links to those of the kernel without them.
            let mut depmod = self.tools.command_as("usr/bin/kmod", "depmod");
            depmod.arg("-b").arg(work.path()).arg(&kernel.version);
            process::run(&mut depmod)?;
        }
        Ok(work)
    }

    fn work_directory(&self) -> Result<TempDir, FileError> {
        let part = self.part("work");
        tempfile::tempdir_in(&part).map_err(FileError::of("create a directory in", &part))
    }

    fn tree_of(&self, builder: Builder) -> Result<Tree, Missing> {
        match builder {
            Builder::InitramfsTools | Builder::MkinitcpioStandIns | Builder::Bare => Ok(self.tools.clone()),
            Builder::Dracut | Builder::DracutSystemd => self.dracut(),
        }
    }

    /// An image with files laid over those it has, without building it again.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn append_overlay(&self, image: &Image, overlay: &[GuestFile]) -> Result<Image, ImageError> {
        let of_image = fingerprint::of_file(&image.path);
        let of_image = of_image.map_err(FileError::of("hash", &image.path))?;
        let print = Fingerprint::new("overlay").part(of_image);
        let print = files::fingerprint(print, overlay).hex();
        let path = self.part("images").join(print).with_extension("img");
        if self.has(&path)? {
            let origin = Origin::Cached;
            return Ok(Image { path, origin });
        }
        let started = Instant::now();
        let bytes = fs::read(&image.path).map_err(FileError::of("read", &image.path))?;
        files::write_whole(&path, &with_overlay(bytes, overlay)?)?;
        let origin = Origin::Built(started.elapsed());
        Ok(Image { path, origin })
    }

    /// Waits until nobody builds this file of the cache; released when dropped.
    pub(crate) fn building(&self, path: &Path) -> Result<File, FileError> {
        let path = path.with_extension("lock");
        let file = File::create(&path).map_err(FileError::of("create", &path))?;
        file.lock().map_err(FileError::of("lock", &path))?;
        Ok(file)
    }

    /// Whether a file is in the cache; asking counts as a use of it.
    pub(crate) fn has(&self, path: &Path) -> Result<bool, FileError> {
        if !path.exists() {
            return Ok(false);
        }
        let touched = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
        touched.map_err(FileError::of("mark as used", path))?;
        Ok(true)
    }
}

/// The image, then the archive at the alignment that the kernel looks for one.
fn with_overlay(mut image: Vec<u8>, overlay: &[GuestFile]) -> Result<Vec<u8>, cpio::TooLarge> {
    image.resize(image.len().next_multiple_of(cpio::ALIGNMENT), 0);
    image.extend_from_slice(&cpio::archive(overlay)?);
    Ok(image)
}

/// Runs a builder, which goes on after what it cannot find and only warns: the image would lack it in silence.
fn run_builder(mut command: Command, is_warning: fn(&str) -> bool) -> Result<(), ImageError> {
    plain_environment(&mut command);
    let output = process::run(&mut command)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let warnings: Vec<&str> = said.lines().filter(|line| is_warning(line)).collect();
    if !warnings.is_empty() {
        return Err(ImageError::Warned(warnings.join("\n")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_begins_where_the_kernel_looks_for_it() {
        let bytes = with_overlay(vec![1; 5], &[GuestFile::new("/x", "y")]).unwrap();
        assert_eq!(&bytes[5..8], [0; 3]);
        assert_eq!(&bytes[8..14], b"070701");
    }
}
