//! The rule.

use heapless::Vec;

use super::{
    Answer, Availability, Bmc, Branch, BusReset, ClassHistory, Decision, Exclusivity, Facts, FlrReach, Next,
    Preference, Refusal, Rung, SkipReason, Skipped, SlotPower, Tdi, Tried, Use,
};
use crate::presence::PortLink;
use crate::topology::Fabric;
use crate::topology::function::HotplugOwner;

/// What comes next.
///
/// The branch gives an order of rungs; the first one that nothing speaks against is taken. So the
/// caller asks again after each attempt, with what was observed and tried since.
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
        // There is room for each rung once.
        let _fits = skipped.push(Skipped { rung, why });
    }
    Decision { branch, next, skipped }
}

/// What forbids everything, whatever would come.
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
        // What was verified here counts for more than what others say.
        (Preference::Rule, ClassHistory::Unknown) if reported.flr && !reported.bus_reset => Branch::ReportedFlr,
        (Preference::Rule, ClassHistory::Unknown) if reported.bus_reset && !reported.flr => Branch::ReportedBusReset,
        (Preference::Rule, ClassHistory::Unknown) => Branch::FlrUnknown,
        (Preference::Rule, ClassHistory::Good) => Branch::Otherwise,
    }
}

fn needs_vendor_reset(facts: &Facts) -> bool {
    facts.surroundings.reported.vendor_reset && facts.known.own_means.device_specific == Availability::Available
}

/// The order in which the rungs are asked: what the model is reported to need, FLR and the secondary bus resets as the branch
/// has them, then the rest.
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

/// The secondary bus resets in their order: in place first, which takes less and changes no address, unless it is known to
/// take functions off the bus or nothing would show that it reset them all.
fn bus_resets(facts: &Facts) -> [Rung; 2] {
    match (facts.known.in_place, facts.known.in_place_shows) {
        (ClassHistory::Bad, _) | (_, false) => [Rung::DetachSbr, Rung::BusResetInPlace],
        (ClassHistory::Unknown | ClassHistory::Good, true) => [Rung::BusResetInPlace, Rung::DetachSbr],
    }
}

/// What speaks against a rung. The fabric comes last: it refuses only what else could be done.
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

/// Returns why nothing may be written to the function, if so.
const fn unwritable(facts: &Facts) -> Option<SkipReason> {
    match (facts.surroundings.link, facts.surroundings.answer) {
        (PortLink::Inactive | PortLink::Unreadable, _) => Some(SkipReason::LinkNotActive),
        (_, Answer::Absent | Answer::NotReady | Answer::Unknown) => Some(SkipReason::NoAnswer),
        (PortLink::Active | PortLink::NotReported, Answer::Ready | Answer::Half) => None,
    }
}

/// The kernel restores what it saved: of a function that does not answer that is all-ones, which fires an FLR.
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

/// A reset by means of its own may take the link of the whole card down, and the kernel restores what it saved of the
/// function as it does in place.
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

/// Returns why nothing may be done to all that is below the card root, if so.
const fn against_card(facts: &Facts) -> Option<SkipReason> {
    match (facts.surroundings.exclusivity, facts.surroundings.hotplug) {
        (Exclusivity::Shared | Exclusivity::Unknown, _) => Some(SkipReason::NotExclusive),
        (_, HotplugOwner::Firmware | HotplugOwner::Acpi | HotplugOwner::Unknown) => Some(SkipReason::HotplugNotOurs),
        (Exclusivity::Exclusive, HotplugOwner::Os | HotplugOwner::Nobody) => None,
    }
}

/// Without a slot of the operating system's own, "power off" may be an eject by firmware; and a
/// slot may power more than the reset domain that the other rungs act on.
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

/// Where firmware or ACPI owns the slot, it acts on the link that goes down with the power. What is below the card root is
/// removed first, so that has to be ours as well as all that the BMC switches.
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
