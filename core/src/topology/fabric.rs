//! The fabric links (`NVLink`, XGMI, Xe Link) between functions.
//!
//! Such links are invisible on PCIe. The fabric itself knows its members, if it was queried. Otherwise the model's
//! connector defines the possible links and, for boards that only a bridge can join, the other boards of the machine.

use super::function::{Function, Membership};
use super::place::{Place, subject};
use crate::quirk::{Effect, FABRICS, decided};

/// The connector by which a model can be joined to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Connector {
    /// No connector.
    None,
    /// A bridge connector: peers are boards of the same machine.
    Bridge,
    /// A base board: peers may be behind switches that PCIe does not show, or in other machines.
    Board,
}

/// The fabric (`NVLink`, XGMI) that joins a function to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fabric {
    /// No fabric.
    None,
    /// A fabric with known members; see [`Place::peers`].
    Peers,
    /// Possibly a fabric: the functions that more than FLR affects are unknown.
    Unknown,
}

impl<'t> Place<'t> {
    /// The connector of the model, from its row in [`FABRICS`].
    ///
    /// Without a row, VGA controllers and functions other than GPUs have none, unless there is a fabric switch of their
    /// vendor: few boards with a display have a bridge connector, and those have rows. All other GPUs and accelerators
    /// count as modules.
    pub fn connector(self) -> Connector {
        let subject = self.subject();
        let has = |effect| decided(FABRICS, &subject, effect).is_some();
        let is_beside_a_switch = self.topology.fabric_switch == Some(subject.identity.vendor);
        if has(Effect::Fabric) || has(Effect::FabricSwitch) {
            Connector::Board
        } else if has(Effect::NoFabric) {
            Connector::None
        } else if has(Effect::FabricBridge) {
            if is_beside_a_switch {
                Connector::Board
            } else {
                Connector::Bridge
            }
        } else if self.may_be_joined() && (is_beside_a_switch || !subject.class.is_vga_controller()) {
            Connector::Board
        } else {
            Connector::None
        }
    }

    /// The fabric: its own report if it was queried, else the possibilities of the [connector](Self::connector).
    pub fn fabric(self) -> Fabric {
        match self.function().fabric {
            Membership::Alone => Fabric::None,
            Membership::With(_) if self.node.fabric.is_none() => Fabric::Unknown,
            Membership::With(_) => Fabric::Peers,
            Membership::Unknown => match self.connector() {
                Connector::None => Fabric::None,
                Connector::Bridge | Connector::Board => Fabric::Unknown,
            },
        }
    }

    /// The other boards that a bridge could join to this one: boards of the same vendor with a bridge connector, or of
    /// a model without a row that may have one. Empty for a function without such a connector.
    pub fn joinable(self) -> impl Iterator<Item = Place<'t>> {
        let device = self.address().device_address();
        let vendor = self.function().identity.vendor;
        let has_bridge = self.connector() == Connector::Bridge;
        self.topology.places().filter(move |other| {
            let function = other.function();
            has_bridge
                && other.address().device_address() != device
                && function.identity.vendor == vendor
                && function.physical_function.is_none()
                && other.can_take_a_bridge()
        })
    }

    fn can_take_a_bridge(self) -> bool {
        let subject = self.subject();
        match self.connector() {
            Connector::None => false,
            Connector::Bridge => true,
            Connector::Board => decided(FABRICS, &subject, Effect::Fabric).is_none() && self.may_be_joined(),
        }
    }

    fn may_be_joined(self) -> bool {
        let class = self.function().class;
        class.is_display_controller() || class.is_processing_accelerator()
    }
}

/// The vendor of a switch that joins functions of its vendor.
pub(super) fn switch_vendor(functions: &[Function]) -> Option<u16> {
    let is_switch = |function: &&Function| decided(FABRICS, &subject(function, false), Effect::FabricSwitch).is_some();
    functions
        .iter()
        .find(is_switch)
        .map(|function| function.identity.vendor)
}
