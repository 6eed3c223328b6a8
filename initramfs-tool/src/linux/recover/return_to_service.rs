//! Back into service: by verified resets, or by somebody's word.

use jiff::Timestamp;
use reseat_core::address::DeviceAddress;
use reseat_core::decision::{Preference, Rung};
use reseat_core::recovery::End;

use super::quarantine::{
    Isolation, LIMIT, QuarantineError, done, find, has_no_driver, isolate, known, log, survey, with_domain,
};
use super::run;
use super::run::Options;
use super::worker::Workers;
use crate::linux::claim::check::{self, OneClaim};
use crate::linux::state::{quarantine, recovery_files};
use crate::linux::survey::identity;
use crate::linux::sysfs::root::Root;
use crate::model::identification::Identification;
use crate::recovery::{Event, Step, Task};
use crate::rules::Contract;

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
    let state = quarantine::read(root);
    let ledger = known(&state)?;
    let gpu = find(root, device);
    let identification = match &gpu {
        Some(gpu) => identity::of(root, gpu),
        // One that was pulled out, or that no rescan finds: by where it was.
        None => match ledger.entries.iter().find(|entry| entry.gpu.device == device) {
            Some(entry) => entry.gpu.clone(),
            None => return Err(QuarantineError::NoGpu(device)),
        },
    };
    // The boot may have isolated one that its older list names.
    if !state.standing(&identification).is_quarantined() && !gpu.as_ref().is_some_and(has_no_driver) {
        return Err(QuarantineError::InService(device));
    }
    for words in bring_back(root, device) {
        listener(&Event::Found { words: vec![words] });
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
    quarantine::remove(root, Timestamp::now(), identification, &why)?;
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
            highest: contract.highest.unwrap_or(Rung::HIGHEST),
            only: None,
            waits: contract.waits,
            reboot: None,
            preference: Preference::Rule,
            force: false,
            resume: false,
            trial: true,
        };
        match run::recover(root, device, &options, listener) {
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
    if let Err(error) = quarantine::remove(root, Timestamp::now(), identification, &why) {
        isolate(root, device);
        return Err(error.into());
    }
    log(root, &format!("{device}: returned to service {why}"));
    Ok(Returned::Back)
}

/// Has the bus scanned if functions of the GPU are not there, by its baseline: what was only removed needs no reset to be
/// found, and where its domain is not its own, none would find it. Says what came of it.
fn bring_back(root: &Root, device: DeviceAddress) -> Vec<String> {
    let known = recovery_files::members(root, device).unwrap_or_default();
    let missing = || {
        let functions = known.iter().map(|member| member.address);
        let missing = functions.filter(|function| !root.function(*function).exists());
        missing.map(|function| function.to_string()).collect::<Vec<_>>()
    };
    let before = missing();
    if before.is_empty() {
        return Vec::new();
    }
    let scanned = with_domain(root, device, |workers, subject| {
        done(workers, &Task::Rescan(subject), Step::Rescan.limit())
    });
    let left = missing();
    let mut words = vec![match left.is_empty() {
        true => format!("{}: found by a scan of the bus", before.join(", ")),
        false => format!("{}: not there, and not found by a scan of the bus", left.join(", ")),
    }];
    words.extend(scanned.err().into_iter().flatten());
    words
}

/// Gives the GPU to vfio-pci if the rules choose it, else to whom the kernel finds.
fn hand_over(root: &Root, device: DeviceAddress) -> Result<(), Vec<String>> {
    if find(root, device).is_none() {
        return Ok(());
    }
    match check::claim_one(root, device) {
        OneClaim::Claimed => Ok(()),
        OneClaim::Failed(why) => Err(why.iter().map(ToString::to_string).collect()),
        OneClaim::NotChosen => release(root, device),
    }
}

fn release(root: &Root, device: DeviceAddress) -> Result<(), Vec<String>> {
    let mut workers = Workers::new(root);
    let subject = survey(root, &mut workers, device)?.subject;
    done(&mut workers, &Task::Release(subject), LIMIT)
}
