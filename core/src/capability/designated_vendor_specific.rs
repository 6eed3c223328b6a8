//! The Designated Vendor-Specific extended capability (DVSEC). It names the vendor or consortium that defines it, which
//! need not be the function's own vendor.
//!
//! | offset | register |
//! | --- | --- |
//! | 0 | header |
//! | 4 | Designated Vendor-Specific Header 1 |
//! | 8 | bits 0–15: Designated Vendor-Specific Header 2 |
//!
//! CXL's DVSEC for ports continues:
//!
//! | offset | register |
//! | --- | --- |
//! | 8 | bits 16–31: Port Status |
//! | c | bits 0–15: Port Control |
//!
//! CXL's DVSEC for a Flex Bus Port is in [`cxl_flex_bus`](super::cxl_flex_bus).

use bitfield_struct::bitfield;

use super::list::List;
use super::view::{View, ViewError};
use super::{ExtendedId, taken_from_list};
use crate::config::{ConfigRead, Offset, halves};

const HEADER_1: Offset = Offset::at::<0x04>();
const HEADER_2: Offset = Offset::at::<0x08>();
/// Port Control of CXL's DVSEC for ports, in the lower half.
const CXL_PORT_CONTROL: Offset = Offset::at::<0x0c>();

/// A function's Designated Vendor-Specific extended capability. A function may have several.
#[derive(Clone, Debug)]
pub struct DesignatedVendorSpecific<R> {
    view: View<R, ExtendedId>,
}

taken_from_list!(DesignatedVendorSpecific, ExtendedId::DESIGNATED_VENDOR_SPECIFIC);

impl<R: ConfigRead> DesignatedVendorSpecific<R> {
    /// Designated Vendor-Specific Header 1. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn header(&mut self) -> Result<DesignatedVendorSpecificHeader, ViewError<R::Error>> {
        self.view.read_answer(HEADER_1).map(Into::into)
    }

    /// DVSEC ID, from Designated Vendor-Specific Header 2: the kind of DVSEC, numbered by the vendor that it names. One
    /// read.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn id(&mut self) -> Result<u16, ViewError<R::Error>> {
        Ok(halves(self.view.read_answer(HEADER_2)?).0)
    }

    /// Returns the first DVSEC in the list that names `vendor` and has `id`, with its header. Two reads for each DVSEC
    /// up to it.
    pub(super) fn find_of<E, const N: usize>(
        list: &List<ExtendedId, E, N>,
        mut reader: R,
        vendor: u16,
        id: u16,
    ) -> Result<Option<(Self, DesignatedVendorSpecificHeader)>, ViewError<R::Error>> {
        for capability in list.all(ExtendedId::DESIGNATED_VENDOR_SPECIFIC) {
            let mut candidate = DesignatedVendorSpecific {
                view: list.view(capability, &mut reader),
            };
            let (header, own_id) = (candidate.header()?, candidate.id()?);
            if header.dvsec_vendor_id() == vendor && own_id == id {
                let view = list.view(capability, reader);
                return Ok(Some((Self { view }, header)));
            }
        }
        Ok(None)
    }

    /// The length of the capability in bytes: the length in `header`, at most the length of the view.
    pub fn length(&self, header: DesignatedVendorSpecificHeader) -> u16 {
        header.dvsec_length().min(self.view.length())
    }

    /// Returns the view, for a reader that knows the vendor.
    pub fn into_view(self) -> View<R, ExtendedId> {
        self.view
    }
}

/// Designated Vendor-Specific Header 1.
///
/// | bits | field |
/// | --- | --- |
/// | 0–15 | DVSEC Vendor ID |
/// | 16–19 | DVSEC Revision |
/// | 20–31 | DVSEC Length |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DesignatedVendorSpecificHeader {
    /// The vendor that defines the capability.
    pub dvsec_vendor_id: u16,
    /// The version of its structure.
    #[bits(4, access = RO)]
    pub dvsec_revision: u8,
    /// Its own length in bytes, from the start of the capability.
    #[bits(12, access = RO)]
    pub dvsec_length: u16,
}

/// CXL's DVSEC for ports. It shows if a secondary bus reset has any effect.
#[derive(Clone, Debug)]
pub struct CxlPort<R> {
    view: View<R, ExtendedId>,
    length: u16,
}

impl<R: ConfigRead> CxlPort<R> {
    /// The vendor ID in CXL's DVSECs.
    pub const VENDOR: u16 = 0x1e98;
    /// The DVSEC ID for ports.
    pub const ID: u16 = 3;

    /// Returns the first port DVSEC in the list. Two reads for each DVSEC up to it.
    ///
    /// # Errors
    ///
    /// [`ViewError`] if a DVSEC's header cannot be read.
    pub fn find<E, const N: usize>(
        list: &List<ExtendedId, E, N>,
        reader: R,
    ) -> Result<Option<Self>, ViewError<R::Error>> {
        let found = DesignatedVendorSpecific::find_of(list, reader, Self::VENDOR, Self::ID)?;
        Ok(found.map(|(capability, header)| Self {
            length: capability.length(header),
            view: capability.view,
        }))
    }

    const fn is(header: DesignatedVendorSpecificHeader, id: u16) -> bool {
        header.dvsec_vendor_id() == Self::VENDOR && id == Self::ID
    }

    /// Decodes `capability` as CXL's DVSEC for ports if `header` and `id`, read from it, match. No read.
    pub fn of(
        capability: DesignatedVendorSpecific<R>,
        header: DesignatedVendorSpecificHeader,
        id: u16,
    ) -> Option<Self> {
        let length = capability.length(header);
        Self::is(header, id).then_some(Self {
            view: capability.view,
            length,
        })
    }

    /// Port Control. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`]; also [`ViewError::BeyondBound`] if the DVSEC's own length ends before the register.
    pub fn control(&mut self) -> Result<CxlPortControl, ViewError<R::Error>> {
        const WIDTH: u16 = 2;
        if CXL_PORT_CONTROL.get().saturating_add(WIDTH) > self.length {
            return Err(ViewError::BeyondBound {
                relative: CXL_PORT_CONTROL,
                length: self.length,
            });
        }
        Ok(halves(self.view.read_answer(CXL_PORT_CONTROL)?).0.into())
    }
}

/// Port Control of CXL's DVSEC for ports.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Unmask SBR |
/// | 1 | Unmask Link Disable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CxlPortControl {
    /// Secondary Bus Reset in Bridge Control works. Without it, that bit has no effect.
    pub unmask_sbr: bool,
    /// Link Disable in Link Control works. Without it, that bit has no effect.
    pub unmask_link_disable: bool,
    #[bits(14)]
    __: u16,
}
