//! Configuration space held in memory: a dump, a test's bytes, a fuzzer's input.

use core::fmt;

use super::{ConfigRead, Offset, ReadableSize};

/// Configuration space in a byte slice, from offset 0 on.
///
/// Bytes beyond the largest of the sizes that the slice covers are out of reach: of 96 bytes, 64.
#[derive(Clone, Copy, Debug)]
pub struct Memory<B> {
    bytes: B,
    size: ReadableSize,
}

impl<B: AsRef<[u8]>> Memory<B> {
    /// The space in `bytes`.
    ///
    /// # Errors
    ///
    /// [`MemoryError::TooShort`] where `bytes` does not hold the 64 bytes of a header.
    pub fn new(bytes: B) -> Result<Self, MemoryError> {
        let length = bytes.as_ref().len();
        match ReadableSize::covered_by(length) {
            Some(size) => Ok(Self { bytes, size }),
            None => Err(MemoryError::TooShort { length }),
        }
    }
}

impl<B: AsRef<[u8]>> ConfigRead for Memory<B> {
    type Error = MemoryError;

    fn size(&self) -> ReadableSize {
        self.size
    }

    fn read(&mut self, offset: Offset) -> Result<u32, MemoryError> {
        let readable = self.bytes.as_ref().get(..usize::from(self.size.bytes()));
        let register = readable.and_then(|bytes| bytes.get(usize::from(offset.get())..)?.first_chunk());
        register
            .copied()
            .map(u32::from_le_bytes)
            .ok_or(MemoryError::BeyondEnd { offset: offset.get() })
    }
}

/// Why memory does not answer as configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MemoryError {
    /// Fewer than 64 bytes.
    TooShort {
        /// How many there are.
        length: usize,
    },
    /// The access reaches beyond the readable size.
    BeyondEnd {
        /// Where it begins.
        offset: u16,
    },
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { length } => write!(f, "{length} bytes do not hold a header of 64"),
            Self::BeyondEnd { offset } => {
                write!(f, "offset {offset:#x} is beyond the readable size")
            }
        }
    }
}

impl core::error::Error for MemoryError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> [u8; 256] {
        core::array::from_fn(|index| u8::try_from(index).unwrap())
    }

    #[test]
    fn lowest_byte_comes_first() {
        let mut space = Memory::new(counting()).unwrap();
        assert_eq!(space.read(Offset::at::<0x10>()), Ok(0x1312_1110));
    }

    #[test]
    fn partial_space_is_cut_to_a_size_that_exists() {
        let mut space = Memory::new([0x5a; 96]).unwrap();
        assert_eq!(space.size(), ReadableSize::Header);
        assert_eq!(space.read(Offset::at::<0x3c>()), Ok(0x5a5a_5a5a));
        assert_eq!(
            space.read(Offset::at::<0x40>()),
            Err(MemoryError::BeyondEnd { offset: 0x40 })
        );
        assert_eq!(Memory::new([0; 63]).err(), Some(MemoryError::TooShort { length: 63 }));
    }
}
