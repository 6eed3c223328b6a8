//! The reset methods, and the reasons why one is unavailable.
//!
//! | method | conditions, besides that no quirk forbids it |
//! | --- | --- |
//! | FLR | supported; the function answers |
//! | AF FLR | supported; the function answers |
//! | D3hot→D0 | No Soft Reset clear; the function answers, and is in D0 |
//! | bus | a bridge above, no other function on its bus, the bridge's reset not masked by CXL |
//! | CXL bus | the same, and the bridge is a CXL port, masked or not |
//! | hot reset | a bridge above, its reset not masked |
//! | detach-SBR | the same at the card root, and no slot there whose events firmware handles |
//! | slot power | a hot-plug slot at the card root, with a power controller, owned by the operating system |

use core::fmt;

use crate::address::FunctionAddress;
use crate::capability::power_management::PowerState;
use crate::presence::Readiness;

/// A reset method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Method {
    /// FLR: the kernel's `flr`.
    Flr,
    /// FLR by Advanced Features: the kernel's `af_flr`.
    AdvancedFeaturesFlr,
    /// To D3hot and back: the kernel's `pm`.
    PowerManagement,
    /// Secondary bus reset of a bus with one function: the kernel's `bus`.
    Bus,
    /// Secondary bus reset at a CXL port, unmasked for the reset: the kernel's `cxl_bus`.
    CxlBus,
    /// Secondary bus reset at the port above by VFIO, for an owner of everything below.
    HotReset,
    /// Remove everything below the card root, reset the empty bus, rescan.
    DetachSbr,
    /// Switch the power of the card's slot off and on.
    SlotPower,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 8] = [
        Self::Flr,
        Self::AdvancedFeaturesFlr,
        Self::PowerManagement,
        Self::Bus,
        Self::CxlBus,
        Self::HotReset,
        Self::DetachSbr,
        Self::SlotPower,
    ];
}

/// The reason why a method is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ResetUnavailable {
    /// It is a bridge: a reset would affect everything below it, and bridges are not handed on.
    Bridge,
    /// It is a virtual function: it is reset only together with its physical function.
    VirtualFunction,
    /// The function does not support the method.
    NotOffered,
    /// The function keeps its state from D3hot to D0.
    NoSoftReset,
    /// A D3hot→D0 reset has to start in D0.
    NotInD0(PowerState),
    /// The function must not be written to because of this answer.
    NotAnswering(Readiness),
    /// The function must not be written to: the link of the port above is not active.
    LinkInactive,
    /// No bridge leads to its bus.
    RootBus,
    /// This function is on the same bus.
    Sibling(FunctionAddress),
    /// A quirk of this function forbids it.
    Quirk(FunctionAddress),
    /// The port's secondary bus reset has no effect.
    CxlSbrMasked,
    /// The port above is not a CXL port.
    NotCxl,
    /// There is no slot at the card root.
    NoSlot,
    /// The slot at the card root is not for hot-plug: its power has no owner.
    NotHotPlug,
    /// The slot's power cannot be cut.
    NoPowerController,
    /// Firmware handles the slot's events.
    FirmwareOwnsHotplug,
    /// ACPI handles the slot's events, and its power goes with an eject.
    AcpiOwnsHotplug,
    /// A required fact is unknown.
    NotKnown(MissingFact),
}

/// A required fact that is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MissingFact {
    /// The role: bridge or endpoint.
    Role,
    /// The function's support for the method.
    Offer,
    /// The function's answer.
    Readiness,
    /// The link state of the port above.
    Link,
    /// No Soft Reset: the function keeps its state from D3hot to D0.
    NoSoftReset,
    /// The function's power state.
    PowerState,
    /// The port's CXL extension, which may mask its reset.
    Cxl,
    /// The place below the card root: the bus numbers contradict each other.
    Buses,
    /// The slot.
    Slot,
    /// The slot's power controller.
    PowerController,
    /// The owner of the slot's events.
    HotplugOwner,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flr => "FLR",
            Self::AdvancedFeaturesFlr => "AF FLR",
            Self::PowerManagement => "D3hot→D0 reset",
            Self::Bus => "bus reset",
            Self::CxlBus => "CXL bus reset",
            Self::HotReset => "hot reset",
            Self::DetachSbr => "detach-SBR",
            Self::SlotPower => "slot power",
        })
    }
}

impl fmt::Display for ResetUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge => f.write_str("it is a bridge"),
            Self::VirtualFunction => f.write_str("it is a virtual function"),
            Self::NotOffered => f.write_str("not offered"),
            Self::NoSoftReset => f.write_str("keeps its state from D3hot to D0"),
            Self::NotInD0(state) => write!(f, "in {}, not in D0", state.name()),
            Self::NotAnswering(readiness) => write!(f, "not answering: {readiness:?}"),
            Self::LinkInactive => f.write_str("link of the port above not active"),
            Self::RootBus => f.write_str("no bridge leads to its bus"),
            Self::Sibling(address) => write!(f, "{address} is on the same bus"),
            Self::Quirk(address) => write!(f, "a quirk of {address} forbids it"),
            Self::CxlSbrMasked => f.write_str("CXL port masks its secondary bus reset"),
            Self::NotCxl => f.write_str("no CXL port above"),
            Self::NoSlot => f.write_str("no slot"),
            Self::NotHotPlug => f.write_str("slot not for hot-plug"),
            Self::NoPowerController => f.write_str("slot without a power controller"),
            Self::FirmwareOwnsHotplug => f.write_str("firmware owns hotplug"),
            Self::AcpiOwnsHotplug => f.write_str("ACPI owns hotplug: an eject, not a power cycle"),
            Self::NotKnown(unknown) => write!(f, "not known: {unknown}"),
        }
    }
}

impl fmt::Display for MissingFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Role => "bridge or endpoint",
            Self::Offer => "support for the method",
            Self::Readiness => "what it answers",
            Self::Link => "link of the port above",
            Self::NoSoftReset => "No Soft Reset",
            Self::PowerState => "power state",
            Self::Cxl => "CXL mask of the port's reset",
            Self::Buses => "its place below the card root",
            Self::Slot => "slot",
            Self::PowerController => "slot power controller",
            Self::HotplugOwner => "owner of hotplug",
        })
    }
}
