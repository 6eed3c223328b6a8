//! A function's configuration space through its `config` file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use reseat_core::address::FunctionAddress;
use reseat_core::config::{ByteOffset, ConfigRead, ConfigWrite, Offset, ReadableSize, WordOffset};

use rustix::fs::OFlags;

use super::attributes::Directory;
use super::root::Root;

/// The open `config` file. Each read is one read of 32 bits on the bus; nothing is read ahead.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    file: File,
    path: PathBuf,
    size: ReadableSize,
}

/// A configuration space that could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot open {path}: {cause}", path = path.display())]
    Open { path: PathBuf, cause: io::Error },
    #[error("cannot read 4 bytes at {offset:#05x} of {path}: {cause}", path = path.display())]
    Read {
        path: PathBuf,
        offset: u16,
        cause: io::Error,
    },
    #[error("cannot write {bytes} bytes at {offset:#05x} of {path}: {cause}", path = path.display())]
    Write {
        path: PathBuf,
        offset: u16,
        bytes: usize,
        cause: io::Error,
    },
    #[error("{path} is short: it ends at {bytes} bytes", path = path.display())]
    Short { path: PathBuf, bytes: u64 },
}

impl ConfigError {
    /// The kind of the kernel's error.
    pub(crate) fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Open { cause, .. } | Self::Read { cause, .. } | Self::Write { cause, .. } => cause.kind(),
            Self::Short { .. } => io::ErrorKind::UnexpectedEof,
        }
    }
}

impl ConfigFile {
    pub(crate) fn open(root: &Root, address: FunctionAddress) -> Result<Self, ConfigError> {
        let path = root.function(address).join("config");
        Self::new(File::open(&path), path)
    }

    /// Opens it for reading and writing.
    pub(crate) fn open_to_write(root: &Root, address: FunctionAddress) -> Result<Self, ConfigError> {
        let path = root.function(address).join("config");
        Self::new(OpenOptions::new().read(true).write(true).open(&path), path)
    }

    fn write_bytes(&self, offset: u16, bytes: &[u8]) -> Result<(), ConfigError> {
        let written = self.file.write_all_at(bytes, offset.into());
        written.map_err(|cause| ConfigError::Write {
            path: self.path.clone(),
            offset,
            bytes: bytes.len(),
            cause,
        })
    }

    /// The one in a function's directory.
    pub(crate) fn open_in(function: &Directory) -> Result<Self, ConfigError> {
        let opened = function.open_file("config", OFlags::RDONLY).map(File::from);
        Self::new(opened, function.file("config"))
    }

    fn new(opened: io::Result<File>, path: PathBuf) -> Result<Self, ConfigError> {
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let (bytes, file) = match opened {
            Ok(opened) => opened,
            Err(cause) => return Err(ConfigError::Open { path, cause }),
        };
        match usize::try_from(bytes).ok().and_then(ReadableSize::covered_by) {
            Some(size) => Ok(Self { file, path, size }),
            None => Err(ConfigError::Short { path, bytes }),
        }
    }
}

impl ConfigRead for ConfigFile {
    type Error = ConfigError;

    fn size(&self) -> ReadableSize {
        self.size
    }

    fn read(&mut self, offset: Offset) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        match self.file.read_exact_at(&mut bytes, offset.get().into()) {
            Ok(()) => Ok(u32::from_le_bytes(bytes)),
            // The file says how long it is, but the kernel shows the rest of it only to a privileged reader.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ConfigError::Short {
                path: self.path.clone(),
                bytes: offset.get().into(),
            }),
            Err(cause) => Err(ConfigError::Read {
                path: self.path.clone(),
                offset: offset.get(),
                cause,
            }),
        }
    }
}

/// Each write is one write of its width on the bus.
impl ConfigWrite for ConfigFile {
    type Error = ConfigError;

    fn write_byte(&mut self, offset: ByteOffset, value: u8) -> Result<(), ConfigError> {
        self.write_bytes(offset.get(), &[value])
    }

    fn write_word(&mut self, offset: WordOffset, value: u16) -> Result<(), ConfigError> {
        self.write_bytes(offset.get(), &value.to_le_bytes())
    }

    fn write(&mut self, offset: Offset, value: u32) -> Result<(), ConfigError> {
        self.write_bytes(offset.get(), &value.to_le_bytes())
    }
}
