//! Reading and writing the one-line files of sysfs and procfs.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading failed.
    #[error("cannot read {path}: {cause}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The kernel's reason.
        cause: io::Error,
    },
    /// Writing failed.
    #[error("cannot write `{value}` to {path}: {cause}", path = path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What was to be written.
        value: String,
        /// The kernel's reason.
        cause: io::Error,
    },
}

impl FileError {
    /// The kernel's reason.
    pub(super) fn cause(&self) -> &io::Error {
        match self {
            Self::Read { cause, .. } | Self::Write { cause, .. } => cause,
        }
    }
}

/// The file's text without the white space around it.
pub(super) fn read(path: &Path) -> Result<String, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(cause) => Err(FileError::Read {
            path: path.to_owned(),
            cause,
        }),
    }
}

/// The file's whole text, of which nothing is known but that it is text.
pub(super) fn read_untrimmed(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|cause| FileError::Read {
        path: path.to_owned(),
        cause,
    })
}

/// [`read`], with nothing for a file that is not there.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, FileError> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.cause().kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes `value` and a line feed in one call, as sysfs wants it. The file has to be there: it is never made, since a
/// sysfs that is asked to make a file answers with a misleading error.
pub(super) fn write(path: &Path, value: &str) -> Result<(), FileError> {
    let written = OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{value}\n").as_bytes()));
    written.map_err(|cause| FileError::Write {
        path: path.to_owned(),
        value: value.to_owned(),
        cause,
    })
}

/// The last part of what a link points to, such as the driver's name for `driver`; nothing if there is no link.
pub(super) fn link_name(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_link(path) {
        Ok(target) => Ok(target.file_name().map(|name| name.to_string_lossy().into_owned())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(FileError::Read {
            path: path.to_owned(),
            cause,
        }),
    }
}
