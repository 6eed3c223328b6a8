//! The functions that a reset affects.

use core::fmt;
use core::ops::Range;

use super::anomaly::{Anomaly, Doubt};
use super::fabric::Fabric;
use super::function::Function;
use super::method::ResetUnavailable;
use super::place::Place;
use super::warning::Warning;
use crate::address::FunctionAddress;

/// A reset domain: all functions that a reset affects, including its target.
///
/// A reset of one function includes its virtual functions. A reset at a port affects everything below, whatever the
/// kernel lists, and everything that a fabric joins to it.
#[derive(Clone, Debug)]
pub struct Domain<'t> {
    place: Place<'t>,
    port: Option<Place<'t>>,
    within: Range<usize>,
}

impl<'t> Domain<'t> {
    /// The domain of a reset of one function.
    pub(super) fn of_function(place: Place<'t>) -> Self {
        Self {
            place,
            port: None,
            within: place.index..place.index.saturating_add(1),
        }
    }

    /// The domain of a reset at a port above the function.
    pub(super) fn below(place: Place<'t>, port: Place<'t>) -> Self {
        Self {
            place,
            port: Some(port),
            within: port.range_below(),
        }
    }

    /// The target of the reset.
    pub const fn function(&self) -> Place<'t> {
        self.place
    }

    /// The port that performs the reset; `None` for a reset of one function.
    pub const fn port(&self) -> Option<Place<'t>> {
        self.port
    }

    /// All affected functions, each of them once, without the port.
    pub fn hits(&self) -> Hits<'t> {
        Hits {
            topology: self.place.topology,
            next: self.within.clone(),
            within: self.within.clone(),
            fabric: self.port.is_some(),
            virtual_function: None,
            peer: None,
        }
    }

    /// Returns true if the reset affects a function.
    pub fn contains(&self, address: FunctionAddress) -> bool {
        self.hits().any(|hit| hit.address() == address)
    }

    /// The affected functions that are neither ours nor bridges: a bridge is affected along with the functions below
    /// it.
    pub fn bystanders(&self, ours: impl Fn(&Function) -> bool) -> impl Iterator<Item = Place<'t>> {
        self.hits()
            .filter(move |hit| !hit.function().is_bridge() && !ours(hit.function()))
    }

    /// The quirks of the affected functions and of the port that are only reported.
    pub fn warnings(&self) -> impl Iterator<Item = Warning> {
        self.hits().chain(self.port).flat_map(Place::warnings)
    }

    /// The fabric of the affected functions: all members known, or not.
    pub fn fabric(&self) -> Fabric {
        self.hits()
            .fold(Fabric::None, |found, hit| match (found, hit.fabric()) {
                (Fabric::Unknown, _) | (_, Fabric::Unknown) => Fabric::Unknown,
                (Fabric::Peers, _) | (_, Fabric::Peers) => Fabric::Peers,
                (Fabric::None, Fabric::None) => Fabric::None,
            })
    }

    /// Checks that all affected functions are ours. `ours` returns true only for functions that are known to be ours
    /// and unused.
    ///
    /// # Errors
    ///
    /// The first reason why this is not known. Another owner's function precedes all other reasons; an unknown fabric
    /// comes last.
    pub fn exclusive(&self, ours: impl Fn(&Function) -> bool) -> Result<(), NotExclusive> {
        let mut unclear = None;
        let mut fabric = None;
        for hit in self.hits() {
            let address = hit.address();
            if !hit.function().is_bridge() && !ours(hit.function()) {
                return Err(NotExclusive::Bystander(address));
            }
            // A doubt about the port is a doubt about the target below it.
            if let Some(Doubt { address, anomaly }) = hit.doubt() {
                unclear.get_or_insert(NotExclusive::Doubtful(address, anomaly));
            } else if hit.function().physical_function.is_some() && hit.index != self.place.index {
                unclear.get_or_insert(NotExclusive::VirtualFunction(address));
            }
            if self.port.is_some() && hit.fabric() == Fabric::Unknown {
                fabric.get_or_insert(NotExclusive::FabricUnknown(address));
            }
        }
        unclear.or(fabric).map_or(Ok(()), Err)
    }
}

/// The reason why a reset domain is not known to be exclusively ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NotExclusive {
    /// This affected function is not ours.
    Bystander(FunctionAddress),
    /// The reset destroys this virtual function, even if it is in use.
    VirtualFunction(FunctionAddress),
    /// The members of this function's fabric are unknown.
    FabricUnknown(FunctionAddress),
    /// The affected functions are uncertain because of an anomaly at this function.
    Doubtful(FunctionAddress, Anomaly),
    /// No port resets all of it together, or none is known to.
    NoDomain(ResetUnavailable),
}

impl fmt::Display for NotExclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bystander(address) => write!(f, "{address} would be affected and is not ours"),
            Self::VirtualFunction(address) => write!(f, "virtual function {address} is destroyed"),
            Self::FabricUnknown(address) => write!(f, "members of the fabric of {address} unknown"),
            Self::Doubtful(address, anomaly) => write!(f, "{address}: {anomaly}"),
            Self::NoDomain(reason) => write!(f, "no reset domain: {reason}"),
        }
    }
}

impl core::error::Error for NotExclusive {}

/// Iterates over the functions in a domain.
///
/// The functions below the port come first, in ascending order. Each is followed by the functions outside that it
/// affects: virtual functions and fabric peers, and the virtual functions of these.
#[derive(Clone, Debug)]
pub struct Hits<'t> {
    topology: super::Topology<'t>,
    next: Range<usize>,
    within: Range<usize>,
    fabric: bool,
    virtual_function: Option<Place<'t>>,
    peer: Option<Place<'t>>,
}

impl<'t> Hits<'t> {
    fn is_outside(&self, place: &Place<'t>) -> bool {
        !self.within.contains(&place.index)
    }
}

impl<'t> Iterator for Hits<'t> {
    type Item = Place<'t>;

    fn next(&mut self) -> Option<Place<'t>> {
        while let Some(place) = self.virtual_function {
            self.virtual_function = self.topology.follow(place.node.next_virtual_function);
            if self.is_outside(&place) {
                return Some(place);
            }
        }
        if let Some(peer) = self.peer {
            self.peer = peer.next_peer().filter(|next| self.is_outside(next));
            self.virtual_function = self.topology.follow(peer.node.virtual_functions);
            return Some(peer);
        }
        let place = self.topology.place(self.next.next()?)?;
        self.virtual_function = self.topology.follow(place.node.virtual_functions);
        // The members form a ring in ascending order, and the functions below the port are contiguous. So the ring
        // leaves them at most once, and no member outside is visited twice.
        if self.fabric {
            self.peer = place.next_peer().filter(|next| self.is_outside(next));
        }
        Some(place)
    }
}
