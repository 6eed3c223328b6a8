//! The comparison of two snapshots, in words.

use core::fmt;

use super::runs::registers;
use super::{Hole, Register, Snapshot};
use crate::capability::extended_space::ExtendedSpace;
use crate::capability::list::{ExtendedList, List, StandardList};
use crate::config::{Offset, ReadableSize};
use crate::header::Common;

/// The number of extended capabilities that are named; the longest known list has 16.
const CAPABILITIES: usize = 48;

/// The changes from one snapshot to another. Its text has one line per [`Change`].
#[derive(Clone, Copy, Debug)]
pub struct Difference<'a, const N: usize> {
    earlier: &'a Snapshot<N>,
    later: &'a Snapshot<N>,
}

/// A change between two snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Change {
    /// A register has another value.
    Value {
        /// The register.
        at: Offset,
        /// The earlier value.
        was: u32,
        /// The later value.
        is: u32,
    },
    /// Neighbouring registers answer in another way.
    Answer {
        /// The first register.
        first: Offset,
        /// The last register.
        last: Offset,
        /// The earlier answer.
        was: Answered,
        /// The later answer.
        is: Answered,
    },
}

/// The answer of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Answered {
    /// A value.
    Value,
    /// It reads all-ones.
    AllOnes,
    /// The read failed.
    Failed,
    /// The register was not read.
    NotRead,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "a value",
            Self::AllOnes => "all-ones",
            Self::Failed => "unreadable",
            Self::NotRead => "not read",
        })
    }
}

impl From<Register> for Answered {
    fn from(register: Register) -> Self {
        match register {
            Register::Value(_) => Self::Value,
            Register::AllOnes => Self::AllOnes,
            Register::Failed => Self::Failed,
            Register::NotRead => Self::NotRead,
        }
    }
}

impl<const N: usize> Snapshot<N> {
    /// Returns the changes from this snapshot to `later`.
    pub const fn difference<'a>(&'a self, later: &'a Self) -> Difference<'a, N> {
        Difference { earlier: self, later }
    }
}

impl<const N: usize> Difference<'_, N> {
    /// The changes, in ascending order of their offsets.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let mut single = registers(ReadableSize::Extended)
            .filter_map(|at| self.at(at))
            .peekable();
        core::iter::from_fn(move || {
            let mut change = single.next()?;
            while let Some(longer) = single.peek().and_then(|next| change.joined(*next)) {
                change = longer;
                single.next();
            }
            Some(change)
        })
    }

    fn at(&self, at: Offset) -> Option<Change> {
        let (was, is) = (self.earlier.get(at), self.later.get(at));
        match (was, is) {
            _ if was == is => None,
            (Register::Value(was), Register::Value(is)) => Some(Change::Value { at, was, is }),
            _ => Some(Change::Answer {
                first: at,
                last: at,
                was: was.into(),
                is: is.into(),
            }),
        }
    }
}

impl Change {
    /// Merges two changes that are neighbours and equal.
    fn joined(self, next: Self) -> Option<Self> {
        let Self::Answer { first, last, was, is } = self else {
            return None;
        };
        match next {
            Self::Answer {
                first: next_first,
                last: next_last,
                was: next_was,
                is: next_is,
            } if last.forward(Offset::WIDTH) == Some(next_first) && (was, is) == (next_was, next_is) => {
                Some(Self::Answer {
                    first,
                    last: next_last,
                    was,
                    is,
                })
            }
            Self::Answer { .. } | Self::Value { .. } => None,
        }
    }
}

impl<const N: usize> fmt::Display for Difference<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (was, is) = (self.earlier.address(), self.later.address());
        let mut separator = "";
        if was != is {
            write!(f, "of another function: {was} before, {is} now")?;
            separator = "\n";
        }
        let places = Places::of(self.earlier);
        for change in self.changes() {
            f.write_str(separator)?;
            separator = "\n";
            match change {
                Change::Value { at, was, is } => {
                    places.write(f, at)?;
                    write!(f, ": was {was:#010x}, is {is:#010x}")?;
                }
                Change::Answer { first, last, was, is } => {
                    places.write(f, first)?;
                    if first != last {
                        write!(f, " to {last}")?;
                    }
                    write!(f, ": was {was}, is {is}")?;
                }
            }
        }
        if separator.is_empty() {
            f.write_str("no difference")?;
        }
        Ok(())
    }
}

/// The locations of headers and capabilities, from the snapshot's own lists.
struct Places {
    standard: Option<StandardList<Hole>>,
    extended: Option<ExtendedList<Hole, CAPABILITIES>>,
}

impl Places {
    fn of<const N: usize>(snapshot: &Snapshot<N>) -> Self {
        let pointer = Common::read(snapshot).and_then(|common| common.read_capability_pointer(snapshot));
        let standard = pointer.ok().flatten().map(|at| StandardList::read(snapshot, at));
        let proof = standard
            .as_ref()
            .and_then(|list: &StandardList<Hole>| ExtendedSpace::detect(list, snapshot).ok());
        Self {
            extended: proof.map(|proof| ExtendedList::read(snapshot, proof)),
            standard,
        }
    }

    /// Returns the capability with the highest start that is not above `at`: its name and its start.
    fn capability(&self, at: Offset) -> Option<(&'static str, Offset)> {
        let standard = self.standard.iter().flat_map(List::capabilities);
        let extended = self.extended.iter().flat_map(List::capabilities);
        let standard = standard.map(|capability| (capability.id().name(), capability.offset()));
        let extended = extended.map(|capability| (capability.id().name(), capability.offset()));
        let (name, start) = standard
            .chain(extended)
            .filter(|(_, start)| *start <= at && is_extended(*start) == is_extended(at))
            .max_by_key(|(_, start)| *start)?;
        Some((name.unwrap_or("unknown capability"), start))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, at: Offset) -> fmt::Result {
        if ReadableSize::Header.contains(at) {
            return write!(f, "header at {at}");
        }
        match self.capability(at) {
            Some((name, start)) => {
                let within = at.get().saturating_sub(start.get());
                write!(f, "{name} + {within:#04x} at {at}")
            }
            None => write!(f, "no known capability at {at}"),
        }
    }
}

fn is_extended(at: Offset) -> bool {
    !ReadableSize::Standard.contains(at)
}
