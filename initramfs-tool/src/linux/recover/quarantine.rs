//! Quarantine on an operator's order, and at boot.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use reseat_core::address::DeviceAddress;
use reseat_core::recovery::Observation;

use super::run::{RecoverError, locked};
use super::scan;
use super::worker::{SURVEY_LIMIT, WorkerError, Workers, no_answer, no_result};
use crate::linux::claim::check;
use crate::linux::state::quarantine::QuarantineFileError;
use crate::linux::state::report::CLAIM_REPORT;
use crate::linux::state::{locks, not_isolated, quarantine, recovery_files, report};
use crate::linux::survey::{gpus, identity};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{drivers, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::identification::{Identification, Likeness};
use crate::model::inventory::{self, Gpu};
use crate::model::subject::RecoverySubject;
use crate::records::quarantine::{Closing, DriverBefore, Ledger, Lost, QuarantineEntry, Standing, State};
use crate::recovery::{Surveyed, Task, TaskAnswer};

/// What an isolation may take, or handing a GPU over: looking for users in every process, and an unbind or a bind of each
/// function.
pub(super) const LIMIT: Duration = Duration::from_secs(15);
/// The limit of the wait for the domain's lock: the worker of a recovery that has ended holds it until it has ended too.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// The reason for which nothing was changed.
#[derive(Debug)]
pub enum QuarantineError {
    /// There is no such GPU.
    NoGpu(DeviceAddress),
    /// It is in service.
    InService(DeviceAddress),
    /// The quarantine has no GPU that was there.
    NotQuarantined(DeviceAddress),
    /// The GPU to be forgotten is in the machine.
    StillThere {
        /// As it is in the quarantine.
        gpu: Box<Identification>,
        /// Its address now.
        at: DeviceAddress,
    },
    /// The GPU to be forgotten is not seen, and none is in its place.
    NotSeen {
        /// As it is in the quarantine.
        gpu: Box<Identification>,
    },
    /// The quarantine is damaged.
    Damaged(String),
    /// The file.
    File(QuarantineFileError),
    /// A reset could not be begun.
    Recover(RecoverError),
}

impl From<QuarantineFileError> for QuarantineError {
    fn from(error: QuarantineFileError) -> Self {
        Self::File(error)
    }
}

impl From<RecoverError> for QuarantineError {
    fn from(error: RecoverError) -> Self {
        Self::Recover(error)
    }
}

impl QuarantineError {
    /// The reasons as findings.
    pub fn findings(&self) -> Vec<Finding> {
        let error = |id, device: &DeviceAddress| Finding::error(id, Subject::gpu(*device));
        vec![match self {
            Self::NoGpu(device) => error(id::NO_GPU_AT, device),
            Self::InService(device) => error(id::IN_SERVICE, device),
            Self::NotQuarantined(device) => error(id::NOT_QUARANTINED, device),
            Self::StillThere { gpu, at } => {
                let refusal = Finding::refusal(id::STILL_IN_MACHINE, Subject::gpu(*at));
                refusal.with("gpu", gpu).remedy(id::RETURN_TO_SERVICE)
            }
            Self::NotSeen { gpu } => {
                let refusal = Finding::refusal(id::GPU_NOT_SEEN, Subject::gpu(gpu.device));
                refusal.with("gpu", gpu).remedy(id::STRIKE_OFF)
            }
            Self::Damaged(cause) => damaged(cause),
            Self::File(error) => Finding::error(id::QUARANTINE_UNWRITTEN, Subject::machine()).with("cause", error),
            Self::Recover(error) => return error.findings(),
        }]
    }
}

/// A quarantine that is damaged.
pub(super) fn damaged(cause: &str) -> Finding {
    let refusal = Finding::refusal(id::QUARANTINE_DAMAGED, Subject::machine());
    refusal.with("cause", cause).remedy(id::LIST_QUARANTINE)
}

/// The isolation of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsolationResult {
    /// No function has a driver, and none can get one.
    Done,
    /// It is not there, so no driver has it.
    NotThere,
    /// A driver may have it, with the reasons.
    Failed(Vec<Finding>),
}

/// The isolation of every GPU that is out of service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Each of them.
    pub gpus: Vec<(DeviceAddress, IsolationResult)>,
    /// What else an operator should look at.
    pub findings: Vec<Finding>,
    /// A GPU was known before not to be isolated.
    pub is_another_try: bool,
}

/// Takes the GPU at `device` out of service: the record first, since it outlives whatever becomes of the rest.
///
/// # Errors
/// When it is not recorded. Nothing was changed then.
pub fn quarantine(root: &Root, device: DeviceAddress, reason: &str) -> Result<IsolationResult, QuarantineError> {
    let gpu = find(root, device).ok_or(QuarantineError::NoGpu(device))?;
    let now = Timestamp::now();
    let entry = QuarantineEntry {
        gpu: identity::of(root, &gpu),
        reason: reason.to_owned(),
        cause: None,
        since: now,
        attempts: Vec::new(),
        drivers: drivers_of(&gpu),
    };
    quarantine::add(root, now, entry)?;
    let isolation = isolate(root, device);
    if let IsolationResult::Failed(_) = isolation {
        not_isolated::note(root);
    }
    Ok(isolation)
}

/// The drivers that a GPU has now.
fn drivers_of(gpu: &Gpu) -> Vec<DriverBefore> {
    let drivers = gpu.functions.iter().filter_map(|function| {
        Some(DriverBefore {
            function: function.address,
            driver: function.driver.clone()?,
        })
    });
    drivers.collect()
}

/// Isolates every GPU that is out of service. Where nobody knows which are, those that are ours: that the rules choose or
/// that are on vfio-pci; a machine's display is not.
pub fn apply(root: &Root) -> Applied {
    scan::release_drivers(root);
    let mut applied = Applied {
        is_another_try: not_isolated::is_noted(root),
        ..Applied::default()
    };
    let state = quarantine::read(root);
    let nobody_knows = match &state {
        State::Corrupt { reason } => Some(reason.as_str()),
        State::Known(ledger) => ledger.lost.as_ref().map(|lost| lost.reason.as_str()),
    };
    applied.findings.extend(nobody_knows.map(damaged));
    let chosen = check::chosen(root);
    let at_boot = isolated_at_boot(root);
    let listing = functions::list(root);
    applied.findings.extend(listing.problems);
    let gpus = inventory::gpus_of(&listing.functions, &gpus::portions(root, &listing.functions));
    let there = identity::identify_all(root, &gpus, &state);
    for (gpu, identification) in gpus.iter().zip(&there) {
        let device = gpu.device;
        let is_ours = || {
            let mut drivers = gpu.functions.iter().filter_map(|function| function.driver.as_deref());
            drivers.any(|driver| drivers::is_vfio(root, driver))
                || at_boot.contains(&device)
                || chosen.iter().any(|chosen| chosen.device == device)
        };
        match state.standing(identification) {
            Standing::Quarantined(_) => applied.gpus.push((device, isolate(root, device))),
            Standing::Unknown { .. } if is_ours() => applied.gpus.push((device, isolate(root, device))),
            Standing::Unknown { .. } => {}
            // The list in the initramfs is as old as the image.
            Standing::InService | Standing::Replaces(_) if at_boot.contains(&device) && has_no_driver(gpu) => {
                let left = Finding::warning(id::ISOLATED_AT_BOOT, Subject::gpu(device));
                applied.findings.push(left.remedy(id::REBUILD_AFTER_RETURN));
            }
            Standing::InService | Standing::Replaces(_) => {}
        }
    }
    if let State::Known(ledger) = &state {
        let is_there = |entry: &QuarantineEntry| there.iter().any(|gpu| entry.gpu.likeness(gpu) == Likeness::Same);
        let absent = ledger.entries.iter().filter(|entry| !is_there(entry));
        applied
            .gpus
            .extend(absent.map(|entry| (entry.gpu.device, IsolationResult::NotThere)));
    }
    let failed = |(_, isolation): &(DeviceAddress, IsolationResult)| matches!(isolation, IsolationResult::Failed(_));
    match applied.gpus.iter().any(failed) {
        true => not_isolated::note(root),
        false => not_isolated::clear(root),
    }
    applied
}

/// Removes the entries of GPUs that were at `device` and in whose place another one is now, for a reason, and returns them.
/// Nothing is done to any GPU.
///
/// # Errors
/// When nothing stands against one that was there, when it is in the machine or no other is in its place, or when nobody knows.
/// Nothing was changed then.
pub fn forget(root: &Root, device: DeviceAddress, reason: &str) -> Result<Vec<Identification>, QuarantineError> {
    let state = quarantine::read(root);
    let ledger = known(&state)?;
    let was_there: Vec<&Identification> = ledger.entries.iter().map(|entry| &entry.gpu).collect();
    let was_there = was_there.into_iter().filter(|gpu| gpu.device == device);
    let gpus = gpus::gpus(root);
    let there = identity::identify_all(root, &gpus, &state);
    let like = |gpu: &Identification, likeness| there.iter().find(|other| gpu.likeness(other) == likeness);
    let (replaced, others): (Vec<_>, Vec<_>) =
        was_there.partition(|gpu| like(gpu, Likeness::Same).is_none() && like(gpu, Likeness::Replaced).is_some());
    if replaced.is_empty() {
        let Some(gpu) = others.first() else {
            return Err(QuarantineError::NotQuarantined(device));
        };
        let at = like(gpu, Likeness::Same).map(|same| same.device);
        let gpu = Box::new((*gpu).clone());
        return Err(match at {
            Some(at) => QuarantineError::StillThere { gpu, at },
            None => QuarantineError::NotSeen { gpu },
        });
    }
    let why = Closing::LeftMachine {
        reason: reason.to_owned(),
    };
    for gpu in &replaced {
        quarantine::remove(root, Timestamp::now(), gpu, &why)?;
    }
    Ok(replaced.into_iter().cloned().collect())
}

/// What is out of service, if that is known.
pub(super) fn known(state: &State) -> Result<&Ledger, QuarantineError> {
    match state {
        State::Corrupt { reason } => Err(QuarantineError::Damaged(reason.clone())),
        State::Known(Ledger { lost: Some(lost), .. }) => Err(QuarantineError::Damaged(lost.reason.clone())),
        State::Known(ledger) => Ok(ledger),
    }
}

/// Lets what is known of the quarantine count again, for a reason, and returns what was lost; nothing if nothing was.
///
/// # Errors
/// When that is not on the disk.
pub fn accept_loss(root: &Root, reason: &str) -> Result<Option<Lost>, QuarantineError> {
    Ok(quarantine::accept_loss(root, Timestamp::now(), reason)?)
}

/// Takes the GPU from its drivers through a worker, in a limited time. One in use is left with its user.
pub(super) fn isolate(root: &Root, device: DeviceAddress) -> IsolationResult {
    if find(root, device).is_none() {
        return IsolationResult::NotThere;
    }
    let isolated = with_domain(root, device, |workers, subject| {
        done(workers, device, &Task::Isolate(subject), LIMIT)
    });
    match isolated {
        Ok(()) => IsolationResult::Done,
        Err(findings) => IsolationResult::Failed(findings),
    }
}

/// Does something to the GPU, and not into the middle of somebody's ladder.
pub(super) fn with_domain(
    root: &Root,
    device: DeviceAddress,
    act: impl FnOnce(&mut Workers<'_>, RecoverySubject) -> Result<(), Vec<Finding>>,
) -> Result<(), Vec<Finding>> {
    let mut workers = Workers::new(root);
    let surveyed = survey(root, &mut workers, device)?;
    let held = locks::of_domain(root, &surveyed, LOCK_LIMIT, &mut |_| ());
    workers.hold(held.map_err(|error| vec![locked(&error)])?);
    act(&mut workers, surveyed.subject)
}

pub(super) fn survey(root: &Root, workers: &mut Workers<'_>, device: DeviceAddress) -> Result<Surveyed, Vec<Finding>> {
    // What is there is taken from everybody though its baseline cannot be read; a recovery says that it cannot.
    let known = recovery_files::members(root, device).unwrap_or_default();
    match workers.ask(&Task::Survey(device, known), SURVEY_LIMIT) {
        Ok(TaskAnswer::Surveyed(surveyed)) => Ok(*surveyed),
        Ok(other) => Err(no_result(device, other)),
        Err(WorkerError::Blocked) => Err(vec![Finding::error(id::RESET_IN_PROGRESS, Subject::gpu(device))]),
        Err(error) => Err(vec![no_answer(device, &error)]),
    }
}

pub(super) fn done(
    workers: &mut Workers<'_>,
    device: DeviceAddress,
    task: &Task,
    limit: Duration,
) -> Result<(), Vec<Finding>> {
    match workers.ask(task, limit) {
        Ok(TaskAnswer::Operated(Observation::Done, _)) => Ok(()),
        Ok(TaskAnswer::Operated(_, findings)) => Err(findings),
        Ok(other) => Err(no_result(device, other)),
        Err(error) => Err(vec![no_answer(device, &error)]),
    }
}

pub(super) fn find(root: &Root, device: DeviceAddress) -> Option<Gpu> {
    let gpus = gpus::gpus(root);
    gpus.into_iter().find(|gpu| gpu.device == device)
}

pub(super) fn has_no_driver(gpu: &Gpu) -> bool {
    gpu.functions.iter().all(|function| function.driver.is_none())
}

/// The GPUs that this boot has isolated.
fn isolated_at_boot(root: &Root) -> Vec<DeviceAddress> {
    // Without a report there was no claim, and nothing was isolated.
    let report = report::read(root, Path::new(CLAIM_REPORT));
    let gpus = report.map(|report| report.gpus).unwrap_or_default();
    let isolated = gpus
        .iter()
        .filter(|gpu| gpu.quarantine.as_ref().is_some_and(|quarantine| quarantine.isolated));
    isolated.map(|gpu| gpu.device).collect()
}

#[cfg(test)]
mod tests;
