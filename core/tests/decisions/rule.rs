//! The rule, branch by branch. Each case is next to one that differs in a single fact.

use reseat_core::decision::*;
use reseat_core::presence::PortLink;
use reseat_core::recovery::Operation;
use reseat_core::topology::Fabric;
use reseat_core::topology::function::HotplugOwner;

use Next::{Quarantine, Refuse};

const FLR: Next = Next::Try(Rung::KernelFlr);
const PM: Next = Next::Try(Rung::KernelPm);
const IN_PLACE: Next = Next::Try(Rung::BusResetInPlace);
const SBR: Next = Next::Try(Rung::DetachSbr);

/// A GPU that is well and only changes hands, with every method available.
pub(crate) const WELL: Facts = Facts {
    surroundings: Surroundings {
        fabric: Fabric::None,
        exclusivity: Exclusivity::Exclusive,
        hotplug: HotplugOwner::Os,
        link: PortLink::Active,
        answer: Answer::Ready,
        flr: Availability::Available,
        flr_reach: FlrReach::All,
        pm: Availability::Available,
        secondary_bus_reset: Availability::Available,
        bus_reset: BusReset::Allowed,
        slot_power: SlotPower::Controller {
            domain: Exclusivity::Exclusive,
        },
        not_exclusive: None,
        reported: Reported::NOTHING,
    },
    known: Known {
        usage: Use::Free,
        tdi: Tdi::Unlocked,
        bmc: Bmc::NotConfigured,
        reset_class: ClassHistory::Unknown,
        in_place: ClassHistory::Unknown,
        in_place_shows: true,
        own_means: OwnMeans::NONE,
        sickness: Sickness::new(),
        preference: Preference::Rule,
        highest: Rung::BmcPower,
        only: None,
    },
};

/// The same GPU, in a class whose FLR is known good.
pub(crate) const GOOD: Facts = {
    let mut facts = WELL;
    facts.known.reset_class = ClassHistory::Good;
    facts
};

fn facts(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = WELL;
    change(&mut facts);
    facts
}

fn sick(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = facts(|facts| facts.known.sickness.set_vendor_register(true));
    change(&mut facts);
    facts
}

fn after(rungs: &[Rung]) -> Tried {
    let mut tried = Tried::none();
    for &rung in rungs {
        let reach = Reach::Reset;
        tried.note(Attempt { rung, reach });
    }
    tried
}

#[track_caller]
fn decides(facts: &Facts, tried: &[Rung], branch: Branch, next: Next) -> Decision {
    let decision = decide(facts, &after(tried));
    assert_eq!((decision.branch, decision.next), (branch, next), "{facts:?}");
    decision
}

fn why(decision: &Decision, rung: Rung) -> Option<SkipReason> {
    let skipped = decision.skipped.iter().find(|skipped| skipped.rung == rung);
    skipped.map(|skipped| skipped.why)
}

#[test]
fn well_gpu_gets_the_safest_reset() {
    let decision = decides(&WELL, &[], Branch::FlrUnknown, IN_PLACE);
    assert!(decision.skipped.is_empty());
    let decision = decides(&GOOD, &[], Branch::Otherwise, FLR);
    assert!(decision.skipped.is_empty());
}

#[test]
fn bus_reset_in_place_gives_way_to_one_that_helps_more() {
    let in_place =
        |in_place, shows| facts(|facts| (facts.known.in_place, facts.known.in_place_shows) = (in_place, shows));
    for history in [ClassHistory::Unknown, ClassHistory::Good] {
        decides(&in_place(history, true), &[], Branch::FlrUnknown, IN_PLACE);
        decides(&in_place(history, false), &[], Branch::FlrUnknown, SBR);
    }
    decides(&in_place(ClassHistory::Bad, true), &[], Branch::FlrUnknown, SBR);
    // It removes functions from the bus: it precedes nothing but FLR, and detach-SBR surpasses it.
    for facts in [
        in_place(ClassHistory::Bad, true),
        in_place(ClassHistory::Unknown, false),
    ] {
        let mut facts = facts;
        facts.known.only = Some(Rung::BusResetInPlace);
        decides(&facts, &[], Branch::FlrUnknown, IN_PLACE);
        facts.known.only = None;
        facts.known.highest = Rung::BusResetInPlace;
        let decision = decides(&facts, &[], Branch::FlrUnknown, IN_PLACE);
        assert_eq!(why(&decision, Rung::DetachSbr), Some(SkipReason::AboveHighest));
        facts.known.highest = Rung::DetachSbr;
        let decision = decides(&facts, &[Rung::DetachSbr], Branch::FlrUnknown, Quarantine);
        assert_eq!(why(&decision, Rung::BusResetInPlace), Some(SkipReason::Surpassed));
    }
}

#[test]
fn flr_that_leaves_functions_of_the_gpu_comes_after_the_bus_resets() {
    let leaves = |class| {
        facts(|facts| {
            facts.surroundings.flr_reach = FlrReach::LeavesSome;
            facts.known.reset_class = class;
        })
    };
    decides(&leaves(ClassHistory::Good), &[], Branch::FlrLeavesSome, IN_PLACE);
    decides(&leaves(ClassHistory::Unknown), &[], Branch::FlrLeavesSome, IN_PLACE);
    decides(&leaves(ClassHistory::Bad), &[], Branch::ClassBad, IN_PLACE);
    let good = leaves(ClassHistory::Good);
    decides(&good, &[Rung::BusResetInPlace], Branch::FlrLeavesSome, SBR);
    let with = |change: &dyn Fn(&mut Facts)| {
        let mut facts = good;
        change(&mut facts);
        facts
    };
    // It is better than nothing, and the operator's preference counts.
    let no_bus_reset = with(&|facts| facts.surroundings.secondary_bus_reset = Availability::Unavailable);
    decides(&no_bus_reset, &[], Branch::FlrLeavesSome, FLR);
    let preferred = with(&|facts| facts.known.preference = Preference::Flr);
    decides(&preferred, &[], Branch::PreferredFlr, FLR);
    let shared = with(&|facts| facts.surroundings.exclusivity = Exclusivity::Shared);
    decides(&shared, &[], Branch::Shared, FLR);
}

#[test]
fn use_is_refused_and_unknown_use_is_use() {
    for (usage, refusal) in [(Use::Used, Refusal::InUse), (Use::Unknown, Refusal::UseUnknown)] {
        decides(
            &sick(|facts| facts.known.usage = usage),
            &[],
            Branch::InUse,
            Refuse(refusal),
        );
    }
    decides(&sick(|_| ()), &[], Branch::Sick, IN_PLACE);
}

#[test]
fn locked_is_refused_for_every_preference() {
    for preference in [Preference::Rule, Preference::Flr, Preference::Sbr] {
        let locked = facts(|facts| {
            facts.known.tdi = Tdi::Locked;
            facts.known.preference = preference;
        });
        decides(&locked, &[], Branch::TdiLocked, Refuse(Refusal::TdiLocked));
    }
}

#[test]
fn unknown_fabric_allows_flr_and_nothing_above() {
    let unknown = |facts: &mut Facts| facts.surroundings.fabric = Fabric::Unknown;
    decides(&facts(unknown), &[], Branch::FlrUnknown, FLR);
    decides(&sick(unknown), &[], Branch::Sick, FLR);
    let decision = decides(&facts(unknown), &[Rung::KernelFlr], Branch::FlrUnknown, PM);
    for rung in [Rung::BusResetInPlace, Rung::DetachSbr] {
        assert_eq!(why(&decision, rung), Some(SkipReason::FabricUnknown));
    }
    let refuse = Refuse(Refusal::FabricUnknown);
    let below = [Rung::KernelFlr, Rung::KernelPm];
    decides(&facts(unknown), &below, Branch::FlrUnknown, refuse);
    // If no rung above FLR is available anyway, the fabric is not the obstacle.
    let nothing_above = facts(|facts| {
        unknown(facts);
        facts.known.highest = Rung::KernelFlr;
    });
    decides(&nothing_above, &below, Branch::FlrUnknown, Quarantine);
    decides(
        &sick(|facts| facts.surroundings.fabric = Fabric::Peers),
        &[],
        Branch::Sick,
        IN_PLACE,
    );
    // Only power is left, which is also above FLR.
    let no_sbr = |facts: &mut Facts| {
        facts.surroundings.fabric = Fabric::Unknown;
        facts.surroundings.secondary_bus_reset = Availability::Unavailable;
    };
    decides(
        &facts(no_sbr),
        &[Rung::KernelFlr, Rung::KernelPm],
        Branch::FlrUnknown,
        refuse,
    );
}

#[test]
fn quirk_forbids_the_bus_reset_wherever_it_is() {
    for quirk in [BusReset::ForbiddenAtChild, BusReset::ForbiddenAtPort, BusReset::Unknown] {
        let forbidden = |facts: &mut Facts| facts.surroundings.bus_reset = quirk;
        decides(&sick(forbidden), &[], Branch::NoBusReset, FLR);
        let preferred = sick(|facts| {
            forbidden(facts);
            facts.known.preference = Preference::Sbr;
        });
        decides(&preferred, &[], Branch::NoBusReset, FLR);
        let tried = [Rung::KernelFlr, Rung::KernelPm];
        let decision = decides(&sick(forbidden), &tried, Branch::NoBusReset, Next::Try(Rung::SlotPower));
        for rung in [Rung::BusResetInPlace, Rung::DetachSbr] {
            assert_eq!(why(&decision, rung), Some(SkipReason::Quirk(quirk)));
        }
    }
    decides(&sick(|_| ()), &[], Branch::Sick, IN_PLACE);
}

#[test]
fn function_that_does_not_answer_is_never_written_to() {
    for (link, answer, reason) in [
        (PortLink::Inactive, Answer::Ready, SkipReason::LinkNotActive),
        (PortLink::Unreadable, Answer::Ready, SkipReason::LinkNotActive),
        (PortLink::Active, Answer::Absent, SkipReason::NoAnswer),
        (PortLink::Active, Answer::NotReady, SkipReason::NoAnswer),
        (PortLink::NotReported, Answer::Unknown, SkipReason::NoAnswer),
    ] {
        let gone = |facts: &mut Facts| (facts.surroundings.link, facts.surroundings.answer) = (link, answer);
        let decision = decides(&facts(gone), &[], Branch::Absent, SBR);
        assert_eq!(why(&decision, Rung::BusResetInPlace), Some(reason));
        let preferred = facts(|facts| {
            gone(facts);
            facts.known.preference = Preference::Flr;
        });
        decides(&preferred, &[], Branch::Absent, SBR);
        let shared = facts(|facts| {
            gone(facts);
            facts.surroundings.exclusivity = Exclusivity::Shared;
        });
        let decision = decides(&shared, &[], Branch::Shared, Next::Try(Rung::SlotPower));
        assert_eq!(why(&decision, Rung::KernelFlr), Some(reason));
        assert_eq!(why(&decision, Rung::KernelPm), Some(reason));
    }
    let unreported = facts(|facts| facts.surroundings.link = PortLink::NotReported);
    decides(&unreported, &[], Branch::FlrUnknown, IN_PLACE);
}

#[test]
fn class_known_bad_is_not_reset_by_flr() {
    let class = |class| facts(|facts| facts.known.reset_class = class);
    decides(&class(ClassHistory::Bad), &[], Branch::ClassBad, IN_PLACE);
    decides(&class(ClassHistory::Good), &[], Branch::Otherwise, FLR);
    decides(&class(ClassHistory::Unknown), &[], Branch::FlrUnknown, IN_PLACE);
}

#[test]
fn sick_gets_a_bus_reset_unless_flr_is_known_good() {
    for sickness in [
        Sickness::new().with_vendor_register(true),
        Sickness::new().with_transactions_stuck(true),
        Sickness::new().with_new_errors(true),
        Sickness::new().with_last_reset_failed(true),
    ] {
        let mut sick = facts(|facts| facts.known.sickness = sickness);
        decides(&sick, &[], Branch::Sick, IN_PLACE);
        sick.known.reset_class = ClassHistory::Good;
        decides(&sick, &[], Branch::Otherwise, FLR);
        sick.known.reset_class = ClassHistory::Bad;
        decides(&sick, &[], Branch::ClassBad, IN_PLACE);
    }
    let half = facts(|facts| facts.surroundings.answer = Answer::Half);
    // Restoring it would start an FLR.
    let decision = decides(&half, &[], Branch::Sick, SBR);
    assert_eq!(why(&decision, Rung::BusResetInPlace), Some(SkipReason::NoAnswer));
}

#[test]
fn shared_or_unknown_domain_is_never_reset_as_a_whole() {
    for exclusivity in [Exclusivity::Shared, Exclusivity::Unknown] {
        let shared = sick(|facts| {
            facts.surroundings.exclusivity = exclusivity;
            facts.known.reset_class = ClassHistory::Bad;
            facts.known.preference = Preference::Sbr;
        });
        decides(&shared, &[], Branch::Shared, FLR);
        let tried = [Rung::KernelFlr, Rung::KernelPm];
        let decision = decides(&shared, &tried, Branch::Shared, Next::Try(Rung::SlotPower));
        assert_eq!(why(&decision, Rung::BusResetInPlace), Some(SkipReason::NotExclusive));
        assert_eq!(why(&decision, Rung::DetachSbr), Some(SkipReason::NotExclusive));
        decides(
            &shared,
            &[Rung::KernelFlr, Rung::KernelPm, Rung::SlotPower],
            Branch::Shared,
            Quarantine,
        );
    }
}

#[test]
fn slot_power_of_others_is_not_cut() {
    let tried = [Rung::KernelFlr, Rung::KernelPm];
    for (slot_power, reason) in [
        (SlotPower::None, SkipReason::Unavailable),
        (SlotPower::Unknown, SkipReason::AvailabilityUnknown),
        (
            SlotPower::Controller {
                domain: Exclusivity::Shared,
            },
            SkipReason::NotExclusive,
        ),
        (
            SlotPower::Controller {
                domain: Exclusivity::Unknown,
            },
            SkipReason::NotExclusive,
        ),
    ] {
        let shared = facts(|facts| {
            facts.surroundings.exclusivity = Exclusivity::Shared;
            facts.surroundings.slot_power = slot_power;
        });
        let decision = decides(&shared, &tried, Branch::Shared, Quarantine);
        assert_eq!(why(&decision, Rung::SlotPower), Some(reason));
    }
}

#[test]
fn foreign_hotplug_owner_leaves_flr() {
    for owner in [HotplugOwner::Firmware, HotplugOwner::Acpi, HotplugOwner::Unknown] {
        let theirs = sick(|facts| facts.surroundings.hotplug = owner);
        decides(&theirs, &[], Branch::HotplugNotOurs, FLR);
        let tried = [Rung::KernelFlr, Rung::KernelPm];
        let decision = decides(&theirs, &tried, Branch::HotplugNotOurs, Quarantine);
        assert_eq!(why(&decision, Rung::BusResetInPlace), Some(SkipReason::HotplugNotOurs));
        assert_eq!(why(&decision, Rung::DetachSbr), Some(SkipReason::HotplugNotOurs));
        assert_eq!(why(&decision, Rung::SlotPower), Some(SkipReason::HotplugNotOurs));
    }
}

#[test]
fn port_without_hotplug_is_reset_and_its_slot_is_not_switched() {
    let fixed = sick(|facts| facts.surroundings.hotplug = HotplugOwner::Nobody);
    decides(&fixed, &[], Branch::Sick, IN_PLACE);
    let decision = decides(&fixed, &[Rung::DetachSbr], Branch::Sick, Quarantine);
    assert_eq!(why(&decision, Rung::SlotPower), Some(SkipReason::HotplugNotOurs));
}

#[test]
fn bmc_comes_last_and_only_without_a_slot_power_controller() {
    let domain = Exclusivity::Exclusive;
    let served = |facts: &mut Facts| {
        facts.surroundings.slot_power = SlotPower::None;
        facts.known.bmc = Bmc::Configured { domain };
    };
    let tried = [Rung::KernelFlr, Rung::DetachSbr];
    decides(&facts(served), &tried, Branch::FlrUnknown, Next::Try(Rung::BmcPower));
    let all = [Rung::KernelFlr, Rung::DetachSbr, Rung::BmcPower];
    decides(&facts(served), &all, Branch::FlrUnknown, Quarantine);

    let own_controller = facts(|facts| facts.known.bmc = Bmc::Configured { domain });
    let powered = [Rung::KernelFlr, Rung::DetachSbr, Rung::SlotPower];
    let decision = decides(&own_controller, &powered, Branch::FlrUnknown, Quarantine);
    assert_eq!(why(&decision, Rung::BmcPower), Some(SkipReason::PortSwitchesPower));

    let kernel_resets = [Rung::KernelFlr, Rung::KernelPm, Rung::DetachSbr];
    let refuses = |reason: SkipReason, change: &dyn Fn(&mut Facts)| {
        let refused = facts(|facts| {
            served(facts);
            change(facts);
        });
        let decision = decide(&refused, &after(&kernel_resets));
        assert_eq!(decision.next, Quarantine, "{reason}");
        assert_eq!(why(&decision, Rung::BmcPower), Some(reason));
    };
    refuses(SkipReason::NotConfigured, &|facts| facts.known.bmc = Bmc::NotConfigured);
    refuses(SkipReason::NotExclusive, &|facts| {
        facts.surroundings.exclusivity = Exclusivity::Shared;
    });
    refuses(SkipReason::NotExclusive, &|facts| {
        let domain = Exclusivity::Unknown;
        facts.known.bmc = Bmc::Configured { domain };
    });
    refuses(SkipReason::HotplugNotOurs, &|facts| {
        facts.surroundings.hotplug = HotplugOwner::Firmware;
    });
    refuses(SkipReason::AboveHighest, &|facts| facts.known.highest = Rung::SlotPower);
    refuses(SkipReason::NotAsked, &|facts| facts.known.only = Some(Rung::DetachSbr));
    let unknown_fabric = facts(|facts| {
        served(facts);
        facts.surroundings.fabric = Fabric::Unknown;
    });
    let decision = decide(&unknown_fabric, &after(&kernel_resets));
    assert_eq!(decision.next, Refuse(Refusal::FabricUnknown));
}

#[test]
fn reports_decide_the_order_of_two_allowed_resets() {
    let flr = Reported {
        flr: true,
        ..Reported::NOTHING
    };
    let reported = |reported| facts(|facts| facts.surroundings.reported = reported);
    decides(&reported(flr), &[], Branch::ReportedFlr, IN_PLACE);
    // The bus reset includes FLR.
    let power = Next::Try(Rung::SlotPower);
    decides(&reported(flr), &[Rung::DetachSbr], Branch::ReportedFlr, power);
    let both = Reported {
        flr: true,
        bus_reset: true,
        ..Reported::NOTHING
    };
    decides(&reported(both), &[], Branch::FlrUnknown, IN_PLACE);
    let bus_reset = Reported {
        bus_reset: true,
        ..Reported::NOTHING
    };
    decides(&reported(bus_reset), &[], Branch::ReportedBusReset, FLR);
    // A report never forbids, and every other criterion precedes it.
    let with_flr = |change: &dyn Fn(&mut Facts)| {
        let mut facts = reported(flr);
        change(&mut facts);
        facts
    };
    let shared = with_flr(&|facts| facts.surroundings.exclusivity = Exclusivity::Shared);
    decides(&shared, &[], Branch::Shared, FLR);
    let no_sbr = with_flr(&|facts| facts.surroundings.bus_reset = BusReset::ForbiddenAtPort);
    decides(&no_sbr, &[], Branch::NoBusReset, FLR);
    let proven = with_flr(&|facts| facts.known.reset_class = ClassHistory::Good);
    decides(&proven, &[], Branch::Otherwise, FLR);
    let preferred = with_flr(&|facts| facts.known.preference = Preference::Flr);
    decides(&preferred, &[], Branch::PreferredFlr, FLR);
    let only = with_flr(&|facts| facts.known.only = Some(Rung::KernelFlr));
    decides(&only, &[], Branch::ReportedFlr, FLR);
}

#[test]
fn preference_overrides_where_it_is_safe() {
    let prefers = |preference| facts(|facts| facts.known.preference = preference);
    decides(&prefers(Preference::Sbr), &[], Branch::PreferredSbr, SBR);
    decides(&prefers(Preference::Flr), &[], Branch::PreferredFlr, FLR);
    let bad = sick(|facts| {
        facts.known.reset_class = ClassHistory::Bad;
        facts.known.preference = Preference::Flr;
    });
    decides(&bad, &[], Branch::PreferredFlr, FLR);
    decides(&bad, &[Rung::KernelFlr], Branch::PreferredFlr, IN_PLACE);
}

#[test]
fn ladder_goes_up_and_no_rung_is_repeated() {
    decides(&GOOD, &[Rung::KernelFlr], Branch::Otherwise, IN_PLACE);
    let both = [Rung::KernelFlr, Rung::BusResetInPlace];
    decides(&GOOD, &both, Branch::Otherwise, SBR);
    let three = [Rung::KernelFlr, Rung::BusResetInPlace, Rung::DetachSbr];
    let decision = decides(&GOOD, &three, Branch::Otherwise, Next::Try(Rung::SlotPower));
    assert_eq!(why(&decision, Rung::KernelFlr), Some(SkipReason::Tried));
    assert_eq!(why(&decision, Rung::KernelPm), Some(SkipReason::Surpassed));
    let all = [Rung::KernelFlr, Rung::BusResetInPlace, Rung::DetachSbr, Rung::SlotPower];
    let decision = decides(&GOOD, &all, Branch::Otherwise, Quarantine);
    assert_eq!(why(&decision, Rung::BmcPower), Some(SkipReason::NotConfigured));
    // FLR does not recover a GPU that a secondary bus reset did not.
    decides(&sick(|_| ()), &[Rung::BusResetInPlace], Branch::Sick, SBR);
    decides(
        &sick(|_| ()),
        &[Rung::DetachSbr],
        Branch::Sick,
        Next::Try(Rung::SlotPower),
    );
}

#[test]
fn rung_that_never_reset_surpasses_nothing() {
    // A reset that was ignored is no better than one that was not done.
    for reach in [Reach::NotReset, Reach::Ignored] {
        let mut tried = Tried::none();
        for rung in [Rung::BusResetInPlace, Rung::DetachSbr] {
            tried.note(Attempt { rung, reach });
        }
        assert_eq!(decide(&sick(|_| ()), &tried).next, FLR, "{reach:?}");
        tried.note(Attempt {
            rung: Rung::DetachSbr,
            reach: Reach::Reset,
        });
        assert_eq!(decide(&sick(|_| ()), &tried).next, Next::Try(Rung::SlotPower));
        assert_eq!(tried.attempts().len(), 2);
    }
}

#[test]
fn highest_rung_is_a_ceiling() {
    let up_to = |highest| facts(|facts| facts.known.highest = highest);
    decides(
        &up_to(Rung::DetachSbr),
        &[Rung::KernelFlr],
        Branch::FlrUnknown,
        IN_PLACE,
    );
    let in_place = up_to(Rung::BusResetInPlace);
    decides(&in_place, &[], Branch::FlrUnknown, IN_PLACE);
    let decision = decides(&in_place, &[Rung::BusResetInPlace], Branch::FlrUnknown, Quarantine);
    assert_eq!(why(&decision, Rung::DetachSbr), Some(SkipReason::AboveHighest));
    let decision = decides(&up_to(Rung::KernelFlr), &[Rung::KernelFlr], Branch::FlrUnknown, PM);
    assert_eq!(why(&decision, Rung::BusResetInPlace), Some(SkipReason::AboveHighest));
    let tried = [Rung::KernelFlr, Rung::KernelPm];
    decides(&up_to(Rung::KernelFlr), &tried, Branch::FlrUnknown, Quarantine);
}

#[test]
fn only_the_rung_that_was_asked_for_is_done_and_only_where_it_may_be() {
    let only = |rung| {
        let mut facts = GOOD;
        facts.known.only = Some(rung);
        facts
    };
    let decision = decides(&only(Rung::DetachSbr), &[], Branch::Otherwise, SBR);
    assert_eq!(why(&decision, Rung::KernelFlr), Some(SkipReason::NotAsked));
    decides(&only(Rung::KernelPm), &[], Branch::Otherwise, PM);
    // A failed attempt of this rung is not followed by another.
    decides(
        &only(Rung::KernelFlr),
        &[Rung::KernelFlr],
        Branch::Otherwise,
        Quarantine,
    );
    let mut shared = only(Rung::DetachSbr);
    shared.surroundings.exclusivity = Exclusivity::Shared;
    let decision = decides(&shared, &[], Branch::Shared, Quarantine);
    assert_eq!(why(&decision, Rung::DetachSbr), Some(SkipReason::NotExclusive));
}

#[test]
fn method_that_is_not_there_is_passed_over() {
    let good = |change: &dyn Fn(&mut Facts)| {
        let mut facts = GOOD;
        change(&mut facts);
        facts
    };
    for (availability, reason) in [
        (Availability::Unavailable, SkipReason::Unavailable),
        (Availability::Unknown, SkipReason::AvailabilityUnknown),
    ] {
        let none = good(&|facts| facts.surroundings.flr = availability);
        let decision = decides(&none, &[], Branch::Otherwise, IN_PLACE);
        assert_eq!(why(&decision, Rung::KernelFlr), Some(reason));
        let neither = good(&|facts| {
            facts.surroundings.flr = availability;
            facts.surroundings.secondary_bus_reset = availability;
        });
        decides(&neither, &[], Branch::Otherwise, PM);
    }
}

/// A model that is reported to need a vendor reset, on a platform with a device-specific and an ACPI reset.
fn needs_its_own(change: impl FnOnce(&mut Facts)) -> Facts {
    facts(|facts| {
        facts.surroundings.reported.vendor_reset = true;
        facts.known.own_means = OwnMeans {
            device_specific: Availability::Available,
            acpi: Availability::Available,
        };
        change(facts);
    })
}

#[test]
fn model_that_needs_a_vendor_reset_gets_it_first() {
    let own = Next::Try(Rung::DeviceSpecific);
    let needs = needs_its_own(|_| ());
    let branch = Branch::NeedsVendorReset;
    decides(&needs, &[], branch, own);
    decides(&needs, &[Rung::DeviceSpecific], branch, IN_PLACE);
    let bad = needs_its_own(|facts| facts.known.reset_class = ClassHistory::Bad);
    decides(&bad, &[], branch, own);
    // Outcomes verified here outweigh the report, and so does a requested preference.
    let good = needs_its_own(|facts| facts.known.reset_class = ClassHistory::Good);
    decides(&good, &[], Branch::Otherwise, FLR);
    let flr = needs_its_own(|facts| facts.known.preference = Preference::Flr);
    decides(&flr, &[], Branch::PreferredFlr, FLR);
    // Without such a reset, the model is like any other.
    let none = needs_its_own(|facts| facts.known.own_means = OwnMeans::NONE);
    decides(&none, &[], Branch::FlrUnknown, IN_PLACE);
}

#[test]
fn resets_by_own_means_come_after_the_others_and_before_power() {
    let offered = needs_its_own(|facts| facts.surroundings.reported.vendor_reset = false);
    let branch = Branch::FlrUnknown;
    decides(&offered, &[], branch, IN_PLACE);
    // A bus reset does not include them: they are for GPUs that ignore it.
    let mut tried = vec![Rung::BusResetInPlace, Rung::DetachSbr];
    for next in [Rung::DeviceSpecific, Rung::Acpi, Rung::SlotPower] {
        decides(&offered, &tried, branch, Next::Try(next));
        tried.push(next);
    }
    // They do not include a bus reset, and power includes everything.
    let own = [Rung::DeviceSpecific, Rung::Acpi];
    decides(&offered, &own, branch, IN_PLACE);
    let powered = [Rung::SlotPower];
    for rung in own {
        assert_eq!(
            why(&decides(&offered, &powered, branch, Quarantine), rung),
            Some(SkipReason::Surpassed)
        );
    }
}

#[test]
fn resets_by_own_means_need_a_card_that_is_ours_and_answers() {
    type Change = fn(&mut Facts);
    let refused: [(Change, SkipReason); 6] = [
        (|facts| facts.known.own_means = OwnMeans::NONE, SkipReason::Unavailable),
        (
            |facts| {
                let unknown = Availability::Unknown;
                facts.known.own_means = OwnMeans {
                    device_specific: unknown,
                    acpi: unknown,
                };
            },
            SkipReason::AvailabilityUnknown,
        ),
        (|facts| facts.surroundings.answer = Answer::Half, SkipReason::NoAnswer),
        (
            |facts| facts.surroundings.link = PortLink::Inactive,
            SkipReason::LinkNotActive,
        ),
        (
            |facts| facts.surroundings.exclusivity = Exclusivity::Shared,
            SkipReason::NotExclusive,
        ),
        (
            |facts| facts.surroundings.hotplug = HotplugOwner::Firmware,
            SkipReason::HotplugNotOurs,
        ),
    ];
    for rung in [Rung::DeviceSpecific, Rung::Acpi] {
        for (change, reason) in refused {
            let facts = needs_its_own(|facts| {
                facts.known.only = Some(rung);
                change(facts);
            });
            let decision = decide(&facts, &Tried::none());
            assert_eq!(
                (decision.next, why(&decision, rung)),
                (Quarantine, Some(reason)),
                "{rung}"
            );
        }
        let unknown = needs_its_own(|facts| {
            facts.known.only = Some(rung);
            facts.surroundings.fabric = Fabric::Unknown;
        });
        assert_eq!(decide(&unknown, &Tried::none()).next, Refuse(Refusal::FabricUnknown));
    }
}

#[test]
fn long_resets_are_announced() {
    assert_eq!(KERNEL_RESET_TIME.as_secs(), 70);
    assert_eq!(Rung::KernelFlr.deadline(), Some(KERNEL_RESET_LIMIT));
    // The announced time is the time that is waited.
    assert_eq!(Operation::Flr.limit(), KERNEL_RESET_LIMIT);
    assert_eq!(Rung::BusResetInPlace.deadline(), Some(KERNEL_RESET_LIMIT));
    assert_eq!(Operation::BusResetInPlace.limit(), KERNEL_RESET_LIMIT);
    assert_eq!(Rung::DetachSbr.deadline(), None);
}

#[test]
fn every_rung_is_known_by_its_name_and_its_short_form() {
    let names = Rung::ALL.map(Rung::name);
    assert_eq!(
        names,
        [
            "kernel-pm",
            "kernel-flr",
            "bus-reset-in-place",
            "device-specific",
            "acpi",
            "detach-sbr",
            "slot-power",
            "bmc-power"
        ]
    );
    assert!(Rung::ALL.is_sorted());
    for rung in Rung::ALL {
        assert_eq!(rung.name().parse(), Ok(rung));
        let short = rung.row().short.unwrap_or(rung.name());
        assert_eq!(short.parse(), Ok(rung));
    }
    assert_eq!("sbr".parse::<Rung>().map_err(|error| error.to_string()), {
        Err(
            "unknown rung; the rungs are kernel-pm, kernel-flr, bus-reset-in-place, device-specific, acpi, detach-sbr, \
             slot-power, bmc-power"
                .to_owned(),
        )
    });
}

#[cfg(feature = "serde")]
#[test]
fn rung_is_written_by_its_name_and_also_read_by_its_former_one() {
    let former = [
        "KernelPm",
        "KernelFlr",
        "BusResetInPlace",
        "DeviceSpecific",
        "Acpi",
        "DetachSbr",
        "SlotPower",
        "Bmc",
    ];
    for (rung, former) in Rung::ALL.into_iter().zip(former) {
        let name = format!("\"{}\"", rung.name());
        assert_eq!(serde_json::to_string(&rung).unwrap(), name);
        assert_eq!(serde_json::from_str::<Rung>(&name).unwrap(), rung);
        assert_eq!(serde_json::from_str::<Rung>(&format!("\"{former}\"")).unwrap(), rung);
    }
}
