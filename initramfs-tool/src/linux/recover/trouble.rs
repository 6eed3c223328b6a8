//! Why an operation was not done, as the ladder has it.

use std::io;

use reseat_core::recovery::{Failure, Observation};
use rustix::io::Errno;

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
        match Errno::from_io_error(error.cause()) {
            Some(Errno::NODEV) => Self::failed(Failure::Invalid, error.to_string()),
            _ => Self::of(error.cause(), error.to_string()),
        }
    }

    fn of(cause: &io::Error, words: String) -> Self {
        let failure = match Errno::from_io_error(cause) {
            Some(Errno::NODEV | Errno::NOENT) => {
                let observation = Observation::Vanished;
                return Self { observation, words };
            }
            Some(Errno::NOTTY) => Failure::NotSupported,
            Some(Errno::AGAIN | Errno::BUSY) => Failure::Busy,
            Some(Errno::PERM | Errno::ACCESS) => Failure::Denied,
            Some(Errno::INVAL) => Failure::Invalid,
            Some(Errno::IO) => Failure::Io,
            Some(Errno::TIMEDOUT) => Failure::TimedOut,
            Some(error) => Failure::Other(error.raw_os_error()),
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
