//! The machine's functions, from what the kernel remembers of them.
//!
//! Only files that neither wait for the device's lock nor wake the function are read: a function that is being reset,
//! or whose unbind hangs, must not hold up a look at the others. (`driver_override`, `reset_method` and `config` are
//! not such files.)

use std::fs;

use reseat_core::address::FunctionAddress;
use reseat_core::header::Identity;

use super::attributes;
use super::attributes::{Directory, FileError};
use super::root::Root;
use crate::model::inventory::Function;

/// The functions that could be read, and words on those that could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// By address.
    pub functions: Vec<Function>,
    /// Functions that are there and could not be read, and why.
    pub unreadable: Vec<(FunctionAddress, String)>,
    /// What else was wrong.
    pub problems: Vec<String>,
    /// The highest number that sysfs has given a function's directory. It counts upwards.
    pub newest: Option<u64>,
}

/// Lists all functions of the machine.
pub fn list(root: &Root) -> Listing {
    let mut listing = Listing::default();
    let directory = root.path("/sys/bus/pci/devices");
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) => {
            let problem = format!("cannot list {}: {error}", directory.display());
            listing.problems.push(problem);
            return listing;
        }
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                listing
                    .problems
                    .push(format!("cannot list {}: {error}", directory.display()));
                continue;
            }
        };
        let (path, name) = (entry.path(), entry.file_name());
        match name.to_string_lossy().parse::<FunctionAddress>() {
            Ok(address) => match Directory::open(path)
                .map_err(|error| error.to_string())
                .and_then(|directory| {
                    listing.newest = listing.newest.max(directory.number());
                    read(&directory, address)
                }) {
                Ok(function) => listing.functions.push(function),
                Err(problem) => listing.unreadable.push((address, problem)),
            },
            Err(error) => listing
                .problems
                .push(format!("{} is no function: {error}", path.display())),
        }
    }
    listing.functions.sort_by_key(|function| function.address);
    listing.unreadable.sort();
    listing.problems.sort();
    listing
}

fn read(directory: &Directory, address: FunctionAddress) -> Result<Function, String> {
    let link = |file: &str| directory.link_name(file).map_err(|error| error.to_string());
    Ok(Function {
        address,
        identity: Identity {
            vendor: number(directory, "vendor", 4, |digits| u16::from_str_radix(digits, 16).ok())?,
            device: number(directory, "device", 4, |digits| u16::from_str_radix(digits, 16).ok())?,
        },
        class: number(directory, "class", 6, |digits| digits.parse().ok())?,
        driver: link("driver")?,
        iommu_group: link("iommu_group")?,
        physical: physical_of(directory)?,
    })
}

/// The physical function of a virtual one.
fn physical_of(directory: &Directory) -> Result<Option<FunctionAddress>, String> {
    let name = directory.link_name("physfn").map_err(|error| error.to_string())?;
    name.map(|name| name.parse())
        .transpose()
        .map_err(|error| format!("physfn leads to no function: {error}"))
}

/// A number as sysfs writes it, `0x10de`, with as many digits as it has to have.
pub(crate) fn number<T>(
    directory: &Directory,
    file: &str,
    digits: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let text = directory.read(file).map_err(|error| error.to_string())?;
    text.strip_prefix("0x")
        .filter(|text| text.len() == digits)
        .and_then(parse)
        .ok_or_else(|| {
            format!(
                "{} holds `{text}`, not a number of {digits} hexadecimal digits",
                directory.file(file).display()
            )
        })
}

/// The number that sysfs has given a function's directory. sysfs counts upwards, so that a function which appears later, or
/// again, has a higher one.
pub(crate) fn instance(root: &Root, address: FunctionAddress) -> Option<u64> {
    Directory::open(root.function(address)).ok()?.number()
}

/// The driver that a function is bound to.
pub(crate) fn driver_of(root: &Root, address: FunctionAddress) -> Result<Option<String>, FileError> {
    attributes::link_name(&root.function(address).join("driver"))
}

/// The IOMMU group that a function is in now.
pub(crate) fn group_of(root: &Root, address: FunctionAddress) -> Result<Option<String>, FileError> {
    attributes::link_name(&root.function(address).join("iommu_group"))
}

/// What the kernel remembers of a function's power: `power_state` and `power/control`, where it has them.
///
/// # Errors
/// When one is there and cannot be read.
pub fn power_of(root: &Root, address: FunctionAddress) -> Result<(Option<String>, Option<String>), FileError> {
    let function = root.function(address);
    Ok((
        attributes::read_if_there(&function.join("power_state"))?,
        attributes::read_if_there(&function.join("power/control"))?,
    ))
}

/// The subsystem vendor and subsystem ID of a function.
pub(crate) fn subsystem(root: &Root, function: FunctionAddress) -> Result<Identity, String> {
    let directory = Directory::open(root.function(function)).map_err(|error| error.to_string())?;
    let number = |file| number(&directory, file, 4, |digits| u16::from_str_radix(digits, 16).ok());
    Ok(Identity {
        vendor: number("subsystem_vendor")?,
        device: number("subsystem_device")?,
    })
}
