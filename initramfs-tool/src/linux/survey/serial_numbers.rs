//! Asking functions for their serial numbers.
//!
//! Only the function itself knows its number, and a read of configuration space can block for as long as a reset that
//! somebody else does: so a process of its own asks, the same program, and what it has not said in time is not known.

use std::time::Duration;
use std::{fmt, io};

use reseat_core::address::FunctionAddress;
use reseat_core::capability::StandardId;
use reseat_core::capability::extended_space::{ExtendedSpace, NoExtendedSpace};
use reseat_core::capability::serial_number::{DeviceSerialNumber, SerialNumber};
use reseat_core::capability::walk::{Walk, WalkEnd};
use reseat_core::header::{CapabilityPointer, is_gpu};
#[cfg(feature = "operator")]
use reseat_core::health::{NotRead, Reading};
use serde::{Deserialize, Serialize};

use super::admission::admission;
use crate::linux::process::child::{Lost, consult};
use crate::linux::process::serve::{Job, Line};
use crate::linux::sysfs::attributes::{self, FileError};
use crate::linux::sysfs::config_space::ConfigFile;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::slots;
use crate::model::finding::{Finding, Subject, id};
use crate::model::inventory::{Gpu, Serial};

/// Gets functions, and answers for each in turn.
pub(crate) const JOB: Job = Job::new("read-serial-numbers", say_serial_numbers);

/// The time for a child, and for another one that asks those behind the function at which it stuck. A function answers within
/// microseconds; a boot has better to do than to wait for one that is being reset.
const LIMITS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(1)];

type Said = (FunctionAddress, Result<Option<SerialNumber>, NoNumber>);

/// The reason why a serial number is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
enum NoNumber {
    /// No child could ask the function.
    #[error("no child could ask it: {0}")]
    NotAsked(String),
    /// The child has not answered for this function, in so many seconds.
    #[error("it has not answered within {0} s")]
    NoAnswer(u64),
    /// A read would wake the function.
    #[error("it is asleep ({0})")]
    Asleep(String),
    /// A read would wake a port above it.
    #[error("{0} above it is asleep ({1})")]
    PortAsleep(FunctionAddress, String),
    /// A read would not come to the function.
    #[error("{0}")]
    NotReached(String),
    /// A file of the kernel's cannot be read.
    #[error("{0}")]
    File(String),
    /// The function's lists cannot be read to their end, or have no place for a number.
    #[error("{0}")]
    Lists(String),
}

/// The serial number of each GPU, or why it is not known, by the function that is asked.
pub(crate) fn of_gpus(root: &Root, gpus: &[Gpu]) -> Vec<(FunctionAddress, Serial)> {
    read(root, gpus.iter().filter_map(asked).collect())
}

/// What a GPU said, among those that were asked.
pub(crate) fn of(said: &[(FunctionAddress, Serial)], gpu: &Gpu) -> Serial {
    let function = asked(gpu);
    let mut said = said.iter();
    let said = said.find(|(address, _)| Some(*address) == function);
    said.map_or(Serial::NotAsked, |(_, serial)| serial.clone())
}

/// All functions of a GPU that give a serial number give the same: one is asked, the GPU itself.
fn asked(gpu: &Gpu) -> Option<FunctionAddress> {
    let mut functions = gpu.functions.iter();
    let gpu = functions.find(|function| is_gpu(function.identity, function.class))?;
    Some(gpu.address)
}

/// The serial number of each of `functions`, or why it is not known.
fn read(root: &Root, functions: Vec<FunctionAddress>) -> Vec<(FunctionAddress, Serial)> {
    let mut said = Vec::new();
    let mut unanswered = NoNumber::NotAsked("others before it have taken all the time".to_owned());
    for limit in LIMITS {
        // They are asked in turn.
        let Some(rest @ [_, ..]) = functions.get(said.len()..) else {
            break;
        };
        match consult(&JOB, root, &rest, limit, &mut |one: Said| said.push(one)) {
            Ok(()) => break,
            Err(Lost::Blocked) => {
                let stuck = functions.get(said.len()).copied();
                said.extend(stuck.map(|function| (function, Err(NoNumber::NoAnswer(limit.as_secs())))));
            }
            Err(lost) => {
                unanswered = NoNumber::NotAsked(lost.to_string());
                break;
            }
        }
    }
    let known = |function: FunctionAddress| {
        let unread = |why: &NoNumber| {
            let finding = Finding::error(id::SERIAL_NUMBER_UNREADABLE, Subject::function(function));
            Serial::Unreadable(finding.with("cause", why))
        };
        match said.iter().find(|(address, _)| *address == function) {
            Some((_, Ok(Some(SerialNumber(0)) | None))) => Serial::None,
            Some((_, Ok(Some(number)))) => Serial::Number(*number),
            Some((_, Err(why))) => unread(why),
            None => unread(&unanswered),
        }
    };
    functions
        .into_iter()
        .map(|function| (function, known(function)))
        .collect()
}

fn say_serial_numbers(root: &Root, line: &mut Line) -> io::Result<()> {
    let functions: Vec<FunctionAddress> = line.only_question()?;
    functions
        .into_iter()
        .try_for_each(|function| line.answer::<Said>((function, number_of(root, function))))
}

/// The serial number of a function, asked in this very process: for a worker, which may block.
#[cfg(feature = "operator")]
pub(crate) fn reading(root: &Root, function: FunctionAddress) -> Reading<SerialNumber> {
    match number_of(root, function) {
        Ok(Some(SerialNumber(0)) | None) => Reading::None,
        Ok(Some(number)) => Reading::Value(number),
        Err(_) => Reading::NotRead(NotRead::Failed),
    }
}

fn number_of(root: &Root, function: FunctionAddress) -> Result<Option<SerialNumber>, NoNumber> {
    let unread = |error: &dyn fmt::Display| NoNumber::Lists(error.to_string());
    may_be_read(root, function)?;
    let mut config = ConfigFile::open(root, function).map_err(|error| NoNumber::File(error.to_string()))?;
    // One that does not answer reads all-ones, which is no pointer.
    let pointer = CapabilityPointer::read(&mut config).map_err(|error| unread(&error))?;
    let extended = match ExtendedSpace::search(&mut config, pointer.unwrap_or(CapabilityPointer::None)) {
        Ok(extended) => extended,
        Err(NoExtendedSpace::NotReadable(_)) if pointer.is_some_and(|it| is_conventional(&mut config, it)) => {
            return Ok(None);
        }
        Err(error) => return Err(unread(&error)),
    };
    match DeviceSerialNumber::search(&mut config, extended) {
        Ok(Some(mut found)) => found.number().map(Some).map_err(|error| unread(&error)),
        Ok(None) => Ok(None),
        Err(end) => Err(NoNumber::Lists(format!("its extended list is {end}"))),
    }
}

/// Whether a function has no place for a number: its list, told to its end, has neither PCI Express nor PCI-X. Who is not root
/// sees 64 bytes, in which no list ends.
fn is_conventional(config: &mut ConfigFile, pointer: CapabilityPointer) -> bool {
    let mut walk = Walk::standard(config, pointer);
    let has_place = walk.any(|capability| [StandardId::EXPRESS, StandardId::PCI_X].contains(&capability.id()));
    !has_place && matches!(walk.end(), Some(WalkEnd::Complete))
}

/// Whether a read wakes nobody and comes to a function, or why not. Below a port that sleeps, the kernel wakes that first;
/// whoever let it sleep may not want that.
fn may_be_read(root: &Root, function: FunctionAddress) -> Result<(), NoNumber> {
    let file = |error: FileError| NoNumber::File(error.to_string());
    let mut ports = slots::path_to(root, function).map_err(file)?;
    ports.pop();
    let is_asleep = |at: FunctionAddress, states: &[&str]| {
        let state = attributes::read_if_there(&root.function(at).join("power_state")).map_err(file)?;
        match state.filter(|state| states.contains(&state.as_str())) {
            Some(state) if at == function => Err(NoNumber::Asleep(state)),
            Some(state) => Err(NoNumber::PortAsleep(at, state)),
            None => Ok(()),
        }
    };
    // In D3hot a function itself answers, and stays there.
    is_asleep(function, &["D3cold"])?;
    ports
        .iter()
        .try_for_each(|port| is_asleep(*port, &["D3hot", "D3cold"]))?;
    let admission = admission(root, &ports);
    admission
        .map(drop)
        .map_err(|readiness| NoNumber::NotReached(readiness.to_string()))
}
