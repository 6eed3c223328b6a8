//! The mark behind a BAR of the GPU itself: it shows that a reset has reached the device.

use std::thread;
use std::time::{Duration, Instant};

use reseat_core::address::FunctionAddress;
use reseat_core::health::NotRead;
use reseat_core::vendor::{BOOT_TIME, BarRegister, device_mark};
use reseat_core::witness::{BarMark, Trace};

use super::restore;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{drivers, functions, resources};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::{Member, RecoverySubject};
use crate::recovery::BarMarkOf;

/// `NV_PMC_BOOT_0`, which says which chip of NVIDIA's it is.
const BOOT_0: BarRegister = BarRegister { bar: 0, offset: 0 };
const PAUSE: Duration = Duration::from_millis(20);

/// The mark for the GPU's own function, with the value that it overwrites; `None` where its model has none, or where it cannot
/// be read. That it cannot be is reported.
pub(super) fn prepare(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Option<BarMarkOf> {
    let member = subject
        .members
        .iter()
        .find(|member| member.address == subject.function)?;
    match read_before(root, member) {
        Ok(mark) => Some(BarMarkOf {
            function: member.address,
            mark: mark?,
        }),
        Err(why) => {
            findings.push(missing(member.address, &why));
            None
        }
    }
}

fn read_before(root: &Root, member: &Member) -> Result<Option<BarMark>, NotRead> {
    // Of a model that has no mark, whatever it reads, nothing is read.
    let boot_0 = match device_mark(member.identity, member.class, Some(u32::MAX)) {
        None if member.identity.vendor != NVIDIA => return Ok(None),
        _ => read(root, member.address, BOOT_0)?,
    };
    match device_mark(member.identity, member.class, Some(boot_0)) {
        Some(row) => Ok(BarMark::new(row, read(root, member.address, row.register)?)),
        None => Ok(None),
    }
}

/// The vendor whose models have such a mark.
const NVIDIA: u16 = 0x10de;

/// Places the mark and reads it back. A register that does not keep it is none.
pub(super) fn place(root: &Root, prepared: BarMarkOf, findings: &mut Vec<Finding>) -> Option<BarMarkOf> {
    let BarMarkOf { function, mark } = prepared;
    let placed = resources::write(root, function, mark.register, mark.value())
        .and_then(|()| read(root, function, mark.register));
    match placed {
        Ok(now) if mark.trace(now) == Trace::Kept => Some(prepared),
        Ok(_) => {
            findings.push(missing(function, &"the register does not keep it"));
            None
        }
        Err(why) => {
            findings.push(missing(function, &why));
            None
        }
    }
}

pub(super) fn missing(function: FunctionAddress, why: &impl ToString) -> Finding {
    Finding::warning(id::NO_MARK_BEHIND_BAR, Subject::function(function)).with("cause", why.to_string())
}

/// What became of the mark. Until the firmware of the GPU has booted the register may not answer.
pub(super) fn trace(root: &Root, placed: BarMarkOf, findings: &mut Vec<Finding>) -> Trace {
    let BarMarkOf { function, mark } = placed;
    if functions::driver_of(root, function).is_ok_and(|driver| driver.is_none()) {
        restore::enable(root, function, findings);
    }
    let begin = Instant::now();
    loop {
        let trace = read(root, function, mark.register).map_or(Trace::Unclear, |now| mark.trace(now));
        if trace != Trace::Unclear || begin.elapsed() >= BOOT_TIME {
            return trace;
        }
        thread::sleep(PAUSE);
    }
}

/// Puts the value from before back.
pub(super) fn take_back(root: &Root, placed: BarMarkOf) -> Result<(), NotRead> {
    resources::write(root, placed.function, placed.mark.register, placed.mark.before)
}

/// Reads a register that no other driver works with.
fn read(root: &Root, function: FunctionAddress, register: BarRegister) -> Result<u32, NotRead> {
    match functions::driver_of(root, function) {
        Ok(None) => resources::read(root, function, register),
        Ok(Some(driver)) if drivers::is_vfio(root, &driver) => resources::read(root, function, register),
        Ok(Some(_)) => Err(NotRead::Forbidden),
        Err(_) => Err(NotRead::Failed),
    }
}

#[cfg(test)]
mod tests;
