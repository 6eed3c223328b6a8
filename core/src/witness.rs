//! The reset witness: marks that show if a reset took place.
//!
//! A kernel calls an FLR a success when the function answers afterwards, so one that does nothing succeeds too. A mark is a
//! value in state that one kind of reset clears and that nobody else clears or restores. It is placed before the reset, read
//! back, and read again after it: [`Trace::Gone`] proves the reset, [`Trace::Kept`] disproves it.
//!
//! | mark | register | shows | by what it is clear |
//! | --- | --- | --- | --- |
//! | [`Mark::CacheLineSize`] | header, 0c, bits 7:0 | a reset of an emptied bus, a power cycle | no function in PCI Express, default 0 (PCIe r6.0 §7.5.1.1.7). Linux restores the header after FLR and after a bus reset in place |
//! | [`BarMark`] | behind a BAR, a [row](crate::vendor::device_mark) for a model, or for a [controller beside it](crate::vendor::controller_mark) | every reset that reaches the device | the row's source |
//! | [`Mark::DataSelect`] | Power Budgeting, +4, bits 7:0 | every reset | read-write, used by nobody; Linux neither uses nor restores it |
//!
//! Confidence: both seen on Linux 6.1, 6.12 and 7.x with functions that another process serves. No row was seen on silicon.
//!
//! MSI-X's function mask and vector masks, and MSI's address and data, would show an FLR on silicon. They are no row: QEMU
//! keeps copies of them for the functions that it hands through, which an ignored reset clears as well.
//!
//! No document specifies the state that a device-specific reset or an ACPI reset clears: BACO, for example, leaves the PCI
//! Express interface untouched. After such a reset, a mark in configuration space that is gone proves the reset, and one that
//! is still there proves nothing. A mark behind a BAR proves or disproves it, as for every reset.
//!
//! A mark says nothing where the function left D0 between, since the way back from D3hot clears it too.

mod bar_mark;

use core::fmt;

pub use self::bar_mark::BarMark;

use crate::capability::ExtendedId;
use crate::capability::list::List;
use crate::capability::power_budgeting::PowerBudgeting;
use crate::config::{ByteOffset, ConfigRead, ConfigWrite};

const CACHE_LINE_SIZE: ByteOffset = ByteOffset::at::<0x0c>();

/// The value of a mark.
const VALUE: u8 = 0x5a;
/// Its value where the register has the other one already.
const OTHER_VALUE: u8 = 0xa6;

/// A kind of reset, by what the kernel puts back after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ResetKind {
    /// The kernel saves the function before the reset and restores it afterwards: FLR, PM reset, a bus reset in place.
    InPlace,
    /// The kernel forgets the function before the reset and enumerates it again: a bus reset of an emptied bus, a power cycle.
    Removed,
    /// No document specifies the state that it clears, or the state that is restored after it: a device-specific reset, an
    /// ACPI reset.
    Unspecified,
}

/// A register that holds a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Mark {
    /// Cache Line Size, in the header of every function.
    CacheLineSize,
    /// Data Select of the Power Budgeting capability.
    DataSelect,
}

/// A mark, and what it overwrites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Placed {
    /// The register.
    pub mark: Mark,
    /// Its offset in configuration space.
    pub offset: ByteOffset,
    /// Its value before the mark.
    pub before: u8,
    /// The value of the mark.
    pub value: u8,
}

/// What became of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Trace {
    /// The register has its default value: it was reset.
    Gone,
    /// The mark is still there: it was not reset.
    Kept,
    /// The register has another value, or does not answer. Proves nothing.
    Unclear,
}

/// The proof that a function, or all functions of a GPU, were reset. Ordered: of several functions the least counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Proof {
    /// A mark is still there: the reset did nothing, or not everything.
    NotReset,
    /// No mark could show it.
    Unproven,
    /// The PCI Express interface was reset.
    Configuration,
    /// State behind the BARs was reset.
    Device,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReset => "not reset",
            Self::Unproven => "unproven",
            Self::Configuration => "configuration",
            Self::Device => "device",
        })
    }
}

impl Mark {
    /// All marks, in the order in which they are placed.
    pub const ALL: [Self; 2] = [Self::CacheLineSize, Self::DataSelect];

    /// True if a reset of this kind clears the mark and nothing restores it.
    pub const fn shows(self, reset: ResetKind) -> bool {
        match (self, reset) {
            (Self::CacheLineSize, ResetKind::Removed) | (Self::DataSelect, ResetKind::InPlace | ResetKind::Removed) => {
                true
            }
            (Self::CacheLineSize, ResetKind::InPlace) | (_, ResetKind::Unspecified) => false,
        }
    }

    /// The meaning of the mark's trace after a reset of this kind.
    pub const fn after(self, reset: ResetKind, trace: Trace) -> Trace {
        match (reset, trace) {
            (ResetKind::Unspecified, Trace::Gone) => Trace::Gone,
            _ if self.shows(reset) => trace,
            _ => Trace::Unclear,
        }
    }

    /// The offset of the register, in a function with these extended capabilities; `None` if it has no such register. No read.
    pub fn offset<R: ConfigRead, E, const N: usize>(
        self,
        extended: Option<&List<ExtendedId, E, N>>,
        space: R,
    ) -> Option<ByteOffset> {
        match self {
            Self::CacheLineSize => Some(CACHE_LINE_SIZE),
            Self::DataSelect => PowerBudgeting::find(extended?, space)?.data_select_offset(),
        }
    }

    /// The mark that is to be placed at `offset`, with the value that the register has now; `None` if the register does not
    /// answer. Reads only, so that the value can be kept before it is overwritten.
    ///
    /// # Errors
    ///
    /// The reader's own error.
    pub fn prepare<R: ConfigRead>(self, offset: ByteOffset, space: &mut R) -> Result<Option<Placed>, R::Error> {
        let before = byte(space, offset)?;
        Ok(before.map(|before| Placed {
            mark: self,
            offset,
            before,
            // Another one than a mark left behind.
            value: if before == VALUE { OTHER_VALUE } else { VALUE },
        }))
    }
}

impl Placed {
    /// Places the mark and reads it back: a register may keep only some bits of it. False if nothing of it stays: the value
    /// from before is put back then.
    ///
    /// Only this byte is written.
    ///
    /// # Errors
    ///
    /// The reader's or writer's own error.
    pub fn place<S, E>(&mut self, space: &mut S) -> Result<bool, E>
    where
        S: ConfigRead<Error = E> + ConfigWrite<Error = E>,
    {
        space.write_byte(self.offset, self.value)?;
        match byte(space, self.offset)? {
            Some(kept) if kept != 0 && kept != self.before => {
                self.value = kept;
                Ok(true)
            }
            Some(_) | None => {
                self.take_back(space)?;
                Ok(false)
            }
        }
    }

    /// Reads what became of the mark.
    ///
    /// # Errors
    ///
    /// The reader's own error.
    pub fn read<R: ConfigRead>(&self, space: &mut R) -> Result<Trace, R::Error> {
        Ok(match byte(space, self.offset)? {
            Some(0) => Trace::Gone,
            Some(value) if value == self.value => Trace::Kept,
            Some(_) | None => Trace::Unclear,
        })
    }

    /// Puts the value from before back.
    ///
    /// # Errors
    ///
    /// The writer's own error.
    pub fn take_back<W: ConfigWrite>(&self, space: &mut W) -> Result<(), W::Error> {
        space.write_byte(self.offset, self.before)
    }
}

/// The byte at `offset`; `None` where the register around it reads all-ones: the function does not answer.
fn byte<R: ConfigRead>(space: &mut R, offset: ByteOffset) -> Result<Option<u8>, R::Error> {
    let register = space.read(offset.register())?;
    if register == u32::MAX {
        return Ok(None);
    }
    let [b0, b1, b2, b3] = register.to_le_bytes();
    Ok(Some(match offset.get() & 3 {
        0 => b0,
        1 => b1,
        2 => b2,
        _ => b3,
    }))
}

/// The traces that a reset has left on one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Traces {
    proof: Option<Proof>,
}

impl Traces {
    /// None yet.
    pub const NONE: Self = Self { proof: None };

    /// Adds a trace of state of this `depth`. One mark that was kept outweighs all that are gone.
    #[must_use]
    pub fn with(self, trace: Trace, depth: Proof) -> Self {
        let says = match trace {
            Trace::Gone => depth,
            Trace::Kept => Proof::NotReset,
            Trace::Unclear => return self,
        };
        let proof = match self.proof {
            Some(Proof::NotReset) => Proof::NotReset,
            Some(_) if says == Proof::NotReset => Proof::NotReset,
            Some(known) => known.max(says),
            None => says,
        };
        Self { proof: Some(proof) }
    }

    /// What they prove together.
    pub fn proof(self) -> Proof {
        self.proof.unwrap_or(Proof::Unproven)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::extended_space::ExtendedSpace;
    use crate::capability::list::ExtendedList;
    use crate::config::{Memory, MemoryError, Offset, ReadableSize, WordOffset};

    const AT: ByteOffset = CACHE_LINE_SIZE;

    /// A space in which the byte at [`AT`] keeps no bit that is not in a mask.
    struct Masked {
        inner: Memory<[u8; 256]>,
        mask: u8,
        writes: usize,
    }

    impl Masked {
        fn new(mask: u8) -> Self {
            Self {
                inner: header(0x10),
                mask,
                writes: 0,
            }
        }
    }

    impl ConfigRead for Masked {
        type Error = MemoryError;

        fn size(&self) -> ReadableSize {
            self.inner.size()
        }

        fn read(&mut self, offset: Offset) -> Result<u32, MemoryError> {
            self.inner.read(offset)
        }
    }

    impl ConfigWrite for Masked {
        type Error = MemoryError;

        fn write_byte(&mut self, offset: ByteOffset, value: u8) -> Result<(), MemoryError> {
            assert_eq!(offset, AT);
            self.writes += 1;
            let kept = self.inner.read_byte(offset)? & !self.mask;
            self.inner.write_byte(offset, value & self.mask | kept)
        }

        fn write_word(&mut self, offset: WordOffset, _: u16) -> Result<(), MemoryError> {
            panic!("a word is written at {offset}");
        }

        fn write(&mut self, offset: Offset, _: u32) -> Result<(), MemoryError> {
            panic!("a register is written at {offset}");
        }
    }

    fn header(cache_line_size: u8) -> Memory<[u8; 256]> {
        let mut bytes = [0x11; 256];
        bytes[0x0c] = cache_line_size;
        Memory::new(bytes).unwrap()
    }

    fn put<S>(mark: Mark, at: ByteOffset, space: &mut S) -> Result<Option<Placed>, MemoryError>
    where
        S: ConfigRead<Error = MemoryError> + ConfigWrite<Error = MemoryError>,
    {
        let Some(mut placed) = mark.prepare(at, space)? else {
            return Ok(None);
        };
        Ok(placed.place(space)?.then_some(placed))
    }

    fn place(space: &mut Memory<[u8; 256]>) -> Option<Placed> {
        put(Mark::CacheLineSize, AT, space).unwrap()
    }

    #[test]
    fn mark_is_kept_until_its_register_is_reset() {
        let mut space = header(0x10);
        let placed = place(&mut space).unwrap();
        assert_eq!((placed.before, placed.value), (0x10, 0x5a));
        assert_eq!(
            space.read(Offset::at::<0x0c>()),
            Ok(0x1111_115a),
            "no other byte is written"
        );
        assert_eq!(placed.read(&mut space), Ok(Trace::Kept));
        space.write_byte(AT, 0).unwrap();
        assert_eq!(placed.read(&mut space), Ok(Trace::Gone));
        // Somebody else's value proves nothing, nor does what was there before.
        for other in [0x10, 0xa6, 0xff] {
            space.write_byte(AT, other).unwrap();
            assert_eq!(placed.read(&mut space), Ok(Trace::Unclear), "{other:#x}");
        }
        placed.take_back(&mut space).unwrap();
        assert_eq!(space.read(Offset::at::<0x0c>()), Ok(0x1111_1110));
    }

    #[test]
    fn mark_that_is_there_already_is_told_from_a_new_one() {
        let mut space = header(0);
        let first = place(&mut space).unwrap();
        let second = place(&mut space).unwrap();
        assert_eq!((first.value, second.value), (0x5a, 0xa6));
        assert_eq!(second.before, 0x5a);
        assert_eq!(first.read(&mut space), Ok(Trace::Unclear));
        assert_eq!(second.read(&mut space), Ok(Trace::Kept));
        let third = place(&mut space).unwrap();
        assert_eq!((third.before, third.value), (0xa6, 0x5a));
    }

    #[test]
    fn register_that_does_not_keep_a_value_holds_no_mark() {
        // Read-only, then one that keeps only what was there before.
        for mask in [0x00, 0x05] {
            let mut space = Masked::new(mask);
            assert_eq!(put(Mark::CacheLineSize, AT, &mut space), Ok(None), "{mask:#x}");
            assert_eq!(space.read(Offset::at::<0x0c>()), Ok(0x1111_1110), "{mask:#x}");
        }
    }

    #[test]
    fn register_that_keeps_some_bits_holds_those() {
        let mut space = Masked::new(0x1f);
        let placed = put(Mark::CacheLineSize, AT, &mut space).unwrap().unwrap();
        assert_eq!((placed.before, placed.value), (0x10, 0x1a));
        assert_eq!(placed.read(&mut space), Ok(Trace::Kept));
        assert_eq!(space.writes, 1);
    }

    #[test]
    fn function_that_does_not_answer_holds_no_mark_and_shows_nothing() {
        let mut absent = Memory::new([0xff; 256]).unwrap();
        assert_eq!(place(&mut absent), None);
        assert_eq!(absent.read(Offset::at::<0x0c>()), Ok(u32::MAX), "nothing was written");
        let mut space = header(0);
        let placed = place(&mut space).unwrap();
        assert_eq!(placed.read(&mut absent), Ok(Trace::Unclear));
        // Beyond what can be read, the reader's error is told.
        let beyond = Err(MemoryError::BeyondEnd { offset: 0x104 });
        assert_eq!(put(Mark::DataSelect, ByteOffset::at::<0x104>(), &mut space), beyond);
    }

    #[test]
    fn each_byte_of_a_register_can_hold_a_mark() {
        for at in 0x10..0x14 {
            let at = ByteOffset::new(at).unwrap();
            let mut space = header(0);
            let placed = put(Mark::DataSelect, at, &mut space).unwrap().unwrap();
            assert_eq!((placed.offset, placed.before), (at, 0x11));
            assert_eq!(space.read_byte(at), Ok(0x5a));
            assert_eq!(placed.read(&mut space), Ok(Trace::Kept));
        }
    }

    #[test]
    fn mark_is_where_its_capability_is() {
        let mut bytes = [0; 4096];
        // Power Budgeting, version 1, the last of the list.
        bytes[0x100..0x104].copy_from_slice(&0x0001_0004_u32.to_le_bytes());
        let mut space = Memory::new(bytes).unwrap();
        let list: ExtendedList<_> = ExtendedList::read(&mut space, ExtendedSpace::assume());
        let offset = |mark: Mark, list| mark.offset(list, Memory::new(bytes).unwrap());
        assert_eq!(offset(Mark::DataSelect, Some(&list)), Some(ByteOffset::at::<0x104>()));
        assert_eq!(offset(Mark::CacheLineSize, Some(&list)), Some(AT));
        assert_eq!(offset(Mark::DataSelect, None), None);
        assert_eq!(offset(Mark::CacheLineSize, None), Some(AT));
        // Vendor-Specific instead.
        space.write_byte(ByteOffset::at::<0x100>(), 0x0b).unwrap();
        let list: ExtendedList<_> = ExtendedList::read(&mut space, ExtendedSpace::assume());
        assert_eq!(offset(Mark::DataSelect, Some(&list)), None);
    }

    #[test]
    fn mark_shows_the_resets_after_which_nobody_restores_it() {
        use ResetKind::{InPlace, Removed};
        let shows = |reset| Mark::ALL.map(|mark| mark.shows(reset));
        assert_eq!((shows(InPlace), shows(Removed)), ([false, true], [true, true]));
        assert_eq!(shows(ResetKind::Unspecified), [false, false]);
    }

    #[test]
    fn mark_that_outlives_a_reset_that_nobody_has_specified_proves_nothing() {
        use Trace::{Gone, Kept, Unclear};
        for mark in Mark::ALL {
            let after = [Gone, Kept, Unclear].map(|trace| mark.after(ResetKind::Unspecified, trace));
            assert_eq!(after, [Gone, Unclear, Unclear], "{mark:?}");
        }
        let in_place = Mark::ALL.map(|mark| [Gone, Kept].map(|trace| mark.after(ResetKind::InPlace, trace)));
        assert_eq!(in_place, [[Unclear, Unclear], [Gone, Kept]]);
    }

    #[test]
    fn one_mark_that_was_kept_outweighs_all_that_are_gone() {
        use Proof::{Configuration, Device, NotReset, Unproven};
        let gone = (Trace::Gone, Configuration);
        let deep = (Trace::Gone, Device);
        let kept = (Trace::Kept, Configuration);
        let unclear = (Trace::Unclear, Device);
        for (traces, proof) in [
            (&[][..], Unproven),
            (&[unclear], Unproven),
            (&[gone], Configuration),
            (&[gone, unclear], Configuration),
            (&[gone, deep], Device),
            (&[kept], NotReset),
            (&[kept, unclear], NotReset),
            (&[gone, kept], NotReset),
            (&[gone, deep, kept], NotReset),
        ] {
            let of = |traces: &mut dyn Iterator<Item = &(Trace, Proof)>| {
                traces.fold(Traces::NONE, |all, (trace, depth)| all.with(*trace, *depth))
            };
            assert_eq!(of(&mut traces.iter()).proof(), proof, "{traces:?}");
            assert_eq!(of(&mut traces.iter().rev()).proof(), proof, "{traces:?} backwards");
        }
    }

    #[test]
    fn of_several_functions_the_least_proof_counts() {
        use Proof::{Configuration, Device, NotReset, Unproven};
        assert!([NotReset, Unproven, Configuration, Device].is_sorted());
    }
}
