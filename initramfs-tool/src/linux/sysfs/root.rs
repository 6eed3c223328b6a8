//! Where things are on the machine.

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
    pub(crate) fn as_path(&self) -> &Path {
        &self.0
    }

    /// What is at the absolute `path` of the machine.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    pub(crate) fn function(&self, address: FunctionAddress) -> PathBuf {
        self.path("/sys/bus/pci/devices").join(address.to_string())
    }

    pub(crate) fn driver(&self, driver: &str) -> PathBuf {
        self.path("/sys/bus/pci/drivers").join(driver)
    }
}
