//! Offsets of registers in configuration space.

use core::fmt;

use super::SPACE_SIZE;

/// The offset of a 32-bit register: below 4096 and a multiple of 4.
///
/// ```
/// use reseat_core::config::{Offset, OffsetError};
///
/// const COMMAND_STATUS: Offset = Offset::at::<0x04>();
/// assert_eq!(Offset::new(0x06), Err(OffsetError::Misaligned(0x06)));
/// ```
///
/// ```compile_fail
/// const STATUS: reseat_core::config::Offset = reseat_core::config::Offset::at::<0x06>();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u16", into = "u16"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Offset(u16);

impl Offset {
    /// Bytes in a register.
    pub const WIDTH: u16 = 4;

    /// A checked offset.
    ///
    /// # Errors
    ///
    /// [`OffsetError`] where `offset` is outside of the space or not a multiple of [`WIDTH`](Self::WIDTH).
    pub const fn new(offset: u16) -> Result<Self, OffsetError> {
        if offset >= SPACE_SIZE {
            Err(OffsetError::BeyondSpace(offset))
        } else if !offset.is_multiple_of(Self::WIDTH) {
            Err(OffsetError::Misaligned(offset))
        } else {
            Ok(Self(offset))
        }
    }

    /// An offset known when the program is written; a wrong one does not compile.
    pub const fn at<const OFFSET: u16>() -> Self {
        const {
            assert!(OFFSET < SPACE_SIZE, "offset outside of configuration space");
            assert!(
                OFFSET.is_multiple_of(Self::WIDTH),
                "offset not a multiple of a register's width"
            );
        }
        Self(OFFSET)
    }

    /// The offset in bytes from the start of the space.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The register `bytes` further on; `None` outside of the space or off a register's start.
    pub(crate) const fn forward(self, bytes: u16) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(offset) => match Self::new(offset) {
                Ok(offset) => Some(offset),
                Err(_) => None,
            },
            None => None,
        }
    }
}

impl TryFrom<u16> for Offset {
    type Error = OffsetError;

    fn try_from(offset: u16) -> Result<Self, OffsetError> {
        Self::new(offset)
    }
}

impl From<Offset> for u16 {
    fn from(offset: Offset) -> Self {
        offset.0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#05x}", self.0)
    }
}

impl fmt::Debug for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offset({:#05x})", self.0)
    }
}

/// Why a number is no offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum OffsetError {
    /// Not below 4096.
    BeyondSpace(u16),
    /// Not a multiple of 4.
    Misaligned(u16),
}

impl fmt::Display for OffsetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondSpace(offset) => {
                write!(f, "offset {offset:#x} is outside of configuration space")
            }
            Self::Misaligned(offset) => write!(f, "offset {offset:#x} is not a multiple of 4"),
        }
    }
}

impl core::error::Error for OffsetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn register_offset_is_a_multiple_of_four_in_the_space() {
        assert_eq!(Offset::new(0xffc).map(Offset::get), Ok(0xffc));
        assert_eq!(Offset::new(0x1000), Err(OffsetError::BeyondSpace(0x1000)));
        for offset in [0x41, 0x42, 0x43] {
            assert_eq!(Offset::new(offset), Err(OffsetError::Misaligned(offset)));
        }
    }
}
