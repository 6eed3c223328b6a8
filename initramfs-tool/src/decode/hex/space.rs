//! The configuration space that a function's rows make up.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use reseat_core::config::{ConfigRead, Offset, ReadableSize, SPACE_SIZE};

/// The configuration space that a function's rows make up. Rows may be missing, and each may end anywhere.
#[derive(Clone, Debug, Default)]
pub struct DumpedSpace {
    bytes: BTreeMap<u16, u8>,
    lacked: bool,
}

impl DumpedSpace {
    /// The space of a machine-written dump, whose rows have offsets and bytes only. Other lines are skipped.
    pub fn of_rows(text: &str) -> Self {
        let mut space = Self::default();
        for line in text.lines() {
            let Some((offset, bytes)) = line.split_once(':') else {
                continue;
            };
            let Ok(offset) = u16::from_str_radix(offset.trim(), 16) else {
                continue;
            };
            let bytes = bytes.split_ascii_whitespace();
            let bytes = bytes.map_while(|byte| u8::from_str_radix(byte, 16).ok());
            space
                .bytes
                .extend((offset..).zip(bytes).filter(|(at, _)| *at < SPACE_SIZE));
        }
        space
    }

    /// The space that begins with these bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            bytes: (0..SPACE_SIZE).zip(bytes.iter().copied()).collect(),
            lacked: false,
        }
    }

    /// The number of bytes that the rows give.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// True if every byte is ff.
    pub fn is_all_ones(&self) -> bool {
        self.bytes.values().all(|byte| *byte == 0xff)
    }

    /// True if a register was read that the rows do not give.
    pub fn lacked(&self) -> bool {
        self.lacked
    }

    /// The bytes that are missing up to the end of the part that the rows reach into: 64, 256 or 4096 bytes.
    pub fn missing(&self) -> Vec<RangeInclusive<u16>> {
        let mut missing = Vec::new();
        let mut next = 0;
        for &at in self.bytes.keys() {
            if at > next {
                missing.push(next..=at - 1);
            }
            next = at.saturating_add(1);
        }
        let end = self.size().bytes();
        if next < end {
            missing.push(next..=end - 1);
        }
        missing
    }

    pub(super) fn get(&self, at: u16) -> Option<u8> {
        self.bytes.get(&at).copied()
    }

    /// Stores a byte. Returns the one that was there.
    pub(super) fn insert(&mut self, at: u16, byte: u8) -> Option<u8> {
        self.bytes.insert(at, byte)
    }
}

impl ConfigRead for DumpedSpace {
    type Error = NotDumped;

    /// The smallest size with room for all bytes. Reads of bytes that are missing within it fail.
    fn size(&self) -> ReadableSize {
        let last = self.bytes.last_key_value().map_or(0, |(&offset, _)| offset);
        [ReadableSize::Header, ReadableSize::Standard]
            .into_iter()
            .find(|size| last < size.bytes())
            .unwrap_or(ReadableSize::Extended)
    }

    fn read(&mut self, offset: Offset) -> Result<u32, NotDumped> {
        let mut register = [0; Offset::WIDTH as usize];
        for (byte, at) in register.iter_mut().zip(offset.get()..) {
            let Some(dumped) = self.get(at) else {
                self.lacked = true;
                return Err(NotDumped);
            };
            *byte = dumped;
        }
        Ok(u32::from_le_bytes(register))
    }
}

/// A register whose bytes the rows do not give, or not all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDumped;

impl fmt::Display for NotDumped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not in the dump")
    }
}

impl std::error::Error for NotDumped {}
