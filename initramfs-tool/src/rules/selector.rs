//! The selectors of rules.

use std::fmt;
use std::str::FromStr;

use reseat_core::address::{DeviceAddress, FunctionAddress, ParseAddressError};
use reseat_core::capability::serial_number::{ParseSerialNumberError, SerialNumber};
use reseat_core::header::{Identity, ParseIdentityError};

use crate::model::gpu_name::{self, GpuName, GpuNameError};
#[cfg(feature = "operator")]
use crate::model::identification::{FunctionIdentity, Identification};
use crate::model::topology_path::{ParsePathError, TopologyPath};

use super::spelling::did_you_mean;

/// The functions that a rule selects: those that match every term. Any function of a GPU stands for the whole GPU.
///
/// The text form is the terms with `@` between them: `0000:65:00.0@10de:2231`, `slot=3@10de:2231`. Addresses move when
/// a card is added; a second term turns such a move into a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    terms: Vec<Term>,
}

/// One condition on a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// It has this address: `0000:65:00.0`, `pci_0000_65_00_0`.
    Address(FunctionAddress),
    /// It has this device number: `0000:65:00`.
    Device(DeviceAddress),
    /// It has this topology path: `path=pci0000:00/03.0/00.0`.
    Path(TopologyPath),
    /// Its GPU is in this physical slot, or behind a switch in it: `slot=3`.
    Slot(String),
    /// Its GPU has this serial number: `serial=48-b0-2d-00-00-00-00-01`.
    Serial(SerialNumber),
    /// It has this vendor and device ID: `10de:2231`, `0x10de:0x2231`.
    Identity(Identity),
    /// It has this subsystem vendor and subsystem ID: `subsystem=10de:1482`.
    Subsystem(Identity),
    /// It belongs to a GPU: `gpu`.
    Gpu,
}

impl Selector {
    /// The terms; those that name one place or one GPU come first.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Returns true if it names one place or one GPU, which the operator then expects to exist.
    pub fn names_one(&self) -> bool {
        self.terms.iter().any(Term::names_one)
    }
}

#[cfg(feature = "operator")]
impl Selector {
    /// True if it identifies this GPU by its identification alone; a place or a subsystem does not.
    pub fn means(&self, gpu: &Identification) -> bool {
        let of_gpu = |term: &&Term| matches!(term, Term::Serial(_) | Term::Device(_));
        let (of_gpu, of_function): (Vec<&Term>, Vec<&Term>) = self.terms.iter().partition(of_gpu);
        let is_function = |function: &FunctionIdentity| {
            of_function.iter().all(|term| match term {
                Term::Address(address) => function.address == *address,
                Term::Identity(identity) => function.identity == *identity,
                _ => false,
            })
        };
        let is_gpu = of_gpu.iter().all(|term| match term {
            Term::Serial(serial) => gpu.serial == Some(serial.to_string()),
            Term::Device(device) => gpu.device == *device,
            _ => false,
        });
        is_gpu && gpu.functions.iter().any(is_function)
    }
}

impl Term {
    /// True if the listing of functions cannot decide the term.
    pub(super) fn is_a_detail(&self) -> bool {
        match self {
            Self::Path(_) | Self::Slot(_) | Self::Subsystem(_) => true,
            Self::Address(_) | Self::Device(_) | Self::Serial(_) | Self::Identity(_) | Self::Gpu => false,
        }
    }

    fn names_one(&self) -> bool {
        match self {
            Self::Address(_) | Self::Device(_) | Self::Path(_) | Self::Slot(_) | Self::Serial(_) => true,
            Self::Identity(_) | Self::Subsystem(_) | Self::Gpu => false,
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(SelectorError::Empty);
        }
        let mut terms: Vec<Term> = Vec::new();
        for term in text.split('@') {
            let term: Term = term.parse()?;
            let kind = std::mem::discriminant(&term);
            if terms.iter().any(|other| std::mem::discriminant(other) == kind) {
                return Err(SelectorError::Twice(term.kind()));
            }
            terms.push(term);
        }
        terms.sort_by_key(|term| !term.names_one());
        Ok(Self { terms })
    }
}

impl FromStr for Term {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "gpu" {
            return Ok(Self::Gpu);
        }
        if let Some((key, value)) = text.split_once('=') {
            return match key {
                "slot" if value.is_empty() => Err(SelectorError::Slot),
                "slot" => Ok(Self::Slot(value.to_owned())),
                "serial" if value.parse() == Ok(SerialNumber(0)) => Err(SelectorError::NoSerial),
                "serial" => Ok(Self::Serial(value.parse()?)),
                "path" => Ok(Self::Path(value.parse()?)),
                "subsystem" => gpu_name::identity(value)
                    .map(Self::Subsystem)
                    .map_err(SelectorError::Subsystem),
                _ => Err(SelectorError::Key(key.to_owned())),
            };
        }
        match text.parse() {
            Ok(GpuName::Function(address)) => Ok(Self::Address(address)),
            Ok(GpuName::Device(device)) => Ok(Self::Device(device)),
            Ok(GpuName::Identity(identity)) => Ok(Self::Identity(identity)),
            Err(GpuNameError::Address(error)) => Err(error.into()),
            Err(GpuNameError::Identity(error)) => Err(error.into()),
            Err(GpuNameError::Libvirt) => Err(SelectorError::Libvirt),
            Err(GpuNameError::Unknown) => Err(SelectorError::Unknown(text.to_owned())),
        }
    }
}

impl Term {
    fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "an address",
            Self::Device(_) => "a device number",
            Self::Path(_) => "path",
            Self::Slot(_) => "slot",
            Self::Serial(_) => "serial",
            Self::Identity(_) => "an identity",
            Self::Subsystem(_) => "subsystem",
            Self::Gpu => "gpu",
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms = self.terms.iter();
        if let Some(first) = terms.next() {
            first.fmt(formatter)?;
        }
        terms.try_for_each(|term| write!(formatter, "@{term}"))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Device(device) => device.fmt(formatter),
            Self::Path(path) => write!(formatter, "path={path}"),
            Self::Slot(slot) => write!(formatter, "slot={slot}"),
            Self::Serial(serial) => write!(formatter, "serial={serial}"),
            Self::Identity(identity) => identity.fmt(formatter),
            Self::Subsystem(identity) => write!(formatter, "subsystem={identity}"),
            Self::Gpu => formatter.write_str("gpu"),
        }
    }
}

/// An error when parsing a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The text is empty.
    #[error("the selector is empty")]
    Empty,
    /// It looks like an address, but is invalid.
    #[error("not an address such as 0000:65:00.0: {0}")]
    Address(#[from] ParseAddressError),
    /// It looks like a vendor:device ID, but is invalid.
    #[error("not an identity such as 10de:2231: {0}")]
    Identity(#[from] ParseIdentityError),
    /// The value after `subsystem=` is invalid.
    #[error("not a subsystem such as subsystem=10de:1482: {0}")]
    Subsystem(ParseIdentityError),
    /// The value after `serial=` is invalid.
    #[error("not a serial number such as serial=48-b0-2d-00-00-00-00-01: {0}")]
    Serial(#[from] ParseSerialNumberError),
    /// The serial number is 0, which manufacturers use for none.
    #[error("a serial number of 0 is none")]
    NoSerial,
    /// The value after `path=` is invalid.
    #[error("not a path such as path=pci0000:00/03.0/00.0: {0}")]
    Path(#[from] ParsePathError),
    /// There is no value after `slot=`.
    #[error("slot= names no slot: /sys/bus/pci/slots has their names")]
    Slot,
    /// It begins like libvirt's names, but is invalid.
    #[error("not a name of libvirt's such as pci_0000_65_00_0")]
    Libvirt,
    /// No term begins like this.
    #[error(
        "`{key}=` is not known{hint}: expected slot=, serial=, path= or subsystem=",
        key = .0,
        hint = did_you_mean(.0, &["slot=", "serial=", "path=", "subsystem="])
    )]
    Key(String),
    /// A kind of term occurs twice.
    #[error("{0} is said twice: all that `@` joins has to be true of one function")]
    Twice(&'static str),
    /// The text resembles no term.
    #[error(
        "not a selector{hint}: `{text}` is none of an address (0000:65:00.0), an identity (10de:2231), slot=3, \
         serial=48-b0-2d-00-00-00-00-01, path=pci0000:00/03.0/00.0, subsystem=10de:1482 or `gpu`; `@` joins several",
        text = .0,
        hint = did_you_mean(.0, &["gpu"])
    )]
    Unknown(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_and_prints_back() {
        for text in [
            "0000:65:00.0",
            "10000:01:00.1",
            "0000:65:00.0@10de:2231",
            "10de:2231",
            "0000:65:00",
            "0000:65:00@10de:1aef",
            "gpu",
            "slot=3",
            "slot=4-1/00.0/00.0",
            "serial=48-b0-2d-00-00-00-00-01",
            "path=pci0000:00/03.0/00.0",
            "subsystem=10de:1482",
            "slot=3@10de:2231@subsystem=10de:1482",
        ] {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.to_string(), text);
        }
    }

    #[test]
    fn the_order_of_terms_does_not_matter() {
        assert_eq!("10de:2231@slot=3".parse::<Selector>(), "slot=3@10de:2231".parse());
    }

    #[test]
    fn an_address_without_a_segment_is_on_segment_zero() {
        assert_eq!("65:00.0".parse::<Selector>(), "0000:65:00.0".parse());
    }

    #[test]
    fn other_names_of_a_gpu_mean_the_same_in_a_rule() {
        for (text, same) in [
            ("pci_0000_65_00_0", "0000:65:00.0"),
            ("65:00", "0000:65:00"),
            ("0x10de:0x2231", "10de:2231"),
            ("subsystem=0x10de:0x1482", "subsystem=10de:1482"),
        ] {
            assert_eq!(text.parse::<Selector>(), same.parse(), "{text}");
            assert_eq!(text.parse::<Selector>().unwrap().to_string(), same);
        }
        let device: Selector = "65:00".parse().unwrap();
        assert!(device.names_one());
    }

    #[cfg(feature = "operator")]
    #[test]
    fn a_misspelt_word_has_the_nearest_one_beside_it() {
        for (text, nearest) in [
            ("gpuu", Some("`gpu`")),
            ("GPU", Some("`gpu`")),
            ("gup", Some("`gpu`")),
            ("solt=3", Some("`slot=`")),
            ("serail=1", Some("`serial=`")),
            ("subsytem=10de:1482", Some("`subsystem=`")),
            ("every", None),
            ("x=3", None),
            ("gpu@", None),
        ] {
            let error = text.parse::<Selector>().unwrap_err().to_string();
            match nearest {
                Some(nearest) => assert!(error.contains(&format!("did you mean {nearest}?")), "{error}"),
                None => assert!(!error.contains("did you mean"), "{error}"),
            }
        }
    }

    #[test]
    fn nonsense_says_what_was_expected() {
        let error = |text: &str| text.parse::<Selector>().unwrap_err();
        assert_eq!(error(""), SelectorError::Empty);
        assert_eq!(error("every"), SelectorError::Unknown("every".to_owned()));
        assert_eq!(error("GPU"), SelectorError::Unknown("GPU".to_owned()));
        assert_eq!(error("gpu@"), SelectorError::Unknown(String::new()));
        assert_eq!(error("bay=3"), SelectorError::Key("bay".to_owned()));
        assert_eq!(error("slot="), SelectorError::Slot);
        assert_eq!(error("slot=3@slot=4"), SelectorError::Twice("slot"));
        assert_eq!(error("serial=00-00-00-00-00-00-00-00"), SelectorError::NoSerial);
        assert!(matches!(error("65:00.9"), SelectorError::Address(_)));
        assert!(matches!(error("65:20"), SelectorError::Address(_)));
        assert_eq!(error("pci_0000_65_00"), SelectorError::Libvirt);
        assert!(matches!(error("10de:xyz"), SelectorError::Identity(_)));
        assert!(matches!(error("65:00.0@10de:"), SelectorError::Identity(_)));
        assert!(matches!(error("subsystem=10de"), SelectorError::Subsystem(_)));
        assert!(matches!(error("serial=1"), SelectorError::Serial(_)));
        assert!(matches!(error("path=03.0"), SelectorError::Path(_)));
    }
}
