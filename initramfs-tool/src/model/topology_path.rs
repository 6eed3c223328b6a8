//! The path to a function through the ports above it. It stays the same when bus numbers move.

use std::fmt;
use std::str::FromStr;

use reseat_core::address::{FunctionAddress, ParseAddressError};

/// The path from a root bus to a function, by device and function numbers: `pci0000:00/03.0/00.0` is the function 00.0
/// behind the root port 03.0 of the root bus 0000:00. It does not contain other bus numbers, which firmware and kernel
/// reassign when a card is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyPath(String);

/// An error when parsing a [`TopologyPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParsePathError {
    /// It does not begin at a root bus.
    #[error("it does not begin with a root bus, pci0000:00")]
    NoRootBus,
    /// It ends at a bus.
    #[error("it names no function below the root bus")]
    NoFunction,
    /// A part of it is neither a root bus nor a device and function number.
    #[error("a part of it is neither a root bus (pci0000:00) nor a device and function number (03.0): {0}")]
    Part(#[from] ParseAddressError),
}

/// The prefix of a root bus, as the kernel names it.
const ROOT_BUS: &str = "pci";

impl TopologyPath {
    /// Builds the path from nested directories in sysfs, from the first root bus on. A bridge may have its own root bus
    /// below it (VMD); it is part of the path like the first.
    pub fn from_directories<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut text = String::new();
        for name in names {
            let part = match name.parse::<FunctionAddress>() {
                Ok(function) if !text.is_empty() => below(function),
                _ => match root_bus(name) {
                    Ok(bus) => bus,
                    Err(_) => continue,
                },
            };
            push(&mut text, &part);
        }
        text.parse().ok()
    }
}

impl FromStr for TopologyPath {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.starts_with(ROOT_BUS) {
            return Err(ParsePathError::NoRootBus);
        }
        let mut path = String::new();
        let mut ends_at_a_bus = true;
        for part in text.split('/') {
            ends_at_a_bus = part.starts_with(ROOT_BUS);
            let part = match ends_at_a_bus {
                true => root_bus(part)?,
                // Parsed like an address without the bus.
                false => below(format!("0:{part}").parse()?),
            };
            push(&mut path, &part);
        }
        match ends_at_a_bus {
            true => Err(ParsePathError::NoFunction),
            false => Ok(Self(path)),
        }
    }
}

fn root_bus(name: &str) -> Result<String, ParsePathError> {
    let bus = name.strip_prefix(ROOT_BUS).ok_or(ParsePathError::NoRootBus)?;
    let first: FunctionAddress = format!("{bus}:0.0").parse()?;
    Ok(format!("{ROOT_BUS}{:04x}:{:02x}", first.segment(), first.bus()))
}

fn below(function: FunctionAddress) -> String {
    format!("{:02x}.{:x}", function.device(), function.function())
}

fn push(path: &mut String, part: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(part);
}

impl fmt::Display for TopologyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, ParsePathError> {
        text.parse::<TopologyPath>().map(|path| path.to_string())
    }

    #[test]
    fn a_path_reads_and_prints_in_one_form() {
        for (text, expected) in [
            ("pci0000:00/03.0/00.0", "pci0000:00/03.0/00.0"),
            ("pci0:0/3.0/0.1", "pci0000:00/03.0/00.1"),
            (
                "pci0000:00/0e.0/pci10000:e0/01.0/00.0",
                "pci0000:00/0e.0/pci10000:e0/01.0/00.0",
            ),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_path_says_why() {
        assert_eq!(parsed("00/03.0"), Err(ParsePathError::NoRootBus));
        assert_eq!(parsed("pci0000:00"), Err(ParsePathError::NoFunction));
        for text in [
            "pci0000:00/",
            "pci0000:00/03",
            "pci0000:00/20.0",
            "pci0000:00/0000:01:00.0",
            "pcix/03.0",
        ] {
            assert!(matches!(parsed(text), Err(ParsePathError::Part(_))), "{text}");
        }
    }

    #[test]
    fn the_kernels_directories_make_the_same_path_whatever_the_buses_are() {
        for directories in [
            "devices/pci0000:00/0000:00:03.0/0000:01:00.0",
            "devices/platform/soc/pci0000:00/0000:00:03.0/0000:05:00.0",
        ] {
            let path = TopologyPath::from_directories(directories.split('/')).unwrap();
            assert_eq!(path.to_string(), "pci0000:00/03.0/00.0");
        }
        assert_eq!(TopologyPath::from_directories(["devices", "virtual"]), None);
    }
}
