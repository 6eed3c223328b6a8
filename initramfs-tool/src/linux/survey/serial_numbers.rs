//! Asking functions for their serial numbers.
//!
//! Only the function itself knows its number, and a read of configuration space can block for as long as a reset that
//! somebody else does: so a process of its own asks, the same program, and what it has not said in time is not known.

use std::ffi::OsString;
use std::io::{self, Write};
use std::time::Duration;

use reseat_core::address::FunctionAddress;
use reseat_core::capability::StandardId;
use reseat_core::capability::extended_space::{ExtendedSpace, NoExtendedSpace};
use reseat_core::capability::serial_number::{DeviceSerialNumber, SerialNumber};
use reseat_core::capability::walk::{Walk, WalkEnd};
use reseat_core::header::{CapabilityPointer, is_gpu};

use super::admission::admission;
use crate::linux::process::program;
use crate::linux::sysfs::config_space::ConfigFile;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, slots};
use crate::model::finding::{Finding, Subject, id};
use crate::model::inventory::{Gpu, Serial};

/// What the process is started with, before the root and the functions to ask, and nobody else.
pub const SERIALS_COMMAND: &str = "read-serial-numbers";

/// A function answers within microseconds; a boot has better to do than to wait for one that is being reset.
const LIMIT: Duration = Duration::from_secs(2);

type Said = (FunctionAddress, Result<Option<SerialNumber>, String>);

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
    let why = match functions.is_empty() {
        true => Ok(()),
        false => ask(root, &functions, &mut said),
    };
    let why = why.map_or_else(
        |error| format!("nobody could ask it: {error}"),
        |()| format!("it has not answered within {} s", LIMIT.as_secs()),
    );
    let known = |function: FunctionAddress| match said.iter().find(|(address, _)| *address == function) {
        Some((_, Ok(Some(SerialNumber(0)) | None))) => Serial::None,
        Some((_, Ok(Some(number)))) => Serial::Number(*number),
        Some((_, Err(problem))) => Serial::Unreadable(unreadable(function, problem)),
        None => Serial::Unreadable(unreadable(function, &why)),
    };
    functions
        .into_iter()
        .map(|function| (function, known(function)))
        .collect()
}

fn unreadable(function: FunctionAddress, cause: &str) -> Finding {
    Finding::error(id::SERIAL_NUMBER_UNREADABLE, Subject::function(function)).with("cause", cause)
}

fn ask(root: &Root, functions: &[FunctionAddress], said: &mut Vec<Said>) -> io::Result<()> {
    let mut arguments = vec![OsString::from(SERIALS_COMMAND), root.as_path().into()];
    arguments.extend(functions.iter().map(|function| function.to_string().into()));
    let heard = program::ask_self(&arguments, LIMIT)?;
    let lines = heard.said.split(|byte| *byte == b'\n');
    said.extend(lines.map_while(|line| serde_json::from_slice::<Said>(line).ok()));
    Ok(())
}

/// Asks `functions` in this very process, and says on standard output what each answers.
///
/// # Errors
/// When nobody listens.
pub fn say_serial_numbers(root: &Root, functions: &[FunctionAddress]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for function in functions {
        let one: Said = (*function, number_of(root, *function));
        writeln!(output, "{}", serde_json::to_string(&one)?)?;
        output.flush()?;
    }
    Ok(())
}

fn number_of(root: &Root, function: FunctionAddress) -> Result<Option<SerialNumber>, String> {
    may_be_read(root, function)?;
    let mut config = ConfigFile::open(root, function).map_err(|error| error.to_string())?;
    // One that does not answer reads all-ones, which is no pointer.
    let pointer = CapabilityPointer::read(&mut config).map_err(|error| error.to_string())?;
    let extended = match ExtendedSpace::search(&mut config, pointer.unwrap_or(CapabilityPointer::None)) {
        Ok(extended) => extended,
        Err(NoExtendedSpace::NotReadable(_)) if pointer.is_some_and(|it| is_conventional(&mut config, it)) => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    match DeviceSerialNumber::search(&mut config, extended) {
        Ok(Some(mut found)) => found.number().map(Some).map_err(|error| error.to_string()),
        Ok(None) => Ok(None),
        Err(end) => Err(format!("its extended list is {end}")),
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
fn may_be_read(root: &Root, function: FunctionAddress) -> Result<(), String> {
    let mut ports = slots::way_to(root, function).map_err(|error| error.to_string())?;
    ports.pop();
    let is_asleep = |at: FunctionAddress, states: &[&str]| {
        let state = attributes::read_if_there(&root.function(at).join("power_state"));
        let state = state.map_err(|error| error.to_string())?;
        match state.filter(|state| states.contains(&state.as_str())) {
            Some(state) if at == function => Err(format!("it is asleep ({state})")),
            Some(state) => Err(format!("{at} above it is asleep ({state})")),
            None => Ok(()),
        }
    };
    // In D3hot a function itself answers, and stays there.
    is_asleep(function, &["D3cold"])?;
    ports
        .iter()
        .try_for_each(|port| is_asleep(*port, &["D3hot", "D3cold"]))?;
    admission(root, &ports)
        .map(drop)
        .map_err(|readiness| readiness.to_string())
}
