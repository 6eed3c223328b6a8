//! The Secondary PCI Express capability: registers for links of 8 GT/s and faster.
//!
//! | offset | register |
//! | --- | --- |
//! | 0 | header |
//! | 4 | Link Control 3 |
//! | 8 | Lane Error Status |
//!
//! The supported speeds of a link are in [`LinkCapabilities2`](super::express::LinkCapabilities2).

use bitfield_struct::bitfield;

use super::view::{View, ViewError};
use super::{ExtendedId, taken_from_list};
use crate::config::{ConfigRead, Offset};

const LINK_CONTROL_3: Offset = Offset::at::<0x04>();
const LANE_ERROR_STATUS: Offset = Offset::at::<0x08>();

/// A function's Secondary PCI Express capability.
#[derive(Clone, Debug)]
pub struct SecondaryExpress<R> {
    view: View<R, ExtendedId>,
}

taken_from_list!(SecondaryExpress, ExtendedId::SECONDARY_EXPRESS);

impl<R: ConfigRead> SecondaryExpress<R> {
    /// Link Control 3. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn link_control_3(&mut self) -> Result<LinkControl3, ViewError<R::Error>> {
        self.view.read_answer(LINK_CONTROL_3).map(Into::into)
    }

    /// Lane Error Status: bit n is set if lane n detected an error, and is cleared by writing 1. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`], also if the register reads all-ones: the bits of lanes that a link lacks are reserved.
    pub fn lane_error_status(&mut self) -> Result<u32, ViewError<R::Error>> {
        self.view.read_answer(LANE_ERROR_STATUS)
    }
}

/// Link Control 3.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Perform Equalization |
/// | 1 | Link Equalization Request Interrupt Enable |
/// | 9–15 | Enable Lower SKP OS Generation Vector |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkControl3 {
    /// The next training equalizes the link again.
    pub perform_equalization: bool,
    /// An equalization request raises an interrupt.
    pub link_equalization_request_interrupt_enable: bool,
    #[bits(7)]
    __: u8,
    /// The speeds with a reduced rate of SKP ordered sets, as a vector.
    #[bits(7, access = RO)]
    pub enable_lower_skp_os_generation_vector: u8,
    #[bits(16)]
    __: u16,
}
