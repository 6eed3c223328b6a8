//! What the host itself has to bring: everything else comes from unpacked packages.

use std::env;
use std::path::Path;
use std::process::Command;

use super::sources::DEBIAN_KEYRING;
use crate::process::{self, CommandError};

/// Programs that fetching and unpacking run, and the packages they are in.
const PROGRAMS: [(&str, &str); 5] = [
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
    ("tar", "tar"),
    ("chroot", "coreutils"),
    ("unshare", "util-linux"),
];

/// Directories of administration programs, which are not on everybody's `PATH`.
const MORE_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/sbin"];

/// The host lacks something.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Not a Debian-like system.
    #[error("apt-get is not on this machine: the test bed needs Debian or one of its descendants")]
    NoApt,
    /// Packages have to be installed by somebody who may.
    #[error("packages are missing on this machine; run: sudo apt-get install {}", .0.join(" "))]
    Missing(Vec<&'static str>),
    /// They could not be installed.
    #[error(transparent)]
    Install(#[from] CommandError),
}

/// Makes sure that the host has what is needed; root installs what is missing.
pub(crate) fn require() -> Result<(), HostError> {
    if program("apt-get").is_none() {
        return Err(HostError::NoApt);
    }
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() {
        return Err(HostError::Missing(missing));
    }
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--quiet"]).args(&missing);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    process::run(&mut install)?;
    Ok(())
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn missing() -> Vec<&'static str> {
    let programs = PROGRAMS.iter().filter(|(name, _)| program(name).is_none());
    let mut missing: Vec<&str> = programs.map(|(_, package)| *package).collect();
    if !Path::new(DEBIAN_KEYRING).exists() {
        missing.push("debian-archive-keyring");
    }
    missing
}

/// The path of a program of the host.
pub(crate) fn program(name: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(MORE_DIRECTORIES.iter().map(Into::into))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}
