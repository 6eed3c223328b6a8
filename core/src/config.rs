//! Access to configuration space: offsets, a reader, a writer.
//!
//! Reading and writing are separate traits: code that holds only a reader cannot reset anything. The unit of reading is
//! the 32-bit register at a multiple of four, with the least significant byte at the lowest offset. Narrower reads are
//! cut out of it.

mod memory;
mod offset;

use core::fmt;

pub use self::memory::{Memory, MemoryError};
pub use self::offset::{ByteOffset, Offset, OffsetError, WordOffset};

/// The size of configuration space, in bytes, on buses that have the extended part.
pub const SPACE_SIZE: u16 = 4096;

/// The part of a function's configuration space that a reader reaches.
///
/// Ordered by size. For example, Linux shows an unprivileged caller only [`Self::Header`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReadableSize {
    /// 64 bytes: the header.
    Header,
    /// 256 bytes: the header and the standard capabilities.
    Standard,
    /// 4096 bytes: the header, the standard and the extended capabilities.
    Extended,
}

impl ReadableSize {
    /// The size in bytes.
    pub const fn bytes(self) -> u16 {
        match self {
            Self::Header => 64,
            Self::Standard => 256,
            Self::Extended => SPACE_SIZE,
        }
    }

    /// Returns the largest of the three sizes that fits in `bytes`, or `None` below 64.
    pub const fn covered_by(bytes: usize) -> Option<Self> {
        match bytes {
            0..64 => None,
            64..256 => Some(Self::Header),
            256..4096 => Some(Self::Standard),
            _ => Some(Self::Extended),
        }
    }

    /// Returns true if the register at `offset` is within this size.
    pub const fn contains(self, offset: Offset) -> bool {
        offset.get() < self.bytes()
    }
}

/// Reads one function's configuration space.
///
/// A read may block and may fail. All-ones is a successful read: the bus returns it if no function answers.
pub trait ConfigRead {
    /// The reader's own error.
    type Error;

    /// The part of the space that [`read`](Self::read) reaches. It does not change while the reader lives.
    fn size(&self) -> ReadableSize;

    /// Reads the register at `offset`; its lowest byte is the one at `offset`.
    ///
    /// # Errors
    ///
    /// The reader's own error; always an error beyond [`size`](Self::size).
    fn read(&mut self, offset: Offset) -> Result<u32, Self::Error>;

    /// Reads the 16 bits at `offset`, cut out of their register.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn read_word(&mut self, offset: WordOffset) -> Result<u16, Self::Error> {
        let [b0, b1, b2, b3] = self.read(offset.register())?.to_le_bytes();
        Ok(u16::from_le_bytes(if offset.get() & 2 == 0 {
            [b0, b1]
        } else {
            [b2, b3]
        }))
    }

    /// Reads the 8 bits at `offset`, cut out of their register.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn read_byte(&mut self, offset: ByteOffset) -> Result<u8, Self::Error> {
        let [b0, b1, b2, b3] = self.read(offset.register())?.to_le_bytes();
        Ok(match offset.get() & 3 {
            0 => b0,
            1 => b1,
            2 => b2,
            _ => b3,
        })
    }
}

impl<R: ConfigRead + ?Sized> ConfigRead for &mut R {
    type Error = R::Error;

    fn size(&self) -> ReadableSize {
        (**self).size()
    }

    fn read(&mut self, offset: Offset) -> Result<u32, Self::Error> {
        (**self).read(offset)
    }
}

/// Writes one function's configuration space.
///
/// Each width has its own method and reaches the bus in that width. A 32-bit write next to status bits that are cleared
/// by writing 1 would clear them.
pub trait ConfigWrite {
    /// The writer's own error.
    type Error;

    /// Writes the 8 bits at `offset` and no others.
    ///
    /// # Errors
    ///
    /// The writer's own error.
    fn write_byte(&mut self, offset: ByteOffset, value: u8) -> Result<(), Self::Error>;

    /// Writes the 16 bits at `offset` and no others.
    ///
    /// # Errors
    ///
    /// The writer's own error.
    fn write_word(&mut self, offset: WordOffset, value: u16) -> Result<(), Self::Error>;

    /// Writes the register at `offset`.
    ///
    /// # Errors
    ///
    /// The writer's own error.
    fn write(&mut self, offset: Offset, value: u32) -> Result<(), Self::Error>;
}

impl<W: ConfigWrite + ?Sized> ConfigWrite for &mut W {
    type Error = W::Error;

    fn write_byte(&mut self, offset: ByteOffset, value: u8) -> Result<(), Self::Error> {
        (**self).write_byte(offset, value)
    }

    fn write_word(&mut self, offset: WordOffset, value: u16) -> Result<(), Self::Error> {
        (**self).write_word(offset, value)
    }

    fn write(&mut self, offset: Offset, value: u32) -> Result<(), Self::Error> {
        (**self).write(offset, value)
    }
}

/// The reason why a register has no value to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RegisterError<E> {
    /// The register reads all-ones, which it cannot hold: the function does not answer.
    AllOnes {
        /// The offset of the register.
        at: Offset,
    },
    /// The reader failed.
    Failed {
        /// The offset of the register.
        at: Offset,
        /// The reader's own error.
        error: E,
    },
}

impl<E: fmt::Display> fmt::Display for RegisterError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllOnes { at } => write!(f, "register {at} reads all-ones"),
            Self::Failed { at, error } => write!(f, "reading register {at}: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for RegisterError<E> {}

/// Reads a register that may hold any value.
pub(crate) fn read<R: ConfigRead>(reader: &mut R, at: Offset) -> Result<u32, RegisterError<R::Error>> {
    reader.read(at).map_err(|error| RegisterError::Failed { at, error })
}

/// Reads a register that has reserved bits or an ID, and so never holds all-ones while its function answers.
pub(crate) fn read_answer<R: ConfigRead>(reader: &mut R, at: Offset) -> Result<u32, RegisterError<R::Error>> {
    match read(reader, at)? {
        u32::MAX => Err(RegisterError::AllOnes { at }),
        value => Ok(value),
    }
}

/// Splits 32 bits into two 16-bit registers, the lower one first.
pub(crate) const fn halves(register: u32) -> (u16, u16) {
    let [b0, b1, b2, b3] = register.to_le_bytes();
    (u16::from_le_bytes([b0, b1]), u16::from_le_bytes([b2, b3]))
}
