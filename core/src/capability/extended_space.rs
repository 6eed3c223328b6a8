//! Whether a function has the extended part of configuration space.

use core::fmt;

use super::StandardId;
use super::list::List;
use super::view::ViewError;
use super::walk::Walk;
use crate::config::{ConfigRead, Offset, ReadableSize};
use crate::header::CapabilityPointer;

/// Says that a function has extended configuration space, from 100 to fff.
///
/// Without it, what a reader finds there need not be a list: a function without extended space may
/// repeat its first 256 bytes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedSpace(());

impl ExtendedSpace {
    /// Looks for the signs: 4096 readable bytes, and a PCI Express capability or a PCI-X one of
    /// mode 2. No read with PCI Express, one with PCI-X alone.
    ///
    /// # Errors
    ///
    /// Which of the signs is missing, or why it cannot be told.
    pub fn detect<R: ConfigRead, const N: usize>(
        standard: &List<StandardId, R::Error, N>,
        reader: R,
    ) -> Result<Self, NoExtendedSpace<R::Error>> {
        let size = reader.size();
        if size < ReadableSize::Extended {
            return Err(NoExtendedSpace::NotReadable(size));
        }
        if standard.find(StandardId::EXPRESS).is_some() {
            return Ok(Self(()));
        }
        let pci_x = standard.find(StandardId::PCI_X).ok_or(NoExtendedSpace::NotCapable)?;
        let status = standard
            .view(pci_x, reader)
            .read(PCI_X_STATUS)
            .map_err(NoExtendedSpace::PciX)?;
        if status & PCI_X_MODE_2 == 0 {
            return Err(NoExtendedSpace::NotCapable);
        }
        Ok(Self(()))
    }

    /// Looks for 4096 readable bytes and a PCI Express capability, and walks the standard list no further than to that, where
    /// nothing else is wanted of it.
    ///
    /// # Errors
    ///
    /// As [`detect`](Self::detect); PCI-X does not count here.
    pub fn search<R: ConfigRead>(reader: R, pointer: CapabilityPointer) -> Result<Self, NoExtendedSpace<R::Error>> {
        let size = reader.size();
        if size < ReadableSize::Extended {
            return Err(NoExtendedSpace::NotReadable(size));
        }
        let mut walk = Walk::standard(reader, pointer);
        match walk.any(|capability| capability.id() == StandardId::EXPRESS) {
            true => Ok(Self(())),
            false => Err(NoExtendedSpace::NotCapable),
        }
    }

    /// Takes it for granted: for a decoder that looks at bytes whatever they are.
    pub const fn assume() -> Self {
        Self(())
    }
}

/// PCI-X Status, from the start of the PCI-X capability.
const PCI_X_STATUS: Offset = Offset::at::<0x04>();
/// Capable of 266 or 533 MHz, which only mode 2 is.
const PCI_X_MODE_2: u32 = 0xc000_0000;

/// Why there is no extended configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NoExtendedSpace<E> {
    /// The reader does not reach it, whether or not it is there.
    NotReadable(ReadableSize),
    /// The standard list names neither PCI Express nor PCI-X of mode 2. That counts only where the
    /// list is complete.
    NotCapable,
    /// The PCI-X capability does not tell its mode.
    PciX(ViewError<E>),
}

impl<E: fmt::Display> fmt::Display for NoExtendedSpace<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReadable(size) => write!(f, "only {} bytes are readable", size.bytes()),
            Self::NotCapable => f.write_str("neither a PCI Express nor a PCI-X mode 2 capability"),
            Self::PciX(error) => write!(f, "PCI-X capability: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for NoExtendedSpace<E> {}
