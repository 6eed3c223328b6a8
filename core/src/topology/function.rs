//! What is known of a function before its topology is: plain facts, each of which may be unknown.

use crate::address::FunctionAddress;
use crate::capability::express::PortType;
use crate::capability::power_management::PowerState;
use crate::header::{BusNumbers, ClassCode, Identity};
use crate::presence::{PortLink, Readiness};

/// What is known of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Function {
    /// Where it is.
    pub address: FunctionAddress,
    /// Vendor ID and Device ID, of a function that is gone those that it had.
    pub identity: Identity,
    /// Class Code, of a function that is gone the one that it had.
    pub class: ClassCode,
    /// Whether it is a bridge.
    pub role: Role,
    /// Offers FLR: Device Capabilities.
    pub flr: Fact,
    /// Offers FLR by Advanced Features, which takes both of its bits:
    /// [`offers_flr`](crate::capability::advanced_features::AdvancedFeaturesCapabilities::offers_flr).
    pub advanced_features_flr: Fact,
    /// What its Power Management capability says.
    pub power: Power,
    /// What it last answered; `None` where nobody asked.
    pub readiness: Option<Readiness>,
    /// Of a virtual function: its physical one.
    pub physical_function: Option<FunctionAddress>,
    /// How many virtual functions it has enabled; `None` where that is not known.
    pub virtual_functions: Option<u16>,
    /// What its fabric itself says.
    pub fabric: Membership,
}

impl Function {
    /// A function of which nothing is known but where and what it is.
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

    /// Whether it is a bridge. False where that is not known.
    pub const fn is_bridge(&self) -> bool {
        matches!(self.role, Role::Bridge(_))
    }

    pub(super) const fn bridge(&self) -> Option<&Bridge> {
        match &self.role {
            Role::Bridge(bridge) => Some(bridge),
            Role::Endpoint | Role::Unknown => None,
        }
    }

    /// The buses below, where they can be: a bridge that no buses were given leads nowhere.
    pub(super) fn buses_below(&self) -> Option<BusNumbers> {
        let buses = self.bridge()?.buses?;
        let fit = self.address.bus() < buses.secondary && buses.secondary <= buses.subordinate;
        fit.then_some(buses)
    }
}

/// Something that is so or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fact {
    /// It is so.
    Yes,
    /// It is not.
    No,
    /// Nobody looked, or nothing answered.
    Unknown,
}

impl From<bool> for Fact {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// Whether a function is a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Role {
    /// It is not.
    Endpoint,
    /// It is one, between PCI buses or to `CardBus`; every port is one.
    Bridge(Bridge),
    /// Its header could not be read, or is of an unknown layout.
    Unknown,
}

/// What is known of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bridge {
    /// The buses that it joins; `None` where they could not be read. Its primary bus takes no part
    /// in what is below it, and is wired to 0 in some bridges.
    pub buses: Option<BusNumbers>,
    /// What it is in the tree of links; `None` where it has none, or that is not known.
    pub port_type: Option<PortType>,
    /// Whether all function numbers below belong to one device: ARI Forwarding Enable.
    pub ari_forwarding: Fact,
    /// What it says about the link below.
    pub link: PortLink,
    /// The slot below.
    pub slot: Slot,
    /// Whether the secondary bus reset bit does anything.
    pub cxl: Cxl,
}

impl Bridge {
    /// A bridge of which nothing is known but its buses.
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
    /// There is none.
    None,
    /// There is one.
    Present {
        /// Slot Capabilities: cards come and go under power.
        hot_plug: Fact,
        /// Slot Capabilities: its power can be cut.
        power_controller: Fact,
        /// Who acts on its events.
        owner: HotplugOwner,
    },
    /// Nobody can say.
    Unknown,
}

/// Who acts on a slot's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HotplugOwner {
    /// The operating system, by the port's own registers (`pciehp`).
    Os,
    /// Firmware, which did not grant hotplug to the operating system.
    Firmware,
    /// The operating system through ACPI methods (`acpiphp`): cutting power is an eject.
    Acpi,
    /// There is no slot for hot-plug: nobody acts on what a reset does to the link.
    Nobody,
    /// Nobody can say.
    Unknown,
}

/// A port's secondary bus reset, by its DVSECs for CXL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Cxl {
    /// There is no such DVSEC.
    None,
    /// Unmask SBR is clear: the bit does nothing.
    SbrMasked,
    /// Unmask SBR is clear, but the link carries no protocol of CXL's: then the bit works as in any port (CXL r3.1, sec
    /// 8.1.5.2). Linux does not look at the link, and refuses its `bus` method.
    NotInUse,
    /// Unmask SBR is set.
    SbrUnmasked,
    /// Nobody can say.
    Unknown,
}

/// What a function's Power Management capability says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Power {
    /// There is no such capability.
    None,
    /// There is.
    Present {
        /// Keeps its state from D3hot to D0.
        no_soft_reset: Fact,
        /// The state that it is in; `None` where it could not be read.
        state: Option<PowerState>,
    },
    /// Nobody can say.
    Unknown,
}

/// What a function's fabric (`NVLink`, XGMI) itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Membership {
    /// It is joined to nobody.
    Alone,
    /// It is joined to all who name the same function, which is one of them and names itself.
    With(FunctionAddress),
    /// Nobody asked: the fabric is not seen from the host while the function is on vfio-pci.
    Unknown,
}
