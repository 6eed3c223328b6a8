//! The journal and the baseline as files.

use std::path::{Path, PathBuf};

use reseat_core::address::DeviceAddress;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::durable;
use super::durable::{DurableError, Locked};
use crate::linux::sysfs::root::Root;
use crate::recovery::{BASELINE_SCHEMA, Baseline, JOURNAL_SCHEMA, Journal, LOOK_SCHEMA, Look, Member};

/// Gone with the machine's next start, as everything is that a journal speaks of.
const JOURNALS: &str = "/run/reseat/recovery";
const LOOKS: &str = "/run/reseat/looks";
const BASELINES: &str = "/var/lib/reseat/baselines";

/// A file that is not what it has to be.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] DurableError),
    /// It is something else.
    #[error("{path} is no {what}: {cause}", path = path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What it has to be.
        what: &'static str,
        /// Where it goes wrong.
        cause: serde_json::Error,
    },
    /// It is of another form.
    #[error("{path} has the schema `{found}`, this version reads `{schema}`", path = path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// What it says it is.
        found: String,
        /// What it has to be.
        schema: &'static str,
    },
}

pub(crate) fn journal(root: &Root, device: DeviceAddress) -> Result<Option<Journal>, RecordError> {
    read(root, JOURNALS, device, "recovery journal", JOURNAL_SCHEMA)
}

/// Returns true if a recovery of the GPU on `device` was interrupted: it has to be resumed before another one begins.
pub(crate) fn is_interrupted(root: &Root, device: DeviceAddress) -> Result<bool, RecordError> {
    journal(root, device).map(|journal| journal.is_some())
}

pub(crate) fn write_journal(root: &Root, journal: &Journal) -> Result<(), DurableError> {
    write(root, JOURNALS, journal.subject.device, journal)
}

pub(crate) fn remove_journal(root: &Root, device: DeviceAddress) -> Result<(), DurableError> {
    Locked::wait(&root.path(JOURNALS))?.remove(&name(device))
}

pub(crate) fn look(root: &Root, device: DeviceAddress) -> Result<Option<Look>, RecordError> {
    read(root, LOOKS, device, "record of a look through VFIO", LOOK_SCHEMA)
}

pub(crate) fn write_look(root: &Root, look: &Look) -> Result<(), DurableError> {
    write(root, LOOKS, look.device, look)
}

pub(crate) fn remove_look(root: &Root, device: DeviceAddress) -> Result<(), DurableError> {
    Locked::wait(&root.path(LOOKS))?.remove(&name(device))
}

pub(crate) fn baseline(root: &Root, device: DeviceAddress) -> Result<Option<Baseline>, RecordError> {
    read(root, BASELINES, device, "baseline", BASELINE_SCHEMA)
}

/// The functions that the GPU had while it was well; none where nobody has recorded that.
pub(crate) fn members(root: &Root, device: DeviceAddress) -> Result<Vec<Member>, RecordError> {
    Ok(baseline(root, device)?.map_or_else(Vec::new, |baseline| baseline.members()))
}

pub(crate) fn write_baseline(root: &Root, baseline: &Baseline) -> Result<(), DurableError> {
    write(root, BASELINES, baseline.device, baseline)
}

fn name(device: DeviceAddress) -> String {
    format!("{device}.json")
}

fn write(root: &Root, directory: &str, device: DeviceAddress, content: &impl Serialize) -> Result<(), DurableError> {
    let directory = root.path(directory);
    let path = directory.join(name(device));
    let mut text = serde_json::to_vec_pretty(content).map_err(|cause| DurableError::Content { path, cause })?;
    text.push(b'\n');
    Locked::wait(&directory)?.replace(&name(device), &text)
}

fn read<T: DeserializeOwned>(
    root: &Root,
    directory: &str,
    device: DeviceAddress,
    what: &'static str,
    schema: &'static str,
) -> Result<Option<T>, RecordError> {
    read_file(&root.path(directory).join(name(device)), what, schema)
}

/// What is in a file of ours; nothing if it is not there.
pub(crate) fn read_file<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
    schema: &'static str,
) -> Result<Option<T>, RecordError> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: String,
    }
    let path = path.to_owned();
    let Some(text) = durable::read(&path)? else {
        return Ok(None);
    };
    let form = |cause| RecordError::Form {
        path: path.clone(),
        what,
        cause,
    };
    let Head { schema: found } = serde_json::from_slice(&text).map_err(form)?;
    if found != schema {
        return Err(RecordError::Schema { path, found, schema });
    }
    serde_json::from_slice(&text).map(Some).map_err(form)
}
