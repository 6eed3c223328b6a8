//! The Vendor-Specific extended capability (VSEC). Only the function's vendor defines its meaning.
//!
//! | offset | register |
//! | --- | --- |
//! | 0 | header |
//! | 4 | Vendor-Specific Header |

use bitfield_struct::bitfield;

use super::view::{View, ViewError};
use super::{ExtendedId, taken_from_list};
use crate::config::{ConfigRead, Offset};

/// Vendor-Specific Header, from the start of the capability.
const HEADER: Offset = Offset::at::<0x04>();

/// A function's Vendor-Specific extended capability. A function may have several.
#[derive(Clone, Debug)]
pub struct VendorSpecific<R> {
    view: View<R, ExtendedId>,
}

taken_from_list!(VendorSpecific, ExtendedId::VENDOR_SPECIFIC);

impl<R: ConfigRead> VendorSpecific<R> {
    /// Vendor-Specific Header. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn header(&mut self) -> Result<VendorSpecificHeader, ViewError<R::Error>> {
        self.view.read_answer(HEADER).map(Into::into)
    }

    /// The length of the capability in bytes: the length in `header`, at most the length of the view.
    pub fn length(&self, header: VendorSpecificHeader) -> u16 {
        header.vsec_length().min(self.view.length())
    }

    /// Returns the view, for a reader that knows the vendor.
    pub fn into_view(self) -> View<R, ExtendedId> {
        self.view
    }
}

/// Vendor-Specific Header.
///
/// | bits | field |
/// | --- | --- |
/// | 0–15 | VSEC ID |
/// | 16–19 | VSEC Rev |
/// | 20–31 | VSEC Length |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VendorSpecificHeader {
    /// The kind of capability, numbered by the vendor.
    pub vsec_id: u16,
    /// The version of its structure.
    #[bits(4, access = RO)]
    pub vsec_rev: u8,
    /// Its own length in bytes, from the start of the capability.
    #[bits(12, access = RO)]
    pub vsec_length: u16,
}
