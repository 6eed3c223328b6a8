//! The scan of the bus below the card root, for functions that the kernel does not list.
//!
//! A function that appears belongs to the first driver that wants it. Since kernel 6.19 `drivers_autoprobe` keeps all drivers
//! off until the override is written; before, a driver that is loaded comes first and is unbound again.

use std::path::PathBuf;

use reseat_core::address::FunctionAddress;
use reseat_core::recovery::Failure;

use super::remove::CardRoot;
use super::restore;
use super::trouble::Stop;
use crate::claim::{Attribute, NOBODY, VFIO_PCI};
use crate::linux::claim::flr_kept_out;
use crate::linux::state::{quarantine, recovery_files};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::identification::Identification;
use crate::model::subject::RecoverySubject;
use crate::recovery::Baseline;

/// The attribute that lets drivers bind by themselves, of all PCI functions.
const AUTOPROBE: &str = "/sys/bus/pci/drivers_autoprobe";
/// A note that a scan keeps drivers off.
const HELD: &str = "/run/reseat/drivers-autoprobe-off";
/// The first kernel whose PCI functions heed `drivers_autoprobe`.
const HEEDED_SINCE: (u32, u32) = (6, 19);

/// The functions of a GPU that the kernel does not list.
pub(super) fn missing(root: &Root, subject: &RecoverySubject) -> Vec<FunctionAddress> {
    let mut functions = subject.functions();
    functions.retain(|function| !root.function(*function).exists());
    functions
}

/// The slot of the card, if its power was switched off: somebody has done so, and it stays off.
pub(super) fn slot_switched_off(root: &Root, subject: &RecoverySubject) -> Option<String> {
    let slot = CardRoot::of(root, subject).ok()?.slot(root)?;
    let power = attributes::read(&root.path("/sys/bus/pci/slots").join(&slot).join("power")).ok()?;
    (power == "0").then_some(slot)
}

/// Scans the bus below the card root, in a worker, and reserves each function that it finds before another driver has it.
pub(super) fn scan(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    let card = CardRoot::of(root, subject)?;
    if let Some(slot) = slot_switched_off(root, subject) {
        let off = Finding::refusal(id::SLOT_SWITCHED_OFF, Subject::gpu(subject.device)).with("slot", slot);
        return Err(Stop::failed(Failure::Invalid, off.remedy(id::SWITCH_SLOT_ON)));
    }
    let missing = missing(root, subject);
    let listed: Vec<FunctionAddress> = listed(root);
    hold_drivers(root)?;
    let scanned = card.rescan(root);
    let reserved = reserve(root, subject, &missing, findings);
    release_drivers(root);
    scanned.and(reserved)?;
    findings.extend(flr_kept_out::apply(root, subject.device));
    // Whatever else came while drivers were kept off gets its own; so does what is reserved for vfio-pci.
    let new = listed_since(root, &listed);
    new.into_iter().try_for_each(|function| probe(root, function))
}

/// Has functions appear, and keeps drivers off them meanwhile, where the kernel heeds that: a driver of the host's may take
/// seconds for each. Bridges of the card and all that is not of the GPU get their drivers after it, the GPU's functions when
/// they are handed back.
pub(super) fn without_drivers(
    root: &Root,
    subject: &RecoverySubject,
    appear: impl FnOnce() -> Result<(), Stop>,
) -> Result<(), Stop> {
    let listed = listed(root);
    let is_held = hold_drivers(root)?;
    let appeared = appear();
    if !is_held {
        return appeared;
    }
    release_drivers(root);
    let ours = subject.functions();
    let others = listed_since(root, &listed)
        .into_iter()
        .filter(|new| !ours.contains(new));
    for function in others {
        // As in a scan by the kernel: a driver that fails there is no failure of the scan.
        let _probed = probe(root, function);
    }
    appeared
}

fn listed(root: &Root) -> Vec<FunctionAddress> {
    let listing = functions::list(root);
    listing.functions.iter().map(|function| function.address).collect()
}

fn listed_since(root: &Root, before: &[FunctionAddress]) -> Vec<FunctionAddress> {
    let mut now = listed(root);
    now.retain(|function| !before.contains(function));
    now
}

fn reserve(
    root: &Root,
    subject: &RecoverySubject,
    missing: &[FunctionAddress],
    findings: &mut Vec<Finding>,
) -> Result<(), Stop> {
    let reserved = reserved_for(root, subject);
    for function in missing.iter().filter(|function| root.function(**function).exists()) {
        let path = root.function(*function).join(Attribute::DriverOverride.file());
        attributes::write(&path, reserved)?;
        if let Some(driver) = functions::driver_of(root, *function)?.filter(|driver| driver != reserved) {
            let other = Finding::warning(id::BOUND_BY_ANOTHER_BEFORE, Subject::function(*function));
            findings.push(other.with("driver", driver).with("wanted", reserved));
            restore::unbind(root, *function)?;
        }
    }
    Ok(())
}

/// The driver that a function of the GPU gets that appears: none while the GPU is out of service.
pub(super) fn reserved_for(root: &Root, subject: &RecoverySubject) -> &'static str {
    let gpu = Identification::new(&subject.gpu(), None, None);
    let baseline = recovery_files::baseline(root, subject.device).ok().flatten();
    let gpu = Baseline::complete(gpu, baseline.as_ref());
    match quarantine::read(root).standing(&gpu).is_quarantined() {
        true => NOBODY,
        false => VFIO_PCI,
    }
}

fn probe(root: &Root, function: FunctionAddress) -> Result<(), Stop> {
    match functions::driver_of(root, function)? {
        Some(_) => Ok(()),
        None => Ok(attributes::write(
            &root.path("/sys/bus/pci/drivers_probe"),
            &function.to_string(),
        )?),
    }
}

/// Keeps drivers off functions that appear, where the kernel heeds that; returns true if it does. The note comes first:
/// whoever finds it undoes this.
fn hold_drivers(root: &Root) -> Result<bool, Stop> {
    let path = root.path(AUTOPROBE);
    if !is_heeded(root) || attributes::read(&path)? != "1" {
        return Ok(false);
    }
    let note = held(root);
    if let Some(directory) = note.parent() {
        std::fs::create_dir_all(directory).ok();
    }
    if std::fs::write(&note, "").is_err() {
        return Ok(false);
    }
    attributes::write(&path, "0")?;
    Ok(true)
}

/// Lets drivers bind by themselves again, if a scan of ours has kept them off.
pub(super) fn release_drivers(root: &Root) {
    let note = held(root);
    if note.exists() && attributes::write(&root.path(AUTOPROBE), "1").is_ok() {
        std::fs::remove_file(note).ok();
    }
}

fn held(root: &Root) -> PathBuf {
    root.path(HELD)
}

fn is_heeded(root: &Root) -> bool {
    let release = attributes::read(&root.path("/proc/sys/kernel/osrelease")).unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let version = numbers.next().zip(numbers.next());
    version.is_some_and(|version| version >= HEEDED_SINCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;
    use crate::model::subject::Member;

    const PORT: &str = "/sys/bus/pci/devices/0000:00:03.0";

    /// A root port and, below it, the place of a GPU that is not listed.
    fn machine(kernel: &str) -> (TestRoot, RecoverySubject) {
        let machine = TestRoot::new();
        for (file, text) in [
            ("vendor", "0x8086"),
            ("device", "0x352a"),
            ("class", "0x060400"),
            ("secondary_bus_number", "1"),
            ("subordinate_bus_number", "1"),
            ("rescan", ""),
        ] {
            machine.write(&format!("{PORT}/{file}"), text);
        }
        machine.write("/proc/sys/kernel/osrelease", kernel);
        machine.write(AUTOPROBE, "1\n");
        machine.write("/sys/bus/pci/drivers_probe", "");
        let member = Member {
            address: "0000:01:00.0".parse().unwrap(),
            identity: "10de:2489".parse().unwrap(),
            class: "030000".parse().unwrap(),
        };
        let subject = RecoverySubject {
            device: "0000:01:00".parse().unwrap(),
            function: member.address,
            members: vec![member],
            switch: Vec::new(),
            ports: vec!["0000:00:03.0".parse().unwrap()],
            card_root: Some("0000:00:03.0".parse().unwrap()),
        };
        (machine, subject)
    }

    fn with_slot(machine: &TestRoot, power: &str) {
        machine.write("/sys/bus/pci/slots/7/address", "0000:01:00\n");
        machine.write("/sys/bus/pci/slots/7/power", power);
    }

    #[test]
    fn nothing_is_scanned_below_a_slot_that_was_switched_off() {
        let (machine, subject) = machine("6.12.0");
        with_slot(&machine, "0\n");
        let stop = scan(&machine.root(), &subject, &mut Vec::new()).unwrap_err();
        assert_eq!(stop.findings[0].id, id::SLOT_SWITCHED_OFF);
        assert_eq!(stop.findings[0].evidence.get("slot"), Some("7"));
        assert_eq!(machine.read(&format!("{PORT}/rescan")), "");
        with_slot(&machine, "1\n");
        scan(&machine.root(), &subject, &mut Vec::new()).unwrap();
        assert_eq!(machine.read(&format!("{PORT}/rescan")), "1\n");
    }

    #[test]
    fn drivers_are_kept_off_only_where_the_kernel_heeds_it_and_never_for_longer() {
        for (kernel, heeds) in [
            ("6.1.0-50-amd64", false),
            ("6.18.9", false),
            ("6.19.0", true),
            ("7.3.4", true),
            ("7", false),
        ] {
            let (machine, _) = machine(kernel);
            let root = machine.root();
            hold_drivers(&root).unwrap();
            assert_eq!(machine.read(AUTOPROBE).trim() == "0", heeds, "{kernel}");
            assert_eq!(root.path(HELD).exists(), heeds);
            release_drivers(&root);
            assert_eq!(machine.read(AUTOPROBE).trim(), "1", "{kernel}");
            assert!(!root.path(HELD).exists());
        }
        // Switched off by somebody else, it stays off.
        let (machine, _) = machine("7.3.4");
        machine.write(AUTOPROBE, "0\n");
        hold_drivers(&machine.root()).unwrap();
        release_drivers(&machine.root());
        assert_eq!(machine.read(AUTOPROBE), "0\n");
    }

    #[test]
    fn drivers_that_were_kept_off_get_what_is_not_of_the_gpu() {
        for (kernel, probed) in [("6.12.0", ""), ("7.3.4", "0000:02:00.0")] {
            let (machine, mut subject) = machine(kernel);
            // A bridge of the card gets the kernel's port driver.
            subject.switch = vec!["0000:02:00.0".parse().unwrap()];
            let root = machine.root();
            without_drivers(&root, &subject, || {
                assert_eq!(machine.read(AUTOPROBE).trim() == "0", !probed.is_empty(), "{kernel}");
                for function in ["0000:01:00.0", "0000:02:00.0"] {
                    for (file, text) in [("vendor", "0x10de"), ("device", "0x2489"), ("class", "0x030000")] {
                        machine.write(&format!("/sys/bus/pci/devices/{function}/{file}"), text);
                    }
                }
                Ok(())
            })
            .unwrap();
            assert_eq!(machine.read("/sys/bus/pci/drivers_probe").trim(), probed, "{kernel}");
            assert_eq!(machine.read(AUTOPROBE).trim(), "1", "{kernel}");
        }
        // Also when nothing appears.
        let (machine, subject) = machine("7.3.4");
        let gone = Finding::error(id::NO_SLOT, Subject::gpu(subject.device));
        let failed = || Err(Stop::failed(Failure::Io, gone));
        without_drivers(&machine.root(), &subject, failed).unwrap_err();
        assert_eq!(machine.read(AUTOPROBE).trim(), "1");
    }

    #[test]
    fn what_appears_is_reserved_and_a_driver_that_came_first_is_named() {
        let (machine, subject) = machine("6.12.0");
        let function = "/sys/bus/pci/devices/0000:01:00.0";
        machine.write(&format!("{function}/driver_override"), "(null)\n");
        machine.write("/sys/bus/pci/drivers/nouveau/unbind", "");
        machine.link(&format!("{function}/driver"), "../../drivers/nouveau");
        let mut findings = Vec::new();
        reserve(&machine.root(), &subject, &subject.functions(), &mut findings).unwrap();
        assert_eq!(machine.read(&format!("{function}/driver_override")).trim(), "vfio-pci");
        assert_eq!(
            machine.read("/sys/bus/pci/drivers/nouveau/unbind").trim(),
            "0000:01:00.0"
        );
        assert_eq!(findings[0].id, id::BOUND_BY_ANOTHER_BEFORE);
    }

    #[test]
    fn what_is_out_of_service_is_reserved_for_nobody() {
        let (machine, subject) = machine("6.12.0");
        assert_eq!(reserved_for(&machine.root(), &subject), VFIO_PCI);
        machine.write("/var/lib/reseat/quarantine.json", "damaged");
        assert_eq!(reserved_for(&machine.root(), &subject), NOBODY);
    }
}
