//! One step of the ladder, taken.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::decision::{Availability, Exclusivity, Surroundings, Tdi, Use};
use reseat_core::health::{self as judged, Errors, Reading, Verdict};
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::recovery::{Failure, Observation};
use reseat_core::topology::Place;
use reseat_core::topology::function::Function;

use super::remove::CardRoot;
use super::trouble::Stop;
use super::{reset, restore, vfio_registers};
use crate::claim::{Attribute, NOBODY};
use crate::linux::state::recovery_files;
use crate::linux::survey::health::Patience;
use crate::linux::survey::machine::Survey;
use crate::linux::survey::{admission, health, machine, usage};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::usage::{Usage, User};
use crate::recovery::{Before, Examined, FunctionBaseline, Journal, Means, Member, Step, Subject, Surveyed};

/// Takes a step, and says what there is to say.
pub(super) fn operate(root: &Root, step: Step, subject: &Subject) -> (Observation, Vec<String>) {
    let mut words = Vec::new();
    let observation = perform(root, step, subject, &mut words).unwrap_or_else(|stop| {
        words.push(stop.words);
        stop.observation
    });
    (observation, words)
}

fn perform(root: &Root, step: Step, subject: &Subject, words: &mut Vec<String>) -> Result<Observation, Stop> {
    let done = |()| Observation::Done;
    match step {
        Step::CheckUse => Ok(Observation::Use(in_use(root, subject, words))),
        Step::CheckDomain => Ok(Observation::Domain(domain(root, subject, words))),
        Step::ReadLink => Ok(Observation::Link(link(root, subject))),
        Step::LookAtFunctions => look(root, subject, words).map(Observation::Functions),
        Step::Wake => restore::wake(root, subject).map(done),
        Step::Unbind => subject
            .functions()
            .into_iter()
            .try_for_each(|function| restore::unbind(root, function))
            .map(done),
        Step::KernelFlr => reset::function(root, subject.function, reset::FLR, words).map(done),
        Step::KernelPm => reset::function(root, subject.function, reset::PM, words).map(done),
        Step::Journal => write_journal(root, subject).map(done),
        Step::RecordErrors => record_errors(root, subject).map(done),
        Step::RemoveBelowCardRoot => {
            note(root, subject, |journal| journal.removed = true)?;
            CardRoot::of(root, subject)?.remove_below(root, subject).map(done)
        }
        Step::ResetEmptyBus => CardRoot::of(root, subject)?.reset_empty_bus(root).map(done),
        Step::Rescan => {
            note(root, subject, |journal| {
                journal.scanned_ms = Some(restore::since_start_ms());
            })?;
            CardRoot::of(root, subject)?.rescan(root).map(done)
        }
        Step::RestoreBarSizes => restore::bar_sizes(root, &journal(root, subject)?, words).map(done),
        Step::RestoreOverride => restore::overrides(root, &journal(root, subject)?, words).map(done),
        Step::Claim => restore::drivers(root, &journal(root, subject)?, words).map(done),
        Step::PinD0 => restore::pin(root, &journal(root, subject)?).map(done),
        Step::PowerOff => {
            note(root, subject, |journal| {
                (journal.removed, journal.powered_off) = (true, true);
            })?;
            CardRoot::of(root, subject)?.switch_power(root, "0").map(done)
        }
        Step::PowerOn => {
            CardRoot::of(root, subject)?.switch_power(root, "1")?;
            note(root, subject, |journal| journal.powered_off = false).map(done)
        }
        // The rule asks for it where one is configured, which cannot be said yet.
        Step::CyclePower => Err(Stop::failed(Failure::NotSupported, "no BMC is configured")),
        Step::Verify => {
            let examined = verify(root, subject)?;
            words.extend(examined.words);
            Ok(Observation::Health(examined.verdict))
        }
    }
}

/// Whether anybody uses a function of the GPU that is there: one that is removed has no user.
fn in_use(root: &Root, subject: &Subject, words: &mut Vec<String>) -> Use {
    let mut here = subject.functions();
    here.retain(|function| root.function(*function).exists());
    if here.is_empty() {
        return Use::Free;
    }
    let usage = usage::of(root, &here);
    match &usage {
        Usage::Free => {}
        Usage::Used(users) => words.extend(users.iter().map(ToString::to_string)),
        Usage::Unknown(obstacles) => words.extend(obstacles.iter().cloned()),
    }
    Use::from(&usage)
}

/// For whom the kernel may have to wait, for ever, before it takes the GPU from its drivers.
pub(super) fn holders(root: &Root, subject: &Subject) -> Vec<String> {
    let mut here = subject.functions();
    here.retain(|function| root.function(*function).exists());
    match usage::of(root, &here) {
        Usage::Used(mut users) => {
            users.retain(User::may_hold_up_unbind);
            users.iter().map(ToString::to_string).collect()
        }
        Usage::Free | Usage::Unknown(_) => Vec::new(),
    }
}

/// Looks anew at who is below the card root.
fn domain(root: &Root, subject: &Subject, words: &mut Vec<String>) -> Exclusivity {
    match survey_of(root, subject.device, &subject.members) {
        Ok(surveyed) => {
            let strangers = surveyed.bystanders.iter();
            words.extend(strangers.map(|stranger| format!("{stranger} would be hit as well")));
            surveyed.surroundings.exclusivity
        }
        Err(problem) => {
            words.push(problem);
            Exclusivity::Unknown
        }
    }
}

/// The machine around the GPU at `device`. Of its functions, `known` are absent where the kernel does not list them.
///
/// # Errors
/// In words: when it is not there or is no GPU.
pub(super) fn survey_of(root: &Root, device: DeviceAddress, known: &[Member]) -> Result<Surveyed, String> {
    let mut survey = Survey::around(root, device, known).map_err(|error| error.to_string())?;
    let words = survey.problems.clone();
    let topology = survey.topology().map_err(|error| error.to_string())?;
    let of_device = topology
        .places()
        .find(|place| place.address().device_address() == device);
    let place = of_device.ok_or_else(|| format!("no function is at {device}"))?;
    let subject = Subject::at(place).ok_or_else(|| format!("{device} is no GPU: none of its functions is one"))?;
    let place = topology
        .find(subject.function)
        .ok_or_else(|| format!("no function is at {}", subject.function))?;
    let ours = |function: &Function| subject.has(function.address);
    let mut surroundings = Surroundings::of(place, ours);
    // Nothing is removed for a reset that this kernel does not know.
    let can_reset = |port: FunctionAddress| root.function(port).join("reset_subordinate").exists();
    if !subject.card_root.is_some_and(can_reset) {
        surroundings.secondary_bus_reset = Availability::Unavailable;
    }
    let below = place.card_root().into_iter().flat_map(Place::below);
    let bystanders = below.map(Place::address).filter(|address| !subject.has(*address));
    let bystanders = bystanders.collect();
    Ok(Surveyed {
        tdi: tdi(root, &subject),
        surroundings,
        bystanders,
        words,
        subject,
    })
}

/// Whether a function is bound to a confidential VM, as kernels say that have device security. What cannot be read is.
fn tdi(root: &Root, subject: &Subject) -> Tdi {
    let is_free = |function: &FunctionAddress| {
        let bound = attributes::read_if_there(&root.function(*function).join("tsm/bound"));
        bound.is_ok_and(|bound| bound.is_none_or(|by| by.is_empty()))
    };
    match subject.functions().iter().all(is_free) {
        true => Tdi::Unlocked,
        false => Tdi::Locked,
    }
}

/// The link that has to be active for the functions to be reached: the port's directly above, or of a card whose own
/// switch is not there, the card root's.
fn link(root: &Root, subject: &Subject) -> PortLink {
    let there = subject.ports.iter().take_while(|port| root.function(**port).exists());
    let there: Vec<_> = there.copied().collect();
    if there.is_empty() && !subject.ports.is_empty() {
        return PortLink::Unreadable;
    }
    admission::link_below(root, &there)
}

/// The readiness of all functions together. One that the kernel does not list is absent.
fn look(root: &Root, subject: &Subject, words: &mut Vec<String>) -> Result<Readiness, Stop> {
    let rrs = machine::rrs_visibility(root, subject.ports.first().copied());
    let mut together: Option<Readiness> = None;
    for function in subject.functions() {
        let readiness = if root.function(function).exists() {
            match admission::admission(root, &subject.ports) {
                Ok(admission) => machine::readiness(root, function, admission, rrs)
                    .map_err(|problem| Stop::failed(Failure::Io, problem))?,
                Err(readiness) => readiness,
            }
        } else {
            Readiness::Absent
        };
        if !matches!(readiness, Readiness::Ready(_)) {
            words.push(format!("{function}: {readiness}"));
        }
        together = Some(together.map_or(readiness, |together| together.and(readiness)));
    }
    together.ok_or_else(|| Stop::failed(Failure::Other(0), "the GPU has no functions"))
}

fn journal(root: &Root, subject: &Subject) -> Result<Journal, Stop> {
    match recovery_files::journal(root, subject.device) {
        Ok(Some(journal)) => Ok(journal),
        Ok(None) => Err(Stop::failed(Failure::Other(0), "there is no journal")),
        Err(error) => Err(Stop::failed(Failure::Io, error.to_string())),
    }
}

/// Writes down each function as it is, unless an earlier rung has done so.
fn write_journal(root: &Root, subject: &Subject) -> Result<(), Stop> {
    let known =
        recovery_files::journal(root, subject.device).map_err(|error| Stop::failed(Failure::Io, error.to_string()))?;
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
        Stop::failed(
            Failure::Io,
            format!("the BAR sizes of {} cannot be read", member.address),
        )
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

fn record_errors(root: &Root, subject: &Subject) -> Result<(), Stop> {
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
fn note(root: &Root, subject: &Subject, change: impl FnOnce(&mut Journal)) -> Result<(), Stop> {
    let mut journal = journal(root, subject)?;
    change(&mut journal);
    Ok(recovery_files::write_journal(root, &journal)?)
}

/// Holds every function against its baseline, its errors against those from just before the reset.
fn verify(root: &Root, subject: &Subject) -> Result<Examined, Stop> {
    let journal = journal(root, subject)?;
    let before = |member: &Member, _: &judged::Condition| journal.errors_of(member.address);
    let counter = |at| journal.counter(at);
    let how = (Patience::ForBoot, Means::OrVfio);
    examine_by(root, subject, before, counter, how).map_err(|problem| Stop::failed(Failure::Io, problem))
}

/// Holds every function against its baseline as it is found, its errors against the baseline's.
pub(super) fn examine(root: &Root, subject: &Subject, means: Means) -> Result<Examined, String> {
    let before = |_: &Member, baseline: &judged::Condition| baseline.errors.clone();
    let how = (Patience::None, means);
    examine_by(root, subject, before, |_| judged::Counter::Continued, how)
}

fn examine_by(
    root: &Root,
    subject: &Subject,
    before: impl Fn(&Member, &judged::Condition) -> Reading<Errors>,
    counter: impl Fn(FunctionAddress) -> judged::Counter,
    (patience, means): (Patience, Means),
) -> Result<Examined, String> {
    if subject.members.is_empty() {
        return Err(format!("{} has no functions to be verified", subject.device));
    }
    let baseline = recovery_files::baseline(root, subject.device).map_err(|error| error.to_string())?;
    let mut verdict = Verdict::Verified;
    let mut words = Vec::new();
    if baseline.is_none() {
        words.push("there is no baseline: `reseat baseline save` records one of a GPU that is well".to_owned());
    }
    for member in &subject.members {
        let known = baseline.as_ref().and_then(|baseline| baseline.of(member));
        let known = known.map_or_else(judged::Condition::unread, |known| known.observation.clone());
        let mut now = health::observe(root, subject, member, &counter, patience);
        if means == Means::OrVfio {
            vfio_registers::complete(root, subject, member, &mut now, patience, &mut words);
        }
        let examination = judged::judge(&known, &before(member, &known), &now);
        let findings = examination
            .findings
            .iter()
            .map(|finding| format!("{}: {finding}", member.address));
        words.extend(findings);
        if !examination.missing.is_empty() {
            words.push(format!("{}: not compared: {}", member.address, examination.missing));
        }
        verdict = verdict.and(examination.verdict());
    }
    Ok(Examined { verdict, words })
}

/// Reads all that a baseline holds. Nobody has looked yet whether the GPU is used.
pub(super) fn observe(root: &Root, subject: &Subject, means: Means) -> (Vec<FunctionBaseline>, Vec<String>) {
    let mut words = Vec::new();
    let observed = subject.members.iter().map(|member| {
        let patience = Patience::None;
        let mut now = health::observe(root, subject, member, |_| judged::Counter::Continued, patience);
        let is_wanted = means == Means::OrVfio && vfio_registers::is_wanted(&now);
        if is_wanted && in_use(root, subject, &mut words) == Use::Free {
            vfio_registers::complete(root, subject, member, &mut now, patience, &mut words);
        }
        FunctionBaseline {
            address: member.address,
            identity: member.identity,
            class: member.class,
            observation: now,
        }
    });
    let observed = observed.collect();
    (observed, words)
}

/// Takes the GPU from everybody, for as long as it has its override: no driver is to have it. One that somebody uses is
/// left with its user.
pub(super) fn isolate(root: &Root, subject: &Subject) -> (Observation, Vec<String>) {
    let mut words = Vec::new();
    let isolated = (|| {
        if is_isolated(root, subject)? {
            return Ok(());
        }
        if in_use(root, subject, &mut words) != Use::Free {
            return Err(Stop::failed(Failure::Busy, "it is in use, and is left with its user"));
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
            Some(format!("{function} is still on {driver}"))
        });
        bound.map_or(Ok(()), |words| Err(Stop::failed(Failure::Other(0), words)))
    })();
    match isolated {
        Ok(()) => (Observation::Done, words),
        Err(stop) => {
            words.push(stop.words);
            (stop.observation, words)
        }
    }
}

/// Whether no driver has any of it, nor can get it.
fn is_isolated(root: &Root, subject: &Subject) -> Result<bool, Stop> {
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
pub(super) fn release(root: &Root, subject: &Subject) -> Result<(), String> {
    for function in subject.functions() {
        let path = root.function(function).join(Attribute::DriverOverride.file());
        let now = attributes::read_if_there(&path).map_err(|error| error.to_string())?;
        if now.as_deref() == Some(NOBODY) {
            attributes::write(&path, "").map_err(|error| error.to_string())?;
            // That none wants it is no error; the kernel says the same either way.
            attributes::write(&root.path("/sys/bus/pci/drivers_probe"), &function.to_string())
                .map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
