//! The return to service: by verified resets, or on an operator's order.

use jiff::Timestamp;
use reseat_core::address::DeviceAddress;
use reseat_core::decision::{Preference, Rung};
use reseat_core::recovery::End;

use super::quarantine::{
    IsolationResult, LIMIT, QuarantineError, done, find, has_no_driver, isolate, known, survey, with_domain,
};
use super::run;
use super::run::{RecoverError, RecoverOptions};
use super::worker::Workers;
use crate::linux::claim::check::{self, OneClaim};
use crate::linux::claim::flr_kept_out;
use crate::linux::process::signals::is_stop_requested;
use crate::linux::state::{quarantine, recovery_files};
use crate::linux::survey::identity;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::identification::{Identification, Likeness};
use crate::records::quarantine::{Closing, DriverBefore, Ledger};
use crate::recovery::{LadderStep, RecoveryEvent, Task};
use crate::rules::{Contract, Unproven};

/// How a GPU is to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Return {
    /// By so many resets, each of them verified.
    Resets(u32),
    /// On an operator's order, with the reason.
    Force(String),
}

/// What came of a return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// It is in service, and on the driver that the rules want for it, that it had, or that the kernel finds.
    Back,
    /// It is in service, on an operator's order, and its driver does not have it.
    BackWithoutDriver(Vec<Finding>),
    /// A reset was not verified. It is as out of service as before.
    Unproven {
        /// How that reset ended.
        end: Option<End>,
        /// Whether it is isolated.
        isolation: IsolationResult,
    },
    /// A signal stopped it. It is as out of service as before.
    Stopped {
        /// Whether it is isolated.
        isolation: IsolationResult,
    },
    /// Every reset was verified, and its driver could not have it. It is as out of service as before.
    NotHandedOver {
        /// The reasons.
        findings: Vec<Finding>,
        /// Whether it is isolated.
        isolation: IsolationResult,
    },
}

/// Takes the GPU at `device` back into service, as the contract allows, and reports every event to `listener`.
///
/// Until the last reset is verified it stays isolated, so that no virtual machine opens it meanwhile; and until its driver has
/// it, the record stays.
///
/// # Errors
/// When nothing stands against it, nobody knows, or a reset could not be begun. It is as out of service as before.
pub fn return_to_service(
    root: &Root,
    device: DeviceAddress,
    how: &Return,
    contract: &Contract,
    listener: &mut dyn FnMut(&RecoveryEvent),
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
    let had = drivers_in_service(ledger, &identification);
    let findings = bring_back(root, device);
    listen_to(listener, findings);
    match how {
        Return::Force(reason) => {
            listen_to(listener, flr_kept_out::keep(root, device));
            force(root, device, &identification, reason, &had)
        }
        Return::Resets(resets) => prove(root, device, &identification, *resets, contract, &had, listener),
    }
}

fn listen_to(listener: &mut dyn FnMut(&RecoveryEvent), findings: Vec<Finding>) {
    if !findings.is_empty() {
        listener(&RecoveryEvent::Found { findings });
    }
}

fn force(
    root: &Root,
    device: DeviceAddress,
    identification: &Identification,
    reason: &str,
    had: &[DriverBefore],
) -> Result<Returned, QuarantineError> {
    let why = Closing::Forced {
        reason: reason.to_owned(),
    };
    quarantine::remove(root, Timestamp::now(), identification, &why)?;
    Ok(match hand_over(root, device, had) {
        Ok(()) => Returned::Back,
        Err(findings) => Returned::BackWithoutDriver(findings),
    })
}

fn prove(
    root: &Root,
    device: DeviceAddress,
    identification: &Identification,
    resets: u32,
    contract: &Contract,
    had: &[DriverBefore],
    listener: &mut dyn FnMut(&RecoveryEvent),
) -> Result<Returned, QuarantineError> {
    let mut proven: u32 = 0;
    let mut was_powered = false;
    while proven < resets {
        if is_stop_requested() {
            let isolation = isolate(root, device);
            return Ok(Returned::Stopped { isolation });
        }
        let isolation = isolate(root, device);
        if let IsolationResult::Failed(_) = isolation {
            return Ok(Returned::Unproven { end: None, isolation });
        }
        let number = proven.saturating_add(1);
        let progress = Finding::note(id::RESET_OF_SEVERAL, Subject::gpu(device));
        listener(&RecoveryEvent::Found {
            findings: vec![progress.with("number", number).with("count", resets)],
        });
        let options = RecoverOptions {
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
            Ok(Some(End::Recovered { by, .. })) if by.cuts_power() && !was_powered => was_powered = true,
            Ok(Some(End::Recovered { by, .. })) if !by.cuts_power() => proven = number,
            Ok(Some(End::Unproven { .. })) if contract.unproven == Unproven::Accept => proven = number,
            Ok(end) => {
                let isolation = isolate(root, device);
                return Ok(Returned::Unproven { end, isolation });
            }
            Err(RecoverError::Stopped { .. }) => {
                let isolation = isolate(root, device);
                return Ok(Returned::Stopped { isolation });
            }
            Err(error) => {
                isolate(root, device);
                return Err(error.into());
            }
        }
    }
    if let Err(findings) = hand_over(root, device, had) {
        let isolation = isolate(root, device);
        return Ok(Returned::NotHandedOver { findings, isolation });
    }
    let why = Closing::VerifiedResets { count: proven };
    if let Err(error) = quarantine::remove(root, Timestamp::now(), identification, &why) {
        isolate(root, device);
        return Err(error.into());
    }
    Ok(Returned::Back)
}

/// Has the bus scanned if functions of the GPU are not there, by its baseline: what was only removed needs no reset to be
/// found, and where its domain is not its own, none would find it.
fn bring_back(root: &Root, device: DeviceAddress) -> Vec<Finding> {
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
        done(workers, device, &Task::Rescan(subject), LadderStep::Rescan.limit())
    });
    let left = missing();
    let note =
        |id, functions: &[String]| Finding::warning(id, Subject::gpu(device)).with("functions", functions.join(", "));
    let mut findings = vec![match left.is_empty() {
        true => note(id::FOUND_BY_SCAN, &before),
        false => note(id::NOT_FOUND_BY_SCAN, &left),
    }];
    findings.extend(scanned.err().into_iter().flatten());
    findings
}

/// The drivers that the GPU had before it went out of service.
fn drivers_in_service(ledger: &Ledger, gpu: &Identification) -> Vec<DriverBefore> {
    let mut entries = ledger.entries.iter();
    let entry = entries.find(|entry| entry.gpu.likeness(gpu) == Likeness::Same);
    entry.map_or_else(Vec::new, |entry| entry.drivers.clone())
}

/// Gives the GPU to vfio-pci if the rules choose it, else to the drivers that it had, else to those that the kernel finds.
fn hand_over(root: &Root, device: DeviceAddress, had: &[DriverBefore]) -> Result<(), Vec<Finding>> {
    if find(root, device).is_none() {
        return Ok(());
    }
    match check::claim_one(root, device) {
        OneClaim::Claimed => Ok(()),
        OneClaim::Failed(findings) => Err(findings),
        OneClaim::NotChosen => release(root, device, had),
    }
}

fn release(root: &Root, device: DeviceAddress, had: &[DriverBefore]) -> Result<(), Vec<Finding>> {
    let mut workers = Workers::new(root);
    let subject = survey(root, &mut workers, device)?.subject;
    done(&mut workers, device, &Task::Release(subject, had.to_vec()), LIMIT)
}
