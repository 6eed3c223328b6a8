//! A function in its topology: the functions above, beside and below it.

use core::fmt;
use core::iter::successors;

use super::anomaly::Doubt;
use super::function::{Fact, Function};
use super::warning::Warning;
use super::{Node, Topology};
use crate::address::FunctionAddress;
use crate::capability::express::PortType;
use crate::quirk::{self, Effect, Quirk, SWITCHES, Subject, decided};

/// A function in its topology.
#[derive(Clone, Copy)]
pub struct Place<'t> {
    pub(super) topology: Topology<'t>,
    pub(super) function: &'t Function,
    pub(super) node: &'t Node,
    pub(super) index: usize,
}

impl<'t> Place<'t> {
    /// The facts about the function.
    pub const fn function(self) -> &'t Function {
        self.function
    }

    /// The address.
    pub const fn address(self) -> FunctionAddress {
        self.function.address
    }

    /// The bridge directly above: a Root Port, a Switch Downstream Port, the upstream port of a switch (above a Switch
    /// Downstream Port), or a bridge to conventional PCI. `None` on a root bus.
    pub fn port_above(self) -> Option<Self> {
        self.topology.follow(self.node.above)
    }

    /// The first port above that is not part of the function's own card.
    ///
    /// Some cards have their own switch; see [`SWITCHES`]. All functions of the card are [below](Self::below) this
    /// port. `None` on a root bus.
    pub fn card_root(self) -> Option<Self> {
        let above = self.port_above()?;
        let mut ports = successors(Some(above), |port| port.port_above());
        // The card's switch ends at the first port that is not part of it, or if no port is known to be above.
        let outside = ports.find(|port| !port.is_internal_switch());
        outside.or_else(|| successors(Some(above), |port| port.port_above()).last())
    }

    /// Returns true if it is part of a card's switch. A root port of the same vendor has no port above, so it is still
    /// off the card.
    fn is_internal_switch(self) -> bool {
        decided(SWITCHES, &self.subject(), Effect::InternalSwitch).is_some()
    }

    /// All other functions on its bus, including virtual ones. On a conventional bus these are its peers.
    pub fn on_same_bus(self) -> impl Iterator<Item = Self> {
        let address = self.address();
        let bus = address.bus();
        let range = self.topology.on_buses(address.segment(), bus, bus);
        self.topology
            .between(range)
            .filter(move |other| other.address() != address)
    }

    /// The other functions of its device, without virtual ones. With ARI all functions on a bus belong to one device. A
    /// port whose ARI state is unknown counts as with ARI.
    pub fn siblings(self) -> impl Iterator<Item = Self> {
        let whole_bus = self.is_bus_one_device();
        self.on_same_bus().filter(move |other| {
            let same_device = other.address().device_address() == self.address().device_address();
            (whole_bus || same_device) && other.function.physical_function.is_none()
        })
    }

    fn is_bus_one_device(self) -> bool {
        let port = self.port_above();
        let Some(bridge) = port.and_then(|port| port.function.bridge()) else {
            return false;
        };
        match bridge.ari_forwarding {
            Fact::Yes => true,
            Fact::No => false,
            Fact::Unknown => matches!(
                bridge.port_type,
                Some(PortType::RootPort | PortType::SwitchDownstreamPort)
            ),
        }
    }

    /// Everything on the buses below a bridge; empty for other functions.
    pub fn below(self) -> impl Iterator<Item = Self> {
        self.topology.between(self.range_below())
    }

    pub(super) fn range_below(self) -> core::ops::Range<usize> {
        match self.function.buses_below() {
            Some(buses) => {
                let segment = self.address().segment();
                self.topology.on_buses(segment, buses.secondary, buses.subordinate)
            }
            None => 0..0,
        }
    }

    /// The virtual functions of a physical one.
    pub fn virtual_functions(self) -> impl Iterator<Item = Self> {
        let first = self.topology.follow(self.node.virtual_functions);
        successors(first, |place| place.topology.follow(place.node.next_virtual_function))
    }

    /// The functions that the fabric joins to it, as far as the fabric was queried.
    pub fn peers(self) -> impl Iterator<Item = Self> {
        successors(self.next_peer(), |peer| peer.next_peer()).take_while(move |peer| peer.index != self.index)
    }

    /// The next member of its fabric; after the last one, the first.
    pub(super) fn next_peer(self) -> Option<Self> {
        let next = self.topology.follow(self.node.next_member);
        next.or_else(|| {
            let named_by = self.topology.follow(self.node.fabric)?;
            self.topology.follow(named_by.node.members)
        })
    }

    /// The anomaly at this function, or at the nearest function above it that has one.
    pub fn doubt(self) -> Option<Doubt> {
        let place = self.topology.follow(self.node.doubt)?;
        Some(Doubt {
            address: place.address(),
            anomaly: place.node.anomaly?,
        })
    }

    /// The rows of the [`quirk`] tables that apply to it.
    pub fn quirks(self) -> impl Iterator<Item = &'static Quirk> {
        quirk::about(self.subject())
    }

    /// The rows for it that are only reported. They decide nothing.
    pub fn warnings(self) -> impl Iterator<Item = Warning> {
        let reported = self.quirks().filter(|quirk| !quirk.confidence.decides());
        reported.map(move |quirk| Warning::new(self.address(), self.subject(), quirk))
    }

    pub(super) fn subject(self) -> Subject {
        subject(self.function, self.node.above.is_none())
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.address()).finish()
    }
}

pub(super) const fn subject(function: &Function, on_root_bus: bool) -> Subject {
    Subject {
        identity: function.identity,
        class: function.class,
        on_root_bus,
    }
}
