//! What the rule is told. Every fact has a way to say "unknown", and none has a default.

use bitfield_struct::bitfield;

use super::Rung;
use crate::presence::{PortLink, Readiness};
use crate::topology::Fabric;
use crate::topology::domain::NotExclusive;
use crate::topology::function::HotplugOwner;

/// All that the rule looks at: one function that is to come back, and the domain around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Facts {
    /// What the topology says.
    pub surroundings: Surroundings,
    /// What no topology says.
    pub known: Known,
}

impl Facts {
    /// True if the function is not known to be well: it does not answer with its whole header, or something is wrong with it.
    pub fn is_sick(&self) -> bool {
        self.surroundings.answer != Answer::Ready || self.known.sickness.any()
    }
}

/// The facts about a function that its place in a topology tells. [`Surroundings::of`] reads them.
///
/// | fact | where it is from |
/// | --- | --- |
/// | exclusivity, fabric, reported | all that is reset at the card root |
/// | hotplug, slot power, secondary bus reset | the card root: its slot, its CXL extension |
/// | bus reset | the quirks of the card root and of all below |
/// | link | the port directly above |
/// | answer, FLR, PM | the function |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Surroundings {
    /// Who is on the fabric of anything on the card. Peers that are known are part of `exclusivity`; unknown ones allow
    /// nothing above FLR.
    pub fabric: Fabric,
    /// Who else is below the card root, an unknown fabric aside.
    pub exclusivity: Exclusivity,
    /// Why the domain is not exclusive, or not known to be, where the topology said so. The rule does not look at it.
    pub not_exclusive: Option<NotExclusive>,
    /// Who owns hotplug at the card root. The operating system's own is ours; where nobody owns it, nobody
    /// is in the way of a secondary bus reset.
    pub hotplug: HotplugOwner,
    /// What the port above says about the link.
    pub link: PortLink,
    /// What the function answers.
    pub answer: Answer,
    /// Whether FLR is offered, by either capability, and not forbidden.
    pub flr: Availability,
    /// The functions of the GPU that FLR resets: all, or only some.
    pub flr_reach: FlrReach,
    /// Whether the D3hot→D0 reset can be done and resets anything.
    pub pm: Availability,
    /// Whether the card root can do a secondary bus reset on its empty bus.
    pub secondary_bus_reset: Availability,
    /// Whether a quirk forbids that.
    pub bus_reset: BusReset,
    /// Whether the slot's power can be cut, and who else would lose it.
    pub slot_power: SlotPower,
    /// Resets of which trouble is only reported. They stay allowed.
    pub reported: Reported,
}

/// The facts that no topology tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Known {
    /// Whether anybody uses the GPU, one of its virtual functions included.
    pub usage: Use,
    /// Whether it is locked into a confidential VM.
    pub tdi: Tdi,
    /// Whether a BMC can cut the GPU's power, and who else would lose it.
    pub bmc: Bmc,
    /// What is known of FLR in this class.
    pub reset_class: ClassHistory,
    /// The history of the bus reset in place in this class.
    pub in_place: ClassHistory,
    /// True unless a function is known to keep no mark that a bus reset in place would clear.
    pub in_place_shows: bool,
    /// The resets by means of its own that the platform has.
    pub own_means: OwnMeans,
    /// What is wrong with the function.
    pub sickness: Sickness,
    /// What was asked for.
    pub preference: Preference,
    /// The highest rung allowed.
    pub highest: Rung,
    /// The only rung allowed, if one was asked for. It still has to be fit to be done.
    pub only: Option<Rung>,
}

/// The functions of a GPU that FLR resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FlrReach {
    /// All: each offers FLR.
    All,
    /// Not all: one at least has no FLR, or nobody can say that it has, and keeps its state.
    LeavesSome,
}

/// Resets of which rows of the [quirk tables](crate::quirk) that are only reported say that the function may not come back.
/// Such a row never forbids: where both resets are allowed, it decides which comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reported {
    /// FLR, of the function itself.
    pub flr: bool,
    /// The secondary bus reset, of anything that it resets or of the port.
    pub bus_reset: bool,
    /// All resets but one of its own, of the function itself.
    pub vendor_reset: bool,
}

impl Reported {
    /// Nothing is reported.
    pub const NOTHING: Self = Self {
        flr: false,
        bus_reset: false,
        vendor_reset: false,
    };
}

/// The resets that a platform has by means of its own: no register of the function shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OwnMeans {
    /// The reset for this model.
    pub device_specific: Availability,
    /// Firmware's ACPI method.
    pub acpi: Availability,
}

impl OwnMeans {
    /// None.
    pub const NONE: Self = Self {
        device_specific: Availability::Unavailable,
        acpi: Availability::Unavailable,
    };
}

/// Whether anybody uses a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Use {
    /// Nobody does, and everything where a user could be seen was seen.
    Free,
    /// Somebody does.
    Used,
    /// Not everything could be seen. Counts as in use.
    Unknown,
}

/// Whether a function is locked into a confidential VM. Whoever cannot tell says [`Self::Locked`].
#[doc(alias = "TDISP")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Tdi {
    /// It is not, or the host has no such thing.
    Unlocked,
    /// It is.
    Locked,
}

/// Whether a reset domain is ours alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Exclusivity {
    /// Everything in it is ours, unused, and has no virtual functions.
    Exclusive,
    /// Something in it is not.
    Shared,
    /// Nobody can say. Never counts as exclusive.
    Unknown,
}

/// What a function answers, as far as the rule cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Answer {
    /// Its header.
    Ready,
    /// Some of its header. Counts as sick.
    Half,
    /// All-ones.
    Absent,
    /// Requests to retry, and no end of them.
    NotReady,
    /// It was not read, or the read failed. Nothing is written to what was not seen to answer.
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

/// Whether a method is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Availability {
    /// It is.
    Available,
    /// It is not.
    Unavailable,
    /// Nobody can say. It is not tried.
    Unknown,
}

/// Whether a quirk forbids the secondary bus reset.
///
/// Of a function that is gone, its identity before it went decides. Removing a function discards
/// the kernel's own flag, so the kernel does not guard an emptied bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BusReset {
    /// Looked up: none does.
    Allowed,
    /// One of the child does.
    ForbiddenAtChild,
    /// One of the port does.
    ForbiddenAtPort,
    /// Not looked up. Counts as forbidden.
    Unknown,
}

/// Whether the power of a slot can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SlotPower {
    /// The slot has a power controller.
    Controller {
        /// Whether everything that the slot powers is ours.
        domain: Exclusivity,
    },
    /// There is no slot, or its port cannot cut the power.
    None,
    /// Nobody can say.
    Unknown,
}

/// Whether a BMC can cut a GPU's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Bmc {
    /// Nobody has said how to reach one.
    NotConfigured,
    /// One is known that switches it.
    Configured {
        /// Whether everything that it switches is ours.
        domain: Exclusivity,
    },
}

/// The verdict of verified outcomes on a rung in a class: model, VBIOS and kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ClassHistory {
    /// Nothing: neither good nor bad.
    Unknown,
    /// It brings such functions back.
    Good,
    /// It does not.
    Bad,
}

/// What is wrong with a function. No bit says only that nothing wrong was seen.
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
    /// A register of the vendor's reads wrong.
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
    /// Whether anything is wrong.
    pub const fn any(self) -> bool {
        self.vendor_register() || self.transactions_stuck() || self.new_errors() || self.last_reset_failed()
    }
}

/// What was asked for. Overrides where it is safe, and never a refusal, a quirk or a shared domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Preference {
    /// What the rule says.
    Rule,
    /// FLR first.
    Flr,
    /// The secondary bus reset first.
    Sbr,
}
