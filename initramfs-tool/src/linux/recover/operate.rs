//! One step of the ladder, taken.

use reseat_core::decision::Exclusivity;
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::recovery::{Failure, Observation};
use reseat_core::topology::Fabric;

use super::remove::CardRoot;
use super::trouble::Stop;
use super::{examine, flr, journal, own_means, reset, restore, scan, survey, users, witness};
use crate::linux::claim::flr_kept_out;
use crate::linux::survey::{admission, machine};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::RecoverySubject;
use crate::recovery::LadderStep;

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
        LadderStep::CheckUse => Ok(Observation::Use(users::in_use(root, subject, findings))),
        LadderStep::CheckDomain => Ok(Observation::Domain(domain(root, subject, findings))),
        LadderStep::ReadLink => Ok(Observation::Link(link(root, subject))),
        LadderStep::LookAtFunctions => readiness(root, subject, findings).map(Observation::Functions),
        LadderStep::Wake => restore::wake(root, subject).map(done),
        LadderStep::Unbind => subject
            .functions()
            .into_iter()
            .try_for_each(|function| restore::unbind(root, function))
            .map(done),
        LadderStep::Mark => witness::mark(root, subject, findings).map(Observation::Marked),
        LadderStep::ReadMarks => witness::read(root, subject, findings).map(Observation::Witnessed),
        LadderStep::KernelFlr => flr::every_function(root, subject, findings).map(done),
        LadderStep::KernelPm => {
            flr::only(root, subject, vec![subject.function])?;
            reset::function(root, subject.function, reset::PM, findings).map(done)
        }
        LadderStep::BusResetInPlace => CardRoot::of(root, subject)?.reset_in_place(root, subject).map(done),
        LadderStep::DeviceSpecific => own_means::device_specific(root, subject, findings).map(done),
        LadderStep::Acpi => own_means::acpi(root, subject, findings).map(done),
        LadderStep::Journal => journal::write(root, subject).map(done),
        LadderStep::RecordErrors => journal::record_errors(root, subject).map(done),
        LadderStep::RemoveBelowCardRoot => {
            journal::note(root, subject, |journal| journal.removed = true)?;
            CardRoot::of(root, subject)?.remove_below(root, subject).map(done)
        }
        LadderStep::ResetEmptyBus => CardRoot::of(root, subject)?.reset_empty_bus(root).map(done),
        LadderStep::Rescan => {
            journal::note(root, subject, |journal| {
                journal.scanned_ms = Some(restore::since_start_ms());
            })?;
            let card = CardRoot::of(root, subject)?;
            scan::without_drivers(root, subject, || card.rescan(root)).map(done)
        }
        LadderStep::RestoreBarSizes => restore::bar_sizes(root, &journal::read(root, subject)?, findings).map(done),
        LadderStep::RestoreOverride => {
            let restored = restore::overrides(root, &journal::read(root, subject)?, findings);
            keep_flr_out(root, subject);
            restored.map(done)
        }
        LadderStep::Claim => {
            keep_flr_out(root, subject);
            restore::drivers(root, &journal::read(root, subject)?, findings).map(done)
        }
        LadderStep::PinD0 => restore::pin(root, &journal::read(root, subject)?).map(done),
        LadderStep::PowerOff => {
            journal::note(root, subject, |journal| {
                (journal.removed, journal.powered_off) = (true, true);
            })?;
            CardRoot::of(root, subject)?.switch_power(root, "0").map(done)
        }
        LadderStep::PowerOn => {
            let card = CardRoot::of(root, subject)?;
            scan::without_drivers(root, subject, || card.switch_power(root, "1"))?;
            journal::note(root, subject, |journal| journal.powered_off = false).map(done)
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

/// Keeps FLR out of the kernel's resets before a driver, and so a VM, may have the GPU. The end of the recovery does it once more,
/// and reports what came of it.
fn keep_flr_out(root: &Root, subject: &RecoverySubject) {
    drop(flr_kept_out::apply(root, subject.device));
}

/// Surveys again who is below the card root.
fn domain(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Exclusivity {
    match survey::of(root, subject.device, &subject.members) {
        Ok(surveyed) => {
            let strangers = surveyed.bystanders.iter();
            findings.extend(strangers.map(|stranger| Finding::warning(id::WOULD_BE_HIT, Subject::function(*stranger))));
            match surveyed.surroundings.fabric {
                Fabric::Unknown => {
                    findings.extend(surveyed.findings);
                    Exclusivity::Unknown
                }
                Fabric::None | Fabric::Peers => surveyed.surroundings.exclusivity,
            }
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
