//! Proof that a function has extended configuration space.

use core::fmt;

use super::view::ViewError;
use crate::config::ReadableSize;

/// Proof that a function has extended configuration space, from 100 to fff.
///
/// Without it, the bytes there need not be a list: a function without extended space may repeat its first 256 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedSpace(());

impl ExtendedSpace {
    /// Assumes extended space, for a decoder of arbitrary bytes.
    pub const fn assume() -> Self {
        Self(())
    }
}

/// The reason why there is no extended configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NoExtendedSpace<E> {
    /// The reader does not reach it; it may exist.
    NotReadable(ReadableSize),
    /// The standard list has neither PCI Express nor PCI-X in mode 2. This proves absence only if the list is complete.
    NotCapable,
    /// The PCI-X capability's mode cannot be read.
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
