//! The GPUs that a rule selects.

use std::fmt;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity, is_gpu};

use super::PlanInputs;
use crate::model::finding::{Finding, Subject, SubjectKind, id};
use crate::model::inventory::{self, Detail, Function, Gpu, Serial};
use crate::rules::{Choice, Rule, Selector, SelectorError, Term};

/// The reason why a rule selected nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// Its selector is invalid.
    Unreadable(SelectorError),
    /// No function has this address.
    NoFunction {
        /// The address in the rule.
        address: FunctionAddress,
        /// The functions of the GPUs that exist.
        found: Vec<FunctionAddress>,
    },
    /// The function at the rule's address has another ID than the rule requires: a card was moved or replaced.
    GuardFailed {
        /// The address in the rule.
        address: FunctionAddress,
        /// The ID that the rule requires.
        expected: Term,
        /// The ID that was found, if it is known.
        found: Option<Term>,
    },
    /// GPUs match the first selectors, but none matches this one.
    NoneOf {
        /// The GPUs that match the first selectors.
        gpus: Vec<DeviceAddress>,
        /// The selector that none matches.
        expected: Term,
    },
    /// The function is not part of a GPU.
    NotAGpu {
        /// The address of the function.
        address: FunctionAddress,
        /// The class of the function.
        class: ClassCode,
    },
    /// The function is a virtual function.
    Virtual(FunctionAddress),
    /// The function exists and cannot be read.
    CannotRead {
        /// The address of the function.
        address: FunctionAddress,
        /// The reason.
        problem: Box<Finding>,
    },
    /// A serial number was not found, and another one could not be read.
    SerialUnread {
        /// The requested serial number.
        expected: Term,
        /// The function whose number could not be read, and the reason.
        problem: Box<Finding>,
    },
    /// No GPU has a function with this vendor:device ID.
    NoIdentity(Identity),
    /// No GPU matches this selector.
    NoGpuWith {
        /// The requested selector.
        expected: Term,
        /// The values of that kind that exist.
        found: Vec<Term>,
    },
    /// The machine has no GPU.
    NoGpu,
    /// The rule excludes one GPU that cannot be identified now.
    CannotLeaveOut {
        /// The exclusion.
        not: Box<Choice>,
        /// The reason why it identifies none.
        why: Box<Nothing>,
    },
    /// The rule excludes everything that it selects.
    AllLeftOut(Box<Choice>),
}

/// Returns the GPUs that a rule selects, without its exclusions.
pub(super) fn of_rule(rule: &Rule, machine: PlanInputs<'_>, gpus: &[Gpu]) -> Result<Vec<DeviceAddress>, Nothing> {
    let mut chosen = of_choice(&rule.choice, machine, gpus)?;
    if let Some(error) = rule.named_peers.iter().find_map(|peer| peer.selector.as_ref().err()) {
        return Err(Nothing::Unreadable(error.clone()));
    }
    for not in &rule.not {
        let left_out = left_out_by(not, machine, gpus).map_err(|why| Nothing::CannotLeaveOut {
            not: Box::new(not.clone()),
            why: Box::new(why),
        })?;
        chosen.retain(|device| !left_out.contains(device));
        if chosen.is_empty() {
            return Err(Nothing::AllLeftOut(Box::new(not.clone())));
        }
    }
    match without_the_gpu(rule, &chosen, gpus) {
        Some(nothing) => Err(nothing),
        None => Ok(chosen),
    }
}

/// Refuses a rule that names functions of a GPU without the GPU itself.
fn without_the_gpu(rule: &Rule, chosen: &[DeviceAddress], gpus: &[Gpu]) -> Option<Nothing> {
    let set = rule.functions?;
    let mut gpus = gpus.iter().filter(|gpu| chosen.contains(&gpu.device));
    gpus.find_map(|gpu| {
        let mut named = gpu.functions.iter().filter(|function| set.has(function.address));
        let first = gpu.functions.first()?;
        let lacks = !named.any(is_claimable);
        lacks.then_some(Nothing::NotAGpu {
            address: first.address,
            class: first.class,
        })
    })
}

fn is_claimable(function: &Function) -> bool {
    is_gpu(function.identity, function.class) || inventory::is_nvswitch(function.identity, function.class)
}

/// Returns the GPUs that a rule excludes, as far as they can be found.
pub(super) fn left_out(rule: &Rule, machine: PlanInputs<'_>, gpus: &[Gpu]) -> Vec<DeviceAddress> {
    let choices = rule.not.iter();
    choices
        .filter_map(|not| left_out_by(not, machine, gpus).ok())
        .flatten()
        .collect()
}

/// True if one of these selectors names a function, which need not be part of a GPU.
pub(super) fn is_named(function: &Function, choices: &[&Choice], machine: PlanInputs<'_>) -> bool {
    let detail = machine.details.of(function.address);
    let meets = |term: &Term| match term {
        Term::Address(address) => function.address == *address,
        Term::Device(device) => function.address.device_address() == *device,
        Term::Identity(identity) => function.identity == *identity,
        Term::Path(path) => detail.is_some_and(|detail| detail.path.as_ref() == Some(path)),
        Term::Subsystem(identity) => detail.is_some_and(|detail| detail.subsystem == Some(*identity)),
        Term::Slot(name) => detail.is_some_and(|detail| is_in_slot(detail, name)),
        // Both are unknown for functions that are not part of a GPU.
        Term::Gpu | Term::Serial(_) => false,
    };
    let mut selectors = choices.iter().filter_map(|choice| choice.selector.as_ref().ok());
    selectors.any(|selector| selector.terms().iter().all(meets))
}

/// Returns the GPUs that one selector excludes, including those that cannot be ruled out.
fn left_out_by(not: &Choice, machine: PlanInputs<'_>, gpus: &[Gpu]) -> Result<Vec<DeviceAddress>, Nothing> {
    let mut left_out = match (of_choice(not, machine, gpus), &not.selector) {
        (Ok(left_out), _) => left_out,
        // A model that this machine lacks.
        (Err(_), Ok(selector)) if !selector.names_one() => Vec::new(),
        // Something has moved, and a GPU has to be kept: do not guess which one.
        (Err(why), _) => return Err(why),
    };
    let may_be = |candidate: &Candidate<'_>| {
        let mut terms = not.selector.iter().flat_map(Selector::terms);
        terms.all(|term| meets(term, candidate, machine) || is_unknown(term, candidate, machine))
    };
    let all = candidates(gpus).into_iter().filter(may_be);
    left_out.extend(all.map(|(gpu, _)| gpu.device));
    Ok(left_out)
}

fn of_choice(choice: &Choice, machine: PlanInputs<'_>, gpus: &[Gpu]) -> Result<Vec<DeviceAddress>, Nothing> {
    match &choice.selector {
        Ok(selector) => of_selector(selector, machine, gpus),
        Err(error) => Err(Nothing::Unreadable(error.clone())),
    }
}

type Candidate<'a> = (&'a Gpu, &'a Function);

fn candidates(gpus: &[Gpu]) -> Vec<Candidate<'_>> {
    let all = gpus
        .iter()
        .flat_map(|gpu| gpu.functions.iter().map(move |function| (gpu, function)));
    all.collect()
}

/// Returns true if it is unknown whether a selector matches a function. A selector for a place or one GPU always has to
/// be found, so it never is.
fn is_unknown(term: &Term, (_, function): &Candidate<'_>, machine: PlanInputs<'_>) -> bool {
    let detail = machine.details.of(function.address);
    matches!(term, Term::Subsystem(_)) && detail.is_none_or(|detail| detail.subsystem.is_none())
}

fn of_selector(selector: &Selector, machine: PlanInputs<'_>, gpus: &[Gpu]) -> Result<Vec<DeviceAddress>, Nothing> {
    let mut candidates = candidates(gpus);
    for (index, term) in selector.terms().iter().enumerate() {
        let meeting = candidates.iter().filter(|candidate| meets(term, candidate, machine));
        let meeting: Vec<Candidate<'_>> = meeting.copied().collect();
        if meeting.is_empty() {
            return Err(match index {
                0 => not_there(term, machine, &candidates),
                _ => not_so(term, machine, &candidates),
            });
        }
        candidates = meeting;
    }
    Ok(devices(&candidates))
}

fn devices(candidates: &[Candidate<'_>]) -> Vec<DeviceAddress> {
    let mut devices: Vec<DeviceAddress> = candidates.iter().map(|(gpu, _)| gpu.device).collect();
    devices.dedup();
    devices
}

fn meets(term: &Term, (gpu, function): &Candidate<'_>, machine: PlanInputs<'_>) -> bool {
    let detail = || machine.details.of(function.address);
    match term {
        Term::Address(address) => function.address == *address,
        Term::Device(device) => gpu.device == *device,
        Term::Identity(identity) => function.identity == *identity,
        // An NVSwitch is claimed by its address or its ID.
        Term::Gpu => !inventory::is_nvswitch(function.identity, function.class),
        Term::Path(path) => detail().is_some_and(|detail| detail.path.as_ref() == Some(path)),
        Term::Subsystem(identity) => detail().is_some_and(|detail| detail.subsystem == Some(*identity)),
        Term::Slot(name) => detail().is_some_and(|detail| is_in_slot(detail, name)),
        Term::Serial(number) => serials(gpu, machine).any(|serial| *serial == Serial::Number(*number)),
    }
}

fn is_in_slot(detail: &Detail, name: &str) -> bool {
    let slot = detail.slot.as_deref();
    let below = slot.and_then(|slot| slot.strip_prefix(name));
    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

fn serials<'a>(gpu: &'a Gpu, machine: PlanInputs<'a>) -> impl Iterator<Item = &'a Serial> {
    let details = gpu
        .functions
        .iter()
        .filter_map(move |function| machine.details.of(function.address));
    details.map(|detail| &detail.serial)
}

/// Returns the reason why the first selector matches nothing.
fn not_there(term: &Term, machine: PlanInputs<'_>, candidates: &[Candidate<'_>]) -> Nothing {
    if let Some(unread) = serial_unread(term, machine, candidates) {
        return unread;
    }
    let named = match term {
        Term::Address(address) => Some(*address),
        Term::Device(device) => function_of(*device, machine),
        _ => None,
    };
    if let Some(address) = named {
        return no_gpu_at(address, machine, candidates);
    }
    match term {
        Term::Identity(identity) => Nothing::NoIdentity(*identity),
        Term::Gpu => Nothing::NoGpu,
        _ => {
            let mut found: Vec<Term> = Vec::new();
            for candidate in candidates {
                let there = what_is_there(term, candidate, machine);
                found.extend(there.filter(|there| !found.contains(there)));
            }
            Nothing::NoGpuWith {
                expected: term.clone(),
                found,
            }
        }
    }
}

/// Returns a function with this device number, readable or not.
fn function_of(device: DeviceAddress, machine: PlanInputs<'_>) -> Option<FunctionAddress> {
    let unreadable = machine.unreadable.iter().map(|(address, _)| *address);
    let mut all = unreadable.chain(machine.functions.iter().map(|function| function.address));
    all.find(|address| address.device_address() == device)
}

fn no_gpu_at(address: FunctionAddress, machine: PlanInputs<'_>, candidates: &[Candidate<'_>]) -> Nothing {
    if let Some((_, problem)) = machine.unreadable.iter().find(|(unreadable, _)| *unreadable == address) {
        let problem = Box::new(problem.clone());
        return Nothing::CannotRead { address, problem };
    }
    match machine.functions.iter().find(|function| function.address == address) {
        None => Nothing::NoFunction {
            address,
            found: candidates.iter().map(|(_, function)| function.address).collect(),
        },
        Some(function) if function.physical.is_some() => Nothing::Virtual(address),
        Some(function) => Nothing::NotAGpu {
            address,
            class: function.class,
        },
    }
}

/// Returns the reason why another selector matches none of the GPUs that the previous ones match.
fn not_so(term: &Term, machine: PlanInputs<'_>, candidates: &[Candidate<'_>]) -> Nothing {
    if let Some(unread) = serial_unread(term, machine, candidates) {
        return unread;
    }
    let expected = term.clone();
    match candidates {
        [candidate] => Nothing::GuardFailed {
            address: candidate.1.address,
            expected,
            found: what_is_there(term, candidate, machine),
        },
        several => Nothing::NoneOf {
            gpus: devices(several),
            expected,
        },
    }
}

fn serial_unread(term: &Term, machine: PlanInputs<'_>, candidates: &[Candidate<'_>]) -> Option<Nothing> {
    let Term::Serial(_) = term else {
        return None;
    };
    let mut serials = candidates.iter().flat_map(|(gpu, _)| serials(gpu, machine));
    serials.find_map(|serial| match serial {
        Serial::Unreadable(problem) => Some(Nothing::SerialUnread {
            expected: term.clone(),
            problem: Box::new(problem.clone()),
        }),
        Serial::NotAsked | Serial::None | Serial::Number(_) => None,
    })
}

/// Returns a function's value of a selector's kind.
fn what_is_there(term: &Term, (gpu, function): &Candidate<'_>, machine: PlanInputs<'_>) -> Option<Term> {
    let detail: Option<&Detail> = machine.details.of(function.address);
    match term {
        Term::Address(_) => Some(Term::Address(function.address)),
        Term::Device(_) => Some(Term::Device(gpu.device)),
        Term::Identity(_) => Some(Term::Identity(function.identity)),
        Term::Gpu => Some(Term::Gpu),
        Term::Path(_) => detail?.path.clone().map(Term::Path),
        Term::Slot(_) => detail?.slot.clone().map(Term::Slot),
        Term::Subsystem(_) => detail?.subsystem.map(Term::Subsystem),
        Term::Serial(_) => serials(gpu, machine).find_map(|serial| match serial {
            Serial::Number(number) => Some(Term::Serial(*number)),
            Serial::NotAsked | Serial::None | Serial::Unreadable(_) => None,
        }),
    }
}

impl Nothing {
    /// The finding about a rule that selected nothing.
    pub fn finding(&self, rule: &Choice) -> Finding {
        let of = |id| Finding::error(id, Subject::named(SubjectKind::Rule, rule.text.as_str()));
        match self {
            Self::Unreadable(error) => of(id::SELECTOR_INVALID).with("cause", error),
            Self::NoFunction { address, found } => {
                let finding = of(id::RULE_NO_FUNCTION).with("address", address);
                match found.is_empty() {
                    true => finding,
                    false => finding.with("found", list(found)),
                }
            }
            Self::GuardFailed {
                address,
                expected,
                found: Some(found),
            } => of(id::RULE_GUARD_FAILED)
                .with("address", address)
                .with("expected", expected)
                .with("found", found),
            Self::GuardFailed { address, expected, .. } => of(id::RULE_GUARD_UNMET)
                .with("address", address)
                .with("expected", expected),
            Self::NoneOf { gpus, expected } => of(id::RULE_NONE_OF).with("gpus", list(gpus)).with("expected", expected),
            Self::NotAGpu { address, class } => of(id::RULE_NOT_A_GPU).with("address", address).with("class", class),
            Self::Virtual(address) => of(id::RULE_VIRTUAL_FUNCTION).with("address", address),
            Self::CannotRead { problem, .. } => Finding::clone(problem).leads_to(id::RULE_FUNCTION_UNREADABLE),
            Self::SerialUnread { expected, problem } => Finding::clone(problem)
                .leads_to(id::RULE_SERIAL_NUMBER_UNREADABLE)
                .with("expected", expected),
            Self::NoIdentity(identity) => of(id::RULE_NO_IDENTITY).with("identity", identity),
            Self::NoGpuWith { expected, found } if found.is_empty() => {
                of(id::RULE_NO_GPU_KNOWN_WITH).with("expected", expected)
            }
            Self::NoGpuWith { expected, found } => of(id::RULE_NO_GPU_WITH)
                .with("expected", expected)
                .with("found", list(found)),
            Self::NoGpu => of(id::RULE_NO_GPU),
            Self::CannotLeaveOut { not, why } => why
                .finding(rule)
                .leads_to(id::RULE_EXCLUSION_NOT_FOUND)
                .with("not", &not.text)
                .with("source", &not.source),
            Self::AllLeftOut(not) => of(id::RULE_ALL_LEFT_OUT)
                .with("not", &not.text)
                .with("source", &not.source),
        }
    }
}

/// The first few, separated by commas.
fn list(all: &[impl fmt::Display]) -> String {
    const MOST: usize = 8;
    let mut names: Vec<String> = all.iter().take(MOST).map(ToString::to_string).collect();
    if all.len() > MOST {
        names.push("…".to_owned());
    }
    names.join(", ")
}
