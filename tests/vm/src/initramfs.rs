//! Images built by Debian's own `mkinitramfs`, in a copy of an unpacked system.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use tempfile::TempDir;

use crate::artifacts::{self, Bed, Kernel, KernelFiles, Missing};
use crate::cpio;
use crate::files::{self, FileError, GuestFile, create_directory, link_tree};
use crate::fingerprint::{self, Fingerprint};
use crate::process::{self, CommandError};

/// Changes when the same specification builds something else.
const RECIPE: &str = "1";

/// What the boot scripts need to find the root: loaded by name before it is looked for.
const ROOT_MODULES: &str = "virtio_pci\nvirtio_blk\next4\n";

/// The hook that makes modules available to udev.
const BED_HOOK: &str = "etc/initramfs-tools/hooks/bed-modules";

/// Under TCG an lz4 image is unpacked fastest; measured against zstd, gzip and none.
const CONFIGURATION: &str = "MODULES=list\nCOMPRESS=lz4\nCOMPRESSLEVEL=1\nRESUME=none\n";

/// An initramfs could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The kernel is not in the bed.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A file of the build.
    #[error(transparent)]
    File(#[from] FileError),
    /// `mkinitramfs` or a hook refused; its output is in the error.
    #[error(transparent)]
    Build(#[from] CommandError),
    /// `mkinitramfs` went on after something that it could not find.
    #[error("mkinitramfs warned:\n{0}")]
    Warned(String),
    /// A file for the archive.
    #[error(transparent)]
    TooLarge(#[from] cpio::TooLarge),
}

/// What goes into an image.
#[derive(Debug, Clone)]
pub struct ImageSpec {
    /// The kernel whose modules are used.
    pub kernel: Kernel,
    /// Modules that udev may load by alias, as in an image built with `MODULES=most`.
    pub modules: Vec<String>,
    /// Files put into the system before the build: hooks, scripts, programs, configuration.
    pub files: Vec<GuestFile>,
}

impl ImageSpec {
    /// The drivers that may come to a GPU's functions, and no further files.
    #[must_use]
    pub fn new(kernel: Kernel) -> Self {
        let drivers = ["nouveau", "snd_hda_intel", "xhci_pci"];
        Self {
            kernel,
            modules: drivers.map(str::to_owned).to_vec(),
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

/// A system of files in which programs run as on a machine of their own, by `chroot`: without `/proc` and `/sys`, whose
/// directories are empty. Its files are hard links: one that is to change has to be replaced.
#[derive(Debug)]
pub struct System {
    directory: TempDir,
    /// The kernel that is installed.
    pub kernel: String,
}

impl System {
    /// Where something of the system is, by its path there.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    /// Puts a file there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, file: &GuestFile) -> Result<(), FileError> {
        file.install(self.directory.path())
    }

    /// A program there, with its arguments.
    ///
    /// # Errors
    /// When the system cannot be made ready for it.
    pub fn command(&self, arguments: &[&str]) -> Result<Command, FileError> {
        let mut command = enter(self.directory.path())?;
        command.args(arguments);
        command.env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
        Ok(command)
    }
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
    /// When the kernel is not in the bed, or a hook or `mkinitramfs` fails.
    pub fn initramfs(&self, spec: &ImageSpec) -> Result<Image, ImageError> {
        let kernel = self.kernel(spec.kernel)?;
        let print = Fingerprint::new("initramfs")
            .parts([RECIPE, CONFIGURATION, ROOT_MODULES])
            .part(self.tools.stamp()?)
            .part(kernel.tree_stamp()?)
            .parts(&spec.modules);
        let print = files::fingerprint(print, &spec.files).hex();
        let path = self.part("images").join(print).with_extension("img");
        if self.has(&path)? {
            let origin = Origin::Cached;
            return Ok(Image { path, origin });
        }
        let started = Instant::now();
        let system = self.system(spec)?;
        let built = mkinitramfs(&system)?;
        fs::rename(&built, &path).map_err(FileError::of("put in place", &path))?;
        let origin = Origin::Built(started.elapsed());
        Ok(Image { path, origin })
    }

    /// A system in which initramfs-tools make images of this specification, for whoever has to do with such a machine.
    ///
    /// # Errors
    /// When the kernel is not in the bed, or a file cannot be written.
    pub fn system(&self, spec: &ImageSpec) -> Result<System, ImageError> {
        let kernel = self.kernel(spec.kernel)?;
        let directory = tempfile::tempdir_in(self.part("work"));
        let directory = directory.map_err(FileError::of("create a directory in", &self.part("work")))?;
        let system = directory.path();
        link_tree(&self.tools.path, system)?;
        link_tree(&kernel.modules(), &system.join("lib/modules").join(&kernel.version))?;
        link_configuration(&kernel, system)?;
        configure(spec, system)?;
        Ok(System {
            directory,
            kernel: kernel.version,
        })
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

/// `mkinitramfs` asks the kernel's configuration which compressions it can open.
fn link_configuration(kernel: &KernelFiles, system: &Path) -> Result<(), FileError> {
    let boot = system.join("boot");
    create_directory(&boot)?;
    let target = boot.join(format!("config-{}", kernel.version));
    fs::hard_link(kernel.configuration(), &target).map_err(FileError::of("link", &target))
}

/// Writes the bed's configuration and the caller's files into the system.
fn configure(spec: &ImageSpec, system: &Path) -> Result<(), FileError> {
    let own = [
        GuestFile::new("etc/initramfs-tools/conf.d/bed", CONFIGURATION),
        GuestFile::new("etc/initramfs-tools/modules", ROOT_MODULES),
        GuestFile::executable(BED_HOOK, modules_hook(&spec.modules)),
    ];
    let mut all = own.iter().chain(&spec.files);
    all.try_for_each(|file| file.install(system))
}

/// A hook, because modules in `modules` would be loaded by name, not when udev finds a device.
fn modules_hook(modules: &[String]) -> String {
    let modules = modules.join(" ");
    format!(
        "#!/bin/sh -e\n\
         case \"$1\" in prereqs) exit 0 ;; esac\n\
         . /usr/share/initramfs-tools/hook-functions\n\
         for module in {modules}; do\n\
         \tmodprobe --set-version=\"$version\" --show-depends \"$module\" >/dev/null\n\
         \tmanual_add_modules \"$module\"\n\
         done\n"
    )
}

fn mkinitramfs(system: &System) -> Result<PathBuf, ImageError> {
    let mut build = system.command(&["mkinitramfs", "-o", "/initramfs.img", &system.kernel])?;
    let output = process::run(&mut build)?;
    // A missing module or program is only warned of: the image would lack it in silence.
    let said = String::from_utf8_lossy(&output.stderr);
    let warnings: Vec<&str> = said.lines().filter(|line| is_warning(line)).collect();
    if !warnings.is_empty() {
        return Err(ImageError::Warned(warnings.join("\n")));
    }
    Ok(system.path("initramfs.img"))
}

/// Firmware is not free and not in the bed: the fake functions need none.
fn is_warning(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with("W: Possible missing firmware")
}

/// A command that goes on as another in the system: root by `chroot`, others in a user namespace.
fn enter(system: &Path) -> Result<Command, FileError> {
    let program = |name: &str| artifacts::program(name).unwrap_or_else(|| name.into());
    if artifacts::is_root() {
        create_null(&system.join("dev/null"))?;
        let mut chroot = Command::new(program("chroot"));
        chroot.arg(system);
        return Ok(chroot);
    }
    let mut unshare = Command::new(program("unshare"));
    unshare.args(["--map-root-user", "--mount", "sh", "-c"]);
    unshare.arg("mount --rbind /dev \"$0/dev\" && exec chroot \"$0\" \"$@\"");
    unshare.arg(system);
    Ok(unshare)
}

fn create_null(path: &Path) -> Result<(), FileError> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device()) {
        return Ok(());
    }
    let mode = Mode::from_raw_mode(0o666);
    // Major 1, minor 3 in the kernel's `Documentation/admin-guide/devices.txt`.
    mknodat(CWD, path, FileType::CharacterDevice, mode, makedev(1, 3))
        .map_err(|error| FileError::of("create", path)(io::Error::from(error)))
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

    #[test]
    fn a_module_that_is_missing_fails_the_hook() {
        let hook = modules_hook(&["nouveau".to_owned(), "xhci_pci".to_owned()]);
        assert!(hook.starts_with("#!/bin/sh -e\n"));
        assert!(hook.contains("for module in nouveau xhci_pci; do"));
    }

    #[test]
    fn missing_firmware_is_no_warning_but_other_lines_are() {
        assert!(!is_warning("W: Possible missing firmware /lib/firmware/a for module b"));
        assert!(is_warning("W: mkinitramfs: something"));
    }
}
