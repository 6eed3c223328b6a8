//! Why an operation was not done, as the ladder has it.

use std::io;

use reseat_core::recovery::{Failure, Observation};

use crate::linux::state::durable::DurableError;
use crate::linux::sysfs::attributes::FileError;

/// Why an operation was not done: what the ladder is told, and words.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) observation: Observation,
    pub(super) words: String,
}

impl Stop {
    pub(super) fn failed(failure: Failure, words: impl Into<String>) -> Self {
        Self {
            observation: Observation::Failed(failure),
            words: words.into(),
        }
    }

    /// A slot says of a state that it cannot take that there is no such device: that is none that has vanished.
    pub(super) fn of_slot(error: &FileError) -> Self {
        match error.cause().raw_os_error() {
            Some(libc::ENODEV) => Self::failed(Failure::Invalid, error.to_string()),
            _ => Self::of(error.cause(), error.to_string()),
        }
    }

    fn of(cause: &io::Error, words: String) -> Self {
        let failure = match cause.raw_os_error() {
            Some(libc::ENODEV | libc::ENOENT) => {
                let observation = Observation::Vanished;
                return Self { observation, words };
            }
            Some(libc::ENOTTY) => Failure::NotSupported,
            Some(libc::EAGAIN | libc::EBUSY) => Failure::Busy,
            Some(libc::EPERM | libc::EACCES) => Failure::Denied,
            Some(libc::EINVAL) => Failure::Invalid,
            Some(libc::EIO) => Failure::Io,
            Some(libc::ETIMEDOUT) => Failure::TimedOut,
            Some(number) => Failure::Other(number),
            None => Failure::Other(0),
        };
        Self::failed(failure, words)
    }
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        Self::of(error.cause(), error.to_string())
    }
}

impl From<DurableError> for Stop {
    fn from(error: DurableError) -> Self {
        Self::failed(Failure::Io, error.to_string())
    }
}
