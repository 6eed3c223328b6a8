//! Which GPUs a rule chooses.

use std::fmt;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity, is_gpu};

use super::PlanInputs;
use crate::model::finding::{Finding, Subject, SubjectKind, id};
use crate::model::inventory::{self, Detail, Function, Gpu, Serial};
use crate::rules::{Choice, Rule, Selector, SelectorError, Term};

/// Why a rule chose nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// Its selector means nothing.
    Unreadable(SelectorError),
    /// No function has this address.
    NoFunction {
        /// Where.
        address: FunctionAddress,
        /// The functions of GPUs that there are.
        found: Vec<FunctionAddress>,
    },
    /// The function that the rule names is something else than it says: something has moved, or was exchanged.
    GuardFailed {
        /// Where.
        address: FunctionAddress,
        /// What the rule says that it is.
        expected: Term,
        /// What is there, if it is known.
        found: Option<Term>,
    },
    /// GPUs meet the first terms, and none of them this one.
    NoneOf {
        /// Which.
        gpus: Vec<DeviceAddress>,
        /// What the rule says that they are.
        expected: Term,
    },
    /// The function belongs to no GPU.
    NotAGpu {
        /// Where.
        address: FunctionAddress,
        /// What it says it is.
        class: ClassCode,
    },
    /// The function is a virtual one.
    Virtual(FunctionAddress),
    /// The function is there and cannot be read.
    CannotRead {
        /// Where.
        address: FunctionAddress,
        /// Why.
        problem: Box<Finding>,
    },
    /// A serial number that was not found, and one that could not be read.
    SerialUnread {
        /// What was looked for.
        expected: Term,
        /// Whose could not be read, and why.
        problem: Box<Finding>,
    },
    /// No GPU has a function of this identity.
    NoIdentity(Identity),
    /// No GPU meets this term.
    NoGpuWith {
        /// What was looked for.
        expected: Term,
        /// What there is of its kind.
        found: Vec<Term>,
    },
    /// There is no GPU at all.
    NoGpu,
    /// What the rule leaves out names one GPU, which cannot be told from the others now.
    CannotLeaveOut {
        /// What is to be left out.
        not: Box<Choice>,
        /// Why it names none.
        why: Box<Nothing>,
    },
    /// All that it chooses is left out.
    AllLeftOut(Box<Choice>),
}

/// What a rule chooses, less what it leaves out.
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

/// A rule that names the functions of a GPU has to name the GPU itself among them.
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

/// What a rule leaves out, as far as that is to be found.
pub(super) fn left_out(rule: &Rule, machine: PlanInputs<'_>, gpus: &[Gpu]) -> Vec<DeviceAddress> {
    let choices = rule.not.iter();
    choices
        .filter_map(|not| left_out_by(not, machine, gpus).ok())
        .flatten()
        .collect()
}

/// True if one of these selectors names a function, which may belong to no GPU.
pub(super) fn is_named(function: &Function, choices: &[&Choice], machine: PlanInputs<'_>) -> bool {
    let detail = machine.details.of(function.address);
    let meets = |term: &Term| match term {
        Term::Address(address) => function.address == *address,
        Term::Device(device) => function.address.device_address() == *device,
        Term::Identity(identity) => function.identity == *identity,
        Term::Path(path) => detail.is_some_and(|detail| detail.path.as_ref() == Some(path)),
        Term::Subsystem(identity) => detail.is_some_and(|detail| detail.subsystem == Some(*identity)),
        Term::Slot(name) => detail.is_some_and(|detail| is_in_slot(detail, name)),
        // Neither is known of functions that belong to no GPU.
        Term::Gpu | Term::Serial(_) => false,
    };
    let mut selectors = choices.iter().filter_map(|choice| choice.selector.as_ref().ok());
    selectors.any(|selector| selector.terms().iter().all(meets))
}

/// What is left out by one selector: also what cannot be told from that.
fn left_out_by(not: &Choice, machine: PlanInputs<'_>, gpus: &[Gpu]) -> Result<Vec<DeviceAddress>, Nothing> {
    let mut left_out = match (of_choice(not, machine, gpus), &not.selector) {
        (Ok(left_out), _) => left_out,
        // A model that this machine does not have.
        (Err(_), Ok(selector)) if !selector.names_one() => Vec::new(),
        // Whatever has moved, somebody wants a GPU kept: which one is not to be guessed.
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

/// Whether nobody knows if a term is true of a function. Who names a place or a GPU has to find it, and so is not asked.
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

/// Why the first term is true of nothing.
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

/// A function at this device number, readable or not.
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

/// Why another term is true of none of those that the terms before are true of.
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

/// What a function is of a term's kind.
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
    /// The finding on a rule that chose nothing.
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

/// The first few, with commas.
fn list(all: &[impl fmt::Display]) -> String {
    const MOST: usize = 8;
    let mut names: Vec<String> = all.iter().take(MOST).map(ToString::to_string).collect();
    if all.len() > MOST {
        names.push("…".to_owned());
    }
    names.join(", ")
}
