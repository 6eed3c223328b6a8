//! Both capability lists and the decoders of their capabilities.
//!
//! Every function has a list of standard capabilities, from 40 to ff. It may also have a list of extended capabilities,
//! from 100 to fff. Each capability begins with a 32-bit header that links to the next one. The order of the links need
//! not be the order of the offsets.
//!
//! | header | bits 0–7 | 8–15 | 16–19 | 20–31 |
//! | --- | --- | --- | --- | --- |
//! | standard | ID | next | the capability's own | the capability's own |
//! | extended | ID | ID | version | next |
//!
//! One [`walk::Walk`] reads both lists. It yields each capability, reports the reason why it ended, and is bounded by
//! the room in the space: 48 standard and 960 extended capabilities. A [`list::List`] keeps the capabilities. It hands
//! out [`view::View`]s, which cannot read past their capability, and the decoders:
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
//! The walk also yields capabilities without a decoder. [`StandardId::name`] and [`ExtendedId::name`] name all IDs that
//! the specifications assign.
//!
//! # Reads
//!
//! A walk reads one register per capability and no register twice. Neither a view nor a decoder reads the header again.
//! In 172 real functions the longest standard list had 6 entries, the longest extended list 16. Reading PMCSR from
//! scratch costs: [`Common`](crate::header::Common) 4, pointer 1, the standard list at most 6, PMCSR 1.

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

/// Defines how to take a decoder, a structure around a `view`, from a list: the first capability with its ID, or a
/// given capability of the list.
macro_rules! taken_from_list {
    ($decoder:ident, $list:ident::$id:ident) => {
        impl<R: $crate::config::ConfigRead> $decoder<R> {
            /// Returns the first such capability in the list. No read.
            pub fn find<E, const N: usize>(
                list: &$crate::capability::list::List<$crate::capability::$list, E, N>,
                reader: R,
            ) -> Option<Self> {
                Self::at(list, list.find($crate::capability::$list::$id)?, reader)
            }

            /// Decodes `capability`, an entry of the list; `None` if its ID is another. No read.
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

/// A link in a list, as read.
///
/// The two lowest bits are reserved and ignored when the link is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pointer(u16);

impl Pointer {
    /// The two lowest bits.
    const RESERVED: u16 = 0b11;

    /// Wraps a pointer as its register holds it: 8 bits in the standard list, 12 in the extended one.
    pub const fn new(raw: u16) -> Self {
        Self(raw)
    }

    /// The pointer, including its reserved bits.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// The target, in bytes from the start of the space.
    pub const fn target(self) -> u16 {
        self.0 & !Self::RESERVED
    }

    /// The reserved bits, which should be 0.
    pub const fn reserved(self) -> u16 {
        self.0 & Self::RESERVED
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#05x}", self.0)
    }
}

/// A capability ID; its type says which list the capability is in.
///
/// Implemented by [`StandardId`] and [`ExtendedId`]; no other lists exist.
pub trait CapabilityId: Copy + Eq + sealed::Listed {}

impl CapabilityId for StandardId {}
impl CapabilityId for ExtendedId {}

/// A capability that a walk found: its location and its header.
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

    /// The capability ID.
    pub fn id(&self) -> I {
        self.id
    }

    /// The offset of the header.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The pointer that led here, including its reserved bits.
    ///
    /// The extended list begins at 100 without a pointer; its first link is `100`.
    pub fn link(&self) -> Pointer {
        self.link
    }

    /// The pointer to the next capability.
    pub fn next(&self) -> Pointer {
        I::next(self.header)
    }

    /// The first 32 bits, which hold the ID and the next pointer.
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

    /// The location and header layout of a list.
    pub trait Listed: Sized {
        /// The offset of the lowest possible header.
        const START: u16;
        /// The end of the list's part of the space.
        const END: u16;

        /// One bit for each register up to `END`: the registers that a walk has visited.
        type Visited: Default + AsMut<BitSlice<usize, Lsb0>>;

        fn id(header: u32) -> Self;
        fn next(header: u32) -> Pointer;
    }
}

impl sealed::Listed for StandardId {
    const START: u16 = 0x40;
    const END: u16 = 0x100;

    // Machine words: on a 64-bit machine, the single word stays in a register.
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
