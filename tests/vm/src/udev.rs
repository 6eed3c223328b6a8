//! udev for the real root: Debian's own daemon, with what it needs.

use std::path::{Path, PathBuf};

use crate::artifacts::Bed;
use crate::files::{FileError, GuestFile};
use crate::process::{self, CommandError};

const PROGRAM: &str = "usr/bin/udevadm";
/// One program that acts by the name that it is called by.
const NAMES: [&str; 2] = ["usr/bin/udevadm", "usr/lib/systemd/systemd-udevd"];
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "lib/x86_64-linux-gnu";
/// What loads the drivers of a device.
const RULES: &str = "usr/lib/udev/rules.d/80-drivers.rules";

/// udev could not be had.
#[derive(Debug, thiserror::Error)]
pub enum UdevError {
    /// A file of it.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its libraries could not be listed.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Bed {
    /// The files that a real root needs for udev, as the unpacked system has them.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn udev(&self) -> Result<Vec<GuestFile>, UdevError> {
        let tree = &self.tools.path;
        let mut files = vec![
            GuestFile::program(LOADER, &tree.join("usr").join(LOADER))?,
            GuestFile::program(RULES, &tree.join(RULES))?,
        ];
        for name in NAMES {
            files.push(GuestFile::program(name, &tree.join(PROGRAM))?);
        }
        let mut list = std::process::Command::new(tree.join("usr").join(LOADER));
        list.arg("--library-path").arg(tree.join("usr").join(LIBRARIES));
        let listed = process::run(list.arg("--list").arg(tree.join(PROGRAM)))?;
        for library in libraries(&String::from_utf8_lossy(&listed.stdout)) {
            let name = library.file_name().unwrap_or_default();
            files.push(GuestFile::program(Path::new(LIBRARIES).join(name), &library)?);
        }
        Ok(files)
    }
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
