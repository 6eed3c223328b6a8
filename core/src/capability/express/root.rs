//! The registers about the root complex.

use bitfield_struct::bitfield;

use crate::presence::RrsVisibility;

/// Root Control.
///
/// | bits | field |
/// | --- | --- |
/// | 4 | RRS Software Visibility Enable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RootControl {
    #[bits(4)]
    __: u8,
    /// Whether a read of Vendor ID returns `0001` while the function asks for retries.
    #[doc(alias = "CRSVisible")]
    #[bits(1)]
    pub rrs_visibility: RrsVisibility,
    #[bits(11)]
    __: u16,
}

/// Root Capabilities.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | RRS Software Visibility |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RootCapabilities {
    /// RRS can be made visible to software.
    #[doc(alias = "CRSVisible")]
    pub rrs_software_visibility: bool,
    #[bits(15)]
    __: u16,
}

impl RrsVisibility {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Disabled,
            _ => Self::Enabled,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::Enabled => 1,
        }
    }
}
