//! Programs for the real root: Debian's own, with what they need.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifacts::{Bed, Kernel, Missing, Tree};
use crate::files::{FileError, GuestFile};
use crate::initramfs::{Image, ImageError, module_files};
use crate::process::{self, CommandError};

const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "lib/x86_64-linux-gnu";

const UDEV: &str = "usr/bin/udevadm";
/// The same program, which acts by the name that it is called by.
const UDEV_DAEMON: &str = "usr/lib/systemd/systemd-udevd";
/// What loads the drivers of a device.
const UDEV_RULES: &str = "usr/lib/udev/rules.d/80-drivers.rules";

const KMOD: &str = "usr/bin/kmod";
/// Where the kernel and others look for it.
const MODPROBE: &str = "sbin/modprobe";
/// The lists of a kernel's modules, beside which they lie.
const MODULE_LISTS: &str = "modules.";

const KEXEC: &str = "usr/sbin/kexec";
/// Where the root has the kernel that [`Bed::kexec`] brings.
pub const CRASH_KERNEL: &str = "/boot/vmlinuz";
/// And its initramfs.
pub const CRASH_IMAGE: &str = "/boot/initrd";

/// A program could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is not in the cache.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A file of it.
    #[error(transparent)]
    File(#[from] FileError),
    /// A directory of the cache.
    #[error("cannot list {}: {cause}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A module.
    #[error(transparent)]
    Module(#[from] ImageError),
    /// Its libraries could not be listed.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Bed {
    /// The files that a real root needs for udev, as the unpacked system has them.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn udev(&self) -> Result<Vec<GuestFile>, ProgramError> {
        let tree = &self.tools.path;
        let mut files = with_libraries(&self.tools, UDEV)?;
        files.push(GuestFile::program(UDEV_DAEMON, &tree.join(UDEV))?);
        files.push(GuestFile::program(UDEV_RULES, &tree.join(UDEV_RULES))?);
        Ok(files)
    }

    /// The files that a real root needs to load these modules, with what they depend on, by the real modprobe.
    ///
    /// # Errors
    /// When one cannot be read, or the kernel has no such module.
    pub fn loadable(&self, kernel: Kernel, modules: &[&str]) -> Result<Vec<GuestFile>, ProgramError> {
        let mut files = with_libraries(&self.tools, KMOD)?;
        files.push(GuestFile::program(MODPROBE, &self.tools.path.join(KMOD))?);
        let kernel = self.kernel(kernel)?;
        let (from, to) = (kernel.modules(), Path::new("lib/modules").join(&kernel.version));
        let mut wanted = module_files(&kernel, modules.iter().copied())?;
        let list = |cause| ProgramError::List {
            path: from.clone(),
            cause,
        };
        for entry in fs::read_dir(&from).map_err(list)? {
            let name = entry.map_err(list)?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(MODULE_LISTS) {
                wanted.insert(name.into_owned());
            }
        }
        for file in wanted {
            files.push(GuestFile::program(to.join(&file), &from.join(&file))?);
        }
        Ok(files)
    }

    /// The files that a real root needs to load a kernel that is started when the running one crashes: the program, and the
    /// kernel with its initramfs.
    ///
    /// # Errors
    /// When one cannot be read, or has not been fetched.
    pub fn kexec(&self, kernel: Kernel, image: &Image) -> Result<Vec<GuestFile>, ProgramError> {
        let mut files = with_libraries(&self.crash_tools()?, KEXEC)?;
        files.push(GuestFile::program(CRASH_KERNEL, &self.kernel(kernel)?.image())?);
        files.push(GuestFile::program(CRASH_IMAGE, &image.path)?);
        Ok(files)
    }
}

/// A program of a tree with its loader and its libraries.
fn with_libraries(tree: &Tree, program: &str) -> Result<Vec<GuestFile>, ProgramError> {
    let tree = &tree.path;
    let loader = tree.join("usr").join(LOADER);
    let mut files = vec![
        GuestFile::program(LOADER, &loader)?,
        GuestFile::program(program, &tree.join(program))?,
    ];
    let mut list = Command::new(&loader);
    list.arg("--library-path").arg(tree.join("usr").join(LIBRARIES));
    let listed = process::run(list.arg("--list").arg(tree.join(program)))?;
    for library in libraries(&String::from_utf8_lossy(&listed.stdout)) {
        let name = library.file_name().unwrap_or_default();
        files.push(GuestFile::program(Path::new(LIBRARIES).join(name), &library)?);
    }
    Ok(files)
}

/// The libraries in what the loader lists: `libkmod.so.2 => PATH (ADDRESS)`.
fn libraries(listed: &str) -> Vec<PathBuf> {
    let lines = listed.lines().filter(|line| !line.contains("ld-linux"));
    let paths = lines.filter_map(|line| line.split_once(" => ")?.1.split_whitespace().next());
    paths.map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_what_the_loader_lists_without_itself() {
        let listed = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /a/libc.so.6 (0x2)\n\
                      \t/lib64/ld-linux-x86-64.so.2 => /a/ld-linux-x86-64.so.2 (0x3)\n";
        assert_eq!(libraries(listed), [PathBuf::from("/a/libc.so.6")]);
    }
}
