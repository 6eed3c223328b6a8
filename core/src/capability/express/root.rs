//! The registers about the root complex.

use bitfield_struct::bitfield;

use crate::presence::RrsVisibility;

/// Root Control.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | System Error on Correctable Error Enable |
/// | 1 | System Error on Non-Fatal Error Enable |
/// | 2 | System Error on Fatal Error Enable |
/// | 3 | PME Interrupt Enable |
/// | 4 | RRS Software Visibility Enable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RootControl {
    /// A correctable error from below is an error of the system.
    pub system_error_on_correctable_error_enable: bool,
    /// A non-fatal error from below is one.
    pub system_error_on_non_fatal_error_enable: bool,
    /// A fatal error from below is one.
    pub system_error_on_fatal_error_enable: bool,
    /// PME from below interrupts.
    pub pme_interrupt_enable: bool,
    /// Whether a read of Vendor ID returns `0001` while the function asks for retries.
    #[doc(alias = "CRSVisible")]
    #[bits(1)]
    pub rrs_software_visibility_enable: RrsVisibility,
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

/// Root Status. Bit 16 is cleared by writing one.
///
/// | bits | field |
/// | --- | --- |
/// | 0–15 | PME Requester ID |
/// | 16 | PME Status |
/// | 17 | PME Pending |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RootStatus {
    /// Who sent the last PME: bus, device, function.
    pub pme_requester_id: u16,
    /// That function signals PME.
    pub pme_status: bool,
    /// More PMEs wait.
    pub pme_pending: bool,
    #[bits(14)]
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
