//! Where a function is: its physical slot, and the path to it.

use std::borrow::Cow;
use std::path::Path;
use std::{fs, io};

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::capability::serial_number::SerialNumber;

use super::attributes;
use super::attributes::FileError;
use super::root::Root;
use crate::model::identification::Identification;
use crate::model::inventory::Gpu;

/// What is known of a GPU's place and of itself. Touches no function: its serial number is for the caller to read.
///
/// # Errors
/// When the slots are there and cannot be read.
pub(crate) fn identify(root: &Root, gpu: &Gpu, serial: Option<SerialNumber>) -> Result<Identification, FileError> {
    let slot = match gpu.functions.first() {
        Some(function) => Slots::read(root)?.slot_on(&path_to(root, function.address)?),
        None => None,
    };
    Ok(Identification::new(gpu, slot, serial))
}

/// The physical slots of the machine.
pub(crate) struct Slots(Vec<(DeviceAddress, String)>);

impl Slots {
    pub(crate) fn read(root: &Root) -> Result<Self, FileError> {
        slots(root).map(Self)
    }

    /// The slot's name; for a function behind a switch of its own card, with the path through that: two GPUs on a card are not
    /// in the same place. The path has no bus numbers, which change.
    pub(crate) fn slot_on(&self, path: &[FunctionAddress]) -> Option<String> {
        path.iter().enumerate().rev().find_map(|(index, function)| {
            let mut slots = self.0.iter();
            let (_, name) = slots.find(|(device, _)| *device == function.device_address())?;
            let below = path.iter().skip(index + 1);
            let below: String = below
                .map(|function| format!("/{:02x}.{:x}", function.device(), function.function()))
                .collect();
            Some(format!("{name}{below}"))
        })
    }
}

/// The functions from the root port to this one, as the directories in sysfs lie in each other.
pub(crate) fn path_to(root: &Root, address: FunctionAddress) -> Result<Vec<FunctionAddress>, FileError> {
    let names = directories_to(root, address)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The names of the directories in sysfs that lie in each other down to a function: root bus, ports, and the function itself.
pub(crate) fn directories_to(root: &Root, address: FunctionAddress) -> Result<Vec<String>, FileError> {
    let path = root.function(address);
    let path = fs::canonicalize(&path).map_err(|cause| FileError::Read { path, cause })?;
    Ok(names_of(&path))
}

/// The names of the directories on a path.
pub(crate) fn names_of(path: &Path) -> Vec<String> {
    let names = path.components().map(|part| part.as_os_str().to_string_lossy());
    names.map(Cow::into_owned).collect()
}

fn slots(root: &Root) -> Result<Vec<(DeviceAddress, String)>, FileError> {
    let path = root.path("/sys/bus/pci/slots");
    let failed = |cause| FileError::Read {
        path: path.clone(),
        cause,
    };
    let entries = match fs::read_dir(&path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut slots = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let address = attributes::read_if_there(&entry.path().join("address"))?;
        // A slot of a whole bus has no device number, and is no GPU's.
        if let Some(device) = address.and_then(|address| address.parse().ok()) {
            slots.push((device, entry.file_name().to_string_lossy().into_owned()));
        }
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The slot of the last function on the path, where the machine has one slot.
    fn slot(path: &str, slot: &str, address: &str) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        let function = root.path("/sys/devices/pci0000:00").join(path);
        fs::create_dir_all(&function).unwrap();
        fs::create_dir_all(root.path("/sys/bus/pci/devices")).unwrap();
        let name = function.file_name().unwrap();
        symlink(&function, root.path("/sys/bus/pci/devices").join(name)).unwrap();
        let slot = root.path("/sys/bus/pci/slots").join(slot);
        fs::create_dir_all(&slot).unwrap();
        fs::write(slot.join("address"), format!("{address}\n")).unwrap();
        let path = path_to(&root, name.to_str().unwrap().parse().unwrap()).unwrap();
        Slots::read(&root).unwrap().slot_on(&path)
    }

    #[test]
    fn a_gpu_is_in_the_slot_with_its_address() {
        let path = "0000:00:01.0/0000:01:00.0";
        assert_eq!(slot(path, "4-1", "0000:01:00").as_deref(), Some("4-1"));
        assert_eq!(slot(path, "4-1", "0000:02:00"), None);
        assert_eq!(slot(path, "4-1", "0000:01"), None);
    }

    #[test]
    fn two_behind_the_switch_of_a_card_are_in_different_places() {
        let card = "0000:00:01.0/0000:01:00.0";
        let place = |below: &str| slot(&format!("{card}/{below}"), "4", "0000:01:00");
        assert_eq!(place("0000:02:00.0/0000:03:00.0").as_deref(), Some("4/00.0/00.0"));
        assert_eq!(place("0000:02:01.0/0000:04:00.0").as_deref(), Some("4/01.0/00.0"));
    }

    #[test]
    fn a_machine_without_slots_has_none() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(slots(&Root::at(directory.path())).unwrap(), []);
    }
}
