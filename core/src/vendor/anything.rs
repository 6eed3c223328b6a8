//! A register of a GPU whose registers are unknown.
//!
//! A dead GPU reads all-ones everywhere, so any register with another value on a healthy GPU will do. But a read must
//! not change anything, and behind a BAR that is not prefetchable it may. The first dword of the first such BAR usually
//! holds an ID, as in NVIDIA's registers; nothing else is read there. If all BARs are prefetchable, reads have no side
//! effects (PCI r3.0, sec 6.2.5.1). Then four dwords of the first 4 KiB are read until one is not all-ones.

use super::BarRegister;
use crate::health::Reading;

/// A dword of a GPU with unknown registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Anything {
    pub(super) register: BarRegister,
    /// Reads have no side effects.
    is_prefetchable: bool,
}

impl Anything {
    /// The distance between the dwords to read, and their end.
    const STRIDE: u32 = 0x400;
    const END: u32 = 0x1000;

    /// The first dword of the first memory BAR that is not prefetchable, or of the first memory BAR if all are.
    pub(super) fn behind(bars: &Reading<[u32; 6]>) -> Option<Self> {
        let Reading::Value(registers) = bars else { return None };
        let mut found: Option<Self> = None;
        let mut registers = (0_u8..).zip(registers);
        while let Some((bar, register)) = registers.next() {
            if register & 1 == 1 {
                continue;
            }
            let upper = match register & 0b110 {
                0b100 => registers.next().map_or(0, |(_, upper)| *upper),
                _ => 0,
            };
            let is_placed = register & !0xf != 0 || upper != 0;
            let is_prefetchable = register & 0b1000 != 0;
            let one = Self {
                register: BarRegister { bar, offset: 0 },
                is_prefetchable,
            };
            match found {
                _ if !is_placed => {}
                None => found = Some(one),
                Some(first) if first.is_prefetchable && !is_prefetchable => found = Some(one),
                Some(_) => {}
            }
        }
        found
    }

    /// The dword to read next if this one is all-ones.
    pub(super) const fn next(self) -> Option<Self> {
        let offset = self.register.offset.saturating_add(Self::STRIDE);
        if !self.is_prefetchable || offset >= Self::END {
            return None;
        }
        let register = BarRegister {
            offset,
            ..self.register
        };
        Some(Self { register, ..self })
    }
}
