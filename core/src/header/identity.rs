//! Vendor:device ID and class code.

use core::fmt;
use core::str::FromStr;

use crate::address::{hexadecimal, split_at_last};
use crate::config::halves;

/// A vendor ID and the device ID that the vendor assigned. The text form is `10de:2230`.
///
/// Subsystems have the same pair of IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
}

impl Identity {
    /// Decodes a register, with the vendor in its lower half.
    pub const fn from_register(register: u32) -> Self {
        let (vendor, device) = halves(register);
        Self { vendor, device }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

impl FromStr for Identity {
    type Err = ParseIdentityError;

    fn from_str(text: &str) -> Result<Self, ParseIdentityError> {
        let (vendor, device) = split_at_last(text, b':').ok_or(ParseIdentityError::Form)?;
        Ok(Self {
            vendor: number(vendor).ok_or(ParseIdentityError::Vendor)?,
            device: number(device).ok_or(ParseIdentityError::Device)?,
        })
    }
}

/// Parses exactly four digits, as `lspci` writes them: with fewer, `65:00` would be an ID and not a mistyped address.
fn number(text: &str) -> Option<u16> {
    u16::try_from(hexadecimal(text, 4).filter(|_| text.len() == 4)?).ok()
}

/// An error when parsing an [`Identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ParseIdentityError {
    /// The text is not `vendor:device`.
    Form,
    /// The vendor ID is not 4 hexadecimal digits.
    Vendor,
    /// The device ID is not 4 hexadecimal digits.
    Device,
}

impl fmt::Display for ParseIdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not of the form vendor:device",
            Self::Vendor => "vendor is not 4 hexadecimal digits",
            Self::Device => "device is not 4 hexadecimal digits",
        })
    }
}

impl core::error::Error for ParseIdentityError {}

/// Class Code: the kind of function. The text form is the 24 bits in hexadecimal: `030200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassCode {
    /// Base Class Code: 03 is a display controller, 06 is a bridge.
    pub base_class: u8,
    /// Sub-Class Code, within the base class.
    pub sub_class: u8,
    /// Programming Interface, within the sub-class.
    pub interface: u8,
}

/// Base Class Codes, and the Sub-Class Codes that reseat distinguishes.
mod class {
    pub(super) const DISPLAY_CONTROLLER: u8 = 0x03;
    pub(super) const VGA: u8 = 0x00;
    pub(super) const THREE_D: u8 = 0x02;
    pub(super) const BRIDGE: u8 = 0x06;
    pub(super) const HOST: u8 = 0x00;
    pub(super) const PCI_TO_PCI: u8 = 0x04;
    pub(super) const CARD_BUS: u8 = 0x07;
    pub(super) const SEMI_TRANSPARENT_PCI_TO_PCI: u8 = 0x09;
    pub(super) const PROCESSING_ACCELERATOR: u8 = 0x12;
}

impl ClassCode {
    /// True for a bridge from the processor to a root bus.
    pub const fn is_host_bridge(self) -> bool {
        matches!((self.base_class, self.sub_class), (class::BRIDGE, class::HOST))
    }

    /// True for a bridge between PCI buses. Every port is one.
    pub const fn is_pci_bridge(self) -> bool {
        matches!(
            (self.base_class, self.sub_class),
            (class::BRIDGE, class::PCI_TO_PCI | class::SEMI_TRANSPARENT_PCI_TO_PCI)
        )
    }

    /// True for a bridge with a bus below: between PCI buses, or to `CardBus`.
    pub const fn leads_to_a_bus(self) -> bool {
        self.is_pci_bridge() || matches!((self.base_class, self.sub_class), (class::BRIDGE, class::CARD_BUS))
    }

    /// True for a display controller of any kind.
    pub const fn is_display_controller(self) -> bool {
        self.base_class == class::DISPLAY_CONTROLLER
    }

    /// True for a VGA-compatible controller. Like Linux's class match, it ignores the interface.
    pub const fn is_vga_controller(self) -> bool {
        self.is_display_controller() && self.sub_class == class::VGA
    }

    /// True for a 3D controller, which has no outputs.
    pub const fn is_3d_controller(self) -> bool {
        self.is_display_controller() && self.sub_class == class::THREE_D
    }

    /// True for a processing accelerator. Intel's NPUs have this class and are not GPUs.
    pub const fn is_processing_accelerator(self) -> bool {
        self.base_class == class::PROCESSING_ACCELERATOR
    }
}

/// Returns true if a function makes its device a GPU: any display controller (VGA-compatible, 3D or other), or a
/// processing accelerator by AMD, which is the class of its Instinct parts.
pub const fn is_gpu(identity: Identity, class: ClassCode) -> bool {
    const AMD: u16 = 0x1002;
    class.is_display_controller() || class.is_processing_accelerator() && class.sub_class == 0 && identity.vendor == AMD
}

impl fmt::Display for ClassCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}", self.base_class, self.sub_class, self.interface)
    }
}

impl FromStr for ClassCode {
    type Err = ParseClassCodeError;

    fn from_str(text: &str) -> Result<Self, ParseClassCodeError> {
        let code = hexadecimal(text, 6)
            .filter(|_| text.len() == 6)
            .ok_or(ParseClassCodeError)?;
        let [_, base_class, sub_class, interface] = code.to_be_bytes();
        Ok(Self {
            base_class,
            sub_class,
            interface,
        })
    }
}

/// An error when parsing a [`ClassCode`]: the text is not 6 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ParseClassCodeError;

impl fmt::Display for ParseClassCodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("class code is not 6 hexadecimal digits")
    }
}

impl core::error::Error for ParseClassCodeError {}

#[cfg(feature = "serde")]
crate::text::serde_as_text!(Identity, "vendor and device ID such as 10de:2330");
#[cfg(feature = "serde")]
crate::text::serde_as_text!(ClassCode, "a class code of six digits such as 030200");

#[cfg(feature = "defmt")]
impl defmt::Format for Identity {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u16:04x}:{=u16:04x}", self.vendor, self.device);
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for ClassCode {
    fn format(&self, f: defmt::Formatter<'_>) {
        let Self {
            base_class,
            sub_class,
            interface,
        } = self;
        defmt::write!(f, "{=u8:02x}{=u8:02x}{=u8:02x}", base_class, sub_class, interface);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use super::*;

    #[test]
    fn identity_is_its_text() {
        let identity = Identity {
            vendor: 0x10de,
            device: 0x2231,
        };
        assert_eq!(identity.to_string(), "10de:2231");
        assert_eq!("10DE:2231".parse(), Ok(identity));
        assert_eq!("10de".parse::<Identity>(), Err(ParseIdentityError::Form));
        assert_eq!("110de:2231".parse::<Identity>(), Err(ParseIdentityError::Vendor));
        assert_eq!("65:00".parse::<Identity>(), Err(ParseIdentityError::Vendor));
        assert_eq!("10de:".parse::<Identity>(), Err(ParseIdentityError::Device));
        assert_eq!("10de:2231:0".parse::<Identity>(), Err(ParseIdentityError::Vendor));
    }

    #[test]
    fn bridges_with_and_without_a_bus() {
        let of = |text: &str| {
            let class: ClassCode = text.parse().unwrap();
            (class.is_host_bridge(), class.is_pci_bridge(), class.leads_to_a_bus())
        };
        assert_eq!(of("060000"), (true, false, false));
        assert_eq!(of("060100"), (false, false, false));
        assert_eq!(of("060400"), (false, true, true));
        assert_eq!(of("060700"), (false, false, true));
        assert_eq!(of("060940"), (false, true, true));
        assert_eq!(of("068000"), (false, false, false));
    }

    #[test]
    fn class_code_is_its_six_digits() {
        let class = ClassCode {
            base_class: 0x0c,
            sub_class: 0x03,
            interface: 0x30,
        };
        assert_eq!(class.to_string(), "0c0330");
        assert_eq!("0c0330".parse(), Ok(class));
        assert_eq!("c0330".parse::<ClassCode>(), Err(ParseClassCodeError));
        assert_eq!("+c0330".parse::<ClassCode>(), Err(ParseClassCodeError));
    }
}
