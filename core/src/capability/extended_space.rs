//! Whether a function has the extended part of configuration space.

use core::fmt;

use super::view::ViewError;
use crate::config::ReadableSize;

/// Says that a function has extended configuration space, from 100 to fff.
///
/// Without it, what a reader finds there need not be a list: a function without extended space may
/// repeat its first 256 bytes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedSpace(());

impl ExtendedSpace {
    /// Takes it for granted: for a decoder that looks at bytes whatever they are.
    pub const fn assume() -> Self {
        Self(())
    }
}

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
