//! The effects: the only module that touches /sys, /proc, /dev and /run.
//!
//! Paths are taken below a [`Root`], `/` on a running machine and a directory of files in tests.

mod attribute;
mod boot_claim;
mod config;
mod effects;
mod evidence;
mod functions;
mod kernel_log;
mod module;
mod report_file;
mod worker;
mod workers;

pub use attribute::FileError;
pub use boot_claim::{Options, run as boot_claim};
pub use functions::{Listing, list, power_of};
pub use kernel_log::{PREFIX, log};
pub use report_file::{CLAIM_REPORT, ReportFileError, read as read_report, write as write_report};
pub use worker::work;
pub use workers::WORKER_ARGUMENT;

use std::path::{Path, PathBuf};

use reseat_core::address::FunctionAddress;

/// The directory that stands for `/`.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// The running machine's own `/`.
    pub fn system() -> Self {
        Self::at("/")
    }

    /// A directory that stands for `/`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory.
    fn as_path(&self) -> &Path {
        &self.0
    }

    /// What is at the absolute `path` of the machine.
    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn function(&self, address: FunctionAddress) -> PathBuf {
        self.path("/sys/bus/pci/devices").join(address.to_string())
    }

    fn driver(&self, driver: &str) -> PathBuf {
        self.path("/sys/bus/pci/drivers").join(driver)
    }
}

#[cfg(test)]
mod tests;
