//! The facts about a function that a topology is built from. Each may be unknown.

use crate::address::FunctionAddress;
use crate::capability::express::PortType;
use crate::capability::power_management::PowerState;
use crate::header::{BusNumbers, ClassCode, Identity};
use crate::presence::{PortLink, Readiness};

/// The facts about one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Function {
    /// The address.
    pub address: FunctionAddress,
    /// Vendor ID and Device ID; the former ones if the function is gone.
    pub identity: Identity,
    /// Class Code; the former one if the function is gone.
    pub class: ClassCode,
    /// Bridge or endpoint.
    pub role: Role,
    /// Support for FLR: Device Capabilities.
    pub flr: Fact,
    /// Support for FLR by Advanced Features, which takes both of its bits:
    /// [`offers_flr`](crate::capability::advanced_features::AdvancedFeaturesCapabilities::offers_flr).
    pub advanced_features_flr: Fact,
    /// The Power Management capability.
    pub power: Power,
    /// Its last answer; `None` if it was not read.
    pub readiness: Option<Readiness>,
    /// The physical function of a virtual function.
    pub physical_function: Option<FunctionAddress>,
    /// The number of virtual functions that it has enabled; `None` if unknown.
    pub virtual_functions: Option<u16>,
    /// The fabric's own report.
    pub fabric: Membership,
}

impl Function {
    /// A function with known address and IDs, and nothing else.
    pub const fn new(address: FunctionAddress, identity: Identity, class: ClassCode) -> Self {
        Self {
            address,
            identity,
            class,
            role: Role::Unknown,
            flr: Fact::Unknown,
            advanced_features_flr: Fact::Unknown,
            power: Power::Unknown,
            readiness: None,
            physical_function: None,
            virtual_functions: None,
            fabric: Membership::Unknown,
        }
    }

    /// Returns true if it is a bridge. False if unknown.
    pub const fn is_bridge(&self) -> bool {
        matches!(self.role, Role::Bridge(_))
    }

    pub(super) const fn bridge(&self) -> Option<&Bridge> {
        match &self.role {
            Role::Bridge(bridge) => Some(bridge),
            Role::Endpoint | Role::Unknown => None,
        }
    }

    /// The possible buses below: a bridge without assigned buses leads nowhere.
    pub(super) fn buses_below(&self) -> Option<BusNumbers> {
        let buses = self.bridge()?.buses?;
        let fit = self.address.bus() < buses.secondary && buses.secondary <= buses.subordinate;
        fit.then_some(buses)
    }
}

/// A fact that may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fact {
    /// The fact is true.
    Yes,
    /// The fact is false.
    No,
    /// Unknown: not read, or not answered.
    Unknown,
}

impl From<bool> for Fact {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// The role of a function: bridge or endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Role {
    /// Not a bridge.
    Endpoint,
    /// A bridge between PCI buses or to `CardBus`; every port is one.
    Bridge(Bridge),
    /// The header could not be read, or its layout is unknown.
    Unknown,
}

/// The facts about a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bridge {
    /// The buses that it connects; `None` if they could not be read. The primary bus number is ignored: some bridges
    /// hardwire it to 0.
    pub buses: Option<BusNumbers>,
    /// Its type in the PCI Express hierarchy; `None` if it has none or it is unknown.
    pub port_type: Option<PortType>,
    /// ARI Forwarding Enable: all function numbers below belong to one device.
    pub ari_forwarding: Fact,
    /// The state of the link below, as the port reports it.
    pub link: PortLink,
    /// The slot below.
    pub slot: Slot,
    /// The effect of the secondary bus reset bit, by CXL.
    pub cxl: Cxl,
}

impl Bridge {
    /// A bridge with known buses, and nothing else.
    pub const fn new(buses: BusNumbers) -> Self {
        Self {
            buses: Some(buses),
            port_type: None,
            ari_forwarding: Fact::Unknown,
            link: PortLink::Unreadable,
            slot: Slot::Unknown,
            cxl: Cxl::Unknown,
        }
    }
}

/// The slot below a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Slot {
    /// There is no slot.
    None,
    /// There is a slot.
    Present {
        /// Slot Capabilities: supports hot plug.
        hot_plug: Fact,
        /// Slot Capabilities: has a power controller.
        power_controller: Fact,
        /// The owner of its events.
        owner: HotplugOwner,
    },
    /// The slot is unknown.
    Unknown,
}

/// The owner of a slot's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HotplugOwner {
    /// The operating system, through the port's own registers (`pciehp`).
    Os,
    /// Firmware did not grant hotplug to the operating system.
    Firmware,
    /// The operating system, through ACPI methods (`acpiphp`): cutting power is an eject.
    Acpi,
    /// There is no hot-plug slot: nothing reacts to the effect of a reset on the link.
    Nobody,
    /// The owner is unknown.
    Unknown,
}

/// The secondary bus reset of a port, by its CXL DVSECs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Cxl {
    /// The port has no such DVSEC.
    None,
    /// Unmask SBR is clear: the bit has no effect.
    SbrMasked,
    /// Unmask SBR is clear, but the link carries no CXL protocol: the bit works as in any port (CXL r3.1, sec 8.1.5.2).
    /// Linux ignores the link state and refuses its `bus` method.
    NotInUse,
    /// Unmask SBR is set.
    SbrUnmasked,
    /// The effect of the bit is unknown.
    Unknown,
}

/// A function's Power Management capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Power {
    /// The function has no such capability.
    None,
    /// The function has the capability.
    Present {
        /// The function keeps its state from D3hot to D0.
        no_soft_reset: Fact,
        /// The current power state; `None` if it could not be read.
        state: Option<PowerState>,
    },
    /// The capability is unknown.
    Unknown,
}

/// The own report of a function's fabric (`NVLink`, XGMI).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Membership {
    /// The function is not joined to any other.
    Alone,
    /// The function is joined to all functions that name the same member; that member names itself.
    With(FunctionAddress),
    /// Unknown: the host cannot see the fabric while the function is bound to vfio-pci.
    Unknown,
}
