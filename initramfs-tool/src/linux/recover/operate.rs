//! One step of the ladder, taken.

use reseat_core::decision::{Exclusivity, Use};
use reseat_core::health as judged;
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::recovery::{Failure, Observation};

use super::remove::CardRoot;
use super::trouble::Stop;
use super::{examine, reset, restore, survey, vfio_registers};
use crate::claim::Attribute;
use crate::linux::state::recovery_files;
use crate::linux::survey::{admission, health, machine, usage};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::{Member, RecoverySubject};
use crate::model::usage::{Usage, User};
use crate::recovery::{Before, Journal, LadderStep};

/// Takes a step.
pub(super) fn operate(root: &Root, step: LadderStep, subject: &RecoverySubject) -> (Observation, Vec<Finding>) {
    let mut findings = Vec::new();
    let observation = perform(root, step, subject, &mut findings).unwrap_or_else(|stop| {
        findings.extend(stop.findings);
        stop.observation
    });
    (observation, findings)
}

fn perform(
    root: &Root,
    step: LadderStep,
    subject: &RecoverySubject,
    findings: &mut Vec<Finding>,
) -> Result<Observation, Stop> {
    let done = |()| Observation::Done;
    match step {
        LadderStep::CheckUse => Ok(Observation::Use(in_use(root, subject, findings))),
        LadderStep::CheckDomain => Ok(Observation::Domain(domain(root, subject, findings))),
        LadderStep::ReadLink => Ok(Observation::Link(link(root, subject))),
        LadderStep::LookAtFunctions => readiness(root, subject, findings).map(Observation::Functions),
        LadderStep::Wake => restore::wake(root, subject).map(done),
        LadderStep::Unbind => subject
            .functions()
            .into_iter()
            .try_for_each(|function| restore::unbind(root, function))
            .map(done),
        LadderStep::KernelFlr => reset::function(root, subject.function, reset::FLR, findings).map(done),
        LadderStep::KernelPm => reset::function(root, subject.function, reset::PM, findings).map(done),
        LadderStep::Journal => write_journal(root, subject).map(done),
        LadderStep::RecordErrors => record_errors(root, subject).map(done),
        LadderStep::RemoveBelowCardRoot => {
            note(root, subject, |journal| journal.removed = true)?;
            CardRoot::of(root, subject)?.remove_below(root, subject).map(done)
        }
        LadderStep::ResetEmptyBus => CardRoot::of(root, subject)?.reset_empty_bus(root).map(done),
        LadderStep::Rescan => {
            note(root, subject, |journal| {
                journal.scanned_ms = Some(restore::since_start_ms());
            })?;
            CardRoot::of(root, subject)?.rescan(root).map(done)
        }
        LadderStep::RestoreBarSizes => restore::bar_sizes(root, &journal(root, subject)?, findings).map(done),
        LadderStep::RestoreOverride => restore::overrides(root, &journal(root, subject)?, findings).map(done),
        LadderStep::Claim => restore::drivers(root, &journal(root, subject)?, findings).map(done),
        LadderStep::PinD0 => restore::pin(root, &journal(root, subject)?).map(done),
        LadderStep::PowerOff => {
            note(root, subject, |journal| {
                (journal.removed, journal.powered_off) = (true, true);
            })?;
            CardRoot::of(root, subject)?.switch_power(root, "0").map(done)
        }
        LadderStep::PowerOn => {
            CardRoot::of(root, subject)?.switch_power(root, "1")?;
            note(root, subject, |journal| journal.powered_off = false).map(done)
        }
        // The rule asks for it where one is configured, which cannot be said yet.
        LadderStep::CyclePower => {
            let finding = Finding::error(id::NO_BMC, Subject::gpu(subject.device));
            Err(Stop::failed(Failure::NotSupported, finding))
        }
        LadderStep::Verify => {
            let examined = examine::verify(root, subject)?;
            findings.extend(examined.findings);
            Ok(Observation::Health(examined.verdict))
        }
    }
}

/// Looks for users of the functions of the GPU that are there: one that is removed has no user.
pub(super) fn in_use(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Use {
    let mut here = subject.functions();
    here.retain(|function| root.function(*function).exists());
    if here.is_empty() {
        return Use::Free;
    }
    let usage = usage::of(root, &here);
    findings.extend(usage.findings());
    Use::from(&usage)
}

/// The users for whom the kernel may have to wait, forever, before it takes the GPU from its drivers.
pub(super) fn holders(root: &Root, subject: &RecoverySubject) -> Vec<Finding> {
    let mut here = subject.functions();
    here.retain(|function| root.function(*function).exists());
    match usage::of(root, &here) {
        Usage::Used(mut users) => {
            users.retain(User::may_hold_up_unbind);
            users.iter().map(User::finding).collect()
        }
        Usage::Free | Usage::Unknown(_) => Vec::new(),
    }
}

/// Surveys again who is below the card root.
fn domain(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Exclusivity {
    match survey::of(root, subject.device, &subject.members) {
        Ok(surveyed) => {
            let strangers = surveyed.bystanders.iter();
            findings.extend(strangers.map(|stranger| Finding::warning(id::WOULD_BE_HIT, Subject::function(*stranger))));
            surveyed.surroundings.exclusivity
        }
        Err(problem) => {
            findings.push(problem);
            Exclusivity::Unknown
        }
    }
}

/// The link that has to be active for the functions to be reached: the port's directly above, or of a card whose own
/// switch is not there, the card root's.
fn link(root: &Root, subject: &RecoverySubject) -> PortLink {
    let there = subject.ports.iter().take_while(|port| root.function(**port).exists());
    let there: Vec<_> = there.copied().collect();
    if there.is_empty() && !subject.ports.is_empty() {
        return PortLink::Unreadable;
    }
    admission::link_below(root, &there)
}

/// The readiness of all functions together. One that the kernel does not list is absent.
fn readiness(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Result<Readiness, Stop> {
    let rrs = machine::rrs_visibility(root, subject.ports.first().copied());
    let mut together: Option<Readiness> = None;
    for function in subject.functions() {
        let readiness = if root.function(function).exists() {
            match admission::admission(root, &subject.ports) {
                Ok(admission) => machine::readiness(root, function, admission, rrs)
                    .map_err(|error| Stop::of_config(function, &error))?,
                Err(readiness) => readiness,
            }
        } else {
            Readiness::Absent
        };
        if !matches!(readiness, Readiness::Ready(_)) {
            let finding = Finding::warning(id::NOT_READY, Subject::function(function));
            findings.push(finding.with("readiness", readiness));
        }
        together = Some(together.map_or(readiness, |together| together.and(readiness)));
    }
    let none = || Finding::error(id::NO_FUNCTIONS, Subject::gpu(subject.device));
    together.ok_or_else(|| Stop::failed(Failure::Other(0), none()))
}

pub(super) fn journal(root: &Root, subject: &RecoverySubject) -> Result<Journal, Stop> {
    let none = || Finding::error(id::NO_JOURNAL, Subject::gpu(subject.device));
    recovery_files::journal(root, subject.device)?.ok_or_else(|| Stop::failed(Failure::Other(0), none()))
}

/// Writes down each function as it is, unless an earlier rung has done so.
fn write_journal(root: &Root, subject: &RecoverySubject) -> Result<(), Stop> {
    let known = recovery_files::journal(root, subject.device)?;
    if known.is_some_and(|journal| journal.subject == *subject) {
        return Ok(());
    }
    let before = subject.members.iter().map(|member| before(root, member));
    let mut journal = Journal::new(subject.clone(), before.collect::<Result<_, Stop>>()?);
    vfio_registers::hand_over(root, &mut journal, |journal| {
        Ok(recovery_files::write_journal(root, journal)?)
    })
}

fn before(root: &Root, member: &Member) -> Result<Before, Stop> {
    let directory = root.function(member.address);
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

fn record_errors(root: &Root, subject: &RecoverySubject) -> Result<(), Stop> {
    let counted = subject.functions().into_iter().map(|function| {
        let errors = health::errors(root, function, &subject.ports, |_| judged::Counter::Continued);
        (function, errors)
    });
    let counted = counted.collect();
    note(root, subject, |journal| {
        (journal.errors, journal.removed) = (counted, false);
    })
}

/// Changes the journal, before what it speaks of is done.
fn note(root: &Root, subject: &RecoverySubject, change: impl FnOnce(&mut Journal)) -> Result<(), Stop> {
    let mut journal = journal(root, subject)?;
    change(&mut journal);
    Ok(recovery_files::write_journal(root, &journal)?)
}
