//! Who is hit by a reset.

use core::fmt;
use core::ops::Range;

use super::anomaly::{Anomaly, Doubt};
use super::fabric::Fabric;
use super::function::Function;
use super::method::ResetUnavailable;
use super::place::Place;
use super::warning::Warning;
use crate::address::FunctionAddress;

/// A reset domain: all functions that a reset hits, the one that it is meant for included.
///
/// A reset of one function takes its virtual functions with it. One at a port hits everything
/// below, whatever the kernel lists, and those whom a fabric joins to what is below.
#[derive(Clone, Debug)]
pub struct Domain<'t> {
    place: Place<'t>,
    port: Option<Place<'t>>,
    within: Range<usize>,
}

impl<'t> Domain<'t> {
    /// Of a reset of one function.
    pub(super) fn of_function(place: Place<'t>) -> Self {
        Self {
            place,
            port: None,
            within: place.index..place.index.saturating_add(1),
        }
    }

    /// Of a reset at a port above the function.
    pub(super) fn below(place: Place<'t>, port: Place<'t>) -> Self {
        Self {
            place,
            port: Some(port),
            within: port.range_below(),
        }
    }

    /// The function that the reset is meant for.
    pub const fn function(&self) -> Place<'t> {
        self.place
    }

    /// The port at which the reset is done; `None` of a reset of one function.
    pub const fn port(&self) -> Option<Place<'t>> {
        self.port
    }

    /// All functions that are hit, each of them once. The port is not.
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

    /// Whether a function is hit.
    pub fn contains(&self, address: FunctionAddress) -> bool {
        self.hits().any(|hit| hit.address() == address)
    }

    /// Those hit that are neither ours nor bridges: a bridge is hit with what is below it.
    pub fn bystanders(&self, ours: impl Fn(&Function) -> bool) -> impl Iterator<Item = Place<'t>> {
        self.hits()
            .filter(move |hit| !hit.function().is_bridge() && !ours(hit.function()))
    }

    /// The quirks of those hit, and of the port, that are only reported.
    pub fn warnings(&self) -> impl Iterator<Item = Warning> {
        self.hits().chain(self.port).flat_map(Place::warnings)
    }

    /// What joins those hit to others: all of them known, or not.
    pub fn fabric(&self) -> Fabric {
        self.hits()
            .fold(Fabric::None, |found, hit| match (found, hit.fabric()) {
                (Fabric::Unknown, _) | (_, Fabric::Unknown) => Fabric::Unknown,
                (Fabric::Peers, _) | (_, Fabric::Peers) => Fabric::Peers,
                (Fabric::None, Fabric::None) => Fabric::None,
            })
    }

    /// Checks that all that is hit is ours. `ours` says yes only of what is known to be ours, and
    /// unused.
    ///
    /// # Errors
    ///
    /// The first reason why it is not known to be. Somebody else's function comes before all other
    /// reasons, a fabric that is not known after them.
    pub fn exclusive(&self, ours: impl Fn(&Function) -> bool) -> Result<(), NotExclusive> {
        let mut unclear = None;
        let mut fabric = None;
        for hit in self.hits() {
            let address = hit.address();
            if !hit.function().is_bridge() && !ours(hit.function()) {
                return Err(NotExclusive::Bystander(address));
            }
            // A doubt about the port is one about the function below it that is meant.
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

/// The reason why a reset domain is not known to be ours alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NotExclusive {
    /// This function is hit, and not ours.
    Bystander(FunctionAddress),
    /// This virtual function is destroyed, whoever uses it.
    VirtualFunction(FunctionAddress),
    /// Nobody knows who else is hit through this function's fabric.
    FabricUnknown(FunctionAddress),
    /// Who is hit cannot be said for sure because of what does not fit together at this function.
    Doubtful(FunctionAddress, Anomaly),
    /// There is no port at which all of it is reset together, or it is not known.
    NoDomain(ResetUnavailable),
}

impl fmt::Display for NotExclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bystander(address) => write!(f, "{address} is hit and not ours"),
            Self::VirtualFunction(address) => write!(f, "virtual function {address} is destroyed"),
            Self::FabricUnknown(address) => write!(f, "unknown who is on the fabric of {address}"),
            Self::Doubtful(address, anomaly) => write!(f, "{address}: {anomaly}"),
            Self::NoDomain(reason) => write!(f, "no reset domain: {reason}"),
        }
    }
}

impl core::error::Error for NotExclusive {}

/// The functions in a domain.
///
/// First those below the port, in ascending order, each followed by what else it takes with it:
/// virtual functions and fabric peers outside, of these again the virtual functions.
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
        // Members are in a ring in ascending order and what is below the port is in one piece, so
        // the ring leaves it once at most: no member outside is met twice.
        if self.fabric {
            self.peer = place.next_peer().filter(|next| self.is_outside(next));
        }
        Some(place)
    }
}
