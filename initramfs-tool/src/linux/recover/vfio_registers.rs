//! The vendor's registers through VFIO, where lockdown forbids `resourceN`, and no reset done.

use std::path::Path;

use reseat_core::health::{Boot, Condition, NotRead, Reading};
use reseat_core::recovery::Failure;

use super::trouble::Stop;
use super::{reset, restore};
use crate::claim::{Attribute, VFIO_PCI};
use crate::linux::state::recovery_files;
use crate::linux::survey::health;
use crate::linux::survey::health::Patience;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::vfio::Device;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::{Member, RecoverySubject};
use crate::recovery::{Journal, Sibling, VfioReading, to_be_unbound};

const RESET_METHOD: &str = "reset_method";

/// True if the kernel forbade to read the registers. It also does while another driver works with them.
pub(super) fn is_wanted(now: &Condition) -> bool {
    now.vendor_register == Reading::NotRead(NotRead::Forbidden)
}

/// Reads what lockdown has kept from being read, if that is no reset. The caller knows that nobody uses the GPU, and holds
/// its domain's lock.
pub(super) fn complete(
    root: &Root,
    subject: &RecoverySubject,
    member: &Member,
    now: &mut Condition,
    patience: Patience,
    findings: &mut Vec<Finding>,
) {
    let is_ours = || functions::driver_of(root, member.address).is_ok_and(|driver| driver.as_deref() == Some(VFIO_PCI));
    if !is_wanted(now) || !is_ours() {
        return;
    }
    match through_vfio(root, subject, (member, &now.bars), patience, findings) {
        Ok((vendor_register, boot)) => (now.vendor_register, now.boot) = (vendor_register, boot),
        Err(stop) => {
            findings.push(Finding::warning(
                id::REGISTERS_NOT_READ,
                Subject::function(member.address),
            ));
            findings.extend(stop.findings);
        }
    }
}

fn through_vfio(
    root: &Root,
    subject: &RecoverySubject,
    (member, bars): (&Member, &Reading<[u32; 6]>),
    patience: Patience,
    findings: &mut Vec<Finding>,
) -> Result<(Reading<u32>, Reading<Boot>), Stop> {
    settle(root, subject, findings)?;
    let function = member.address;
    let siblings = siblings(root, subject, member)?;
    let unbound = to_be_unbound(&siblings).map_err(|why| Stop::failed(Failure::NotSupported, why.finding(function)))?;
    let choice = root.function(function).join(RESET_METHOD);
    let none = || {
        let finding = Finding::warning(id::NO_EMPTY_RESET_METHOD, Subject::function(function));
        Stop::failed(Failure::NotSupported, finding)
    };
    let reading = VfioReading {
        device: subject.device,
        function,
        reset_method: attributes::read_if_there(&choice)?.ok_or_else(none)?,
        unbound,
    };
    recovery_files::write_vfio_reading(root, &reading)?;
    let read = prepare(root, &reading, &choice).and_then(|()| {
        let refused = |error| {
            let finding = Finding::warning(id::VFIO_FAILED, Subject::function(function));
            Stop::failed(Failure::Other(0), finding.with("cause", error))
        };
        let device = Device::open(&root.function(function)).map_err(refused)?;
        Ok(health::inquire(member, bars, patience, |register| {
            device.read(register)
        }))
    });
    restore(root, subject, &reading, findings)?;
    read
}

/// The functions beside one, on its bus: those that are there.
fn siblings(root: &Root, subject: &RecoverySubject, member: &Member) -> Result<Vec<Sibling>, attributes::FileError> {
    let mut others = subject.functions();
    others.retain(|other| *other != member.address && root.function(*other).exists());
    let siblings = others.into_iter().map(|address| {
        let path = root.function(address).join(Attribute::DriverOverride.file());
        Ok(Sibling {
            address,
            driver: functions::driver_of(root, address)?,
            driver_override: attributes::read_if_there(&path)?,
        })
    });
    siblings.collect()
}

/// Takes away what would make the reading a reset, and reads that back.
fn prepare(root: &Root, reading: &VfioReading, choice: &Path) -> Result<(), Stop> {
    if let Some(sibling) = reading.unbound {
        restore::unbind(root, sibling)?;
        if let Some(driver) = functions::driver_of(root, sibling)? {
            let bound = Finding::error(id::DRIVER_NOT_REMOVED, Subject::function(sibling));
            return Err(Stop::failed(Failure::Other(0), bound.with("driver", driver)));
        }
    }
    attributes::write(choice, "")?;
    match attributes::read(choice)?.as_str() {
        "" => Ok(()),
        methods => {
            let left = Finding::error(id::RESET_METHODS_LEFT, Subject::function(reading.function));
            Err(Stop::failed(Failure::Other(0), left.with("methods", methods)))
        }
    }
}

/// Restores what a reading has left behind whose worker was killed, if there is one.
///
/// # Errors
/// When something cannot be restored.
pub(super) fn settle(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    match recovery_files::vfio_reading(root, subject.device)? {
        Some(reading) => restore(root, subject, &reading, findings),
        None => Ok(()),
    }
}

/// Has the journal of a recovery restore what a reading has left behind that could not be settled, since the GPU has died
/// meanwhile, for one. The record goes when the journal is written.
pub(super) fn hand_over(
    root: &Root,
    journal: &mut Journal,
    write: impl FnOnce(&Journal) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let device = journal.subject.device;
    let Some(reading) = recovery_files::vfio_reading(root, device)? else {
        return write(journal);
    };
    for before in &mut journal.before {
        reading.hand_over(before);
    }
    write(journal)?;
    Ok(recovery_files::remove_vfio_reading(root, device)?)
}

/// Restores everything, as far as it is there; and then the record is not needed any more.
fn restore(
    root: &Root,
    subject: &RecoverySubject,
    reading: &VfioReading,
    findings: &mut Vec<Finding>,
) -> Result<(), Stop> {
    // One failure does not keep the other from being restored.
    let methods = restore_methods(root, reading, findings);
    bind_again(root, subject, reading)?;
    methods?;
    Ok(recovery_files::remove_vfio_reading(root, subject.device)?)
}

fn restore_methods(root: &Root, reading: &VfioReading, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    let choice = root.function(reading.function).join(RESET_METHOD);
    let now = attributes::read_if_there(&choice)?;
    // Any other text has been chosen since.
    if now.is_some_and(|now| now.is_empty()) && !reading.reset_method.is_empty() {
        reset::restore(&choice, &reading.reset_method, findings);
        if attributes::read(&choice)?.is_empty() {
            let lost = Finding::error(id::RESET_METHODS_NOT_RESTORED, Subject::function(reading.function));
            return Err(Stop::failed(Failure::Other(0), lost));
        }
    }
    Ok(())
}

fn bind_again(root: &Root, subject: &RecoverySubject, reading: &VfioReading) -> Result<(), Stop> {
    if let Some(sibling) = reading.unbound.filter(|sibling| root.function(*sibling).exists()) {
        let path = root.function(sibling).join(Attribute::DriverOverride.file());
        // Out of service since, it is to have no driver.
        if attributes::read(&path)? == VFIO_PCI {
            restore::claim(root, subject, &[(sibling, VFIO_PCI.to_owned())]).map_err(|mut stop| {
                let unbound = Finding::error(id::SIBLING_NOT_BOUND, Subject::function(sibling));
                stop.findings.insert(0, unbound);
                stop
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::NOBODY;
    use crate::linux::recover::isolate::tests::subject;
    use crate::linux::test_root::TestRoot;

    const CHOICE: &str = "/sys/bus/pci/devices/0000:01:00.0/reset_method";
    const RECORD: &str = "/run/reseat/looks/0000:01:00.json";

    /// A machine on which a reading was interrupted, and `now` is what stands in `reset_method`.
    fn broken_off(now: &str) -> TestRoot {
        let machine = TestRoot::new();
        machine.write(CHOICE, now);
        let reading = VfioReading {
            device: subject().device,
            function: subject().function,
            reset_method: "flr pm".to_owned(),
            unbound: Some("0000:01:00.1".parse().unwrap()),
        };
        recovery_files::write_vfio_reading(&machine.root(), &reading).unwrap();
        machine
    }

    #[test]
    fn the_reset_methods_are_put_back_where_none_is_left() {
        for (now, then) in [("\n", "flr pm\n"), ("bus\n", "bus\n")] {
            let machine = broken_off(now);
            settle(&machine.root(), &subject(), &mut Vec::new()).unwrap();
            assert_eq!(machine.read(CHOICE), then);
            assert!(!machine.root().path(RECORD).exists());
        }
    }

    #[test]
    fn what_is_out_of_service_since_stays_on_no_driver() {
        let machine = broken_off("\n");
        let path = "/sys/bus/pci/devices/0000:01:00.1/driver_override";
        machine.write(path, &format!("{NOBODY}\n"));
        settle(&machine.root(), &subject(), &mut Vec::new()).unwrap();
        assert_eq!(machine.read(path), format!("{NOBODY}\n"));
        assert!(!machine.root().path(RECORD).exists());
    }

    #[test]
    fn what_is_not_put_back_stays_written_down() {
        let machine = broken_off("\n");
        // There is no vfio-pci on this machine.
        machine.write("/sys/bus/pci/devices/0000:01:00.1/driver_override", "vfio-pci\n");
        let stop = settle(&machine.root(), &subject(), &mut Vec::new()).unwrap_err();
        assert_eq!(stop.findings[0].id, id::SIBLING_NOT_BOUND);
        assert_eq!(stop.findings[0].subject.name, "0000:01:00.1");
        assert!(machine.root().path(RECORD).exists());
    }
}
