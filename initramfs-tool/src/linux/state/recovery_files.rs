//! The journal and the baseline as files.

use std::path::{Path, PathBuf};
use std::{fs, io};

use reseat_core::address::DeviceAddress;
use serde::Serialize;

use super::durable;
use super::durable::{DurableError, Locked};
use crate::linux::sysfs::root::Root;
use crate::model::subject::Member;
use crate::records::versioned::{self, VersionError, Versioned};
use crate::recovery::{Baseline, Journal, KeptOut, VfioReading};

/// Gone with the machine's next start, as everything is that a journal speaks of.
const JOURNALS: &str = "/run/reseat/recovery";
/// Where version 1 had its records as well.
const VFIO_READINGS: &str = "/run/reseat/looks";
/// Gone with the machine's next start, as the lists are.
const KEPT_OUT: &str = "/run/reseat/flr-kept-out";
const BASELINES: &str = "/var/lib/reseat/baselines";

/// A file that is not what it has to be.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] DurableError),
    /// It is something else, or of another version.
    #[error("{path} is no {what}: {cause}", path = path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What it has to be.
        what: &'static str,
        /// What is wrong.
        cause: VersionError,
    },
}

pub(crate) fn journal(root: &Root, device: DeviceAddress) -> Result<Option<Journal>, RecordError> {
    read(root, JOURNALS, device, "recovery journal")
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

pub(crate) fn vfio_reading(root: &Root, device: DeviceAddress) -> Result<Option<VfioReading>, RecordError> {
    read(root, VFIO_READINGS, device, "record of a reading through VFIO")
}

pub(crate) fn write_vfio_reading(root: &Root, reading: &VfioReading) -> Result<(), DurableError> {
    write(root, VFIO_READINGS, reading.device, reading)
}

pub(crate) fn remove_vfio_reading(root: &Root, device: DeviceAddress) -> Result<(), DurableError> {
    Locked::wait(&root.path(VFIO_READINGS))?.remove(&name(device))
}

/// The record of the reset methods out of which FLR was taken.
pub(crate) fn kept_out(root: &Root, device: DeviceAddress) -> Result<Option<KeptOut>, RecordError> {
    read(root, KEPT_OUT, device, "record of reset methods")
}

pub(crate) fn write_kept_out(root: &Root, kept: &KeptOut) -> Result<(), DurableError> {
    write(root, KEPT_OUT, kept.device, kept)
}

pub(crate) fn baseline(root: &Root, device: DeviceAddress) -> Result<Option<Baseline>, RecordError> {
    read(root, BASELINES, device, "baseline")
}

/// The functions that the GPU had while it was well; none where nobody has recorded that.
pub(crate) fn members(root: &Root, device: DeviceAddress) -> Result<Vec<Member>, RecordError> {
    Ok(baseline(root, device)?.map_or_else(Vec::new, |baseline| baseline.members()))
}

pub(crate) fn write_baseline(root: &Root, baseline: &Baseline) -> Result<(), DurableError> {
    write(root, BASELINES, baseline.device, baseline)
}

/// All baselines that were recorded.
pub(crate) fn baselines(root: &Root) -> Result<Vec<Baseline>, RecordError> {
    let directory = root.path(BASELINES);
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|cause| unlistable(&directory, cause))?,
    };
    let mut baselines = Vec::new();
    for entry in entries {
        let path = entry.map_err(|cause| unlistable(&directory, cause))?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.parse::<DeviceAddress>().is_ok()) {
            baselines.extend(read_file::<Baseline>(&path, "baseline")?);
        }
    }
    Ok(baselines)
}

fn unlistable(directory: &Path, cause: io::Error) -> DurableError {
    DurableError::File {
        action: "list",
        path: directory.to_owned(),
        cause,
    }
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

fn read<T: Versioned>(
    root: &Root,
    directory: &str,
    device: DeviceAddress,
    what: &'static str,
) -> Result<Option<T>, RecordError> {
    read_file(&root.path(directory).join(name(device)), what)
}

/// The record in a file of ours; nothing if it is not there.
pub(crate) fn read_file<T: Versioned>(path: &Path, what: &'static str) -> Result<Option<T>, RecordError> {
    let Some(text) = durable::read(path)? else {
        return Ok(None);
    };
    versioned::from_slice(&text)
        .map(Some)
        .map_err(|cause| RecordError::Form {
            path: path.to_owned(),
            what,
            cause,
        })
}
