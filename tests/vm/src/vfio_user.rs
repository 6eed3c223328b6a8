//! A program for the guest that opens a function through VFIO and closes it: `vfio-user GROUP FUNCTION`.

use std::io;
use std::process::Command;

use crate::files::{FileError, GuestFile, temporary_directory};

const SOURCE: &str = include_str!("../assets/vfio_user.c");

/// The program, compiled by the host's compiler.
///
/// # Errors
/// When there is no compiler, or it has no static library of C.
pub fn vfio_user() -> Result<GuestFile, FileError> {
    let directory = temporary_directory("bed")?;
    let (source, program) = (directory.path().join("vfio_user.c"), directory.path().join("vfio-user"));
    std::fs::write(&source, SOURCE).map_err(FileError::of("write", &source))?;
    let mut compiler = Command::new("cc");
    let compiled = compiler
        .args(["-O1", "-static", "-o"])
        .arg(&program)
        .arg(&source)
        .status();
    compiled
        .and_then(|status| match status.success() {
            true => Ok(()),
            false => Err(io::Error::other(status.to_string())),
        })
        .map_err(FileError::of("compile", &source))?;
    GuestFile::program("usr/bin/vfio-user", &program)
}
