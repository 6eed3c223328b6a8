//! Access to configuration space: offsets and a reader.
//!
//! There is no writer: whoever holds a reader cannot reset anything. The unit of reading is the 32-bit register at a
//! multiple of four, least significant byte at the lowest offset.

mod memory;
mod offset;

use core::fmt;

pub use self::memory::{Memory, MemoryError};
pub use self::offset::{Offset, OffsetError};

/// The size of configuration space, in bytes, on buses that have the extended part.
pub const SPACE_SIZE: u16 = 4096;

/// How much of a function's configuration space a reader reaches.
///
/// Ordered by size. Linux, for one, shows a caller without privileges [`Self::Header`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReadableSize {
    /// 64 bytes: the header.
    Header,
    /// 256 bytes: the header and the standard capabilities.
    Standard,
    /// 4096 bytes: all that, and the extended capabilities.
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

    /// The largest of the three sizes that `bytes` covers, or `None` below 64.
    pub const fn covered_by(bytes: usize) -> Option<Self> {
        match bytes {
            0..64 => None,
            64..256 => Some(Self::Header),
            256..4096 => Some(Self::Standard),
            _ => Some(Self::Extended),
        }
    }

    /// Whether the register at `offset` lies within this size.
    pub const fn contains(self, offset: Offset) -> bool {
        offset.get() < self.bytes()
    }
}

/// Reads one function's configuration space.
///
/// Reading may wait, and may fail; all-ones is a successful read of what the bus answers where
/// nothing else does.
pub trait ConfigRead {
    /// Why the reader itself could not read.
    type Error;

    /// How much of the space [`read`](Self::read) reaches. Does not change while the reader lives.
    fn size(&self) -> ReadableSize;

    /// The register at `offset`, its lowest byte being the one at `offset`.
    ///
    /// # Errors
    ///
    /// The reader's own error; beyond [`size`](Self::size) always.
    fn read(&mut self, offset: Offset) -> Result<u32, Self::Error>;
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

/// Why a register has no value to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RegisterError<E> {
    /// The register reads all-ones, which it cannot hold: the function does not answer.
    AllOnes {
        /// Where it was read.
        at: Offset,
    },
    /// The reader failed.
    Failed {
        /// Where it was reading.
        at: Offset,
        /// What it said.
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

/// Reads a register that has reserved bits or an ID, and so is never all-ones while its function
/// answers.
pub(crate) fn read_answer<R: ConfigRead>(reader: &mut R, at: Offset) -> Result<u32, RegisterError<R::Error>> {
    match read(reader, at)? {
        u32::MAX => Err(RegisterError::AllOnes { at }),
        value => Ok(value),
    }
}

/// The two 16-bit registers that share 32 bits, the lower one first.
pub(crate) const fn halves(register: u32) -> (u16, u16) {
    let [b0, b1, b2, b3] = register.to_le_bytes();
    (u16::from_le_bytes([b0, b1]), u16::from_le_bytes([b2, b3]))
}
