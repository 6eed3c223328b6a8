//! The bounded walk over a capability list, with a reason for its end.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use super::extended_space::ExtendedSpace;
use super::{Capability, CapabilityId, ExtendedId, Pointer, StandardId};
use crate::config::{ConfigRead, Offset, RegisterError, read_answer};
use crate::header::CapabilityPointer;

/// A walk over one list: an iterator over its capabilities that ends with a [`WalkEnd`].
///
/// - Each step reads one register; no register is read twice.
/// - Pointers may lead backwards: real NVIDIA and PLX parts have such lists.
/// - Reserved bits of a pointer are ignored, and visible in [`Capability::link`].
/// - Null capabilities are items like any others.
pub struct Walk<R: ConfigRead, I: CapabilityId> {
    reader: R,
    /// The end of the list's part of the readable space.
    limit: u16,
    visited: I::Visited,
    state: State<R::Error>,
    list: PhantomData<I>,
}

enum State<E> {
    /// Has to follow `pointer`, from the register `at`.
    Following {
        at: Offset,
        pointer: Pointer,
    },
    Ended(WalkEnd<E>),
}

impl<R: ConfigRead> Walk<R, StandardId> {
    /// A walk over the standard list. At most 48 items.
    ///
    /// A pointer is not followed if Status says that there is no list. The list is then empty, and the caller reports
    /// [`CapabilityPointer::Unlisted`].
    pub fn standard(reader: R, pointer: CapabilityPointer) -> Self {
        let state = match pointer {
            CapabilityPointer::Listed { at, pointer } => State::Following { at, pointer },
            CapabilityPointer::Unlisted { .. } | CapabilityPointer::None => State::Ended(WalkEnd::Complete),
        };
        Self::new(reader, state)
    }
}

impl<R: ConfigRead> Walk<R, ExtendedId> {
    /// A walk over the extended list of a function that has one. At most 960 items.
    ///
    /// An empty list, whose first header is 0, ends with [`WalkEnd::Complete`] and no items. If the reader does not
    /// reach extended space, the walk ends at once with [`WalkEnd::OutOfRange`].
    pub fn extended(reader: R, _: ExtendedSpace) -> Self {
        let state = State::Following {
            at: EXTENDED_START,
            pointer: Pointer::new(EXTENDED_START.get()),
        };
        Self::new(reader, state)
    }
}

/// The start of the extended list.
const EXTENDED_START: Offset = Offset::at::<0x100>();

impl<R: ConfigRead, I: CapabilityId> Walk<R, I> {
    fn new(reader: R, state: State<R::Error>) -> Self {
        let limit = I::END.min(reader.size().bytes());
        Self {
            reader,
            limit,
            visited: I::Visited::default(),
            state,
            list: PhantomData,
        }
    }

    /// The end of the walk; `None` while it continues.
    pub fn end(&self) -> Option<&WalkEnd<R::Error>> {
        match &self.state {
            State::Following { .. } => None,
            State::Ended(end) => Some(end),
        }
    }

    /// Walks past the remaining capabilities and returns the end of the walk.
    pub fn finish(mut self) -> WalkEnd<R::Error> {
        loop {
            if let State::Ended(end) = self.state {
                return end;
            }
            self.next();
        }
    }

    /// Returns the first capability with this ID and walks no further; `None` if the list ends complete without it.
    pub(super) fn first(mut self, id: I) -> Result<Option<Capability<I>>, WalkEnd<R::Error>> {
        if let Some(found) = self.find(|capability| capability.id() == id) {
            return Ok(Some(found));
        }
        match self.finish() {
            WalkEnd::Complete => Ok(None),
            end => Err(end),
        }
    }

    /// Continues while `keep` accepts the capabilities, and returns the end of the walk; `None` if `keep` refuses one.
    ///
    /// The position stays in registers here; an iterator would store it in memory at each step.
    pub(super) fn keep(mut self, mut keep: impl FnMut(Capability<I>) -> bool) -> Option<WalkEnd<R::Error>> {
        let (mut at, mut pointer) = match self.state {
            State::Following { at, pointer } => (at, pointer),
            State::Ended(end) => return Some(end),
        };
        loop {
            match self.follow(at, pointer) {
                Ok(capability) if keep(capability) => (at, pointer) = (capability.offset(), capability.next()),
                Ok(_) => return None,
                Err(end) => return Some(end),
            }
        }
    }

    /// Returns the capability that `pointer` leads to, or the end of the list.
    fn follow(&mut self, at: Offset, pointer: Pointer) -> Result<Capability<I>, WalkEnd<R::Error>> {
        let offset = self.target(at, pointer)?;
        if self.visit(offset) {
            return Err(WalkEnd::Cycle { at, target: offset });
        }
        let header = read_answer(&mut self.reader, offset).map_err(WalkEnd::Unreadable)?;
        if offset == EXTENDED_START && header == 0 {
            return Err(WalkEnd::Complete);
        }
        Ok(Capability::new(offset, pointer, header))
    }

    /// Returns the offset that `pointer` leads to, if a capability may begin there.
    fn target(&self, at: Offset, pointer: Pointer) -> Result<Offset, WalkEnd<R::Error>> {
        match (pointer.target(), pointer.reserved()) {
            (0, 0) => Err(WalkEnd::Complete),
            (0, _) => Err(WalkEnd::Misaligned { at, pointer }),
            (target, _) => Offset::new(target)
                .ok()
                .filter(|_| (I::START..self.limit).contains(&target))
                .ok_or(WalkEnd::OutOfRange { at, pointer }),
        }
    }

    /// Marks `offset` as visited and returns true if it already was.
    fn visit(&mut self, offset: Offset) -> bool {
        let register = usize::from(offset.get() / Offset::WIDTH);
        self.visited
            .as_mut()
            .get_mut(register)
            .is_none_or(|mut bit| bit.replace(true))
    }
}

impl<R: ConfigRead, I: CapabilityId> Iterator for Walk<R, I> {
    type Item = Capability<I>;

    fn next(&mut self) -> Option<Capability<I>> {
        let State::Following { at, pointer } = self.state else {
            return None;
        };
        match self.follow(at, pointer) {
            Ok(capability) => {
                self.state = State::Following {
                    at: capability.offset(),
                    pointer: capability.next(),
                };
                Some(capability)
            }
            Err(end) => {
                self.state = State::Ended(end);
                None
            }
        }
    }
}

impl<R: ConfigRead, I: CapabilityId> FusedIterator for Walk<R, I> {}

/// The end of a walk.
///
/// `at` is the register that holds the pointer in question: a capability's header or, for the first capability, the
/// Capabilities Pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WalkEnd<E> {
    /// At a pointer of 0, or at a list marked empty: every capability was found.
    Complete,
    /// At a capability that was already visited.
    Cycle {
        /// The register that holds the pointer.
        at: Offset,
        /// The offset that was already visited.
        target: Offset,
    },
    /// At a pointer that is 0 without its reserved bits: 1, 2 or 3. It is neither the 0 that ends a list nor a location
    /// in it.
    Misaligned {
        /// The register that holds the pointer.
        at: Offset,
        /// The pointer.
        pointer: Pointer,
    },
    /// At a pointer outside the list's part of the space, or beyond the readable space.
    OutOfRange {
        /// The register that holds the pointer.
        at: Offset,
        /// The pointer.
        pointer: Pointer,
    },
    /// At a header that cannot be read or reads all-ones. More capabilities may follow.
    Unreadable(RegisterError<E>),
}

impl<E: fmt::Display> fmt::Display for WalkEnd<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Cycle { at, target } => write!(f, "cycle: {at} leads back to {target}"),
            Self::Misaligned { at, pointer } => {
                write!(f, "misaligned: {at} holds {pointer}, nothing but reserved bits")
            }
            Self::OutOfRange { at, pointer } => write!(f, "out of range: {at} leads to {pointer}"),
            Self::Unreadable(error) => write!(f, "unreadable: {error}"),
        }
    }
}
