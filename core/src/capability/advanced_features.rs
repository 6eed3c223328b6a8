//! The Advanced Features capability: FLR for conventional PCI functions.
//!
//! | offset | register |
//! | --- | --- |
//! | 0 | header; bits 16–23: Length, 24–31: AF Capabilities |
//! | 4 | bits 0–7: AF Control, 8–15: AF Status |

use bitfield_struct::bitfield;

use super::view::{View, ViewError};
use super::{StandardId, taken_from_list};
use crate::config::{ConfigRead, Offset};

/// AF Control and AF Status, from the start of the capability.
const CONTROL_STATUS: Offset = Offset::at::<0x04>();

/// A function's Advanced Features capability.
#[derive(Clone, Debug)]
pub struct AdvancedFeatures<R> {
    view: View<R, StandardId>,
}

taken_from_list!(AdvancedFeatures, StandardId::ADVANCED_FEATURES);

impl<R: ConfigRead> AdvancedFeatures<R> {
    /// AF Capabilities. The walk read it with the header. No read.
    pub fn capabilities(&self) -> AdvancedFeaturesCapabilities {
        let [_, _, _, capabilities] = self.view.capability().header().to_le_bytes();
        AdvancedFeaturesCapabilities::from_bits(capabilities)
    }

    /// AF Control and AF Status. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn control_status(&mut self) -> Result<(AdvancedFeaturesControl, AdvancedFeaturesStatus), ViewError<R::Error>> {
        let [control, status, ..] = self.view.read_answer(CONTROL_STATUS)?.to_le_bytes();
        Ok((
            AdvancedFeaturesControl::from_bits(control),
            AdvancedFeaturesStatus::from_bits(status),
        ))
    }
}

/// AF Capabilities: the supported features.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Transactions Pending (TP) |
/// | 1 | Function Level Reset (FLR) |
#[bitfield(u8, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AdvancedFeaturesCapabilities {
    /// AF Status shows pending transactions.
    pub transactions_pending: bool,
    /// AF Control can start an FLR. This bit alone is not enough: see [`offers_flr`](Self::offers_flr).
    pub function_level_reset: bool,
    #[bits(6)]
    __: u8,
}

impl AdvancedFeaturesCapabilities {
    /// Returns true if FLR is supported. It takes both bits, since transactions have to end before the reset.
    pub const fn offers_flr(self) -> bool {
        self.transactions_pending() && self.function_level_reset()
    }
}

/// AF Control.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Initiate FLR |
#[bitfield(u8, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AdvancedFeaturesControl {
    /// Writing 1 starts an FLR; reads 0.
    pub initiate_flr: bool,
    #[bits(7)]
    __: u8,
}

/// AF Status.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Transactions Pending |
#[bitfield(u8, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AdvancedFeaturesStatus {
    /// Requests that the function issued have not completed.
    pub transactions_pending: bool,
    #[bits(7)]
    __: u8,
}
