//! The PCI Power Management capability.
//!
//! | offset | register |
//! | --- | --- |
//! | 0 | header; bits 16–31: Power Management Capabilities (PMC) |
//! | 4 | bits 0–15: Power Management Control/Status (PMCSR) |

use bitfield_struct::bitfield;

use super::view::{View, ViewError};
use super::walk::{Walk, WalkEnd};
use super::{StandardId, taken_from_list};
use crate::config::{ConfigRead, Offset, halves};
use crate::header::CapabilityPointer;

/// PMCSR, from the start of the capability.
const CONTROL_STATUS: Offset = Offset::at::<0x04>();

/// A function's PCI Power Management capability.
#[derive(Clone, Debug)]
pub struct PowerManagement<R> {
    view: View<R, StandardId>,
}

taken_from_list!(PowerManagement, StandardId::POWER_MANAGEMENT);

impl<R: ConfigRead> PowerManagement<R> {
    /// Finds the first one in the standard list and walks no further, for callers that need nothing else from the list.
    /// `None` if the list ends without it.
    ///
    /// # Errors
    ///
    /// The end of the list if it is not [`WalkEnd::Complete`]: the capability may be beyond it.
    pub fn search(mut reader: R, pointer: CapabilityPointer) -> Result<Option<Self>, WalkEnd<R::Error>> {
        let found = Walk::standard(&mut reader, pointer).first(StandardId::POWER_MANAGEMENT)?;
        Ok(found.map(|capability| Self {
            view: View::new(reader, capability, &[]),
        }))
    }

    /// PMC. The walk read it with the header. No read.
    pub fn capabilities(&self) -> PowerManagementCapabilities {
        PowerManagementCapabilities::from_bits(self.view.capability().own_bits())
    }

    /// PMCSR. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`]; all-ones is an error, not D3hot.
    pub fn control_status(&mut self) -> Result<PowerManagementControlStatus, ViewError<R::Error>> {
        let (control_status, _) = halves(self.view.read_answer(CONTROL_STATUS)?);
        Ok(PowerManagementControlStatus::from_bits(control_status))
    }
}

/// PMC: the supported features.
///
/// | bits | field |
/// | --- | --- |
/// | 0–2 | Version |
/// | 3 | PME Clock |
/// | 4 | Immediate Readiness on Return to D0 |
/// | 5 | Device Specific Initialization |
/// | 6–8 | Aux Current |
/// | 9 | D1 Support |
/// | 10 | D2 Support |
/// | 11–15 | PME Support: D0, D1, D2, D3hot, D3cold |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PowerManagementCapabilities {
    /// The version of the register layout.
    #[bits(3, access = RO)]
    pub version: u8,
    /// Needs the PCI clock to signal PME.
    pub pme_clock: bool,
    /// Ready immediately after the return to D0.
    pub immediate_readiness_on_return_to_d0: bool,
    /// Needs more initialization than the generic one.
    pub device_specific_initialization: bool,
    /// The encoded current drawn from auxiliary power; see
    /// [`aux_current_milliamperes`](Self::aux_current_milliamperes).
    #[bits(3, access = RO)]
    pub aux_current: u8,
    /// Supports D1.
    pub d1_support: bool,
    /// Supports D2.
    pub d2_support: bool,
    /// Can signal PME from D0.
    pub pme_support_d0: bool,
    /// Can signal PME from D1.
    pub pme_support_d1: bool,
    /// Can signal PME from D2.
    pub pme_support_d2: bool,
    /// Can signal PME from D3hot.
    pub pme_support_d3hot: bool,
    /// Can signal PME from D3cold.
    pub pme_support_d3cold: bool,
}

impl PowerManagementCapabilities {
    /// The current drawn from auxiliary power in D3cold, in mA.
    pub const fn aux_current_milliamperes(self) -> u16 {
        match self.aux_current() {
            0 => 0,
            1 => 55,
            2 => 100,
            3 => 160,
            4 => 220,
            5 => 270,
            6 => 320,
            _ => 375,
        }
    }
}

/// PMCSR: reads and sets the power state. Bit 15 is cleared by writing 1.
///
/// | bits | field |
/// | --- | --- |
/// | 0–1 | Power State |
/// | 3 | No Soft Reset |
/// | 8 | PME Enable |
/// | 9–12 | Data Select |
/// | 13–14 | Data Scale |
/// | 15 | PME Status |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PowerManagementControlStatus {
    /// The power state.
    #[bits(2)]
    pub power_state: PowerState,
    __: bool,
    /// The function keeps its state from D3hot to D0: there is no D3hot→D0 reset.
    pub no_soft_reset: bool,
    #[bits(4)]
    __: u8,
    /// The function may signal PME.
    pub pme_enable: bool,
    /// The value that the Data register shows.
    #[bits(4, access = RO)]
    pub data_select: u8,
    /// The scale of the Data register.
    #[bits(2, access = RO)]
    pub data_scale: u8,
    /// The function signals PME, or would if enabled.
    pub pme_status: bool,
}

/// A power state that PMCSR can report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PowerState {
    /// Fully on.
    D0,
    /// Light sleep; optional.
    D1,
    /// Deeper sleep; optional.
    D2,
    /// Off except for configuration space.
    D3hot,
}

impl PowerState {
    /// All power states.
    pub const ALL: [Self; 4] = [Self::D0, Self::D1, Self::D2, Self::D3hot];

    /// The name in the specification.
    pub const fn name(self) -> &'static str {
        match self {
            Self::D0 => "D0",
            Self::D1 => "D1",
            Self::D2 => "D2",
            Self::D3hot => "D3hot",
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::D0,
            1 => Self::D1,
            2 => Self::D2,
            _ => Self::D3hot,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::D0 => 0,
            Self::D1 => 1,
            Self::D2 => 2,
            Self::D3hot => 3,
        }
    }
}
