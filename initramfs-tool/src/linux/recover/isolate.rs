//! Isolation of a GPU that is out of service, and its end, in a worker.

use std::path::Path;

use reseat_core::address::FunctionAddress;
use reseat_core::decision::Use;
use reseat_core::recovery::{Failure, Observation};

use super::restore;
use super::trouble::Stop;
use super::users::in_use;
use crate::claim::{Attribute, NOBODY};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, drivers, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::RecoverySubject;
use crate::records::quarantine::DriverBefore;

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
        let left = Finding::refusal(id::LEFT_WITH_USER, Subject::gpu(subject.device)).remedy(id::STOP_USER);
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

/// Gives each function that is reserved for nobody to the driver that it had: to vfio-pci or a variant by a claim, so that no
/// other driver comes first; else the kernel looks for a driver, and the one that it had is bound if none is found.
pub(super) fn release(root: &Root, subject: &RecoverySubject, drivers: &[DriverBefore]) -> Result<(), Stop> {
    let mut claimed = Vec::new();
    for function in subject.functions() {
        let path = root.function(function).join(Attribute::DriverOverride.file());
        if attributes::read_if_there(&path)?.as_deref() != Some(NOBODY) {
            continue;
        }
        // The card may be in another slot by now.
        let had = drivers
            .iter()
            .find(|had| had.function.function() == function.function());
        match had.map(|had| had.driver.as_str()) {
            Some(driver) if drivers::is_vfio(root, driver) => claimed.push((function, driver.to_owned())),
            had => find_driver(root, function, &path, had)?,
        }
    }
    restore::claim(root, subject, &claimed)
}

fn find_driver(root: &Root, function: FunctionAddress, path: &Path, had: Option<&str>) -> Result<(), Stop> {
    attributes::write(path, "")?;
    // That none wants it is no error; the kernel answers the same either way.
    attributes::write(&root.path("/sys/bus/pci/drivers_probe"), &function.to_string())?;
    match (functions::driver_of(root, function)?, had) {
        (None, Some(driver)) if root.driver(driver).exists() => restore::bind(root, function, driver),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests;
