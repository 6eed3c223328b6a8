//! One ladder per reset domain.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{io, thread};

use reseat_core::address::{DeviceAddress, FunctionAddress};

use crate::linux::sysfs::root::Root;
use crate::recovery::{RecoveryEvent, Surveyed, Waited, whole_milliseconds};

const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// One file for each reset domain, named by its card root.
const LOCKS: &str = "/run/reseat/locks";

/// A lock that is not held by this process.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process recovers a GPU in the same reset domain.
    #[error("another recovery is under way in the domain of {0}")]
    UnderWay(DeviceAddress),
    /// The lock file cannot be opened or locked.
    #[error("cannot lock {path}: {cause}", path = path.display())]
    File {
        /// The lock file.
        path: PathBuf,
        /// The reason.
        cause: io::Error,
    },
}

/// One ladder per reset domain. Of one that was broken off, a worker may still be at its last operation: that is waited
/// for.
pub(crate) fn of_domain(
    root: &Root,
    surveyed: &Surveyed,
    limit: Duration,
    listener: &mut dyn FnMut(&RecoveryEvent),
) -> Result<File, LockError> {
    let subject = &surveyed.subject;
    let domain = subject.card_root.unwrap_or(subject.function);
    let path = root.path(LOCKS).join(domain.to_string());
    let failed = |cause| LockError::File {
        path: path.clone(),
        cause,
    };
    let file = open_lock(&path).map_err(failed)?;
    let begin = Instant::now();
    loop {
        let left = limit.saturating_sub(begin.elapsed());
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if left.is_zero() => return Err(LockError::UnderWay(subject.device)),
            Err(TryLockError::WouldBlock) => {
                listener(&RecoveryEvent::Waiting {
                    rung: None,
                    awaited: Waited::InterruptedRecovery,
                    limit_ms: whole_milliseconds(left),
                });
                thread::sleep(LOCK_PAUSE);
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
    }
}

/// The lock of one claim of a GPU that has appeared, waited for.
pub(crate) fn of_claim(root: &Root, device: DeviceAddress, limit: Duration) -> io::Result<Option<File>> {
    let file = open_lock(&root.path(LOCKS).join(format!("claim-{device}")))?;
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if begin.elapsed() < limit => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(cause)) => return Err(cause),
        }
    }
}

/// The locks of every reset domain that could be a GPU's: its card root is a port of its `path`, or there is none.
/// Nothing if one of them is held.
pub(crate) fn of_possible_domains(root: &Root, path: &[FunctionAddress]) -> io::Result<Option<Vec<File>>> {
    let mut held = Vec::new();
    for function in path {
        let file = open_lock(&root.path(LOCKS).join(function.to_string()))?;
        match file.try_lock() {
            Ok(()) => held.push(file),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(cause)) => return Err(cause),
        }
    }
    Ok(Some(held))
}

/// Opened to be read: a worker has it in the place of its standard error, and is to write nothing there.
fn open_lock(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    OpenOptions::new().append(true).create(true).open(path)?;
    File::open(path)
}
