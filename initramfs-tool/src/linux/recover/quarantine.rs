//! Out of service by the operator's word, at boot, and back into service.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use reseat_core::address::DeviceAddress;
use reseat_core::decision::{Preference, Rung};
use reseat_core::recovery::{End, Observation};

use super::super::quarantine_file::{self, QuarantineFileError};
use super::super::report_file::{self, CLAIM_REPORT};
use super::super::{Root, boot_claim, functions, kernel_log, module, slot};
use super::driver::{self, LOOK_LIMIT, Options, RecoverError};
use super::lock;
use super::worker::{WorkerError, Workers};
use crate::claim::VFIO_PCI;
use crate::identification::{Identification, Likeness};
use crate::inventory::{self, Gpu};
use crate::quarantine::{Entry, Ledger, Standing, State};
use crate::recovery::{Answer, Event, Subject, Surveyed, Task};
use crate::report::Tone;
use crate::rules::Contract;

/// What an isolation may take, or handing a GPU over: looking for users in every process, and an unbind or a bind of each
/// function.
const LIMIT: Duration = Duration::from_secs(15);

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// There is no such GPU.
    #[error("no GPU is at {0}")]
    NoGpu(DeviceAddress),
    /// Nothing stands against it.
    #[error("{0} is in service: nothing stands against it")]
    InService(DeviceAddress),
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

/// How a GPU is to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Return {
    /// By so many resets, each of them verified.
    Resets(u32),
    /// By somebody's word, with the reason.
    Force(String),
}

/// What came of a return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// It is in service, and on the driver that the rules want for it or that the kernel finds.
    Back,
    /// It is in service, by somebody's word, and its driver does not have it.
    BackWithoutDriver(Vec<String>),
    /// A reset was not verified. It is as out of service as before.
    Unproven {
        /// How that reset ended.
        end: Option<End>,
        /// Whether it is isolated.
        isolation: Isolation,
    },
    /// Every reset was verified, and its driver could not have it. It is as out of service as before.
    NotHandedOver {
        /// Why.
        words: Vec<String>,
        /// Whether it is isolated.
        isolation: Isolation,
    },
}

/// Takes the GPU at `device` out of service: the note first, since it outlives whatever becomes of the rest.
///
/// # Errors
/// When it is not noted. Nothing was changed then.
pub fn quarantine(root: &Root, device: DeviceAddress, reason: &str) -> Result<Isolation, QuarantineError> {
    let gpu = find(root, device).ok_or(QuarantineError::NoGpu(device))?;
    let now = Timestamp::now();
    let entry = Entry {
        gpu: identify(root, &gpu),
        reason: reason.to_owned(),
        since: now,
        attempts: Vec::new(),
    };
    quarantine_file::add(root, now, entry)?;
    log(root, &format!("{device}: taken out of service: {reason}"));
    Ok(isolate(root, device))
}

/// Isolates every GPU that is out of service. Where nobody knows which are, those that are ours: that the rules choose or
/// that are on vfio-pci; a machine's display is not.
pub fn apply(root: &Root) -> Applied {
    let mut applied = Applied::default();
    let state = quarantine_file::read(root);
    let nobody_knows = match &state {
        State::Corrupt { reason } => Some(reason.as_str()),
        State::Known(ledger) => ledger.lost.as_ref().map(|lost| lost.reason.as_str()),
    };
    applied.problems.extend(nobody_knows.map(str::to_owned));
    let chosen = boot_claim::chosen(root);
    let at_boot = isolated_at_boot(root);
    let listing = functions::list(root);
    applied.problems.extend(listing.problems);
    let mut there = Vec::new();
    for gpu in inventory::gpus(&listing.functions) {
        let device = gpu.device;
        let is_ours = || {
            let has_vfio_pci = gpu.functions.iter().any(|it| it.driver.as_deref() == Some(VFIO_PCI));
            has_vfio_pci || at_boot.contains(&device) || chosen.iter().any(|chosen| chosen.device == device)
        };
        let identification = identify(root, &gpu);
        match state.standing(&identification) {
            Standing::Quarantined(_) => applied.gpus.push((device, isolate(root, device))),
            Standing::Unknown { .. } if is_ours() => applied.gpus.push((device, isolate(root, device))),
            Standing::Unknown { .. } => {}
            // The list in the initramfs is as old as the image.
            Standing::InService | Standing::Replaces(_) if at_boot.contains(&device) && has_no_driver(&gpu) => {
                applied.problems.push(format!(
                    "{device} was isolated at boot, and nothing stands against it now: `reseat return-to-service \
                     {device}` brings it back, and making the initramfs anew tells the next boot"
                ));
            }
            Standing::InService | Standing::Replaces(_) => {}
        }
        there.push(identification);
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

/// Lets what is known of the quarantine count again, for a reason. Tells what was lost; nothing if nothing was.
///
/// # Errors
/// When that is not on the disk.
pub fn accept_loss(root: &Root, reason: &str) -> Result<Option<String>, QuarantineError> {
    let lost = quarantine_file::accept_loss(root, Timestamp::now(), reason)?;
    if lost.is_some() {
        log(
            root,
            &format!("the loss of an earlier quarantine was accepted: {reason}"),
        );
    }
    Ok(lost.map(|lost| lost.reason))
}

/// Takes the GPU at `device` back into service, as the contract allows, and tells `listener` what happens.
///
/// Until the last reset is verified it stays isolated, so that nobody gets hold of it meanwhile; and until its driver has
/// it, the note stays.
///
/// # Errors
/// When nothing stands against it, nobody knows, or a reset could not be begun. It is as out of service as before.
pub fn return_to_service(
    root: &Root,
    device: DeviceAddress,
    how: &Return,
    contract: &Contract,
    listener: &mut dyn FnMut(&Event),
) -> Result<Returned, QuarantineError> {
    let ledger = match quarantine_file::read(root) {
        State::Corrupt { reason } => return Err(QuarantineError::Damaged(reason)),
        State::Known(Ledger { lost: Some(lost), .. }) => return Err(QuarantineError::Damaged(lost.reason)),
        State::Known(ledger) => ledger,
    };
    let gpu = find(root, device);
    let identification = match &gpu {
        Some(gpu) => identify(root, gpu),
        // One that was pulled out, or that no rescan finds: by where it was.
        None => match ledger.entries.iter().find(|entry| entry.gpu.device == device) {
            Some(entry) => entry.gpu.clone(),
            None => return Err(QuarantineError::NoGpu(device)),
        },
    };
    let state = State::Known(ledger);
    // The boot may have isolated one that its older list names.
    if !state.standing(&identification).is_quarantined() && !gpu.as_ref().is_some_and(has_no_driver) {
        return Err(QuarantineError::InService(device));
    }
    match how {
        Return::Force(reason) => force(root, device, &identification, reason),
        Return::Resets(resets) => prove(root, device, &identification, *resets, contract, listener),
    }
}

fn force(
    root: &Root,
    device: DeviceAddress,
    identification: &Identification,
    reason: &str,
) -> Result<Returned, QuarantineError> {
    let why = format!("by force: {reason}");
    quarantine_file::remove(root, Timestamp::now(), identification, &why)?;
    log(root, &format!("{device}: returned to service {why}"));
    Ok(match hand_over(root, device) {
        Ok(()) => Returned::Back,
        Err(words) => Returned::BackWithoutDriver(words),
    })
}

fn prove(
    root: &Root,
    device: DeviceAddress,
    identification: &Identification,
    resets: u32,
    contract: &Contract,
    listener: &mut dyn FnMut(&Event),
) -> Result<Returned, QuarantineError> {
    let mut proven: u32 = 0;
    let mut was_powered = false;
    while proven < resets {
        let isolation = isolate(root, device);
        if let Isolation::Failed(words) = isolation {
            let isolation = Isolation::Failed(words);
            return Ok(Returned::Unproven { end: None, isolation });
        }
        let number = proven.saturating_add(1);
        listener(&Event::Found {
            words: vec![format!("reset {number} of {resets}")],
        });
        let options = Options {
            dry_run: false,
            highest: contract.highest.unwrap_or(Rung::Bmc),
            only: None,
            waits: contract.waits,
            reboot: None,
            preference: Preference::Rule,
            force: false,
            resume: false,
            trial: true,
        };
        match driver::recover(root, device, &options, listener) {
            // Brought back so that it can be tried; what a VM's end does to it is another reset.
            Ok(Some(End::Recovered { by })) if by.cuts_power() && !was_powered => was_powered = true,
            Ok(Some(End::Recovered { by })) if !by.cuts_power() => proven = number,
            Ok(end) => {
                let isolation = isolate(root, device);
                return Ok(Returned::Unproven { end, isolation });
            }
            Err(error) => {
                isolate(root, device);
                return Err(error.into());
            }
        }
    }
    if let Err(words) = hand_over(root, device) {
        let isolation = isolate(root, device);
        return Ok(Returned::NotHandedOver { words, isolation });
    }
    let why = format!("after {proven} verified resets");
    if let Err(error) = quarantine_file::remove(root, Timestamp::now(), identification, &why) {
        isolate(root, device);
        return Err(error.into());
    }
    log(root, &format!("{device}: returned to service {why}"));
    Ok(Returned::Back)
}

/// Gives the GPU to vfio-pci if the rules choose it, else to whom the kernel finds.
fn hand_over(root: &Root, device: DeviceAddress) -> Result<(), Vec<String>> {
    let Some(gpu) = find(root, device) else {
        return Ok(());
    };
    let is_chosen = boot_claim::chosen(root)
        .iter()
        .any(|chosen| chosen.device == gpu.device);
    if is_chosen && let Some(problem) = module::provide_vfio_pci(root).problem {
        return Err(vec![problem]);
    }
    let mut workers = Workers::new(root);
    let subject = survey(&mut workers, device)?.subject;
    let task = match is_chosen {
        true => Task::Claim(subject),
        false => Task::Release(subject),
    };
    done(&mut workers, &task)
}

/// Takes the GPU from everybody through a worker, in a limited time. One that somebody uses is left with its user.
fn isolate(root: &Root, device: DeviceAddress) -> Isolation {
    if find(root, device).is_none() {
        return Isolation::NotThere;
    }
    let isolated = (|| {
        let mut workers = Workers::new(root);
        let surveyed = survey(&mut workers, device)?;
        // Not into the middle of somebody's ladder.
        let held = lock::of_domain(root, &surveyed, Duration::ZERO, &mut |_| ());
        workers.hold(held.map_err(|error| vec![error.to_string()])?);
        let subject: Subject = surveyed.subject;
        done(&mut workers, &Task::Isolate(subject))
    })();
    match isolated {
        Ok(()) => Isolation::Done,
        Err(words) => Isolation::Failed(words),
    }
}

fn survey(workers: &mut Workers<'_>, device: DeviceAddress) -> Result<Surveyed, Vec<String>> {
    match workers.ask(&Task::Survey(device, Vec::new()), LOOK_LIMIT) {
        Ok(Answer::Surveyed(surveyed)) => Ok(*surveyed),
        Ok(Answer::Failed(problem)) => Err(vec![problem]),
        Ok(other) => Err(vec![format!("an answer that nobody asked for: {other:?}")]),
        Err(WorkerError::Blocked) => Err(vec!["the kernel holds it: a reset is in progress".to_owned()]),
        Err(error) => Err(vec![error.to_string()]),
    }
}

fn done(workers: &mut Workers<'_>, task: &Task) -> Result<(), Vec<String>> {
    match workers.ask(task, LIMIT) {
        Ok(Answer::Operated(Observation::Done, _)) => Ok(()),
        Ok(Answer::Operated(_, words)) => Err(words),
        Ok(Answer::Failed(problem)) => Err(vec![problem]),
        Ok(other) => Err(vec![format!("an answer that nobody asked for: {other:?}")]),
        Err(error) => Err(vec![error.to_string()]),
    }
}

fn find(root: &Root, device: DeviceAddress) -> Option<Gpu> {
    let gpus = inventory::gpus(&functions::list(root).functions);
    gpus.into_iter().find(|gpu| gpu.device == device)
}

/// Without its slot where that cannot be read: its device number has to do.
fn identify(root: &Root, gpu: &Gpu) -> Identification {
    slot::identify(root, gpu, None).unwrap_or_else(|_| Identification::new(gpu, None, None))
}

fn has_no_driver(gpu: &Gpu) -> bool {
    gpu.functions.iter().all(|function| function.driver.is_none())
}

/// The GPUs that this boot has isolated.
fn isolated_at_boot(root: &Root) -> Vec<DeviceAddress> {
    // Without a report there was no claim, and nothing was isolated.
    let report = report_file::read(root, Path::new(CLAIM_REPORT));
    let gpus = report.map(|report| report.gpus).unwrap_or_default();
    let isolated = gpus
        .iter()
        .filter(|gpu| gpu.quarantine.as_ref().is_some_and(|quarantine| quarantine.isolated));
    isolated.map(|gpu| gpu.device).collect()
}

/// Beside the ledger, where the reason is kept: without a kernel log nothing is lost.
fn log(root: &Root, line: &str) {
    kernel_log::log(root, Tone::Warning, line).ok();
}

#[cfg(test)]
mod tests;
