//! The Resizable BAR capability and the VF Resizable BAR capability. The latter has the same structure, for the BARs of
//! virtual functions.
//!
//! | offset | register |
//! | --- | --- |
//! | 00 | header |
//! | 04 + 8n | Resizable BAR Capability, of the nth BAR that can be resized |
//! | 08 + 8n | Resizable BAR Control, of the same |

use bitfield_struct::bitfield;

use super::list::List;
use super::view::{View, ViewError};
use super::{Capability, ExtendedId};
use crate::config::{ConfigRead, Offset};

/// The offsets of Capability and Control for each BAR; a header has at most six.
const ENTRIES: [(Offset, Offset); 6] = [
    (Offset::at::<0x04>(), Offset::at::<0x08>()),
    (Offset::at::<0x0c>(), Offset::at::<0x10>()),
    (Offset::at::<0x14>(), Offset::at::<0x18>()),
    (Offset::at::<0x1c>(), Offset::at::<0x20>()),
    (Offset::at::<0x24>(), Offset::at::<0x28>()),
    (Offset::at::<0x2c>(), Offset::at::<0x30>()),
];

/// A function's Resizable BAR or VF Resizable BAR capability.
#[derive(Clone, Debug)]
pub struct ResizableBars<R> {
    view: View<R, ExtendedId>,
}

impl<R: ConfigRead> ResizableBars<R> {
    /// Returns the first Resizable BAR capability in the list. No read.
    pub fn find<E, const N: usize>(list: &List<ExtendedId, E, N>, reader: R) -> Option<Self> {
        Self::at(list, list.find(ExtendedId::RESIZABLE_BAR)?, reader)
    }

    /// Returns the first VF Resizable BAR capability in the list. No read.
    pub fn find_of_virtual_functions<E, const N: usize>(list: &List<ExtendedId, E, N>, reader: R) -> Option<Self> {
        Self::at(list, list.find(ExtendedId::VF_RESIZABLE_BAR)?, reader)
    }

    /// Decodes `capability`, an entry of the list; `None` if it has neither ID. No read.
    pub fn at<E, const N: usize>(
        list: &List<ExtendedId, E, N>,
        capability: &Capability<ExtendedId>,
        reader: R,
    ) -> Option<Self> {
        matches!(
            capability.id(),
            ExtendedId::RESIZABLE_BAR | ExtendedId::VF_RESIZABLE_BAR
        )
        .then(|| Self {
            view: list.view(capability, reader),
        })
    }

    /// The number of resizable BARs, from Resizable BAR Control of the first one: 1 to 6. 0 or 7 if the register is
    /// wrong. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn number(&mut self) -> Result<u8, ViewError<R::Error>> {
        let (_, control) = ENTRIES[0];
        let control: ResizableBarControl = self.view.read_answer(control)?.into();
        Ok(control.number_of_resizable_bars())
    }

    /// Resizable BAR Capability and Control of the nth resizable BAR, counted from 0; `None` from the sixth on. Two
    /// reads. It does not check `n` against [`number`](Self::number).
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn bar(&mut self, n: u8) -> Result<Option<ResizableBar>, ViewError<R::Error>> {
        let Some(&(capability, control)) = ENTRIES.get(usize::from(n)) else {
            return Ok(None);
        };
        Ok(Some(ResizableBar {
            capability: self.view.read_answer(capability)?.into(),
            control: self.view.read_answer(control)?.into(),
        }))
    }
}

/// A resizable BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ResizableBar {
    /// Resizable BAR Capability.
    pub capability: ResizableBarCapability,
    /// Resizable BAR Control.
    pub control: ResizableBarControl,
}

impl ResizableBar {
    /// The sizes that the BAR supports, collected from both registers.
    pub const fn sizes(self) -> BarSizes {
        let low = self.capability.sizes() as u64;
        let high = self.control.sizes() as u64;
        BarSizes(low | (high << BarSizes::OF_CAPABILITY))
    }
}

/// Resizable BAR Capability.
///
/// | bits | field |
/// | --- | --- |
/// | 4–31 | one bit each for 1 MB, 2 MB … 128 TB |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ResizableBarCapability {
    #[bits(4)]
    __: u8,
    /// The lower part of [`ResizableBar::sizes`].
    #[bits(28, access = RO)]
    pub sizes: u32,
}

/// Resizable BAR Control.
///
/// | bits | field |
/// | --- | --- |
/// | 0–2 | BAR Index |
/// | 5–7 | Number of Resizable BARs (in the first one) |
/// | 8–13 | BAR Size |
/// | 16–31 | one bit each for 256 TB, 512 TB … 8 EB |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ResizableBarControl {
    /// The index of the BAR.
    #[bits(3, access = RO)]
    pub bar_index: u8,
    #[bits(2)]
    __: u8,
    /// The number of resizable BARs. Reserved in all registers but the first.
    #[bits(3, access = RO)]
    pub number_of_resizable_bars: u8,
    /// The current size of the BAR.
    #[bits(6)]
    pub bar_size: BarSize,
    #[bits(2)]
    __: u8,
    /// The upper part of [`ResizableBar::sizes`].
    pub sizes: u16,
}

/// A BAR size as Resizable BAR Control encodes it: code n is 1 MB << n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BarSize(u8);

impl BarSize {
    /// 1 MB, as a power of two.
    const MEGABYTE: u8 = 20;
    /// The code of 8 EB, the largest size.
    const LAST: u8 = 43;

    /// The code of the size.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// The size in bytes; `None` for a reserved code.
    pub const fn bytes(self) -> Option<u64> {
        if self.0 > Self::LAST {
            return None;
        }
        1_u64.checked_shl(Self::MEGABYTE.saturating_add(self.0) as u32)
    }

    const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    const fn into_bits(self) -> u8 {
        self.0
    }
}

/// A set of BAR sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BarSizes(u64);

impl BarSizes {
    /// The number of sizes in Resizable BAR Capability; larger ones are in Resizable BAR Control.
    const OF_CAPABILITY: u32 = 28;

    /// The set as bits: bit n is the size with code n.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Returns true if `size` is in the set.
    pub const fn contains(self, size: BarSize) -> bool {
        match self.0.checked_shr(size.0 as u32) {
            Some(bits) => bits & 1 == 1,
            None => false,
        }
    }

    /// The sizes, smallest first.
    pub fn iter(self) -> impl Iterator<Item = BarSize> {
        (0..=BarSize::LAST)
            .map(BarSize)
            .filter(move |&size| self.contains(size))
    }
}
