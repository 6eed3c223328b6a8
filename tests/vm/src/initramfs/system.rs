//! A builder's system as a user's machine has it, for whoever has to do with more than the image.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::{Builder, ImageError, ImageSpec, dracut, initramfs_tools};
use crate::artifacts::Bed;
use crate::chroot::{enter, plain_environment};
use crate::files::{FileError, GuestFile};

/// A system of files in which programs run as on a machine of their own, by `chroot`: without a kernel of its own, and with
/// an empty `/sys`. Its files are hard links: one that is to change has to be replaced.
#[derive(Debug)]
pub struct System {
    directory: TempDir,
    builder: Builder,
    /// The kernel that is installed.
    pub kernel: String,
}

impl Bed {
    /// A system in which the builder makes images of this specification by itself.
    ///
    /// # Errors
    /// When the kernel or the builder is not in the bed, or a file cannot be written.
    pub fn system(&self, spec: &ImageSpec) -> Result<System, ImageError> {
        let kernel = self.kernel(spec.kernel)?;
        let directory = self.copy_for(spec, &kernel)?;
        let system = directory.path();
        match spec.builder {
            Builder::InitramfsTools => initramfs_tools::prepare(spec, &kernel, system)?,
            Builder::Dracut | Builder::DracutSystemd => {
                dracut::prepare(spec, system)?;
                dracut::configuration(spec).install(system)?;
            }
            // They are functions, and no program that somebody could run; or there is nothing at all.
            Builder::MkinitcpioStandIns | Builder::Bare => {
                spec.files.iter().try_for_each(|file| file.install(system))?;
            }
        }
        Ok(System {
            directory,
            builder: spec.builder,
            kernel: kernel.version,
        })
    }
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
        let mut command = match self.builder {
            Builder::Dracut | Builder::DracutSystemd => dracut::enter(self.directory.path()),
            Builder::InitramfsTools | Builder::MkinitcpioStandIns | Builder::Bare => enter(self.directory.path())?,
        };
        command.args(arguments);
        plain_environment(&mut command);
        Ok(command)
    }
}
