//! Reading what is kept as evidence. Nothing is changed, nothing is woken, and nothing below a link that is not active is
//! read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use reseat_core::address::FunctionAddress;
use reseat_core::config::{ConfigRead, Offset, ReadableSize};
use reseat_core::presence::Readiness;
use reseat_core::snapshot::{Full, Register};

use crate::linux::survey::{admission, machine, usage};
use crate::linux::sysfs::capabilities::SpaceError;
use crate::linux::sysfs::config_space::ConfigFile;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, capabilities};
use crate::model::finding::Finding;
use crate::model::subject::RecoverySubject;
use crate::records::evidence::{Collected, FunctionEvidence, Part, SpaceDump, SpaceState, Users, functions_of};

/// Files of a function that neither wait for its lock nor wake it.
const REMEMBERED: [&str; 14] = [
    "power_state",
    "power/control",
    "power/runtime_status",
    "d3cold_allowed",
    "enable",
    "resource",
    "sriov_numvfs",
    "aer_dev_correctable",
    "aer_dev_nonfatal",
    "aer_dev_fatal",
    "aer_rootport_total_err_cor",
    "aer_rootport_total_err_nonfatal",
    "aer_rootport_total_err_fatal",
    "driver/module/version",
];
const LINKS: [&str; 2] = ["driver", "iommu_group"];
/// Files whose reader waits for the function's lock.
const LOCKED: [&str; 2] = ["driver_override", "reset_method"];
/// Files whose reader asks the function itself.
const ASKED: [&str; 2] = ["current_link_speed", "current_link_width"];
/// So much is kept of a file; the largest of those here is about 1 KiB.
const LONGEST_ATTRIBUTE: usize = 4096;

/// How much of a capability is read, in bytes: the longest of those that are decoded here is shorter. Where the specification
/// gives no capability a length, the next one is its bound, and the last of a list may seem to go on to the end of the space.
const LONGEST_STANDARD: u16 = 64;
const LONGEST_EXTENDED: u16 = 96;
/// Registers of one function. A register costs a microsecond on a bus, and 0.4 ms where a hypervisor answers.
const MOST_REGISTERS: usize = 512;
/// A slow function is read as far as it comes. Less than a part's limit, so that what was read is still heard.
const READING: Duration = Duration::from_millis(700);

/// Reads a part.
pub(super) fn collect(root: &Root, part: Part, subject: &RecoverySubject) -> Collected {
    let mut collected = Collected::default();
    match part {
        Part::Remembered => {
            for address in functions_of(subject) {
                let listed = root.function(address).exists();
                let mut function = FunctionEvidence::new(address, subject, listed);
                if listed {
                    let directory = root.function(address);
                    function.attributes = attributes(&directory, &REMEMBERED, &mut collected.not_read);
                    function.attributes.extend(links(&directory, &mut collected.not_read));
                }
                collected.functions.push(function);
            }
        }
        Part::Function(address) => {
            let listed = root.function(address).exists();
            let mut function = FunctionEvidence::new(address, subject, listed);
            if listed {
                function.space = Some(space_of(root, subject, address).unwrap_or_else(|error| {
                    collected.not_read.push(machine::unreadable_config(address, &error));
                    SpaceDump::unread(SpaceState::Unreadable)
                }));
                let directory = root.function(address);
                function.attributes = attributes(&directory, &LOCKED, &mut collected.not_read);
                if function.space.as_ref().is_some_and(SpaceDump::answered) {
                    let asked = attributes(&directory, &ASKED, &mut collected.not_read);
                    function.attributes.extend(asked);
                }
            }
            collected.functions.push(function);
        }
        Part::Users => {
            let mut here = subject.functions();
            here.retain(|function| root.function(*function).exists());
            collected.users = (!here.is_empty()).then(|| Users::from(&usage::of(root, &here)));
        }
    }
    collected
}

fn attributes(directory: &Path, files: &[&str], not_read: &mut Vec<Finding>) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    for file in files {
        match attributes::read_if_there(&directory.join(file)) {
            Ok(Some(mut text)) => {
                text.truncate(text.floor_char_boundary(LONGEST_ATTRIBUTE));
                attributes.insert((*file).to_owned(), text);
            }
            Ok(None) => {}
            Err(error) => not_read.push(error.finding()),
        }
    }
    attributes
}

fn links(directory: &Path, not_read: &mut Vec<Finding>) -> Vec<(String, String)> {
    let mut links = Vec::new();
    for file in LINKS {
        match attributes::link_name(&directory.join(file)) {
            Ok(name) => links.extend(name.map(|name| (file.to_owned(), name))),
            Err(error) => not_read.push(error.finding()),
        }
    }
    links
}

/// The power state of a function from which reading its registers would wake it, or the port above it.
fn asleep(root: &Root, function: FunctionAddress) -> Option<String> {
    let read = |file: &str| attributes::read(&root.function(function).join(file)).ok();
    let state = read("power_state").filter(|state| state == "D3cold");
    state.or_else(|| read("power/runtime_status").filter(|status| status.starts_with("suspend")))
}

/// # Errors
/// When it cannot be opened or read.
fn space_of(root: &Root, subject: &RecoverySubject, function: FunctionAddress) -> Result<SpaceDump, SpaceError> {
    if let Some(state) = asleep(root, function) {
        return Ok(SpaceDump::unread(SpaceState::Asleep(state)));
    }
    let Some(ports) = ports_above(root, subject, function) else {
        return Ok(SpaceDump::unread(SpaceState::PortsUnknown));
    };
    let readiness = match admission::admission(root, &ports) {
        Ok(admission) => {
            let rrs = machine::rrs_visibility(root, subject.ports.first().copied());
            machine::readiness(root, function, admission, rrs)?
        }
        Err(readiness) => readiness,
    };
    let snapshot = match readiness {
        Readiness::Ready(_) | Readiness::HalfInitialised(_) => {
            let mut space = capabilities::Space::open(root, function)?;
            let registers = registers(&mut space);
            read(&mut space.config, function, &registers)
        }
        // Each register of what does not answer costs the time that the bus waits for an answer.
        Readiness::Absent | Readiness::NotReady => {
            let mut config = ConfigFile::open(root, function)?;
            read(&mut config, function, &BTreeSet::from([Offset::at::<0x00>()]))
        }
        Readiness::LinkInactive | Readiness::LinkUnknown | Readiness::PhysicalFunctionNotReady => {
            return Ok(SpaceDump::unread(SpaceState::Read(readiness)));
        }
    };
    Ok(SpaceDump::of(readiness, &snapshot))
}

/// The ports above a function, from the root port on. Of a bridge of the card that is not above the GPU, only the kernel's
/// tree knows them.
fn ports_above(root: &Root, subject: &RecoverySubject, function: FunctionAddress) -> Option<Vec<FunctionAddress>> {
    if let Some(index) = subject.ports.iter().position(|port| *port == function) {
        return subject.ports.get(..index).map(<[_]>::to_vec);
    }
    if subject.functions().contains(&function) {
        return Some(subject.ports.clone());
    }
    let path = fs::read_link(root.function(function)).ok()?;
    let names = path.iter().filter_map(|name| name.to_str()?.parse().ok());
    let mut chain: Vec<FunctionAddress> = names.collect();
    (chain.pop() == Some(function)).then_some(chain)
}

/// The registers worth reading: the header, and what the lists say is there.
fn registers(space: &mut capabilities::Space) -> BTreeSet<Offset> {
    let mut registers = BTreeSet::new();
    let mut add = |first: u16, length: u16| {
        let offsets = (first..first.saturating_add(length)).step_by(usize::from(Offset::WIDTH));
        registers.extend(offsets.filter_map(|offset| Offset::new(offset).ok()));
    };
    add(0, ReadableSize::Header.bytes());
    for capability in space.standard.capabilities() {
        let length = space.standard.view(capability, &mut space.config).length();
        add(capability.offset().get(), length.min(LONGEST_STANDARD));
    }
    if let Some(extended) = space.extended() {
        for capability in extended.capabilities() {
            let length = extended.view(capability, &mut space.config).length();
            add(capability.offset().get(), length.min(LONGEST_EXTENDED));
        }
    }
    registers
}

fn read(config: &mut ConfigFile, function: FunctionAddress, registers: &BTreeSet<Offset>) -> Full {
    let end = Instant::now() + READING;
    let mut snapshot = Full::new(function, config.size());
    for at in registers.iter().take(MOST_REGISTERS) {
        let register = match config.read(*at) {
            _ if Instant::now() >= end => break,
            Ok(value) => Register::Value(value),
            Err(_) => Register::Failed,
        };
        if snapshot.add(*at, register).is_err() {
            break;
        }
    }
    snapshot
}

#[cfg(test)]
mod tests;
