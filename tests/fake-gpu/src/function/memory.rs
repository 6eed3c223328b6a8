//! What lies behind the BARs: a few registers that the silicon gives, zeros, and what was written.

use std::collections::HashMap;

use crate::profile::{FixedRegister, KeptRegister};

/// A place behind a BAR: its number and the offset, a multiple of four.
type Place = (usize, u64);

/// The memory behind a function's BARs, kept only where it was written.
#[derive(Debug)]
pub(super) struct Memory {
    fixed: HashMap<Place, u32>,
    /// The bits that can be written, where not all can.
    writable: HashMap<Place, u32>,
    written: HashMap<Place, u32>,
}

impl Memory {
    pub(super) fn new(fixed: &[FixedRegister], kept: &[KeptRegister]) -> Self {
        let value = |register: &FixedRegister| ((register.bar, register.offset), register.value);
        let writable = |register: &KeptRegister| ((register.bar, register.offset), register.writable);
        Self {
            fixed: fixed.iter().map(value).collect(),
            writable: kept.iter().map(writable).collect(),
            written: HashMap::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.written.clear();
    }

    pub(super) fn read(&self, bar: usize, offset: u64, data: &mut [u8]) {
        for (at, byte) in (offset..).zip(data) {
            *byte = byte_of(self.dword((bar, at & !3)), at);
        }
    }

    pub(super) fn write(&mut self, bar: usize, offset: u64, data: &[u8]) {
        for (at, byte) in (offset..).zip(data) {
            let (place, shift) = ((bar, at & !3), 8 * (at & 3));
            let writable = self.writable.get(&place).map_or(u32::MAX, |bits| *bits) & (0xff << shift);
            let dword = self.written.entry(place).or_default();
            *dword = (*dword & !writable) | ((u32::from(*byte) << shift) & writable);
        }
    }

    /// A register of the silicon's own comes before anything written over it.
    fn dword(&self, place: Place) -> u32 {
        let known = self.fixed.get(&place).or_else(|| self.written.get(&place));
        known.copied().unwrap_or_default()
    }
}

/// Fills `data` as if every dword read `value`.
pub(super) fn fill(value: u32, offset: u64, data: &mut [u8]) {
    for (at, byte) in (offset..).zip(data) {
        *byte = byte_of(value, at);
    }
}

fn byte_of(value: u32, offset: u64) -> u8 {
    let [a, b, c, d] = value.to_le_bytes();
    match offset & 3 {
        0 => a,
        1 => b,
        2 => c,
        _ => d,
    }
}
