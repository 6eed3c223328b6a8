//! A stored capability list: finds capabilities and hands out views.

use core::fmt;

use heapless::Vec;

use super::extended_space::ExtendedSpace;
use super::view::View;
use super::walk::{Walk, WalkEnd};
use super::{Capability, CapabilityId, ExtendedId, StandardId};
use crate::config::ConfigRead;
use crate::header::CapabilityPointer;

/// The standard capabilities of a function; by default with room for all that fit.
pub type StandardList<E, const N: usize = 48> = List<StandardId, E, N>;

/// The extended capabilities of a function; by default with room for all that fit.
pub type ExtendedList<E, const N: usize = 960> = List<ExtendedId, E, N>;

/// The first `N` capabilities of a list, and the reason why the list ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct List<I, E, const N: usize> {
    capabilities: Vec<Capability<I>, N>,
    end: ListEnd<E>,
}

/// The end of a [`List`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ListEnd<E> {
    /// The walk ended; the list contains everything that it found.
    Walked(WalkEnd<E>),
    /// The list is full, but the walk had not ended: there are more capabilities.
    Full,
}

impl<E: fmt::Display> fmt::Display for ListEnd<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Walked(end) => end.fmt(f),
            Self::Full => f.write_str("full: there are more capabilities than room for them"),
        }
    }
}

impl<E, const N: usize> List<StandardId, E, N> {
    /// Walks the standard list and stores it. At most `N + 1` reads.
    pub fn read<R: ConfigRead<Error = E>>(reader: R, pointer: CapabilityPointer) -> Self {
        Self::keep(Walk::standard(reader, pointer))
    }
}

impl<E, const N: usize> List<ExtendedId, E, N> {
    /// Walks the extended list and stores it. At most `N + 1` reads.
    pub fn read<R: ConfigRead<Error = E>>(reader: R, space: ExtendedSpace) -> Self {
        Self::keep(Walk::extended(reader, space))
    }
}

impl<I: CapabilityId, E, const N: usize> List<I, E, N> {
    fn keep<R: ConfigRead<Error = E>>(walk: Walk<R, I>) -> Self {
        let mut capabilities = Vec::new();
        let end = walk.keep(|capability| capabilities.push(capability).is_ok());
        Self {
            capabilities,
            end: end.map_or(ListEnd::Full, ListEnd::Walked),
        }
    }

    /// The capabilities, in the order of the links.
    pub fn capabilities(&self) -> &[Capability<I>] {
        &self.capabilities
    }

    /// The end of the list. Only after [`WalkEnd::Complete`] does a missing capability not exist.
    pub fn end(&self) -> &ListEnd<E> {
        &self.end
    }

    /// Returns the first capability with this ID.
    pub fn find(&self, id: I) -> Option<&Capability<I>> {
        self.all(id).next()
    }

    /// Returns all capabilities with this ID, in the order of the links.
    pub fn all(&self, id: I) -> impl Iterator<Item = &Capability<I>> {
        self.capabilities.iter().filter(move |capability| capability.id() == id)
    }

    /// Returns a view of `capability`, an entry of this list. It extends to the next-higher capability in the list, or
    /// to the end of the list's part of the readable space.
    pub fn view<R: ConfigRead>(&self, capability: &Capability<I>, reader: R) -> View<R, I> {
        View::new(reader, *capability, &self.capabilities)
    }
}
