//! What the topology knows of the rule's facts.

use super::{
    Answer, Availability, Bmc, BusReset, ClassHistory, Exclusivity, Facts, Preference, Rung, Sickness, SlotPower, Tdi,
    Use,
};
use crate::presence::PortLink;
use crate::topology::domain::{Domain, NotExclusive};
use crate::topology::function::{Bridge, Cxl, Fact, Function, HotplugOwner, Role, Slot};
use crate::topology::method::{Method, MissingFact, ResetUnavailable};
use crate::topology::{Fabric, Place};

/// The facts about a function that its place in a topology tells. Each means what the field of the
/// same name in [`Facts`] does.
///
/// | fact | where it is from |
/// | --- | --- |
/// | exclusivity, fabric | all that is hit at the card root |
/// | hotplug, slot power, secondary bus reset | the card root: its slot, its CXL extension |
/// | bus reset | the quirks of the card root and of all below |
/// | link | the port directly above |
/// | answer, FLR, PM | the function |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Surroundings {
    /// Who is on the fabric of anything on the card.
    pub fabric: Fabric,
    /// Who else is below the card root, an unknown fabric aside.
    pub exclusivity: Exclusivity,
    /// Who owns hotplug at the card root.
    pub hotplug: HotplugOwner,
    /// What the port above says about the link.
    pub link: PortLink,
    /// What the function answers.
    pub answer: Answer,
    /// Whether FLR is offered, by either capability, and not forbidden.
    pub flr: Availability,
    /// Whether the D3hot→D0 reset can be done and resets anything.
    pub pm: Availability,
    /// Whether the card root's secondary bus reset does anything.
    pub secondary_bus_reset: Availability,
    /// Whether a quirk forbids that.
    pub bus_reset: BusReset,
    /// Whether the slot's power can be cut, and who else would lose it.
    pub slot_power: SlotPower,
}

/// The facts that no topology tells. Each means what the field of the same name in [`Facts`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Known {
    /// Whether anybody uses the GPU.
    pub usage: Use,
    /// Whether it is locked into a confidential VM.
    pub tdi: Tdi,
    /// Whether a BMC can cut its power.
    pub bmc: Bmc,
    /// What is known of FLR in its class.
    pub class: ClassHistory,
    /// What is wrong with it.
    pub sickness: Sickness,
    /// What was asked for.
    pub preference: Preference,
    /// The highest rung allowed.
    pub highest: Rung,
    /// The only rung allowed, if one was asked for.
    pub only: Option<Rung>,
}

impl Surroundings {
    /// Those of a function. `ours` says yes only of what is known to be ours, and unused.
    pub fn of(place: Place<'_>, ours: impl Fn(&Function) -> bool) -> Self {
        let card = place.card();
        let root = place.card_root();
        let bridge = root.and_then(bridge);
        let exclusivity = exclusivity(&card, ours);
        Self {
            fabric: card.as_ref().map_or_else(|_| place.fabric(), Domain::fabric),
            exclusivity,
            hotplug: hotplug(bridge),
            link: link(place),
            answer: place.function().readiness.map_or(Answer::Unknown, Answer::from),
            flr: either(
                function_level(place, Method::Flr),
                function_level(place, Method::AdvancedFeaturesFlr),
            ),
            pm: function_level(place, Method::PowerManagement),
            secondary_bus_reset: secondary_bus_reset(&card, bridge),
            bus_reset: bus_reset(place, root),
            slot_power: slot_power(place, exclusivity),
        }
    }

    /// All that the rule looks at.
    pub const fn facts(self, known: Known) -> Facts {
        Facts {
            usage: known.usage,
            tdi: known.tdi,
            fabric: self.fabric,
            exclusivity: self.exclusivity,
            hotplug: self.hotplug,
            link: self.link,
            answer: self.answer,
            flr: self.flr,
            pm: self.pm,
            secondary_bus_reset: self.secondary_bus_reset,
            bus_reset: self.bus_reset,
            slot_power: self.slot_power,
            bmc: known.bmc,
            class: known.class,
            sickness: known.sickness,
            preference: known.preference,
            highest: known.highest,
            only: known.only,
        }
    }
}

fn bridge<'t>(place: Place<'t>) -> Option<&'t Bridge> {
    match &place.function().role {
        Role::Bridge(bridge) => Some(bridge),
        Role::Endpoint | Role::Unknown => None,
    }
}

fn exclusivity(card: &Result<Domain<'_>, ResetUnavailable>, ours: impl Fn(&Function) -> bool) -> Exclusivity {
    match card {
        Ok(domain) => match domain.exclusive(ours) {
            // Whom nobody knows is the fact "fabric", which allows nothing above FLR; that is the
            // weakest of all reasons, so that no other one stands behind it.
            Ok(()) | Err(NotExclusive::FabricUnknown(_)) => Exclusivity::Exclusive,
            Err(NotExclusive::Bystander(_) | NotExclusive::VirtualFunction(_)) => Exclusivity::Shared,
            Err(NotExclusive::Doubtful(..)) => Exclusivity::Unknown,
        },
        // Its physical function is below the card root too.
        Err(ResetUnavailable::VirtualFunction) => Exclusivity::Shared,
        Err(_) => Exclusivity::Unknown,
    }
}

/// Who acts on what a reset at the card root does to the link.
const fn hotplug(root: Option<&Bridge>) -> HotplugOwner {
    let Some(root) = root else {
        return HotplugOwner::Nobody;
    };
    match root.slot {
        Slot::None | Slot::Present { hot_plug: Fact::No, .. } => HotplugOwner::Nobody,
        Slot::Present { owner, .. } => owner,
        Slot::Unknown => HotplugOwner::Unknown,
    }
}

fn link(place: Place<'_>) -> PortLink {
    // On a root bus there is no link to be down.
    place
        .port_above()
        .and_then(bridge)
        .map_or(PortLink::NotReported, |port| port.link)
}

/// Whether a function has a method. What it answers is a fact of its own.
fn function_level(place: Place<'_>, method: Method) -> Availability {
    match place.reset(method) {
        Ok(_)
        | Err(
            ResetUnavailable::NotAnswering(_)
            | ResetUnavailable::LinkInactive
            | ResetUnavailable::NotKnown(MissingFact::Link | MissingFact::Readiness),
        ) => Availability::Available,
        Err(ResetUnavailable::NotKnown(_)) => Availability::Unknown,
        Err(_) => Availability::Unavailable,
    }
}

const fn either(one: Availability, other: Availability) -> Availability {
    match (one, other) {
        (Availability::Available, _) | (_, Availability::Available) => Availability::Available,
        (Availability::Unknown, _) | (_, Availability::Unknown) => Availability::Unknown,
        (Availability::Unavailable, Availability::Unavailable) => Availability::Unavailable,
    }
}

/// Whether the card root's bit does anything. Quirks, hotplug and bystanders are facts of their own.
const fn secondary_bus_reset(card: &Result<Domain<'_>, ResetUnavailable>, root: Option<&Bridge>) -> Availability {
    match (card, root) {
        (Err(ResetUnavailable::NotKnown(_)), _) => Availability::Unknown,
        (Err(_), _) | (Ok(_), None) => Availability::Unavailable,
        (Ok(_), Some(root)) => match root.cxl {
            Cxl::None | Cxl::SbrUnmasked => Availability::Available,
            Cxl::SbrMasked => Availability::Unavailable,
            Cxl::Unknown => Availability::Unknown,
        },
    }
}

fn bus_reset(place: Place<'_>, root: Option<Place<'_>>) -> BusReset {
    match place.reset(Method::DetachSbr) {
        Err(ResetUnavailable::Quirk(at)) if root.is_some_and(|root| root.address() == at) => BusReset::ForbiddenAtPort,
        Err(ResetUnavailable::Quirk(_)) => BusReset::ForbiddenAtChild,
        // Nobody knows on whom to look it up.
        Err(ResetUnavailable::NotKnown(MissingFact::Buses | MissingFact::Role)) => BusReset::Unknown,
        // Quirks come before all other reasons, but for those that leave no port to reset.
        Ok(_) | Err(_) => BusReset::Allowed,
    }
}

fn slot_power(place: Place<'_>, domain: Exclusivity) -> SlotPower {
    match place.reset(Method::SlotPower) {
        // Who owns hotplug is a fact of its own.
        Ok(_)
        | Err(
            ResetUnavailable::FirmwareOwnsHotplug
            | ResetUnavailable::AcpiOwnsHotplug
            | ResetUnavailable::NotKnown(MissingFact::HotplugOwner),
        ) => SlotPower::Controller { domain },
        Err(ResetUnavailable::NotKnown(_)) => SlotPower::Unknown,
        Err(_) => SlotPower::None,
    }
}
