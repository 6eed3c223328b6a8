//! The names of a GPU, on the command line and, if they name one place, in rules.

use std::fmt;
use std::str::FromStr;

use reseat_core::address::{DeviceAddress, FunctionAddress, ParseAddressError};
use reseat_core::header::{Identity, ParseIdentityError, is_gpu};

use super::finding::{Finding, Subject, id};
use super::inventory::{self, Gpu};

/// A name of a GPU.
///
/// ```
/// use reseat::model::gpu_name::GpuName;
///
/// let libvirts: GpuName = "pci_0000_65_00_0".parse()?;
/// assert_eq!(libvirts, "65:00.0".parse()?);
/// # Ok::<(), reseat::model::gpu_name::GpuNameError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuName {
    /// Its device number: `0000:65:00`, `65:00`.
    Device(DeviceAddress),
    /// One of its functions: `0000:65:00.0`, `65:00.0`, `pci_0000_65_00_0`.
    Function(FunctionAddress),
    /// The vendor and device ID of one of its functions: `10de:2231`, `0x10de:0x2231`.
    Identity(Identity),
}

/// The prefix of libvirt's names of PCI devices.
const LIBVIRT: &str = "pci_";

impl FromStr for GpuName {
    type Err = GpuNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(parts) = text.strip_prefix(LIBVIRT) {
            return of_libvirt(parts).map(Self::Function);
        }
        if text.contains('.') {
            return Ok(Self::Function(text.parse()?));
        }
        match text.split_once(':') {
            None => Err(GpuNameError::Unknown),
            // Only an address has a part of one or two digits before its last colon.
            Some((vendor, device)) if vendor.len() > 2 && !device.contains(':') => Ok(Self::Identity(identity(text)?)),
            Some(_) => Ok(Self::Device(text.parse()?)),
        }
    }
}

fn of_libvirt(parts: &str) -> Result<FunctionAddress, GpuNameError> {
    let parts: Vec<&str> = parts.split('_').collect();
    match parts.as_slice() {
        [segment, bus, device, function] => Ok(format!("{segment}:{bus}:{device}.{function}").parse()?),
        _ => Err(GpuNameError::Libvirt),
    }
}

/// Parses a vendor and a device ID, each with or without `0x`.
pub(crate) fn identity(text: &str) -> Result<Identity, ParseIdentityError> {
    match text.split_once(':') {
        Some((vendor, device)) => format!("{}:{}", digits(vendor), digits(device)).parse(),
        None => text.parse(),
    }
}

/// Removes the prefix `0x`, if any.
fn digits(number: &str) -> &str {
    let digits = number.strip_prefix("0x").or_else(|| number.strip_prefix("0X"));
    digits.unwrap_or(number)
}

impl fmt::Display for GpuName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(device) => device.fmt(formatter),
            Self::Function(function) => function.fmt(formatter),
            Self::Identity(identity) => identity.fmt(formatter),
        }
    }
}

/// An error when parsing the name of a GPU.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpuNameError {
    /// It looks like an address.
    #[error("not an address such as 0000:65:00.0: {0}")]
    Address(#[from] ParseAddressError),
    /// It looks like a vendor and a device ID.
    #[error("not a vendor:device ID such as 10de:2231: {0}")]
    Identity(#[from] ParseIdentityError),
    /// It begins like libvirt's names.
    #[error("not a name of libvirt's such as pci_0000_65_00_0")]
    Libvirt,
    /// It resembles none of these forms.
    #[error(
        "not a GPU's name: expected an address (0000:65:00, 65:00, 0000:65:00.0, pci_0000_65_00_0) or a vendor:device ID \
         (10de:2231)"
    )]
    Unknown,
}

impl GpuName {
    /// Returns the device number of the named GPU. An address always has one: the GPU may have left the machine.
    ///
    /// # Errors
    /// A refusal if several of `gpus` have this vendor:device ID; an error if none has.
    pub fn device(self, gpus: &[Gpu]) -> Result<DeviceAddress, Finding> {
        let identity = match self {
            Self::Device(device) => return Ok(device),
            Self::Function(function) => return Ok(function.device_address()),
            Self::Identity(identity) => identity,
        };
        let has_it = |gpu: &&Gpu| gpu.functions.iter().any(|function| function.identity == identity);
        let named: Vec<&Gpu> = gpus.iter().filter(has_it).collect();
        match named.as_slice() {
            [gpu] => Ok(gpu.device),
            [] => Err(Finding::error(id::GPU_NAME_UNKNOWN, Subject::machine())
                .with("name", identity)
                .with("gpus", list(gpus))),
            several => Err(Finding::refusal(id::GPU_NAME_AMBIGUOUS, Subject::machine())
                .with("name", identity)
                .with("gpus", list(several.iter().copied()))
                .with("count", several.len())
                .remedy(id::NAME_ONE_ADDRESS)),
        }
    }

    /// Returns the named function, or the GPU's first display controller or accelerator.
    ///
    /// # Errors
    /// As [`GpuName::device`].
    pub fn function(self, gpus: &[Gpu]) -> Result<FunctionAddress, Finding> {
        if let Self::Function(function) = self {
            return Ok(function);
        }
        let device = self.device(gpus)?;
        let gpu = gpus.iter().find(|gpu| gpu.device == device);
        let function = gpu.and_then(main_function).map(|function| function.address);
        function
            .or_else(|| device.with_function(0).ok())
            .ok_or_else(|| absent(device, gpus))
    }
}

/// Returns the error that no GPU is at this address, with the list of GPUs.
pub fn absent(device: DeviceAddress, gpus: &[Gpu]) -> Finding {
    Finding::error(id::GPU_ABSENT, Subject::gpu(device)).with("gpus", list(gpus))
}

/// Lists the GPUs with their vendor:device IDs and drivers.
fn list<'a>(gpus: impl IntoIterator<Item = &'a Gpu>) -> String {
    let gpus: Vec<String> = gpus.into_iter().map(described).collect();
    match gpus.is_empty() {
        true => "no GPU".to_owned(),
        false => gpus.join(", "),
    }
}

fn described(gpu: &Gpu) -> String {
    let Some(function) = main_function(gpu) else {
        return gpu.device.to_string();
    };
    match &function.driver {
        Some(driver) => format!("{} ({}, driver {driver})", gpu.device, function.identity),
        None => format!("{} ({}, no driver)", gpu.device, function.identity),
    }
}

fn main_function(gpu: &Gpu) -> Option<&inventory::Function> {
    let mut functions = gpu.functions.iter();
    functions.find(|function| is_gpu(function.identity, function.class))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inventory::tests::{function, twins};

    fn name(text: &str) -> GpuName {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The twins, and a GPU of another model whose driver is nvidia.
    fn gpus() -> Vec<Gpu> {
        let mut functions = twins();
        functions.push(inventory::Function {
            driver: Some("nvidia".to_owned()),
            ..function("0000:65:00.0", "10de:2330", "030200")
        });
        inventory::gpus(&functions)
    }

    #[test]
    fn every_form_of_an_address_means_the_same_gpu() {
        for text in [
            "0000:65:00",
            "65:00",
            "0000:65:00.0",
            "65:00.0",
            "0:65:0.0",
            "65:00.1",
            "pci_0000_65_00_0",
            "10de:2330",
            "10DE:2330",
            "0x10de:0x2330",
            "0x10DE:2330",
        ] {
            assert_eq!(name(text).device(&gpus()), Ok("0000:65:00".parse().unwrap()), "{text}");
        }
        assert_eq!(name("pci_10000_01_1f_7").to_string(), "10000:01:1f.7");
    }

    #[test]
    fn a_name_of_several_gpus_lists_them() {
        let refusal = name("0x10de:0x2231").device(&gpus()).unwrap_err();
        assert_eq!(refusal.id, id::GPU_NAME_AMBIGUOUS);
        assert_eq!(refusal.evidence.get("count"), Some("2"));
        assert_eq!(
            refusal.evidence.get("gpus"),
            Some("0000:01:00 (10de:2231, no driver), 0000:02:00 (10de:2231, no driver)")
        );
    }

    #[test]
    fn a_name_of_no_gpu_lists_those_that_there_are() {
        let refusal = name("10de:2235").device(&gpus()).unwrap_err();
        assert_eq!(refusal.id, id::GPU_NAME_UNKNOWN);
        let there = refusal.evidence.get("gpus").unwrap();
        assert!(there.ends_with("0000:65:00 (10de:2330, driver nvidia)"), "{there}");
        let refusal = name("10de:2231").device(&[]).unwrap_err();
        assert_eq!(refusal.evidence.get("gpus"), Some("no GPU"));
        // An address may belong to a GPU that has left.
        assert_eq!(name("99:00").device(&gpus()), Ok("0000:99:00".parse().unwrap()));
    }

    #[test]
    fn the_function_is_the_named_one_or_the_gpu_itself() {
        assert_eq!(name("01:00.1").function(&gpus()), Ok("0000:01:00.1".parse().unwrap()));
        for text in ["65:00", "10de:2330"] {
            assert_eq!(name(text).function(&gpus()), Ok("0000:65:00.0".parse().unwrap()));
        }
        assert_eq!(name("99:00").function(&gpus()), Ok("0000:99:00.0".parse().unwrap()));
    }

    #[test]
    fn other_texts_are_told_what_was_expected() {
        let error = |text: &str| text.parse::<GpuName>().unwrap_err();
        for text in ["", "65", "gpu0", "0000-65-00"] {
            assert_eq!(error(text), GpuNameError::Unknown, "{text}");
        }
        for text in ["pci_", "pci_0000_65_00", "pci_0000_65_00_0_0"] {
            assert_eq!(error(text), GpuNameError::Libvirt, "{text}");
        }
        for text in ["65:00.8", "65:20", "pci_0000_65_20_0", "0000:65:", "1:2:3:4"] {
            assert!(matches!(error(text), GpuNameError::Address(_)), "{text}");
        }
        for text in ["10de:", "10de:223", "0x10de:0x22310", "0x65:00", "10de:xyzw"] {
            assert!(matches!(error(text), GpuNameError::Identity(_)), "{text}");
        }
    }
}
