//! The root registers.

use bitfield_struct::bitfield;

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
    /// A correctable error from below raises a system error.
    pub system_error_on_correctable_error_enable: bool,
    /// A non-fatal error from below raises a system error.
    pub system_error_on_non_fatal_error_enable: bool,
    /// A fatal error from below raises a system error.
    pub system_error_on_fatal_error_enable: bool,
    /// PME from below raises an interrupt.
    pub pme_interrupt_enable: bool,
    /// Vendor ID reads `0001` while the function requests retries (RRS).
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
    /// The port can make RRS visible to software.
    #[doc(alias = "CRSVisible")]
    pub rrs_software_visibility: bool,
    #[bits(15)]
    __: u16,
}

/// Root Status. Bit 16 is cleared by writing 1.
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
    /// The function that sent the last PME: bus, device, function.
    pub pme_requester_id: u16,
    /// The function in `pme_requester_id` signals PME.
    pub pme_status: bool,
    /// More PMEs are pending.
    pub pme_pending: bool,
    #[bits(14)]
    __: u16,
}

/// RRS Software Visibility of the root port above a function.
///
/// Read it from the port's [`RootControl`]; there is no default.
#[doc(alias = "CRSVisible")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RrsVisibility {
    /// The port returns Vendor ID `0001` while the function is not ready.
    Enabled,
    /// The root port retries by itself; Vendor ID `0001` is a normal vendor ID.
    Disabled,
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
