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
use crate::recovery::{Journal, LOOK_SCHEMA, Look, Member, Sibling, Subject, to_be_unbound};

const RESET_METHOD: &str = "reset_method";

/// Whether the kernel forbade the registers to be read. So they are, too, while another driver works with them.
pub(super) fn is_wanted(now: &Condition) -> bool {
    now.vendor_register == Reading::NotRead(NotRead::Forbidden)
}

/// Reads what lockdown has kept from being read, if that is no reset. The caller knows that nobody uses the GPU, and holds
/// its domain's lock.
pub(super) fn complete(
    root: &Root,
    subject: &Subject,
    member: &Member,
    now: &mut Condition,
    patience: Patience,
    words: &mut Vec<String>,
) {
    let is_ours = || functions::driver_of(root, member.address).is_ok_and(|driver| driver.as_deref() == Some(VFIO_PCI));
    if !is_wanted(now) || !is_ours() {
        return;
    }
    match through_vfio(root, subject, member, patience, words) {
        Ok((vendor_register, boot)) => (now.vendor_register, now.boot) = (vendor_register, boot),
        Err(why) => words.push(format!(
            "{}: the registers behind its BARs are not read: lockdown forbids resourceN, and VFIO: {why}",
            member.address
        )),
    }
}

fn through_vfio(
    root: &Root,
    subject: &Subject,
    member: &Member,
    patience: Patience,
    words: &mut Vec<String>,
) -> Result<(Reading<u32>, Reading<Boot>), String> {
    settle(root, subject, words)?;
    let siblings = siblings(root, subject, member).map_err(|error| error.to_string())?;
    let unbound = to_be_unbound(&siblings).map_err(|no_way| no_way.to_string())?;
    let choice = root.function(member.address).join(RESET_METHOD);
    let reset_method = attributes::read_if_there(&choice).map_err(|error| error.to_string())?;
    let look = Look {
        schema: LOOK_SCHEMA.to_owned(),
        device: subject.device,
        function: member.address,
        reset_method: reset_method.ok_or("this kernel cannot be told to do no reset")?,
        unbound,
    };
    recovery_files::write_look(root, &look).map_err(|error| error.to_string())?;
    let read = prepare(root, &look, &choice).and_then(|()| {
        let device = Device::open(&root.function(member.address))?;
        Ok(health::inquire(member, patience, |register| device.read(register)))
    });
    put_back(root, subject, &look, words)?;
    read
}

/// The functions beside one, on its bus: those that are there.
fn siblings(root: &Root, subject: &Subject, member: &Member) -> Result<Vec<Sibling>, attributes::FileError> {
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

/// Takes away what would make the look a reset, and reads that back.
fn prepare(root: &Root, look: &Look, choice: &Path) -> Result<(), String> {
    if let Some(sibling) = look.unbound {
        restore::unbind(root, sibling).map_err(|stop| stop.words)?;
        if let Some(driver) = functions::driver_of(root, sibling).map_err(|error| error.to_string())? {
            return Err(format!("{sibling} is still on {driver}"));
        }
    }
    attributes::write(choice, "").map_err(|error| error.to_string())?;
    match attributes::read(choice).map_err(|error| error.to_string())?.as_str() {
        "" => Ok(()),
        methods => Err(format!("its reset methods are still `{methods}`")),
    }
}

/// Puts back what a look has left behind whose worker was killed, if there is one.
///
/// # Errors
/// Why not, in words.
pub(super) fn settle(root: &Root, subject: &Subject, words: &mut Vec<String>) -> Result<(), String> {
    match recovery_files::look(root, subject.device).map_err(|error| error.to_string())? {
        Some(look) => put_back(root, subject, &look, words),
        None => Ok(()),
    }
}

/// Has the journal of a recovery put back what a look has left behind that could not be settled, since the GPU has died
/// meanwhile, for one. The record goes when the journal is written.
pub(super) fn hand_over(
    root: &Root,
    journal: &mut Journal,
    write: impl FnOnce(&Journal) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let device = journal.subject.device;
    let look = recovery_files::look(root, device).map_err(|error| Stop::failed(Failure::Io, error.to_string()))?;
    let Some(look) = look else {
        return write(journal);
    };
    for before in &mut journal.before {
        look.hand_over(before);
    }
    write(journal)?;
    Ok(recovery_files::remove_look(root, device)?)
}

/// Puts everything back, as far as it is there; and then the record is not needed any more.
fn put_back(root: &Root, subject: &Subject, look: &Look, words: &mut Vec<String>) -> Result<(), String> {
    // That one cannot be put back keeps nobody from the other.
    let methods = put_back_methods(root, look, words);
    bind_again(root, subject, look)?;
    methods?;
    recovery_files::remove_look(root, subject.device).map_err(|error| error.to_string())
}

fn put_back_methods(root: &Root, look: &Look, words: &mut Vec<String>) -> Result<(), String> {
    let choice = root.function(look.function).join(RESET_METHOD);
    let now = attributes::read_if_there(&choice).map_err(|error| error.to_string())?;
    // Whatever else stands there now, somebody has chosen since.
    if now.is_some_and(|now| now.is_empty()) && !look.reset_method.is_empty() {
        reset::put_back(&choice, &look.reset_method, words);
        if attributes::read(&choice).map_err(|error| error.to_string())?.is_empty() {
            return Err(format!("the reset methods of {} are not put back", look.function));
        }
    }
    Ok(())
}

fn bind_again(root: &Root, subject: &Subject, look: &Look) -> Result<(), String> {
    if let Some(sibling) = look.unbound.filter(|sibling| root.function(*sibling).exists()) {
        let path = root.function(sibling).join(Attribute::DriverOverride.file());
        let reserved = attributes::read(&path).map_err(|error| error.to_string())?;
        // Out of service since, it is to have no driver.
        if reserved == VFIO_PCI {
            restore::claim(root, subject, &[(sibling, VFIO_PCI.to_owned())])
                .map_err(|stop| format!("{sibling} is not put back: {}", stop.words))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::NOBODY;
    use crate::linux::recover::operate::tests::subject;
    use crate::linux::test_root::TestRoot;

    const CHOICE: &str = "/sys/bus/pci/devices/0000:01:00.0/reset_method";
    const RECORD: &str = "/run/reseat/looks/0000:01:00.json";

    /// A machine on which a look was broken off, and `now` is what stands in `reset_method`.
    fn broken_off(now: &str) -> TestRoot {
        let machine = TestRoot::new();
        machine.write(CHOICE, now);
        let look = Look {
            schema: LOOK_SCHEMA.to_owned(),
            device: subject().device,
            function: subject().function,
            reset_method: "flr pm".to_owned(),
            unbound: Some("0000:01:00.1".parse().unwrap()),
        };
        recovery_files::write_look(&machine.root(), &look).unwrap();
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
        let why = settle(&machine.root(), &subject(), &mut Vec::new()).unwrap_err();
        assert!(why.starts_with("0000:01:00.1 is not put back"), "{why}");
        assert!(machine.root().path(RECORD).exists());
    }
}
