//! The facts that the rule uses. Every fact has an "unknown" value, and none has a default.

use bitfield_struct::bitfield;

use super::Rung;
use crate::presence::{PortLink, Readiness};
use crate::topology::Fabric;
use crate::topology::domain::NotExclusive;
use crate::topology::function::HotplugOwner;

/// All inputs of the rule: one function to recover, and its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Facts {
    /// The facts from the topology.
    pub surroundings: Surroundings,
    /// All other facts.
    pub known: Known,
}

impl Facts {
    /// True if the function is not known to be well: its header is not fully readable, or something is wrong with it.
    pub fn is_sick(&self) -> bool {
        self.surroundings.answer != Answer::Ready || self.known.sickness.any()
    }
}

/// The facts from a function's place in a topology. [`Surroundings::of`] reads them.
///
/// | fact | source |
/// | --- | --- |
/// | exclusivity, fabric, reported | everything that a reset at the card root affects |
/// | hotplug, slot power, secondary bus reset | the card root: its slot, its CXL extension |
/// | bus reset | the quirks of the card root and of everything below it |
/// | link | the port directly above |
/// | answer, FLR, PM | the function |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Surroundings {
    /// The fabric of everything on the card. Known peers are part of `exclusivity`; unknown ones allow nothing above
    /// FLR.
    pub fabric: Fabric,
    /// The exclusivity of everything below the card root, except for an unknown fabric.
    pub exclusivity: Exclusivity,
    /// The reason why the domain is not exclusive or not known to be, from the topology. The rule ignores it.
    pub not_exclusive: Option<NotExclusive>,
    /// The owner of hotplug at the card root. If the operating system owns it, it is ours. If it has no owner, nothing
    /// interferes with a secondary bus reset.
    pub hotplug: HotplugOwner,
    /// The state of the link, from the port above.
    pub link: PortLink,
    /// The function's answer.
    pub answer: Answer,
    /// The availability of FLR: offered by either capability, and not forbidden.
    pub flr: Availability,
    /// The functions of the GPU that FLR resets: all, or only some.
    pub flr_reach: FlrReach,
    /// The availability of the D3hot→D0 reset: possible, and it resets something.
    pub pm: Availability,
    /// The availability of a secondary bus reset on the empty bus of the card root.
    pub secondary_bus_reset: Availability,
    /// The quirk that forbids the bus reset, if any.
    pub bus_reset: BusReset,
    /// The means to cut the slot's power, and its effect on others.
    pub slot_power: SlotPower,
    /// The resets with reported problems. They stay allowed.
    pub reported: Reported,
}

/// The facts that come from other sources than the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Known {
    /// The use of the GPU, including its virtual functions.
    pub usage: Use,
    /// The lock into a confidential VM.
    pub tdi: Tdi,
    /// The BMC's means to cut the GPU's power, and its effect on others.
    pub bmc: Bmc,
    /// The history of FLR in this class.
    pub reset_class: ClassHistory,
    /// The history of the bus reset in place in this class.
    pub in_place: ClassHistory,
    /// True unless a function is known to keep no mark that a bus reset in place would clear.
    pub in_place_shows: bool,
    /// The platform's own resets.
    pub own_means: OwnMeans,
    /// The problems of the function.
    pub sickness: Sickness,
    /// The requested preference.
    pub preference: Preference,
    /// The highest allowed rung.
    pub highest: Rung,
    /// The only allowed rung, if one was requested. It still has to meet its conditions.
    pub only: Option<Rung>,
}

/// The functions of a GPU that FLR resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FlrReach {
    /// All: each offers FLR.
    All,
    /// At least one function has no FLR, or is not known to have it, and keeps its state.
    LeavesSome,
}

/// The resets after which the function may not return, by rows of the [quirk tables](crate::quirk) that are only
/// reported. Such a row never forbids a reset: if both resets are allowed, it decides which comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reported {
    /// FLR, of the function itself.
    pub flr: bool,
    /// The secondary bus reset, of anything it resets or of the port.
    pub bus_reset: bool,
    /// All resets except a device-specific one, of the function itself.
    pub vendor_reset: bool,
}

impl Reported {
    /// No reports.
    pub const NOTHING: Self = Self {
        flr: false,
        bus_reset: false,
        vendor_reset: false,
    };
}

/// The platform's own resets. No register of the function shows that they exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OwnMeans {
    /// The device-specific reset, for this model.
    pub device_specific: Availability,
    /// The ACPI method of the firmware.
    pub acpi: Availability,
}

impl OwnMeans {
    /// None.
    pub const NONE: Self = Self {
        device_specific: Availability::Unavailable,
        acpi: Availability::Unavailable,
    };
}

/// The use of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Use {
    /// Not in use, and every place that could show a user was readable.
    Free,
    /// In use.
    Used,
    /// Not every place was readable. Treated as in use.
    Unknown,
}

/// The lock of a function into a confidential VM. If it is unknown, use [`Self::Locked`].
#[doc(alias = "TDISP")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Tdi {
    /// Not locked, or the host does not support it.
    Unlocked,
    /// It is locked.
    Locked,
}

/// The ownership of a reset domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Exclusivity {
    /// Everything in the domain is ours, unused, and has no virtual functions.
    Exclusive,
    /// Something in the domain is not ours.
    Shared,
    /// Unknown. Never treated as exclusive.
    Unknown,
}

/// A function's answer, as detailed as the rule needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Answer {
    /// Its whole header.
    Ready,
    /// Part of its header. Treated as sick.
    Half,
    /// All-ones: the function does not answer.
    Absent,
    /// Retry requests without end.
    NotReady,
    /// It was not read, or the read failed. No write goes to a function that was not seen to answer.
    Unknown,
}

impl From<Readiness> for Answer {
    fn from(readiness: Readiness) -> Self {
        match readiness {
            Readiness::Ready(_) => Self::Ready,
            Readiness::HalfInitialised(_) => Self::Half,
            Readiness::Absent => Self::Absent,
            Readiness::NotReady => Self::NotReady,
            Readiness::LinkInactive | Readiness::LinkUnknown | Readiness::PhysicalFunctionNotReady => Self::Unknown,
        }
    }
}

/// The availability of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Availability {
    /// It is available.
    Available,
    /// Not available.
    Unavailable,
    /// Unknown. The method is not tried.
    Unknown,
}

/// The quirks against the secondary bus reset.
///
/// For a function that is gone, its former ID decides. Removing a function discards the kernel's own flag, so the
/// kernel does not protect an emptied bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BusReset {
    /// Looked up: no quirk forbids it.
    Allowed,
    /// A quirk of the child forbids it.
    ForbiddenAtChild,
    /// A quirk of the port forbids it.
    ForbiddenAtPort,
    /// Not looked up. Treated as forbidden.
    Unknown,
}

/// The means to cut a slot's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SlotPower {
    /// The slot has a power controller.
    Controller {
        /// The ownership of everything that the slot powers.
        domain: Exclusivity,
    },
    /// There is no slot, or its port cannot cut the power.
    None,
    /// It is unknown if the power can be cut.
    Unknown,
}

/// The BMC's means to cut a GPU's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Bmc {
    /// No BMC is configured.
    NotConfigured,
    /// A BMC that switches the power is configured.
    Configured {
        /// The ownership of everything that it switches.
        domain: Exclusivity,
    },
}

/// The history of a rung in a class (model, VBIOS and kernel), from verified outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ClassHistory {
    /// Unknown: neither good nor bad.
    Unknown,
    /// It recovers such functions.
    Good,
    /// It does not recover such functions.
    Bad,
}

/// The problems of a function. A clear bit means only that the problem was not seen.
///
/// | bit | field |
/// | --- | --- |
/// | 0 | vendor register wrong |
/// | 1 | transactions stuck |
/// | 2 | new errors |
/// | 3 | last reset failed |
#[bitfield(u8, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sickness {
    /// A vendor register has a wrong value.
    pub vendor_register: bool,
    /// Transactions stay pending.
    pub transactions_stuck: bool,
    /// New non-fatal or fatal errors on the path.
    pub new_errors: bool,
    /// The last reset was not verified.
    pub last_reset_failed: bool,
    #[bits(4)]
    __: u8,
}

impl Sickness {
    /// Returns true if there is any problem.
    pub const fn any(self) -> bool {
        self.vendor_register() || self.transactions_stuck() || self.new_errors() || self.last_reset_failed()
    }
}

/// The requested preference. It takes effect only if that is safe: it never overrides a refusal, a quirk or a shared
/// domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Preference {
    /// As the rule decides.
    Rule,
    /// FLR first.
    Flr,
    /// The secondary bus reset first.
    Sbr,
}
