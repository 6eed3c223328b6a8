//! The journal of a recovery: what has to be put back, before it is taken away.

use reseat_core::health as judged;
use reseat_core::recovery::Failure;

use super::trouble::Stop;
use super::{scan, vfio_registers};
use crate::claim::Attribute;
use crate::linux::state::recovery_files;
use crate::linux::survey::health;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::{Member, RecoverySubject};
use crate::recovery::{Before, Journal};

pub(super) fn read(root: &Root, subject: &RecoverySubject) -> Result<Journal, Stop> {
    let none = || Finding::error(id::NO_JOURNAL, Subject::gpu(subject.device));
    recovery_files::journal(root, subject.device)?.ok_or_else(|| Stop::failed(Failure::Other(0), none()))
}

/// Writes down each function as it is, unless an earlier rung has done so.
pub(super) fn write(root: &Root, subject: &RecoverySubject) -> Result<(), Stop> {
    let known = recovery_files::journal(root, subject.device)?;
    if known.is_some_and(|journal| journal.subject == *subject) {
        return Ok(());
    }
    let before = subject.members.iter().map(|member| before(root, subject, member));
    let mut journal = Journal::new(subject.clone(), before.collect::<Result<_, Stop>>()?);
    vfio_registers::hand_over(root, &mut journal, |journal| {
        Ok(recovery_files::write_journal(root, journal)?)
    })
}

fn before(root: &Root, subject: &RecoverySubject, member: &Member) -> Result<Before, Stop> {
    let directory = root.function(member.address);
    if !directory.exists() {
        return Ok(unlisted(root, subject, member));
    }
    let sizes = health::bar_bytes(root, member.address);
    let unread = || {
        let finding = Finding::error(id::BAR_SIZES_UNREADABLE, Subject::function(member.address));
        Stop::failed(Failure::Io, finding)
    };
    let driver_override = attributes::read_if_there(&directory.join(Attribute::DriverOverride.file()))?;
    Ok(Before {
        address: member.address,
        driver: functions::driver_of(root, member.address)?,
        iommu_group: attributes::link_name(&directory.join("iommu_group"))?,
        driver_override: driver_override.filter(|name| name != "(null)" && !name.is_empty()),
        reset_method: attributes::read_if_there(&directory.join("reset_method"))?,
        bar_sizes: sizes.ok_or_else(unread)?,
    })
}

/// A function that the kernel does not list: what cannot be read is as in the baseline, and it gets the driver of a function that
/// appears.
fn unlisted(root: &Root, subject: &RecoverySubject, member: &Member) -> Before {
    let baseline = recovery_files::baseline(root, subject.device).ok().flatten();
    let known = baseline.as_ref().and_then(|baseline| baseline.of(member));
    let bar_sizes = match known.map(|known| &known.observation.bar_sizes) {
        Some(judged::Reading::Value(exponents)) => exponents.map(|exponent| match exponent {
            0 => 0,
            exponent => 1_u64.checked_shl(exponent.into()).unwrap_or(0),
        }),
        _ => [0; 6],
    };
    Before {
        address: member.address,
        driver: None,
        iommu_group: None,
        driver_override: Some(scan::reserved_for(root, subject).to_owned()),
        reset_method: None,
        bar_sizes,
    }
}

pub(super) fn record_errors(root: &Root, subject: &RecoverySubject) -> Result<(), Stop> {
    let counted = subject.functions().into_iter().map(|function| {
        let errors = health::errors(root, function, &subject.ports, |_| judged::Counter::Continued);
        (function, errors)
    });
    let counted = counted.collect();
    note(root, subject, |journal| {
        (journal.errors, journal.removed) = (counted, false);
        (journal.witness.only, journal.witness.unspecified) = (None, false);
    })
}

/// Changes the journal, before what it speaks of is done.
pub(super) fn note(root: &Root, subject: &RecoverySubject, change: impl FnOnce(&mut Journal)) -> Result<(), Stop> {
    let mut journal = read(root, subject)?;
    change(&mut journal);
    Ok(recovery_files::write_journal(root, &journal)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::recover::isolate::tests::subject;
    use crate::linux::test_root::TestRoot;

    #[test]
    fn what_the_kernel_does_not_list_is_as_in_the_baseline() {
        let machine = TestRoot::new();
        let subject = subject();
        let before = before(&machine.root(), &subject, &subject.members[0]).unwrap();
        assert_eq!(before.driver_override.as_deref(), Some("vfio-pci"));
        assert_eq!(before.bar_sizes, [0; 6], "there is no baseline");
        // One that is listed and cannot be read is no reason to guess.
        let directory = "/sys/bus/pci/devices/0000:01:00.0";
        machine.write(&format!("{directory}/vendor"), "0x10de");
        super::before(&machine.root(), &subject, &subject.members[0]).unwrap_err();
    }
}
