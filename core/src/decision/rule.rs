//! The rule that chooses the next rung.

use heapless::Vec;

use super::{
    Answer, Availability, Bmc, Branch, BusReset, ClassHistory, Decision, Exclusivity, Facts, FlrReach, Next,
    Preference, Refusal, Rung, SkipReason, Skipped, SlotPower, Tdi, Tried, Use,
};
use crate::presence::PortLink;
use crate::topology::Fabric;
use crate::topology::function::HotplugOwner;

/// Chooses the next step.
///
/// The branch gives an order of rungs, and the first one without an objection is taken. The caller runs the rule again
/// after each attempt, with the new observations.
pub fn decide(facts: &Facts, tried: &Tried) -> Decision {
    if let Some((branch, refusal)) = refused(facts) {
        return Decision {
            branch,
            next: Next::Refuse(refusal),
            skipped: Vec::new(),
        };
    }
    let branch = branch(facts);
    let mut skipped = Vec::new();
    let mut next = Next::Quarantine;
    for rung in order(branch, facts) {
        let Some(why) = against(rung, facts, tried) else {
            let next = Next::Try(rung);
            return Decision { branch, next, skipped };
        };
        if why == SkipReason::FabricUnknown {
            next = Next::Refuse(Refusal::FabricUnknown);
        }
        // The vector has room for each rung once.
        let _fits = skipped.push(Skipped { rung, why });
    }
    Decision { branch, next, skipped }
}

/// Returns the refusal that forbids every rung, if any.
const fn refused(facts: &Facts) -> Option<(Branch, Refusal)> {
    match (facts.known.usage, facts.known.tdi) {
        (Use::Used, _) => Some((Branch::InUse, Refusal::InUse)),
        (Use::Unknown, _) => Some((Branch::InUse, Refusal::UseUnknown)),
        (Use::Free, Tdi::Locked) => Some((Branch::TdiLocked, Refusal::TdiLocked)),
        (Use::Free, Tdi::Unlocked) => None,
    }
}

fn branch(facts: &Facts) -> Branch {
    let reported = facts.surroundings.reported;
    let sick = facts.known.sickness.any() || facts.surroundings.answer == Answer::Half;
    match (facts.surroundings.exclusivity, facts.surroundings.hotplug) {
        (Exclusivity::Shared | Exclusivity::Unknown, _) => return Branch::Shared,
        (Exclusivity::Exclusive, HotplugOwner::Firmware | HotplugOwner::Acpi | HotplugOwner::Unknown) => {
            return Branch::HotplugNotOurs;
        }
        (Exclusivity::Exclusive, HotplugOwner::Os | HotplugOwner::Nobody) => {}
    }
    match (facts.known.preference, facts.known.reset_class) {
        _ if facts.surroundings.bus_reset != BusReset::Allowed => Branch::NoBusReset,
        _ if unwritable(facts).is_some() => Branch::Absent,
        (Preference::Flr, _) => Branch::PreferredFlr,
        (Preference::Sbr, _) => Branch::PreferredSbr,
        (Preference::Rule, ClassHistory::Unknown | ClassHistory::Bad) if needs_vendor_reset(facts) => {
            Branch::NeedsVendorReset
        }
        (Preference::Rule, ClassHistory::Bad) => Branch::ClassBad,
        (Preference::Rule, _) if facts.surroundings.flr_reach == FlrReach::LeavesSome => Branch::FlrLeavesSome,
        (Preference::Rule, ClassHistory::Unknown) if sick => Branch::Sick,
        // Outcomes verified here outweigh reports by others.
        (Preference::Rule, ClassHistory::Unknown) if reported.flr && !reported.bus_reset => Branch::ReportedFlr,
        (Preference::Rule, ClassHistory::Unknown) if reported.bus_reset && !reported.flr => Branch::ReportedBusReset,
        (Preference::Rule, ClassHistory::Unknown) => Branch::FlrUnknown,
        (Preference::Rule, ClassHistory::Good) => Branch::Otherwise,
    }
}

fn needs_vendor_reset(facts: &Facts) -> bool {
    facts.surroundings.reported.vendor_reset && facts.known.own_means.device_specific == Availability::Available
}

/// The order of the rungs: the reset that the model is reported to need, FLR and the secondary bus resets in the
/// branch's order, then the rest.
fn order(branch: Branch, facts: &Facts) -> impl Iterator<Item = Rung> {
    let [one, other] = bus_resets(facts);
    let first = match branch {
        Branch::PreferredSbr => [Rung::DetachSbr, Rung::BusResetInPlace, Rung::KernelFlr],
        Branch::Absent
        | Branch::NeedsVendorReset
        | Branch::ClassBad
        | Branch::Sick
        | Branch::ReportedFlr
        | Branch::FlrLeavesSome
        | Branch::FlrUnknown => [one, other, Rung::KernelFlr],
        Branch::InUse
        | Branch::TdiLocked
        | Branch::Shared
        | Branch::HotplugNotOurs
        | Branch::NoBusReset
        | Branch::PreferredFlr
        | Branch::ReportedBusReset
        | Branch::Otherwise => [Rung::KernelFlr, one, other],
    };
    let needed = (branch == Branch::NeedsVendorReset).then_some(Rung::DeviceSpecific);
    let is_left = move |rung: &Rung| !first.contains(rung) && needed != Some(*rung);
    needed
        .into_iter()
        .chain(first)
        .chain(Rung::ALL.into_iter().filter(is_left))
}

/// The secondary bus resets in their order. In place comes first, since it removes no function and changes no address,
/// unless it is known to make functions vanish or no mark would prove it for all of them.
fn bus_resets(facts: &Facts) -> [Rung; 2] {
    match (facts.known.in_place, facts.known.in_place_shows) {
        (ClassHistory::Bad, _) | (_, false) => [Rung::DetachSbr, Rung::BusResetInPlace],
        (ClassHistory::Unknown | ClassHistory::Good, true) => [Rung::BusResetInPlace, Rung::DetachSbr],
    }
}

/// Returns the objection to a rung, if any. The fabric comes last: it refuses only rungs that could be done otherwise.
fn against(rung: Rung, facts: &Facts, tried: &Tried) -> Option<SkipReason> {
    let fabric_unknown = rung.above_flr() && facts.surroundings.fabric == Fabric::Unknown;
    against_fabric_aside(rung, facts, tried).or(fabric_unknown.then_some(SkipReason::FabricUnknown))
}

fn against_fabric_aside(rung: Rung, facts: &Facts, tried: &Tried) -> Option<SkipReason> {
    if tried.contains(rung) {
        Some(SkipReason::Tried)
    } else if tried.surpasses(rung) {
        Some(SkipReason::Surpassed)
    } else if rung > facts.known.highest {
        Some(SkipReason::AboveHighest)
    } else if facts.known.only.is_some_and(|only| only != rung) {
        Some(SkipReason::NotAsked)
    } else {
        match rung {
            Rung::KernelFlr => unwritable(facts).or(missing(facts.surroundings.flr)),
            Rung::KernelPm => unwritable(facts).or(missing(facts.surroundings.pm)),
            Rung::BusResetInPlace => against_in_place(facts).or(against_bus_reset(facts)),
            Rung::DeviceSpecific => against_own_means(facts.known.own_means.device_specific, facts),
            Rung::Acpi => against_own_means(facts.known.own_means.acpi, facts),
            Rung::DetachSbr => against_bus_reset(facts),
            Rung::SlotPower => against_slot_power(facts),
            Rung::BmcPower => against_bmc(facts),
        }
    }
}

/// Returns the reason why the function must not be written to, if any.
const fn unwritable(facts: &Facts) -> Option<SkipReason> {
    match (facts.surroundings.link, facts.surroundings.answer) {
        (PortLink::Inactive | PortLink::Unreadable, _) => Some(SkipReason::LinkNotActive),
        (_, Answer::Absent | Answer::NotReady | Answer::Unknown) => Some(SkipReason::NoAnswer),
        (PortLink::Active | PortLink::NotReported, Answer::Ready | Answer::Half) => None,
    }
}

/// The kernel restores the state that it saved. If the function does not answer, that is all-ones, which starts an FLR.
const fn against_in_place(facts: &Facts) -> Option<SkipReason> {
    match facts.surroundings.answer {
        Answer::Half => Some(SkipReason::NoAnswer),
        Answer::Ready | Answer::Absent | Answer::NotReady | Answer::Unknown => unwritable(facts),
    }
}

const fn missing(method: Availability) -> Option<SkipReason> {
    match method {
        Availability::Available => None,
        Availability::Unavailable => Some(SkipReason::Unavailable),
        Availability::Unknown => Some(SkipReason::AvailabilityUnknown),
    }
}

/// The platform's own resets may take down the link of the whole card. The kernel restores the function's saved state,
/// as after a bus reset in place.
fn against_own_means(offer: Availability, facts: &Facts) -> Option<SkipReason> {
    missing(offer)
        .or_else(|| against_in_place(facts))
        .or_else(|| against_card(facts))
}

fn against_bus_reset(facts: &Facts) -> Option<SkipReason> {
    match facts.surroundings.bus_reset {
        BusReset::ForbiddenAtChild | BusReset::ForbiddenAtPort | BusReset::Unknown => {
            Some(SkipReason::Quirk(facts.surroundings.bus_reset))
        }
        BusReset::Allowed => against_card(facts).or(missing(facts.surroundings.secondary_bus_reset)),
    }
}

/// Returns the reason against any reset of everything below the card root.
const fn against_card(facts: &Facts) -> Option<SkipReason> {
    match (facts.surroundings.exclusivity, facts.surroundings.hotplug) {
        (Exclusivity::Shared | Exclusivity::Unknown, _) => Some(SkipReason::NotExclusive),
        (_, HotplugOwner::Firmware | HotplugOwner::Acpi | HotplugOwner::Unknown) => Some(SkipReason::HotplugNotOurs),
        (Exclusivity::Exclusive, HotplugOwner::Os | HotplugOwner::Nobody) => None,
    }
}

/// Without a slot that the operating system owns, "power off" may be an eject by firmware. A slot may also power more
/// than the reset domain of the other rungs.
const fn against_slot_power(facts: &Facts) -> Option<SkipReason> {
    match (facts.surroundings.slot_power, facts.surroundings.hotplug) {
        (SlotPower::None, _) => Some(SkipReason::Unavailable),
        (SlotPower::Unknown, _) => Some(SkipReason::AvailabilityUnknown),
        (_, HotplugOwner::Firmware | HotplugOwner::Acpi | HotplugOwner::Nobody | HotplugOwner::Unknown) => {
            Some(SkipReason::HotplugNotOurs)
        }
        (
            SlotPower::Controller {
                domain: Exclusivity::Shared | Exclusivity::Unknown,
            },
            HotplugOwner::Os,
        ) => Some(SkipReason::NotExclusive),
        (
            SlotPower::Controller {
                domain: Exclusivity::Exclusive,
            },
            HotplugOwner::Os,
        ) => None,
    }
}

/// If firmware or ACPI owns the slot, it reacts when the link goes down with the power. Everything below the card root
/// is removed first, so all of it has to be ours, as well as everything that the BMC switches.
const fn against_bmc(facts: &Facts) -> Option<SkipReason> {
    match (
        facts.known.bmc,
        facts.surroundings.exclusivity,
        facts.surroundings.hotplug,
    ) {
        (Bmc::NotConfigured, ..) => Some(SkipReason::NotConfigured),
        (
            Bmc::Configured {
                domain: Exclusivity::Shared | Exclusivity::Unknown,
            },
            ..,
        )
        | (_, Exclusivity::Shared | Exclusivity::Unknown, _) => Some(SkipReason::NotExclusive),
        (_, _, HotplugOwner::Firmware | HotplugOwner::Acpi | HotplugOwner::Unknown) => Some(SkipReason::HotplugNotOurs),
        (
            Bmc::Configured {
                domain: Exclusivity::Exclusive,
            },
            Exclusivity::Exclusive,
            HotplugOwner::Os | HotplugOwner::Nobody,
        ) => match facts.surroundings.slot_power {
            SlotPower::Controller { .. } => Some(SkipReason::PortSwitchesPower),
            SlotPower::None | SlotPower::Unknown => None,
        },
    }
}
