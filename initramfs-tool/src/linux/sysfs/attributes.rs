//! Reading and writing the one-line files of sysfs and procfs.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::{pread, pwrite};

use crate::model::finding::{Finding, Subject, id};

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
    /// The error as a finding.
    #[inline(never)]
    pub fn finding(&self) -> Finding {
        match self {
            Self::Read { path, cause } => Finding::error(id::FILE_UNREADABLE, Subject::file(path)).with("cause", cause),
            Self::Write { path, value, cause } => Finding::error(id::ATTRIBUTE_UNWRITABLE, Subject::file(path))
                .with("value", value)
                .with("cause", cause),
        }
    }

    /// The kernel's reason.
    pub(crate) fn cause(&self) -> &io::Error {
        match self {
            Self::Read { cause, .. } | Self::Write { cause, .. } => cause,
        }
    }
}

/// The file's text without the white space around it.
pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(cause) => Err(FileError::Read {
            path: path.to_owned(),
            cause,
        }),
    }
}

/// The file's whole text, of which nothing is known but that it is text.
pub(crate) fn read_untrimmed(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|cause| FileError::Read {
        path: path.to_owned(),
        cause,
    })
}

/// The text of somebody's configuration, whose comments may be in any encoding: what is no UTF-8 is replaced. Nothing for a
/// file that is not there or cannot be read.
pub(crate) fn read_configuration(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// [`read`], with nothing for a file that is not there.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>, FileError> {
    if_there(read(path))
}

fn if_there(text: Result<String, FileError>) -> Result<Option<String>, FileError> {
    match text {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.cause().kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes `value` and a line feed in one call, as sysfs wants it. The file has to be there: it is never made, since a
/// sysfs that is asked to make a file answers with a misleading error.
pub(crate) fn write(path: &Path, value: &str) -> Result<(), FileError> {
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
pub(crate) fn link_name(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_link(path) {
        Ok(target) => Ok(target.file_name().map(|name| name.to_string_lossy().into_owned())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(FileError::Read {
            path: path.to_owned(),
            cause,
        }),
    }
}

/// A directory of attributes, such as a function's, found once: on the way down to it lies a link and half a dozen
/// directories, which the kernel would walk for each of its files.
///
/// It is that of one device. When the device goes and comes again, nothing is in this one any more.
#[derive(Debug)]
pub(crate) struct Directory {
    descriptor: OwnedFd,
    path: PathBuf,
    /// Those of its files that are written, by name: they are read again soon.
    to_write: Vec<(&'static str, OwnedFd)>,
}

/// An attribute's text is a page at most, and comes in one read.
const PAGE: usize = 4096;

impl Directory {
    /// # Errors
    /// When it is not there.
    pub(crate) fn open(path: PathBuf) -> Result<Self, FileError> {
        match openat(
            CWD,
            &path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Ok(descriptor) => Ok(Self {
                descriptor,
                path,
                to_write: Vec::new(),
            }),
            Err(error) => Err(FileError::Read {
                path,
                cause: error.into(),
            }),
        }
    }

    /// Its inode's number.
    pub(crate) fn number(&self) -> Option<u64> {
        fstat(&self.descriptor).map(|stat| stat.st_ino).ok()
    }

    /// As [`read`]. `file` is its name, or a path below the directory.
    pub(crate) fn read(&self, file: &str) -> Result<String, FileError> {
        let text = match self.to_write.iter().find(|(name, _)| *name == file) {
            Some((_, opened)) => text(opened),
            None => self.open_file(file, OFlags::RDONLY).and_then(text),
        };
        text.map_err(|cause| self.not_read(file, cause))
    }

    /// As [`read_if_there`].
    pub(crate) fn read_if_there(&self, file: &str) -> Result<Option<String>, FileError> {
        if_there(self.read(file))
    }

    /// As [`read_if_there`], for a file that will be written. It stays open: to open an attribute takes the kernel longer than
    /// to read it.
    pub(crate) fn read_to_write(&mut self, file: &'static str) -> Result<Option<String>, FileError> {
        match self.open_to_write(file) {
            Ok(()) => self.read_if_there(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(self.not_read(file, cause)),
        }
    }

    /// As [`write()`], and returns what was in the file before; nothing if it is not there. It stays open.
    pub(crate) fn replace(&mut self, file: &'static str, value: &str) -> Result<Option<String>, FileError> {
        match self.open_to_write(file) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(self.not_written(file, value, cause)),
        }
        let Some((_, opened)) = self.to_write.iter().find(|(name, _)| *name == file) else {
            return Ok(None);
        };
        let before = text(opened).map_err(|cause| self.not_read(file, cause))?;
        let line = format!("{value}\n");
        match pwrite(opened, line.as_bytes(), 0) {
            Ok(length) if length == line.len() => Ok(Some(before)),
            Ok(length) => {
                let cause = io::Error::other(format!("the kernel took {length} of {} bytes", line.len()));
                Err(self.not_written(file, value, cause))
            }
            Err(error) => Err(self.not_written(file, value, error.into())),
        }
    }

    /// As [`link_name`].
    pub(crate) fn link_name(&self, file: &str) -> Result<Option<String>, FileError> {
        match readlinkat(&self.descriptor, file, Vec::with_capacity(LINK)) {
            Ok(target) => Ok(target.to_string_lossy().rsplit('/').next().map(str::to_owned)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(self.not_read(file, error.into())),
        }
    }

    /// Opens one of its files, which has to be there.
    pub(crate) fn open_file(&self, file: &str, access: OFlags) -> io::Result<OwnedFd> {
        Ok(openat(&self.descriptor, file, access | OFlags::CLOEXEC, Mode::empty())?)
    }

    fn open_to_write(&mut self, file: &'static str) -> io::Result<()> {
        if self.to_write.iter().all(|(name, _)| *name != file) {
            let opened = self.open_file(file, OFlags::RDWR)?;
            self.to_write.push((file, opened));
        }
        Ok(())
    }

    /// Where one of its files is.
    pub(crate) fn file(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    fn not_read(&self, file: &str, cause: io::Error) -> FileError {
        FileError::Read {
            path: self.file(file),
            cause,
        }
    }

    fn not_written(&self, file: &str, value: &str, cause: io::Error) -> FileError {
        FileError::Write {
            path: self.file(file),
            value: value.to_owned(),
            cause,
        }
    }
}

/// Room for the targets of sysfs' links; a longer one takes another call.
const LINK: usize = 256;

/// The text of an open attribute without the white space around it, from its beginning: the kernel tells it anew.
fn text(file: impl AsFd) -> io::Result<String> {
    let mut page = [0; PAGE];
    let length = pread(&file, &mut page, 0)?;
    let mut text = page.get(..length).unwrap_or_default().to_vec();
    // A page that is not full was the last one: no call to learn that nothing follows.
    let mut is_full = length == PAGE;
    while is_full {
        let length = pread(&file, &mut page, text.len() as u64)?;
        text.extend_from_slice(page.get(..length).unwrap_or_default());
        is_full = length == PAGE;
    }
    text.truncate(text.trim_ascii_end().len());
    let text = String::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(match text.trim() {
        trimmed if trimmed.len() == text.len() => text,
        trimmed => trimmed.to_owned(),
    })
}
