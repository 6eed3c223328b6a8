//! Base address registers.
//!
//! | bits | memory | I/O |
//! | --- | --- | --- |
//! | 0 | 0 | 1 |
//! | 1–2 | 0: 32 bits, 2: 64 bits, the upper half in the next register | bit 1 reserved |
//! | 3 | prefetchable | |
//! | from 4 (memory), from 2 (I/O) | address | address |

use heapless::Vec;

use crate::config::{ConfigRead, Offset, RegisterError, read};

/// The number of BARs in the layout that has the most.
const MOST: usize = 6;

/// The BARs of a header, raw and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bars {
    raw: Vec<u32, MOST>,
}

impl Bars {
    pub(super) const TYPE_0: [Offset; MOST] = [
        Offset::at::<0x10>(),
        Offset::at::<0x14>(),
        Offset::at::<0x18>(),
        Offset::at::<0x1c>(),
        Offset::at::<0x20>(),
        Offset::at::<0x24>(),
    ];
    pub(super) const TYPE_1: [Offset; 2] = [Offset::at::<0x10>(), Offset::at::<0x14>()];
    pub(super) const CARD_BUS: [Offset; 1] = [Offset::at::<0x10>()];

    pub(super) fn read<R: ConfigRead, const N: usize>(
        reader: &mut R,
        registers: &[Offset; N],
    ) -> Result<Self, RegisterError<R::Error>> {
        const { assert!(N <= MOST) };
        let raw = registers.iter().map(|&at| read(reader, at)).collect::<Result<_, _>>()?;
        Ok(Self { raw })
    }

    /// The registers as read, BAR 0 first.
    pub fn raw(&self) -> &[u32] {
        &self.raw
    }

    /// The decoded BARs, BAR 0 first; a 64-bit BAR takes two registers and is one item.
    pub fn iter(&self) -> impl Iterator<Item = Bar> {
        let mut registers = (0..).zip(self.raw.iter().copied());
        core::iter::from_fn(move || {
            let (index, raw) = registers.next()?;
            let kind = match BarLow::of(raw) {
                BarLow::Complete(kind) => kind,
                BarLow::Memory64 { low, prefetchable } => match registers.next() {
                    Some((_, high)) => BarKind::Memory64 {
                        address: (u64::from(high) << 32) | u64::from(low),
                        prefetchable,
                    },
                    None => BarKind::Reserved(raw),
                },
            };
            Some(Bar { index, kind })
        })
    }
}

/// A decoded BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bar {
    /// The number of its register, or of the first of two.
    pub index: u8,
    /// The kind of BAR and its address.
    pub kind: BarKind,
}

/// The kind of BAR and its address. A read does not reveal the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BarKind {
    /// All zeros: no BAR, or one without an address.
    Zero,
    /// All-ones: the function does not answer, or lost its BARs.
    AllOnes,
    /// Memory with a 32-bit address.
    Memory32 {
        /// The address of the mapping.
        address: u32,
        /// Reads have no side effects.
        prefetchable: bool,
    },
    /// Memory with a 64-bit address.
    Memory64 {
        /// The address of the mapping.
        address: u64,
        /// Reads have no side effects.
        prefetchable: bool,
    },
    /// I/O ports.
    Io {
        /// The first port.
        address: u32,
    },
    /// A reserved memory type, or a 64-bit BAR without a register for its upper half.
    Reserved(u32),
}

/// The first register of a BAR by itself.
enum BarLow {
    Complete(BarKind),
    Memory64 { low: u32, prefetchable: bool },
}

impl BarLow {
    const fn of(raw: u32) -> Self {
        let prefetchable = raw & 8 != 0;
        let address = raw & !0xf;
        Self::Complete(match (raw, raw & 7) {
            (0, _) => BarKind::Zero,
            (u32::MAX, _) => BarKind::AllOnes,
            (_, 1 | 3 | 5 | 7) => BarKind::Io { address: raw & !3 },
            (_, 0) => BarKind::Memory32 { address, prefetchable },
            (_, 4) => {
                return Self::Memory64 {
                    low: address,
                    prefetchable,
                };
            }
            _ => BarKind::Reserved(raw),
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    fn decode(raw: &[u32]) -> std::vec::Vec<(u8, BarKind)> {
        let bars = Bars {
            raw: Vec::from_slice(raw).unwrap(),
        };
        bars.iter().map(|bar| (bar.index, bar.kind)).collect()
    }

    #[test]
    fn sixty_four_bit_bar_takes_two_registers() {
        // The six BARs of an MX150.
        let raw = [0xe800_0000, 0x7000_000c, 0x0000_0001, 0x8000_000c, 0, 0x0000_d001];
        let prefetchable = true;
        assert_eq!(
            decode(&raw),
            [
                (
                    0,
                    BarKind::Memory32 {
                        address: 0xe800_0000,
                        prefetchable: false
                    }
                ),
                (
                    1,
                    BarKind::Memory64 {
                        address: 0x1_7000_0000,
                        prefetchable
                    }
                ),
                (
                    3,
                    BarKind::Memory64 {
                        address: 0x8000_0000,
                        prefetchable
                    }
                ),
                (5, BarKind::Io { address: 0xd000 }),
            ]
        );
    }

    #[test]
    fn zero_and_all_ones_are_no_addresses() {
        assert_eq!(decode(&[0, u32::MAX]), [(0, BarKind::Zero), (1, BarKind::AllOnes)]);
    }

    #[test]
    fn reserved_types_keep_their_bits() {
        assert_eq!(decode(&[0xe800_0002]), [(0, BarKind::Reserved(0xe800_0002))]);
        assert_eq!(decode(&[0, 0xe800_0004])[1], (1, BarKind::Reserved(0xe800_0004)));
    }
}
