//! The reset witness: marks before a reset, and what became of them.
//!
//! These marks are the only thing that a recovery writes into configuration space itself.

use std::io;

use reseat_core::address::FunctionAddress;
use reseat_core::capability::power_management::PowerState;
use reseat_core::presence::Readiness;
use reseat_core::recovery::Marked;
use reseat_core::witness::{Mark, Placed, Proof, ResetKind, Trace, Traces};

use super::trouble::Stop;
use super::{behind_bar, journal};
use crate::claim::Attribute;
use crate::linux::survey::{admission, machine};
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::capabilities::Space;
use crate::linux::sysfs::config_space::{ConfigError, ConfigFile};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Id, Subject, id};
use crate::model::subject::RecoverySubject;
use crate::recovery::{BarMarkOf, MarkOf, Witness};

/// Places the marks, each noted in the journal before it is written.
pub(super) fn mark(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Result<Marked, Stop> {
    let journal = journal::read(root, subject)?;
    let known = journal.witness;
    let mut witness = Witness::default();
    for function in subject.functions() {
        match readiness(root, subject, function)? {
            Readiness::Ready(_) => {
                keep_awake(root, function)?;
                let prepared = prepare(root, function).map_err(|error| Stop::of_config(function, &error))?;
                if !prepared.is_empty() {
                    let controller = controller(root, subject, function, findings);
                    witness
                        .controllers
                        .extend(controller.map(|mark| first_behind_bar(&known, mark)));
                }
                witness
                    .marks
                    .extend(prepared.into_iter().map(|placed| first(&known.marks, function, placed)));
            }
            Readiness::Absent => witness.absent.push(function),
            // Not found by a scan of ours either.
            Readiness::LinkUnknown if journal.scanned_ms.is_some() && !root.function(function).exists() => {
                witness.absent.push(function);
            }
            _ => {}
        }
    }
    witness.behind_bar = match witness.absent.contains(&subject.function) {
        true => None,
        false => behind_bar::prepare(root, subject, findings).map(|mark| first_behind_bar(&known, mark)),
    };
    let noted = witness.clone();
    journal::note(root, subject, move |journal| journal.witness = noted)?;
    let prepared = witness.clone();
    place(root, &mut witness.marks, findings);
    let mut behind_bar = |mark: &BarMarkOf| behind_bar::place(root, *mark, findings).is_some();
    witness.behind_bar = witness.behind_bar.filter(&mut behind_bar);
    witness.controllers.retain(behind_bar);
    let all_show = subject
        .functions()
        .into_iter()
        .all(|function| witness.shows(function, ResetKind::InPlace));
    if witness != prepared {
        journal::note(root, subject, |journal| journal.witness = witness)?;
    }
    Ok(if all_show { Marked::All } else { Marked::NotAll })
}

/// True unless a function that answers has no register in which a reset in place would show. Nothing is written.
pub(super) fn shows_in_place(root: &Root, subject: &RecoverySubject) -> bool {
    if admission::admission(root, &subject.ports).is_err() {
        return true;
    }
    subject.members.iter().all(|member| {
        let Ok(mut space) = Space::open(root, member.address) else {
            return true;
        };
        let extended = space.extended();
        let shows = |mark: &Mark| mark.shows(ResetKind::InPlace);
        let mut marks = Mark::ALL.into_iter().filter(shows);
        marks.any(|mark| mark.offset(extended.as_ref(), &mut space.config).is_some())
            || behind_bar::may_show(root, member)
    })
}

/// The mark for a function behind its BAR, if it is a controller beside the GPU.
fn controller(
    root: &Root,
    subject: &RecoverySubject,
    function: FunctionAddress,
    findings: &mut Vec<Finding>,
) -> Option<BarMarkOf> {
    let mut members = subject.members.iter();
    let member = members.find(|member| member.address == function)?;
    behind_bar::prepare_controller(root, member, findings)
}

/// What an earlier rung overwrote is what has to be put back, not its mark.
fn first(known: &[MarkOf], function: FunctionAddress, placed: Placed) -> MarkOf {
    let before = known
        .iter()
        .find(|known| known.function == function && known.placed.mark == placed.mark)
        .filter(|known| known.placed.value == placed.before)
        .map_or(placed.before, |known| known.placed.before);
    MarkOf {
        function,
        placed: Placed { before, ..placed },
    }
}

/// The same behind the BAR.
fn first_behind_bar(known: &Witness, prepared: BarMarkOf) -> BarMarkOf {
    let left = known
        .behind_bar_of(prepared.function)
        .filter(|known| known.mark.register == prepared.mark.register && known.mark.value() == prepared.mark.before);
    left.unwrap_or(prepared)
}

fn readiness(root: &Root, subject: &RecoverySubject, function: FunctionAddress) -> Result<Readiness, Stop> {
    if !root.function(function).exists() {
        return Ok(Readiness::LinkUnknown);
    }
    let rrs = machine::rrs_visibility(root, subject.ports.first().copied());
    match admission::admission(root, &subject.ports) {
        Ok(admission) => {
            machine::readiness(root, function, admission, rrs).map_err(|error| Stop::of_config(function, &error))
        }
        Err(readiness) => Ok(readiness),
    }
}

/// Keeps a function awake, so that its way back from D3hot does not clear the marks.
fn keep_awake(root: &Root, function: FunctionAddress) -> Result<(), Stop> {
    let control = root.function(function).join(Attribute::PowerControl.file());
    if attributes::read_if_there(&control)?.is_some_and(|now| now != "on") {
        attributes::write(&control, "on")?;
    }
    Ok(())
}

/// The marks for a function, none if it is not in D0.
fn prepare(root: &Root, function: FunctionAddress) -> Result<Vec<Placed>, ConfigError> {
    let mut prepared = Vec::new();
    let Ok(mut space) = Space::open(root, function) else {
        return Ok(prepared);
    };
    if !is_in_d0(&mut space) {
        return Ok(prepared);
    }
    let extended = space.extended();
    for mark in Mark::ALL {
        if let Some(offset) = mark.offset(extended.as_ref(), &mut space.config) {
            prepared.extend(mark.prepare(offset, &mut space.config)?);
        }
    }
    Ok(prepared)
}

/// True if the function itself says D0: of one without a driver the kernel does not say.
fn is_in_d0(space: &mut Space) -> bool {
    let state = space.power_management().map(|mut power| power.control_status());
    state.is_none_or(|status| status.is_ok_and(|status| status.power_state() == PowerState::D0))
}

/// Places the marks, and leaves out those that a register does not keep.
fn place(root: &Root, marks: &mut Vec<MarkOf>, findings: &mut Vec<Finding>) {
    let mut forbidden = None;
    marks.retain_mut(|mark| {
        let placed = ConfigFile::open_to_write(root, mark.function)
            .and_then(|mut space| mark.placed.place(&mut space))
            .map_err(|error| forbidden = Some((mark.function, error)));
        matches!(placed, Ok(true))
    });
    if let Some((function, error)) = forbidden {
        let id = match error.io_kind() {
            io::ErrorKind::PermissionDenied => id::MARKS_FORBIDDEN,
            _ => id::MARK_FAILED,
        };
        findings.push(Finding::warning(id, Subject::function(function)).with("cause", error));
    }
}

/// Reads the marks, puts back what those overwrote that are still there, and says what that proves.
pub(super) fn read(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Result<Proof, Stop> {
    let journal = journal::read(root, subject)?;
    let kind = journal.reset_kind();
    let mut together = None;
    for function in subject.functions() {
        let traces =
            traces(root, &journal.witness, function, kind).map_err(|error| Stop::of_config(function, &error))?;
        let traces = with_bar(root, &journal.witness, function, traces, findings);
        let is_back = journal.witness.absent.contains(&function)
            && matches!(readiness(root, subject, function)?, Readiness::Ready(_));
        let proof = match traces.proof() {
            // What was gone below an active link and answers now was brought back by the reset.
            Proof::Unproven if is_back => Proof::Configuration,
            proof => proof,
        };
        if !journal.witness.covers(function) {
            findings.push(Finding::warning(id::NOT_RESET_BY_FLR, Subject::function(function)));
            together = Some(together.map_or(Proof::Unproven, |together: Proof| together.min(Proof::Unproven)));
            continue;
        }
        findings.extend(unproven(proof).map(|id| Finding::warning(id, Subject::function(function))));
        together = Some(together.map_or(proof, |together: Proof| together.min(proof)));
    }
    Ok(together.unwrap_or(Proof::Unproven))
}

const fn unproven(proof: Proof) -> Option<Id> {
    match proof {
        Proof::NotReset => Some(id::MARK_KEPT),
        Proof::Unproven => Some(id::NO_MARK),
        Proof::Configuration | Proof::Device => None,
    }
}

/// Adds what became of the mark behind a BAR. Where the GPU itself has one, configuration space alone proves nothing.
fn with_bar(
    root: &Root,
    witness: &Witness,
    function: FunctionAddress,
    traces: Traces,
    findings: &mut Vec<Finding>,
) -> Traces {
    let Some(mark) = witness.behind_bar_of(function) else {
        return traces;
    };
    let is_gpu = witness.behind_bar == Some(mark);
    let trace = match is_gpu {
        true => behind_bar::trace(root, mark, findings),
        false => behind_bar::trace_controller(root, mark, findings),
    };
    match trace {
        Trace::Unclear if is_gpu => return Traces::NONE,
        Trace::Kept => {
            let back = behind_bar::take_back(root, mark).err();
            findings.extend(back.map(|why| behind_bar::missing(function, &why)));
        }
        Trace::Unclear | Trace::Gone => {}
    }
    traces.with(trace, Proof::Device)
}

fn traces(root: &Root, witness: &Witness, function: FunctionAddress, kind: ResetKind) -> Result<Traces, ConfigError> {
    let mut traces = Traces::NONE;
    let mut marks = witness.marks.iter().filter(|mark| mark.function == function).peekable();
    if marks.peek().is_none() || !root.function(function).exists() {
        return Ok(traces);
    }
    let mut space = ConfigFile::open_to_write(root, function)?;
    for MarkOf { placed, .. } in marks {
        let trace = placed.read(&mut space)?;
        if trace == Trace::Kept {
            placed.take_back(&mut space)?;
        }
        traces = traces.with(placed.mark.after(kind, trace), Proof::Configuration);
    }
    Ok(traces)
}

#[cfg(test)]
pub(super) mod tests;
