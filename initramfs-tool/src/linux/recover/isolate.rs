//! Isolation of a GPU that is out of service, and its end, in a worker.

use reseat_core::decision::Use;
use reseat_core::recovery::{Failure, Observation};

use super::restore;
use super::trouble::Stop;
use super::users::in_use;
use crate::claim::{Attribute, NOBODY};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::RecoverySubject;

/// Takes the GPU from all its drivers, for as long as it has its override: no driver can bind it. One that is in use is left
/// with its user.
pub(super) fn isolate(root: &Root, subject: &RecoverySubject) -> (Observation, Vec<Finding>) {
    let mut findings = Vec::new();
    match try_to_isolate(root, subject, &mut findings) {
        Ok(()) => (Observation::Done, findings),
        Err(stop) => {
            findings.extend(stop.findings);
            (stop.observation, findings)
        }
    }
}

fn try_to_isolate(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    if is_isolated(root, subject)? {
        return Ok(());
    }
    if in_use(root, subject, findings) != Use::Free {
        let left = Finding::refusal(id::LEFT_WITH_USER, Subject::gpu(subject.device));
        return Err(Stop::failed(Failure::Busy, left));
    }
    for function in subject.functions() {
        if root.function(function).exists() {
            let path = root.function(function).join(Attribute::DriverOverride.file());
            attributes::write(&path, NOBODY)?;
            restore::unbind(root, function)?;
        }
    }
    let bound = subject.functions().into_iter().find_map(|function| {
        let driver = functions::driver_of(root, function).ok()??;
        Some(Finding::error(id::DRIVER_NOT_REMOVED, Subject::function(function)).with("driver", driver))
    });
    bound.map_or(Ok(()), |bound| Err(Stop::failed(Failure::Other(0), bound)))
}

/// True if no driver has any of it, nor can get it.
fn is_isolated(root: &Root, subject: &RecoverySubject) -> Result<bool, Stop> {
    for function in subject.functions() {
        let path = root.function(function).join(Attribute::DriverOverride.file());
        let isolated = match attributes::read_if_there(&path)? {
            Some(driver) => driver == NOBODY && functions::driver_of(root, function)?.is_none(),
            None => !root.function(function).exists(),
        };
        if !isolated {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lets drivers have the GPU again, and has the kernel look for them.
pub(super) fn release(root: &Root, subject: &RecoverySubject) -> Result<(), Stop> {
    for function in subject.functions() {
        let path = root.function(function).join(Attribute::DriverOverride.file());
        let now = attributes::read_if_there(&path)?;
        if now.as_deref() == Some(NOBODY) {
            attributes::write(&path, "")?;
            // That none wants it is no error; the kernel says the same either way.
            attributes::write(&root.path("/sys/bus/pci/drivers_probe"), &function.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
