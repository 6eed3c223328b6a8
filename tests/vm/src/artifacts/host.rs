//! What the host itself has to bring: everything else comes from unpacked packages.

use std::env;
use std::env::consts::ARCH;
use std::path::Path;
use std::process::Command;

use super::sources::DEBIAN_KEYRING;
use crate::process::{self, CommandError};
use crate::progress;

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
    /// Programs of the bed would not run.
    #[error("this is a machine with {0}: the test bed needs one with x86-64")]
    Architecture(&'static str),
    /// Not a Debian-like system.
    #[error("apt-get is not on this machine: the test bed needs Debian or one of its descendants")]
    NoApt,
    /// Packages have to be installed by somebody who may.
    #[error("packages are missing on this machine; run: sudo apt-get install --no-install-recommends {}", .0.join(" "))]
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
    install(&missing, "to fetch and unpack the test bed")
}

/// Whether programs of the bed can run here at all.
pub(crate) fn check_architecture() -> Result<(), HostError> {
    match ARCH {
        "x86_64" => Ok(()),
        other => Err(HostError::Architecture(other)),
    }
}

/// Installs packages from the machine's own apt sources, and says on standard error which and what for.
///
/// # Errors
/// When apt fails, or there is none; when this is not root: the error has the command for somebody who may.
pub fn install(packages: &[&'static str], purpose: &str) -> Result<(), HostError> {
    if program("apt-get").is_none() {
        return Err(HostError::NoApt);
    }
    if !is_root() {
        return Err(HostError::Missing(packages.to_owned()));
    }
    progress::line(&format!(
        "installing on this machine, {purpose}: {}",
        packages.join(" ")
    ));
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .args(["--quiet", "--yes"])
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // An index that was read long ago, or never, offers versions that are too old or gone. One that cannot be read now
    // may still do.
    process::run(&mut apt_get(&["update"])).ok();
    process::run(apt_get(&["install", "--no-install-recommends"]).args(packages))?;
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
