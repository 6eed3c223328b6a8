//! The reason for which a step was not done, for the ladder and for the operator.

use std::io;

use reseat_core::address::FunctionAddress;
use reseat_core::recovery::{Failure, Observation};
use rustix::io::Errno;

use crate::linux::state::durable::DurableError;
use crate::linux::state::recovery_files::RecordError;
use crate::linux::survey::machine::unreadable_config;
use crate::linux::sysfs::attributes::FileError;
use crate::linux::sysfs::config_space::ConfigError;
use crate::model::finding::{Finding, Subject, id};

/// The reason for which a step was not done: what the ladder gets, and findings.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) observation: Observation,
    pub(super) findings: Vec<Finding>,
}

impl Stop {
    pub(super) fn failed(failure: Failure, finding: Finding) -> Self {
        Self {
            observation: Observation::Failed(failure),
            findings: vec![finding],
        }
    }

    /// A slot answers ENODEV to a state that it cannot take: that is no device that has vanished.
    pub(super) fn of_slot(error: &FileError) -> Self {
        match Errno::from_io_error(error.cause()) {
            Some(Errno::NODEV) => Self::failed(Failure::Invalid, error.finding()),
            _ => Self::of(error.cause(), error.finding()),
        }
    }

    pub(super) fn of_config(function: FunctionAddress, error: &ConfigError) -> Self {
        Self::failed(Failure::Io, unreadable_config(function, error))
    }

    fn of(cause: &io::Error, finding: Finding) -> Self {
        let failure = match Errno::from_io_error(cause) {
            Some(Errno::NODEV | Errno::NOENT) => {
                return Self {
                    observation: Observation::Vanished,
                    findings: vec![finding],
                };
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
        Self::failed(failure, finding)
    }
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        Self::of(error.cause(), error.finding())
    }
}

impl From<DurableError> for Stop {
    fn from(error: DurableError) -> Self {
        let finding = Finding::error(id::RECORD_UNWRITTEN, Subject::machine()).with("cause", error);
        Self::failed(Failure::Io, finding)
    }
}

impl From<RecordError> for Stop {
    fn from(error: RecordError) -> Self {
        Self::failed(Failure::Io, unreadable_record(&error))
    }
}

/// A file of reseat's own that cannot be read.
pub(super) fn unreadable_record(error: &RecordError) -> Finding {
    Finding::error(id::RECORD_UNREADABLE, Subject::machine()).with("cause", error)
}
