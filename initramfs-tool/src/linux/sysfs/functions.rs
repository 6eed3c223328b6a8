//! The machine's functions, from what the kernel remembers of them.
//!
//! Only files that neither wait for the device's lock nor wake the function are read: a function that is being reset,
//! or whose unbind hangs, must not hold up a look at the others. (`driver_override`, `reset_method` and `config` are
//! not such files.)

use std::fs::{self, DirEntry};

use reseat_core::address::FunctionAddress;
use reseat_core::header::Identity;

use super::attributes;
use super::attributes::{Directory, FileError};
use super::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::inventory::Function;

/// The functions that could be read, and errors on those that could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// By address.
    pub functions: Vec<Function>,
    /// Functions that are there and could not be read, and why.
    pub unreadable: Vec<(FunctionAddress, Finding)>,
    /// What else was wrong.
    pub problems: Vec<Finding>,
    /// The highest number that sysfs has given a function's directory. It counts upwards.
    pub newest: Option<u64>,
}

/// Lists all functions of the machine.
pub fn list(root: &Root) -> Listing {
    let mut listing = Listing::default();
    let directory = root.path("/sys/bus/pci/devices");
    let not_listed = |cause| Finding::error(id::DIRECTORY_UNLISTABLE, Subject::file(&directory)).with("cause", cause);
    match fs::read_dir(&directory) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => listing.add(&entry),
                    Err(error) => listing.problems.push(not_listed(error)),
                }
            }
        }
        Err(error) => listing.problems.push(not_listed(error)),
    }
    listing.functions.sort_unstable_by_key(|function| function.address);
    listing.unreadable.sort_unstable_by_key(|(address, _)| *address);
    listing.problems.sort_by(|one, other| one.subject.cmp(&other.subject));
    listing
}

impl Listing {
    fn add(&mut self, entry: &DirEntry) {
        let path = entry.path();
        let address = match entry.file_name().to_string_lossy().parse::<FunctionAddress>() {
            Ok(address) => address,
            Err(error) => {
                let finding = Finding::error(id::NOT_A_FUNCTION, Subject::file(&path)).with("cause", error);
                self.problems.push(finding);
                return;
            }
        };
        let function = match Directory::open(path) {
            Ok(directory) => {
                self.newest = self.newest.max(directory.number());
                read(&directory, address)
            }
            Err(error) => Err(error.finding()),
        };
        match function {
            Ok(function) => self.functions.push(function),
            Err(finding) => self.unreadable.push((address, finding)),
        }
    }
}

fn read(directory: &Directory, address: FunctionAddress) -> Result<Function, Finding> {
    let link = |file: &str| directory.link_name(file).map_err(|error| error.finding());
    Ok(Function {
        address,
        identity: Identity {
            vendor: number(directory, "vendor", 4, sixteen_bits)?,
            device: number(directory, "device", 4, sixteen_bits)?,
        },
        class: number(directory, "class", 6, |digits| digits.parse().ok())?,
        driver: link("driver")?,
        iommu_group: link("iommu_group")?,
        physical: physical_of(directory, address)?,
    })
}

/// The physical function of a virtual one.
fn physical_of(directory: &Directory, function: FunctionAddress) -> Result<Option<FunctionAddress>, Finding> {
    let name = directory.link_name("physfn").map_err(|error| error.finding())?;
    name.map(|name| name.parse())
        .transpose()
        .map_err(|error| Finding::error(id::PHYSFN_MALFORMED, Subject::function(function)).with("cause", error))
}

/// A number as sysfs writes it, `0x10de`, with as many digits as it has to have.
fn number<T>(
    directory: &Directory,
    file: &str,
    digits: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, Finding> {
    let text = directory.read(file).map_err(|error| error.finding())?;
    text.strip_prefix("0x")
        .filter(|text| text.len() == digits)
        .and_then(parse)
        .ok_or_else(|| malformed(directory, file, &text, digits))
}

#[inline(never)]
fn malformed(directory: &Directory, file: &str, text: &str, digits: usize) -> Finding {
    Finding::error(id::NUMBER_MALFORMED, Subject::file(directory.file(file)))
        .with("text", text)
        .with("digits", digits)
}

fn sixteen_bits(digits: &str) -> Option<u16> {
    u16::from_str_radix(digits, 16).ok()
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
pub(crate) fn subsystem(root: &Root, function: FunctionAddress) -> Result<Identity, Finding> {
    let directory = Directory::open(root.function(function)).map_err(|error| error.finding())?;
    let number = |file| number(&directory, file, 4, sixteen_bits);
    Ok(Identity {
        vendor: number("subsystem_vendor")?,
        device: number("subsystem_device")?,
    })
}
