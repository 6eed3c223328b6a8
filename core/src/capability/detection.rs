//! Detection of extended configuration space by the standard list.

use super::StandardId;
use super::extended_space::{ExtendedSpace, NoExtendedSpace};
use super::list::List;
use super::walk::Walk;
use crate::config::{ConfigRead, Offset, ReadableSize};
use crate::header::CapabilityPointer;

/// PCI-X Status, from the start of the PCI-X capability.
const PCI_X_STATUS: Offset = Offset::at::<0x04>();
/// 266 or 533 MHz capable: only mode 2 is.
const PCI_X_MODE_2: u32 = 0xc000_0000;

impl ExtendedSpace {
    /// Detects extended space: 4096 readable bytes, and a PCI Express capability or a PCI-X one in mode 2. No read with
    /// PCI Express, one read with PCI-X alone.
    ///
    /// # Errors
    ///
    /// The missing sign, or the reason why it cannot be determined.
    pub fn detect<R: ConfigRead, const N: usize>(
        standard: &List<StandardId, R::Error, N>,
        reader: R,
    ) -> Result<Self, NoExtendedSpace<R::Error>> {
        let size = reader.size();
        if size < ReadableSize::Extended {
            return Err(NoExtendedSpace::NotReadable(size));
        }
        if standard.find(StandardId::EXPRESS).is_some() {
            return Ok(Self::assume());
        }
        let pci_x = standard.find(StandardId::PCI_X).ok_or(NoExtendedSpace::NotCapable)?;
        let status = standard
            .view(pci_x, reader)
            .read(PCI_X_STATUS)
            .map_err(NoExtendedSpace::PciX)?;
        if status & PCI_X_MODE_2 == 0 {
            return Err(NoExtendedSpace::NotCapable);
        }
        Ok(Self::assume())
    }

    /// Detects extended space by 4096 readable bytes and a PCI Express capability. It walks the standard list only up
    /// to that capability, for callers that need nothing else from the list.
    ///
    /// # Errors
    ///
    /// As [`detect`](Self::detect), except that PCI-X does not count.
    pub fn search<R: ConfigRead>(reader: R, pointer: CapabilityPointer) -> Result<Self, NoExtendedSpace<R::Error>> {
        let size = reader.size();
        if size < ReadableSize::Extended {
            return Err(NoExtendedSpace::NotReadable(size));
        }
        let mut walk = Walk::standard(reader, pointer);
        match walk.any(|capability| capability.id() == StandardId::EXPRESS) {
            true => Ok(Self::assume()),
            false => Err(NoExtendedSpace::NotCapable),
        }
    }
}
