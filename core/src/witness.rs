//! The reset witness: marks that show if a reset took place.
//!
//! A kernel calls an FLR a success when the function answers afterwards, so one that does nothing succeeds too. A mark is a
//! value in state that one kind of reset clears and that nobody else clears or restores. It is placed before the reset, read
//! back, and read again after it: [`Trace::Gone`] proves the reset, [`Trace::Kept`] disproves it.
//!
//! | mark | register | shows | by what it is clear |
//! | --- | --- | --- | --- |
//! | [`Mark::CacheLineSize`] | header, 0c, bits 7:0 | a reset of an emptied bus, a power cycle | no function in PCI Express, default 0 (PCIe r6.0 §7.5.1.1.7). Linux restores the header after FLR and after a bus reset in place |
//! | [`Mark::DataSelect`] | Power Budgeting, +4, bits 7:0 | every reset | read-write, used by nobody; Linux neither uses nor restores it |
//!
//! Confidence: both seen on Linux 6.1, 6.12 and 7.x with functions that another process serves. No row was seen on silicon.
//!
//! MSI-X's function mask and vector masks, and MSI's address and data, would show an FLR on silicon. They are no row: QEMU
//! keeps copies of them for the functions that it hands through, which an ignored reset clears as well.
//!
//! A mark says nothing where the function left D0 between, since the way back from D3hot clears it too.

use core::fmt;

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
            (Self::CacheLineSize, ResetKind::Removed) | (Self::DataSelect, _) => true,
            (Self::CacheLineSize, ResetKind::InPlace) => false,
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
    /// Places the mark and reads it back. False if the register does not keep it: the value from before is put back then.
    ///
    /// Only this byte is written.
    ///
    /// # Errors
    ///
    /// The reader's or writer's own error.
    pub fn place<S, E>(&self, space: &mut S) -> Result<bool, E>
    where
        S: ConfigRead<Error = E> + ConfigWrite<Error = E>,
    {
        space.write_byte(self.offset, self.value)?;
        let is_kept = byte(space, self.offset)? == Some(self.value);
        if !is_kept {
            self.take_back(space)?;
        }
        Ok(is_kept)
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
