//! Out of service by the operator's word, and at boot.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use reseat_core::address::DeviceAddress;
use reseat_core::recovery::Observation;

use super::run::{LOOK_LIMIT, RecoverError};
use super::worker::{WorkerError, Workers};
use crate::linux::claim::check;
use crate::linux::state::quarantine::QuarantineFileError;
use crate::linux::state::report::CLAIM_REPORT;
use crate::linux::state::{kernel_log, locks, quarantine, recovery_files, report};
use crate::linux::survey::identity;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{drivers, functions};
use crate::model::identification::{Identification, Likeness};
use crate::model::inventory::{self, Gpu};
use crate::records::quarantine::{Entry, Ledger, Standing, State};
use crate::recovery::{Answer, Subject, Surveyed, Task};
use crate::report::Tone;

/// What an isolation may take, or handing a GPU over: looking for users in every process, and an unbind or a bind of each
/// function.
pub(super) const LIMIT: Duration = Duration::from_secs(15);

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// There is no such GPU.
    #[error("no GPU is at {0}")]
    NoGpu(DeviceAddress),
    /// Nothing stands against it.
    #[error("{0} is in service: nothing stands against it")]
    InService(DeviceAddress),
    /// Nothing stands against any GPU that was there.
    #[error("nothing stands against a GPU that was at {0}")]
    NothingNoted(DeviceAddress),
    /// What is to be struck off stands against a GPU that is in the machine.
    #[error("{gpu} is in this machine, at {at}: `reseat return-to-service {at}` brings it back")]
    StillThere {
        /// As it was noted.
        gpu: Box<Identification>,
        /// Where it is now.
        at: DeviceAddress,
    },
    /// What is to be struck off stands against a GPU that is not seen, and none is in its place.
    #[error(
        "{gpu} is not seen, and no other stands in its place: it may be there and not answer; if it was pulled out, `reseat \
         return-to-service {device} --force --reason TEXT` strikes it off",
        device = gpu.device
    )]
    NotSeen {
        /// As it was noted.
        gpu: Box<Identification>,
    },
    /// Nobody knows what stands against it.
    #[error("{0}; every GPU counts as out of service (`reseat quarantine list` tells more)")]
    Damaged(String),
    /// The file.
    #[error(transparent)]
    File(#[from] QuarantineFileError),
    /// A reset could not be begun.
    #[error(transparent)]
    Recover(#[from] RecoverError),
}

/// Whether a GPU is out of everybody's reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// No function has a driver, and none can get one.
    Done,
    /// It is not there, so nobody has it.
    NotThere,
    /// Somebody may have it, and why.
    Failed(Vec<String>),
}

/// What was made of every GPU that is out of service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Each of them.
    pub gpus: Vec<(DeviceAddress, Isolation)>,
    /// What else somebody should look at.
    pub problems: Vec<String>,
}

/// Takes the GPU at `device` out of service: the note first, since it outlives whatever becomes of the rest.
///
/// # Errors
/// When it is not noted. Nothing was changed then.
pub fn quarantine(root: &Root, device: DeviceAddress, reason: &str) -> Result<Isolation, QuarantineError> {
    let gpu = find(root, device).ok_or(QuarantineError::NoGpu(device))?;
    let now = Timestamp::now();
    let entry = Entry {
        gpu: identity::of(root, &gpu),
        reason: reason.to_owned(),
        since: now,
        attempts: Vec::new(),
    };
    quarantine::add(root, now, entry)?;
    log(root, &format!("{device}: taken out of service: {reason}"));
    Ok(isolate(root, device))
}

/// Isolates every GPU that is out of service. Where nobody knows which are, those that are ours: that the rules choose or
/// that are on vfio-pci; a machine's display is not.
pub fn apply(root: &Root) -> Applied {
    let mut applied = Applied::default();
    let state = quarantine::read(root);
    let nobody_knows = match &state {
        State::Corrupt { reason } => Some(reason.as_str()),
        State::Known(ledger) => ledger.lost.as_ref().map(|lost| lost.reason.as_str()),
    };
    applied.problems.extend(nobody_knows.map(str::to_owned));
    let chosen = check::chosen(root);
    let at_boot = isolated_at_boot(root);
    let listing = functions::list(root);
    applied
        .problems
        .extend(listing.problems.iter().map(ToString::to_string));
    let gpus = inventory::gpus(&listing.functions);
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
                applied.problems.push(format!(
                    "{device} was isolated at boot, and nothing stands against it now: `reseat return-to-service \
                     {device}` brings it back, and making the initramfs anew tells the next boot"
                ));
            }
            Standing::InService | Standing::Replaces(_) => {}
        }
    }
    if let State::Known(ledger) = &state {
        let is_there = |entry: &Entry| there.iter().any(|gpu| entry.gpu.likeness(gpu) == Likeness::Same);
        let absent = ledger.entries.iter().filter(|entry| !is_there(entry));
        applied
            .gpus
            .extend(absent.map(|entry| (entry.gpu.device, Isolation::NotThere)));
    }
    for (device, isolation) in &applied.gpus {
        if let Isolation::Failed(words) = isolation {
            log(
                root,
                &format!("{device}: out of service, not isolated: {}", words.join("; ")),
            );
        }
    }
    applied
}

/// Strikes off what stands against GPUs that were at `device` and in whose place another one stands now, for a reason. Tells
/// which they are. Nothing is done to any GPU.
///
/// # Errors
/// When nothing stands against one that was there, when it is in the machine or no other is in its place, or when nobody knows.
/// Nothing was changed then.
pub fn forget(root: &Root, device: DeviceAddress, reason: &str) -> Result<Vec<Identification>, QuarantineError> {
    let state = quarantine::read(root);
    let ledger = known(&state)?;
    let was_there: Vec<&Identification> = ledger.entries.iter().map(|entry| &entry.gpu).collect();
    let was_there = was_there.into_iter().filter(|gpu| gpu.device == device);
    let gpus = inventory::gpus(&functions::list(root).functions);
    let there = identity::identify_all(root, &gpus, &state);
    let like = |gpu: &Identification, likeness| there.iter().find(|other| gpu.likeness(other) == likeness);
    let (replaced, others): (Vec<_>, Vec<_>) =
        was_there.partition(|gpu| like(gpu, Likeness::Same).is_none() && like(gpu, Likeness::Replaced).is_some());
    if replaced.is_empty() {
        let Some(gpu) = others.first() else {
            return Err(QuarantineError::NothingNoted(device));
        };
        let at = like(gpu, Likeness::Same).map(|same| same.device);
        let gpu = Box::new((*gpu).clone());
        return Err(match at {
            Some(at) => QuarantineError::StillThere { gpu, at },
            None => QuarantineError::NotSeen { gpu },
        });
    }
    let why = format!("not in this machine any more: {reason}");
    for gpu in &replaced {
        quarantine::remove(root, Timestamp::now(), gpu, &why)?;
        log(root, &format!("{gpu}: struck off the quarantine, {why}"));
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

/// Lets what is known of the quarantine count again, for a reason. Tells what was lost; nothing if nothing was.
///
/// # Errors
/// When that is not on the disk.
pub fn accept_loss(root: &Root, reason: &str) -> Result<Option<String>, QuarantineError> {
    let lost = quarantine::accept_loss(root, Timestamp::now(), reason)?;
    if lost.is_some() {
        log(
            root,
            &format!("the loss of an earlier quarantine was accepted: {reason}"),
        );
    }
    Ok(lost.map(|lost| lost.reason))
}

/// Takes the GPU from everybody through a worker, in a limited time. One that somebody uses is left with its user.
pub(super) fn isolate(root: &Root, device: DeviceAddress) -> Isolation {
    if find(root, device).is_none() {
        return Isolation::NotThere;
    }
    let isolated = with_domain(root, device, |workers, subject| {
        done(workers, &Task::Isolate(subject), LIMIT)
    });
    match isolated {
        Ok(()) => Isolation::Done,
        Err(words) => Isolation::Failed(words),
    }
}

/// Does something to the GPU, and not into the middle of somebody's ladder.
pub(super) fn with_domain(
    root: &Root,
    device: DeviceAddress,
    act: impl FnOnce(&mut Workers<'_>, Subject) -> Result<(), Vec<String>>,
) -> Result<(), Vec<String>> {
    let mut workers = Workers::new(root);
    let surveyed = survey(root, &mut workers, device)?;
    let held = locks::of_domain(root, &surveyed, Duration::ZERO, &mut |_| ());
    workers.hold(held.map_err(|error| vec![error.to_string()])?);
    act(&mut workers, surveyed.subject)
}

pub(super) fn survey(root: &Root, workers: &mut Workers<'_>, device: DeviceAddress) -> Result<Surveyed, Vec<String>> {
    // What is there is taken from everybody though its baseline cannot be read; a recovery says that it cannot.
    let known = recovery_files::members(root, device).unwrap_or_default();
    match workers.ask(&Task::Survey(device, known), LOOK_LIMIT) {
        Ok(Answer::Surveyed(surveyed)) => Ok(*surveyed),
        Ok(Answer::Failed(problem)) => Err(vec![problem]),
        Ok(other) => Err(vec![format!("an answer that nobody asked for: {other:?}")]),
        Err(WorkerError::Blocked) => Err(vec!["the kernel holds it: a reset is in progress".to_owned()]),
        Err(error) => Err(vec![error.to_string()]),
    }
}

pub(super) fn done(workers: &mut Workers<'_>, task: &Task, limit: Duration) -> Result<(), Vec<String>> {
    match workers.ask(task, limit) {
        Ok(Answer::Operated(Observation::Done, _)) => Ok(()),
        Ok(Answer::Operated(_, words)) => Err(words),
        Ok(Answer::Failed(problem)) => Err(vec![problem]),
        Ok(other) => Err(vec![format!("an answer that nobody asked for: {other:?}")]),
        Err(error) => Err(vec![error.to_string()]),
    }
}

pub(super) fn find(root: &Root, device: DeviceAddress) -> Option<Gpu> {
    let gpus = inventory::gpus(&functions::list(root).functions);
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

/// Beside the ledger, where the reason is kept: without a kernel log nothing is lost.
pub(super) fn log(root: &Root, line: &str) {
    kernel_log::log(root, Tone::Warning, line).ok();
}

#[cfg(test)]
mod tests;
