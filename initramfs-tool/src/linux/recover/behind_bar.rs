//! Marks behind the BARs of a GPU and of the controllers beside it: they show that a reset has reached the device.

use std::thread;
use std::time::{Duration, Instant};

use reseat_core::address::FunctionAddress;
use reseat_core::header::Common;
use reseat_core::health::NotRead;
use reseat_core::vendor::{BOOT_TIME, BarRegister, controller_mark, device_mark};
use reseat_core::witness::{BarMark, Trace};

use super::restore;
use crate::linux::sysfs::config_space::ConfigFile;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{drivers, functions, resources};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::{Member, RecoverySubject};
use crate::recovery::BarMarkOf;

/// `NV_PMC_BOOT_0`, which says which chip of NVIDIA's it is.
const BOOT_0: BarRegister = BarRegister { bar: 0, offset: 0 };
const PAUSE: Duration = Duration::from_millis(20);
/// The time that a register may take to show what was written: Linux waits so long for HD audio to leave its reset.
const WRITE_TIME: Duration = Duration::from_millis(100);

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

/// The mark for a controller beside the GPU, with the value that it overwrites; `None` where no mark is known for it, or where
/// its register cannot be read. That it cannot be is reported.
pub(super) fn prepare_controller(root: &Root, member: &Member, findings: &mut Vec<Finding>) -> Option<BarMarkOf> {
    let function = member.address;
    let row = controller_mark(member.identity, member.class)?;
    if !decodes(root, function, findings) {
        findings.push(missing(function, &"its memory decode is off"));
        return None;
    }
    match row.prepare(|register| read(root, function, register)) {
        Ok(mark) => Some(BarMarkOf { function, mark: mark? }),
        Err(why) => {
            findings.push(missing(function, &why));
            None
        }
    }
}

/// True if a mark behind a BAR of this controller may show a reset. Nothing is written, and nothing read behind the BAR.
pub(super) fn may_show(root: &Root, member: &Member) -> bool {
    let is_ours = || match functions::driver_of(root, member.address) {
        Ok(None) => true,
        Ok(Some(driver)) => drivers::is_vfio(root, &driver) && memory_space(root, member.address) == Some(true),
        Err(_) => false,
    };
    controller_mark(member.identity, member.class).is_some() && is_ours()
}

/// True if a function answers behind its BARs. The decode of one without a driver is switched on for it.
fn decodes(root: &Root, function: FunctionAddress, findings: &mut Vec<Finding>) -> bool {
    let has_none = || functions::driver_of(root, function).is_ok_and(|driver| driver.is_none());
    if memory_space(root, function) == Some(false) && has_none() {
        restore::enable(root, function, findings);
    }
    memory_space(root, function) == Some(true)
}

/// Memory Space Enable; `None` where the function does not answer.
fn memory_space(root: &Root, function: FunctionAddress) -> Option<bool> {
    let common = Common::read(ConfigFile::open(root, function).ok()?).ok()?;
    Some(common.command.memory_space())
}

/// Places the mark and reads it back. A register that does not keep it is none.
pub(super) fn place(root: &Root, prepared: BarMarkOf, findings: &mut Vec<Finding>) -> Option<BarMarkOf> {
    let BarMarkOf { function, mark } = prepared;
    let written = match mark.value() == mark.before {
        true => Ok(()),
        false => resources::write(root, function, mark.register, mark.value()),
    };
    let placed = written.and_then(|()| read_back(root, prepared));
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

/// Reads the register until it has the mark, as long as it may take.
fn read_back(root: &Root, BarMarkOf { function, mark }: BarMarkOf) -> Result<u32, NotRead> {
    let begin = Instant::now();
    loop {
        let now = read(root, function, mark.register)?;
        if mark.trace(now) == Trace::Kept || begin.elapsed() >= WRITE_TIME {
            return Ok(now);
        }
        thread::sleep(PAUSE);
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

/// What became of the mark of a controller. One that another driver has, or that does not answer, shows nothing.
pub(super) fn trace_controller(root: &Root, placed: BarMarkOf, findings: &mut Vec<Finding>) -> Trace {
    let BarMarkOf { function, mark } = placed;
    if !decodes(root, function, findings) {
        return Trace::Unclear;
    }
    read(root, function, mark.register).map_or(Trace::Unclear, |now| mark.trace(now))
}

/// Puts the value from before back.
pub(super) fn take_back(root: &Root, placed: BarMarkOf) -> Result<(), NotRead> {
    let BarMarkOf { function, mark } = placed;
    match mark.value() == mark.before {
        true => Ok(()),
        false => resources::write(root, function, mark.register, mark.before),
    }
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
