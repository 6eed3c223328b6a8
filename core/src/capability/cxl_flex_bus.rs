//! CXL's DVSEC for a Flex Bus Port: the protocols that the link negotiated.
//!
//! | offset | register |
//! | --- | --- |
//! | a | Port Capability |
//! | c | bits 0–15: Port Control |
//! | c | bits 16–31: Port Status |
//!
//! CXL r3.2, sec 8.1.8; `PCI_DVSEC_CXL_FLEXBUS_PORT` of Linux's `pci_regs.h` (7.0), where `pcie_is_cxl()` reads it.

use bitfield_struct::bitfield;

use super::ExtendedId;
use super::designated_vendor_specific::{CxlPort, DesignatedVendorSpecific, DesignatedVendorSpecificHeader};
use super::list::List;
use super::view::{View, ViewError};
use crate::config::{ConfigRead, Offset, halves};

/// Port Status, in the upper half.
const PORT_CONTROL_STATUS: Offset = Offset::at::<0x0c>();

/// A function's DVSEC for a Flex Bus Port.
#[derive(Clone, Debug)]
pub struct CxlFlexBusPort<R> {
    view: View<R, ExtendedId>,
    length: u16,
}

impl<R: ConfigRead> CxlFlexBusPort<R> {
    /// The DVSEC ID for Flex Bus Ports.
    pub const ID: u16 = 7;

    /// Returns the first Flex Bus Port DVSEC in the list. Two reads for each DVSEC up to it.
    ///
    /// # Errors
    ///
    /// [`ViewError`] if a DVSEC's header cannot be read.
    pub fn find<E, const N: usize>(
        list: &List<ExtendedId, E, N>,
        reader: R,
    ) -> Result<Option<Self>, ViewError<R::Error>> {
        let found = DesignatedVendorSpecific::find_of(list, reader, CxlPort::<R>::VENDOR, Self::ID)?;
        Ok(found.map(|(capability, header)| Self::new(capability, header)))
    }

    /// Decodes `capability` as a Flex Bus Port DVSEC if `header` and `id`, read from it, match. No read.
    pub fn of(
        capability: DesignatedVendorSpecific<R>,
        header: DesignatedVendorSpecificHeader,
        id: u16,
    ) -> Option<Self> {
        let is_it = header.dvsec_vendor_id() == CxlPort::<R>::VENDOR && id == Self::ID;
        is_it.then(|| Self::new(capability, header))
    }

    fn new(capability: DesignatedVendorSpecific<R>, header: DesignatedVendorSpecificHeader) -> Self {
        Self {
            length: capability.length(header),
            view: capability.into_view(),
        }
    }

    /// Port Status. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`]; also [`ViewError::BeyondBound`] if the DVSEC's own length ends before the register.
    pub fn status(&mut self) -> Result<CxlFlexBusPortStatus, ViewError<R::Error>> {
        if PORT_CONTROL_STATUS.get().saturating_add(Offset::WIDTH) > self.length {
            return Err(ViewError::BeyondBound {
                relative: PORT_CONTROL_STATUS,
                length: self.length,
            });
        }
        Ok(halves(self.view.read_answer(PORT_CONTROL_STATUS)?).1.into())
    }
}

/// Port Status of CXL's DVSEC for a Flex Bus Port. If no protocol is set, the link runs in PCIe mode or is down.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | `Cache_Enabled` |
/// | 1 | `IO_Enabled` |
/// | 2 | `Mem_Enabled` |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CxlFlexBusPortStatus {
    /// The link carries CXL.cache.
    #[bits(1, access = RO)]
    pub cache_enabled: bool,
    /// The link carries CXL.io.
    #[bits(1, access = RO)]
    pub io_enabled: bool,
    /// The link carries CXL.mem.
    #[bits(1, access = RO)]
    pub mem_enabled: bool,
    #[bits(13)]
    __: u16,
}

impl CxlFlexBusPortStatus {
    /// True if the link carries any CXL protocol, including a link to a restricted CXL device (RCD).
    pub const fn carries_cxl(self) -> bool {
        self.cache_enabled() || self.io_enabled() || self.mem_enabled()
    }
}
