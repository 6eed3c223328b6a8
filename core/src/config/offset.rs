//! Offsets in configuration space, one type per access width.

use core::fmt;

use super::SPACE_SIZE;

/// Defines an offset type: a `u16` below [`SPACE_SIZE`] and a multiple of the access width.
macro_rules! offset {
    ($(#[$doc:meta])* $name:ident, $width:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(try_from = "u16", into = "u16"))]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct $name(u16);

        impl $name {
            #[doc = concat!("Bytes in one access: ", $width, ".")]
            pub const WIDTH: u16 = $width;

            /// A checked offset.
            ///
            /// # Errors
            ///
            /// [`OffsetError`] if `offset` is outside the space or not a multiple of [`WIDTH`](Self::WIDTH).
            pub const fn new(offset: u16) -> Result<Self, OffsetError> {
                if offset >= SPACE_SIZE {
                    Err(OffsetError::BeyondSpace(offset))
                } else if !offset.is_multiple_of(Self::WIDTH) {
                    Err(OffsetError::Misaligned(offset))
                } else {
                    Ok(Self(offset))
                }
            }

            /// An offset known at compile time; an invalid one does not compile.
            pub const fn at<const OFFSET: u16>() -> Self {
                const {
                    assert!(OFFSET < SPACE_SIZE, "offset outside of configuration space");
                    assert!(OFFSET.is_multiple_of(Self::WIDTH), "offset not a multiple of the access width");
                }
                Self(OFFSET)
            }

            /// The offset in bytes from the start of the space.
            pub const fn get(self) -> u16 {
                self.0
            }
        }

        impl TryFrom<u16> for $name {
            type Error = OffsetError;

            fn try_from(offset: u16) -> Result<Self, OffsetError> {
                Self::new(offset)
            }
        }

        impl From<$name> for u16 {
            fn from(offset: $name) -> Self {
                offset.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#05x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#05x})"), self.0)
            }
        }
    };
}

offset! {
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
    Offset, 4
}

offset! {
    /// The offset of 16 bits: below 4096 and a multiple of 2.
    WordOffset, 2
}

offset! {
    /// The offset of 8 bits: below 4096.
    ByteOffset, 1
}

impl Offset {
    /// The register `bytes` further on; `None` outside the space or if misaligned.
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

impl WordOffset {
    /// The register that contains these 16 bits.
    pub const fn register(self) -> Offset {
        Offset(self.0 & !3)
    }
}

impl ByteOffset {
    /// The register that contains these 8 bits.
    pub const fn register(self) -> Offset {
        Offset(self.0 & !3)
    }
}

/// The reason why a number is not a valid offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum OffsetError {
    /// Not below 4096.
    BeyondSpace(u16),
    /// Not a multiple of the access width.
    Misaligned(u16),
}

impl fmt::Display for OffsetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondSpace(offset) => {
                write!(f, "offset {offset:#x} is outside of configuration space")
            }
            Self::Misaligned(offset) => write!(f, "offset {offset:#x} is not a multiple of the access width"),
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

    #[test]
    fn narrower_offsets_know_their_register() {
        assert_eq!(WordOffset::new(0x43), Err(OffsetError::Misaligned(0x43)));
        assert_eq!(
            WordOffset::new(0x42).map(WordOffset::register),
            Ok(Offset::at::<0x40>())
        );
        assert_eq!(
            ByteOffset::new(0x43).map(ByteOffset::register),
            Ok(Offset::at::<0x40>())
        );
        assert_eq!(ByteOffset::new(0x1000), Err(OffsetError::BeyondSpace(0x1000)));
    }
}
