//! Both lists of capabilities, and what stands in them.
//!
//! A function has a list of standard capabilities, which lie from 40 to ff, and may have one of
//! extended capabilities, from 100 to fff. Each capability begins with a header of 32 bits that
//! links to the next; the order of the links is not the order of the offsets.
//!
//! | header | bits 0–7 | 8–15 | 16–19 | 20–31 |
//! | --- | --- | --- | --- | --- |
//! | standard | ID | next | the capability's own | the capability's own |
//! | extended | ID | ID | version | next |
//!
//! One [`walk::Walk`] serves both. It hands on what it meets, ends for a reason that it names,
//! and is bounded by what fits: 48 standard and 960 extended capabilities. A [`list::List`] keeps
//! what a walk met; from it come [`view::View`]s, which cannot read past their capability, and the
//! decoders:
//!
//! | module | capability | ID |
//! | --- | --- | --- |
//! | [`power_management`] | PCI Power Management | 01 |
//! | [`express`] | PCI Express | 10 |
//! | [`advanced_features`] | Advanced Features | 13 |
//! | [`aer`] | Advanced Error Reporting | 0001 |
//! | [`serial_number`] | Device Serial Number | 0003 |
//! | [`power_budgeting`] | Power Budgeting | 0004 |
//! | [`vendor_specific`] | Vendor-Specific | 000b |
//! | [`acs`] | Access Control Services | 000d |
//! | [`ari`] | Alternative Routing-ID Interpretation | 000e |
//! | [`sr_iov`] | Single Root I/O Virtualization | 0010 |
//! | [`resizable_bar`] | Resizable BAR, VF Resizable BAR | 0015, 0024 |
//! | [`secondary_express`] | Secondary PCI Express | 0019 |
//! | [`dpc`] | Downstream Port Containment | 001d |
//! | [`designated_vendor_specific`], [`cxl_flex_bus`] | Designated Vendor-Specific, two of CXL's among them | 0023 |
//!
//! Every other capability is met by the walk and keeps its number; [`StandardId::name`] and [`ExtendedId::name`] give
//! the names of all that the specifications number.
//!
//! # Reads
//!
//! A walk reads one register per capability, and no register twice: neither a view nor a decoder
//! reads the header again. In 172 real functions the longest standard list was 6, the longest
//! extended list 16. From nothing to PMCSR: [`Common`](crate::header::Common) 4, pointer 1, the
//! standard list at most 6, PMCSR 1.

pub mod acs;
pub mod advanced_features;
pub mod aer;
pub mod ari;
pub mod cxl_flex_bus;
pub mod designated_vendor_specific;
mod detection;
pub mod dpc;
pub mod express;
pub mod extended_space;
mod id;
pub mod list;
pub mod power_budgeting;
pub mod power_management;
pub mod resizable_bar;
pub mod secondary_express;
pub mod serial_number;
pub mod sr_iov;
pub mod vendor_specific;
pub mod view;
pub mod walk;

use core::fmt;

use bitvec::array::BitArray;
use bitvec::mem::elts;

use crate::config::{Offset, SPACE_SIZE};

pub use self::id::{ExtendedId, StandardId};

/// Defines how a decoder, a structure around a `view`, is taken from a list: the first capability with its ID, or one
/// that the caller has met in the list.
macro_rules! taken_from_list {
    ($decoder:ident, $list:ident::$id:ident) => {
        impl<R: $crate::config::ConfigRead> $decoder<R> {
            /// The first one in the list. No read.
            pub fn find<E, const N: usize>(
                list: &$crate::capability::list::List<$crate::capability::$list, E, N>,
                reader: R,
            ) -> Option<Self> {
                Self::at(list, list.find($crate::capability::$list::$id)?, reader)
            }

            /// `capability`, which is one of the list, as what it is here; `None` if its ID is another. No read.
            pub fn at<E, const N: usize>(
                list: &$crate::capability::list::List<$crate::capability::$list, E, N>,
                capability: &$crate::capability::Capability<$crate::capability::$list>,
                reader: R,
            ) -> Option<Self> {
                (capability.id() == $crate::capability::$list::$id).then(|| Self {
                    view: list.view(capability, reader),
                })
            }
        }
    };
}

use taken_from_list;

/// A link of a list, as read.
///
/// Its two lowest bits are reserved: they take no part in where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pointer(u16);

impl Pointer {
    /// The two lowest bits.
    const RESERVED: u16 = 0b11;

    /// A pointer as it stands in its register: 8 bits wide in the standard list, 12 in the
    /// extended one.
    pub const fn new(raw: u16) -> Self {
        Self(raw)
    }

    /// The pointer with its reserved bits.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// Where it leads, in bytes from the start of the space.
    pub const fn target(self) -> u16 {
        self.0 & !Self::RESERVED
    }

    /// The reserved bits, which ought to be 0.
    pub const fn reserved(self) -> u16 {
        self.0 & Self::RESERVED
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#05x}", self.0)
    }
}

/// The ID of a capability, and with it the list that the capability stands in.
///
/// Implemented by [`StandardId`] and [`ExtendedId`]; no other lists exist.
pub trait CapabilityId: Copy + Eq + sealed::Listed {}

impl CapabilityId for StandardId {}
impl CapabilityId for ExtendedId {}

/// A capability as a walk met it: its place and its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Capability<I> {
    id: I,
    offset: Offset,
    link: Pointer,
    header: u32,
}

impl<I: CapabilityId> Capability<I> {
    fn new(offset: Offset, link: Pointer, header: u32) -> Self {
        Self {
            id: I::id(header),
            offset,
            link,
            header,
        }
    }

    /// What it is.
    pub fn id(&self) -> I {
        self.id
    }

    /// Where it begins.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The pointer that led here, with the reserved bits that the walk left out.
    ///
    /// The extended list begins at 100 without a pointer: its first link is given as `100`.
    pub fn link(&self) -> Pointer {
        self.link
    }

    /// The pointer to the next one.
    pub fn next(&self) -> Pointer {
        I::next(self.header)
    }

    /// The first 32 bits, in which ID and pointer stand.
    pub fn header(&self) -> u32 {
        self.header
    }
}

impl Capability<StandardId> {
    /// The upper half of the header, which belongs to the capability.
    pub fn own_bits(&self) -> u16 {
        crate::config::halves(self.header).1
    }
}

impl Capability<ExtendedId> {
    /// The version of the capability's structure.
    pub fn version(&self) -> u8 {
        let [_, _, byte, _] = self.header.to_le_bytes();
        byte & 0xf
    }
}

mod sealed {
    use bitvec::order::Lsb0;
    use bitvec::slice::BitSlice;

    use super::Pointer;

    /// Where a list lies and how its headers read.
    pub trait Listed: Sized {
        /// The offset of the lowest possible header.
        const START: u16;
        /// The end of the list's part of the space.
        const END: u16;

        /// One bit for each register up to there: those that a walk has visited.
        type Visited: Default + AsMut<BitSlice<usize, Lsb0>>;

        fn id(header: u32) -> Self;
        fn next(header: u32) -> Pointer;
    }
}

impl sealed::Listed for StandardId {
    const START: u16 = 0x40;
    const END: u16 = 0x100;

    // Machine words: the one that a 64-bit machine needs here stays in a register.
    type Visited = BitArray<[usize; elts::<usize>((Self::END / Offset::WIDTH) as usize)]>;

    fn id(header: u32) -> Self {
        let [id, ..] = header.to_le_bytes();
        Self(id)
    }

    fn next(header: u32) -> Pointer {
        let [_, next, ..] = header.to_le_bytes();
        Pointer(u16::from(next))
    }
}

impl sealed::Listed for ExtendedId {
    const START: u16 = 0x100;
    const END: u16 = SPACE_SIZE;

    type Visited = BitArray<[usize; elts::<usize>((Self::END / Offset::WIDTH) as usize)]>;

    fn id(header: u32) -> Self {
        Self(crate::config::halves(header).0)
    }

    fn next(header: u32) -> Pointer {
        Pointer(crate::config::halves(header).1 >> 4)
    }
}
