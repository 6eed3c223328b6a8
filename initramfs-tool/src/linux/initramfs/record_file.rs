//! The record below /var/lib.

use std::fs;
use std::path::{Path, PathBuf};

use super::{InitramfsError, failed, leftovers};
use crate::initramfs::record::InstallationRecord;
use crate::linux::state::durable;
use crate::linux::state::durable::{DurableError, Locked};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};

/// A directory of its own: its lock is held as long as images are built.
pub(super) const DIRECTORY: &str = "/var/lib/reseat/initramfs";
const NAME: &str = "record.json";

pub(super) fn lock(root: &Root) -> Result<Locked, InitramfsError> {
    Ok(Locked::wait(&root.path(DIRECTORY))?)
}

pub(super) fn read(root: &Root) -> Result<Option<InstallationRecord>, InitramfsError> {
    let path = Path::new(DIRECTORY).join(NAME);
    let Some(bytes) = durable::read(&root.path(&path))? else {
        return Ok(None);
    };
    let record = InstallationRecord::parse(&bytes).map_err(|cause| InitramfsError::Record { path, cause })?;
    Ok(Some(record))
}

pub(super) fn write(locked: &Locked, record: &InstallationRecord) -> Result<(), InitramfsError> {
    let mut text = serde_json::to_string_pretty(record).map_err(|cause| DurableError::Content {
        path: Path::new(DIRECTORY).join(NAME),
        cause,
    })?;
    text.push('\n');
    Ok(locked.replace(NAME, text.as_bytes())?)
}

pub(super) fn forget(locked: &Locked) -> Result<(), InitramfsError> {
    Ok(locked.remove(NAME)?)
}

/// Keeps a copy of a file that somebody has changed, beside those that were kept before.
pub(super) fn copy_aside(root: &Root, path: &Path) -> Result<PathBuf, InitramfsError> {
    let name = path.display().to_string().trim_start_matches('/').replace('/', "-");
    let first = Path::new(DIRECTORY).join(name);
    let copy = match root.path(&first).exists() {
        true => leftovers::free_name(root, &first),
        false => first,
    };
    fs::copy(root.path(path), root.path(&copy)).map_err(failed("copy", path))?;
    Ok(copy)
}

/// The finding on a file that was changed, and copied before it was replaced or removed.
pub(super) fn copied(path: &Path, copy: &Path) -> Finding {
    Finding::note(id::BUILDER_FILE_COPIED, Subject::file(path)).with("copy", copy.display())
}
