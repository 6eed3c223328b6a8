//! Configuration space in memory: a dump, test data or fuzzer input.

use core::fmt;
use core::ops::Range;

use super::{ByteOffset, ConfigRead, ConfigWrite, Offset, ReadableSize, WordOffset};

/// Configuration space in a byte slice, starting at offset 0.
///
/// Bytes beyond the largest size that fits are out of reach: of 96 bytes, 64 are readable. A write only stores its
/// value.
#[derive(Clone, Copy, Debug)]
pub struct Memory<B> {
    bytes: B,
    size: ReadableSize,
}

impl<B: AsRef<[u8]>> Memory<B> {
    /// Wraps `bytes`.
    ///
    /// # Errors
    ///
    /// [`MemoryError::TooShort`] if `bytes` is shorter than a 64-byte header.
    pub fn new(bytes: B) -> Result<Self, MemoryError> {
        let length = bytes.as_ref().len();
        match ReadableSize::covered_by(length) {
            Some(size) => Ok(Self { bytes, size }),
            None => Err(MemoryError::TooShort { length }),
        }
    }

    fn range(&self, offset: u16, width: u16) -> Result<Range<usize>, MemoryError> {
        let end = offset.saturating_add(width);
        if end > self.size.bytes() {
            return Err(MemoryError::BeyondEnd { offset });
        }
        Ok(usize::from(offset)..usize::from(end))
    }
}

impl<B: AsRef<[u8]>> ConfigRead for Memory<B> {
    type Error = MemoryError;

    fn size(&self) -> ReadableSize {
        self.size
    }

    fn read(&mut self, offset: Offset) -> Result<u32, MemoryError> {
        let range = self.range(offset.get(), Offset::WIDTH)?;
        let bytes = self.bytes.as_ref().get(range).and_then(|bytes| bytes.first_chunk());
        bytes
            .copied()
            .map(u32::from_le_bytes)
            .ok_or(MemoryError::BeyondEnd { offset: offset.get() })
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Memory<B> {
    fn store(&mut self, offset: u16, value: &[u8]) -> Result<(), MemoryError> {
        let width = u16::try_from(value.len()).unwrap_or(u16::MAX);
        let range = self.range(offset, width)?;
        let bytes = self
            .bytes
            .as_mut()
            .get_mut(range)
            .ok_or(MemoryError::BeyondEnd { offset })?;
        for (byte, new) in bytes.iter_mut().zip(value) {
            *byte = *new;
        }
        Ok(())
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ConfigWrite for Memory<B> {
    type Error = MemoryError;

    fn write_byte(&mut self, offset: ByteOffset, value: u8) -> Result<(), MemoryError> {
        self.store(offset.get(), &[value])
    }

    fn write_word(&mut self, offset: WordOffset, value: u16) -> Result<(), MemoryError> {
        self.store(offset.get(), &value.to_le_bytes())
    }

    fn write(&mut self, offset: Offset, value: u32) -> Result<(), MemoryError> {
        self.store(offset.get(), &value.to_le_bytes())
    }
}

/// An error when accessing configuration space in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MemoryError {
    /// There are fewer than 64 bytes.
    TooShort {
        /// The number of bytes.
        length: usize,
    },
    /// The access reaches beyond the readable size.
    BeyondEnd {
        /// The start of the access.
        offset: u16,
    },
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { length } => write!(f, "{length} bytes are less than a header of 64"),
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
        assert_eq!(space.read_word(WordOffset::at::<0x12>()), Ok(0x1312));
        assert_eq!(space.read_word(WordOffset::at::<0x10>()), Ok(0x1110));
        assert_eq!(space.read_byte(ByteOffset::at::<0x13>()), Ok(0x13));
        assert_eq!(space.read_byte(ByteOffset::at::<0x11>()), Ok(0x11));
    }

    #[test]
    fn write_leaves_its_neighbours_alone() {
        let mut space = Memory::new(counting()).unwrap();
        space.write_word(WordOffset::at::<0x12>(), 0xabcd).unwrap();
        assert_eq!(space.read(Offset::at::<0x10>()), Ok(0xabcd_1110));
        space.write_byte(ByteOffset::at::<0x11>(), 0xef).unwrap();
        assert_eq!(space.read(Offset::at::<0x10>()), Ok(0xabcd_ef10));
        space.write(Offset::at::<0x10>(), 0x0123_4567).unwrap();
        assert_eq!(space.read(Offset::at::<0x10>()), Ok(0x0123_4567));
        assert_eq!(space.read(Offset::at::<0x14>()), Ok(0x1716_1514));
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

    #[test]
    fn write_beyond_the_readable_size_is_refused() {
        let mut space = Memory::new(counting()).unwrap();
        assert_eq!(space.write_byte(ByteOffset::at::<0xff>(), 0), Ok(()));
        assert_eq!(
            space.write(Offset::at::<0x100>(), 0),
            Err(MemoryError::BeyondEnd { offset: 0x100 })
        );
    }
}
