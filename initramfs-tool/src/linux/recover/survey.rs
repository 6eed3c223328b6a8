//! The survey of a GPU and its reset domain, in a worker.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::decision::{Availability, Surroundings, Tdi};
use reseat_core::topology::Place;
use reseat_core::topology::function::Function;

use super::{fabric, flr, own_means, witness};
use crate::linux::survey::gpus;
use crate::linux::survey::machine::Survey;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::{Member, RecoverySubject};
use crate::recovery::{Surveyed, warnings};

/// The machine around the GPU at `device`. Of its functions, `known` are absent where the kernel does not list them.
///
/// # Errors
/// When it is not there or is no GPU.
pub(super) fn of(root: &Root, device: DeviceAddress, known: &[Member]) -> Result<Surveyed, Finding> {
    let gpu = |id| Finding::error(id, Subject::gpu(device));
    let no_topology = |error| gpu(id::SURVEY_FAILED).with("cause", error);
    let mut survey = Survey::around(root, device, known).map_err(no_topology)?;
    let mut findings = survey.findings.clone();
    let fabric = fabric::find(root, &mut survey, device).map_err(no_topology)?;
    findings.extend(fabric.findings);
    let topology = survey.topology().map_err(no_topology)?;
    let of_device = topology
        .places()
        .find(|place| place.address().device_address() == device);
    let place = of_device.ok_or_else(|| gpu(id::NO_FUNCTION_AT))?;
    let portions = gpus::portions(root, &functions::list(root).functions);
    let subject = RecoverySubject::at(place, portions.of(device)).ok_or_else(|| gpu(id::NOT_A_GPU))?;
    let place = topology.find(subject.function).ok_or_else(|| gpu(id::NO_FUNCTION_AT))?;
    findings.extend(warnings::of_reset_domain(place));
    let ours = |function: &Function| subject.has(function.address) || fabric.free.contains(&function.address);
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
        in_place_shows: witness::shows_in_place(root, &subject),
        own_means: own_means::offered(root, subject.function),
        tdi: tdi(root, &subject),
        surroundings,
        flr_resets: flr::resets(root, &subject).unwrap_or_else(|_| subject.functions()),
        bystanders,
        peers: fabric.peers,
        fabric_statement: fabric.statement,
        findings,
        subject,
    })
}

/// Whether a function is bound to a confidential VM, as kernels say that have device security. What cannot be read is.
fn tdi(root: &Root, subject: &RecoverySubject) -> Tdi {
    let is_free = |function: &FunctionAddress| {
        let bound = attributes::read_if_there(&root.function(*function).join("tsm/bound"));
        bound.is_ok_and(|bound| bound.is_none_or(|by| by.is_empty()))
    };
    match subject.functions().iter().all(is_free) {
        true => Tdi::Unlocked,
        false => Tdi::Locked,
    }
}
