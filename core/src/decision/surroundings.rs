//! The rule's facts that come from the topology.

use super::{Answer, Availability, BusReset, Exclusivity, Facts, FlrReach, Known, Reported, SlotPower, Surroundings};
use crate::presence::PortLink;
use crate::quirk::Effect;
use crate::topology::Place;
use crate::topology::domain::{Domain, NotExclusive};
use crate::topology::function::{Bridge, Cxl, Fact, Function, HotplugOwner, Role, Slot};
use crate::topology::method::{Method, MissingFact, ResetUnavailable};
use crate::topology::warning::Warning;

impl Surroundings {
    /// Returns the facts about a function. `ours` returns true only for functions that are known to be ours and unused.
    pub fn of(place: Place<'_>, ours: impl Fn(&Function) -> bool) -> Self {
        let card = place.card();
        let root = place.card_root();
        let bridge = root.and_then(bridge);
        let exclusive = exclusive(&card, &ours);
        let exclusivity = exclusivity(exclusive);
        Self {
            fabric: card.as_ref().map_or_else(|_| place.fabric(), Domain::fabric),
            exclusivity,
            not_exclusive: exclusive.err(),
            hotplug: hotplug(bridge),
            link: link(place),
            answer: place.function().readiness.map_or(Answer::Unknown, Answer::from),
            flr: flr(place),
            flr_reach: flr_reach(place, &ours),
            pm: function_level(place, Method::PowerManagement),
            secondary_bus_reset: secondary_bus_reset(&card, bridge),
            bus_reset: bus_reset(place, root),
            slot_power: slot_power(place, exclusivity),
            reported: reported(place, &card),
        }
    }

    /// Combines them with the other facts.
    pub const fn facts(self, known: Known) -> Facts {
        Facts {
            surroundings: self,
            known,
        }
    }
}

fn bridge<'t>(place: Place<'t>) -> Option<&'t Bridge> {
    match &place.function().role {
        Role::Bridge(bridge) => Some(bridge),
        Role::Endpoint | Role::Unknown => None,
    }
}

fn exclusive(
    card: &Result<Domain<'_>, ResetUnavailable>,
    ours: impl Fn(&Function) -> bool,
) -> Result<(), NotExclusive> {
    match card {
        Ok(domain) => match domain.exclusive(ours) {
            // Unknown members are the fact "fabric", which allows nothing above FLR. It is the weakest of all reasons,
            // so it hides no other.
            Ok(()) | Err(NotExclusive::FabricUnknown(_)) => Ok(()),
            other => other,
        },
        Err(reason) => Err(NotExclusive::NoDomain(*reason)),
    }
}

const fn exclusivity(exclusive: Result<(), NotExclusive>) -> Exclusivity {
    match exclusive {
        Ok(()) => Exclusivity::Exclusive,
        Err(
            NotExclusive::Bystander(_)
            | NotExclusive::VirtualFunction(_)
            // Its physical function is below the card root too.
            | NotExclusive::NoDomain(ResetUnavailable::VirtualFunction),
        ) => Exclusivity::Shared,
        Err(NotExclusive::Doubtful(..) | NotExclusive::FabricUnknown(_) | NotExclusive::NoDomain(_)) => {
            Exclusivity::Unknown
        }
    }
}

fn reported(place: Place<'_>, card: &Result<Domain<'_>, ResetUnavailable>) -> Reported {
    let flr = |warning: Warning| matches!(warning.effect, Effect::NoFlr | Effect::FlrMayNotReturn);
    let bus_reset = |warning: Warning| matches!(warning.effect, Effect::NoBusReset);
    Reported {
        vendor_reset: place
            .warnings()
            .any(|warning| matches!(warning.effect, Effect::NeedsVendorReset)),
        flr: place.warnings().any(flr),
        bus_reset: card.as_ref().is_ok_and(|card| card.warnings().any(bus_reset)),
    }
}

/// The owner of hotplug: reacts to the effect of a reset at the card root on the link.
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
    // A function on a root bus has no link that could be down.
    place
        .port_above()
        .and_then(bridge)
        .map_or(PortLink::NotReported, |port| port.link)
}

/// The availability of FLR, by either capability.
fn flr(place: Place<'_>) -> Availability {
    either(
        function_level(place, Method::Flr),
        function_level(place, Method::AdvancedFeaturesFlr),
    )
}

/// The reach of FLR: all of our functions with the same device number, if each offers it. Bridges and virtual functions
/// have no state of their own that a tenant could leave behind.
fn flr_reach(place: Place<'_>, ours: impl Fn(&Function) -> bool) -> FlrReach {
    let has_flr = |place: Place<'_>| flr(place) == Availability::Available;
    match place.siblings().filter(|other| ours(other.function())).all(has_flr) {
        true => FlrReach::All,
        false => FlrReach::LeavesSome,
    }
}

/// The availability of a method of the function itself. The function's answer is a separate fact.
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

/// The availability of the card root's reset bit. Quirks, hotplug and other devices are separate facts.
const fn secondary_bus_reset(card: &Result<Domain<'_>, ResetUnavailable>, root: Option<&Bridge>) -> Availability {
    match (card, root) {
        (Err(ResetUnavailable::NotKnown(_)), _) => Availability::Unknown,
        (Err(_), _) | (Ok(_), None) => Availability::Unavailable,
        (Ok(_), Some(root)) => match root.cxl {
            Cxl::None | Cxl::SbrUnmasked | Cxl::NotInUse => Availability::Available,
            Cxl::SbrMasked => Availability::Unavailable,
            Cxl::Unknown => Availability::Unknown,
        },
    }
}

fn bus_reset(place: Place<'_>, root: Option<Place<'_>>) -> BusReset {
    match place.reset(Method::DetachSbr) {
        Err(ResetUnavailable::Quirk(at)) if root.is_some_and(|root| root.address() == at) => BusReset::ForbiddenAtPort,
        Err(ResetUnavailable::Quirk(_)) => BusReset::ForbiddenAtChild,
        // It is unknown which functions' quirks apply.
        Err(ResetUnavailable::NotKnown(MissingFact::Buses | MissingFact::Role)) => BusReset::Unknown,
        // Quirks precede all other reasons, except those that leave no port to reset.
        Ok(_) | Err(_) => BusReset::Allowed,
    }
}

fn slot_power(place: Place<'_>, domain: Exclusivity) -> SlotPower {
    match place.reset(Method::SlotPower) {
        // The owner of hotplug is a separate fact.
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
