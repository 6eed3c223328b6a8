//! Whole recoveries on a machine with one fault, with a simulated clock.

use core::time::Duration;

use reseat_core::decision::{
    Answer, Availability, Bmc, Branch, BusReset, ClassHistory, Exclusivity, Facts, Preference, Refusal, Rung,
    SlotPower, Use,
};
use reseat_core::health::{Aspect, Aspects, Verdict};
use reseat_core::presence::{Half, PortLink, Readiness};
use reseat_core::recovery::{
    Action, Awaited, ClassChange, End, Failure, Observation, Operation as Op, Outcome, Quarantine, RRS_LIMIT, Reason,
    TIME_AFTER_LINK_ACTIVE, TIME_WITHOUT_LINK_REPORT, Trouble, Waits,
};
use reseat_core::topology::Fabric;
use reseat_core::witness::Proof;

use crate::rule::{GOOD, WELL};
use crate::world::{Effect, World};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn sick() -> Facts {
    let mut facts = WELL;
    facts.known.sickness.set_vendor_register(true);
    facts
}

pub(crate) fn recovered(by: Rung) -> End {
    let proof = Proof::Configuration;
    End::Recovered { by, proof }
}

pub(crate) fn quarantined(why: Reason) -> End {
    End::OutOfService {
        why,
        quarantine: Quarantine::Done,
    }
}

#[test]
fn well_function_is_handed_on_by_the_first_reset() {
    for (facts, rung) in [(WELL, Rung::BusResetInPlace), (GOOD, Rung::KernelFlr)] {
        let mut world = World::new();
        let (end, took) = world.recover(facts);
        assert_eq!(end, recovered(rung));
        assert!(took < SECOND, "{took:?}");
        let [record] = world.records()[..] else { panic!() };
        assert_eq!((record.rung, record.reset_class), (rung, ClassChange::Confirm));
        assert_eq!(world.did(Op::Detach), 0);
    }
}

#[test]
fn sick_function_is_back_soon() {
    for (in_place, rung) in [
        (Effect::Heals, Rung::BusResetInPlace),
        (Effect::Vain, Rung::DetachSbr),
        (Effect::Nothing, Rung::DetachSbr),
    ] {
        let mut world = World::new();
        world.sick = true;
        world.flr = Effect::Kills;
        world.in_place = in_place;
        let (end, took) = world.recover(sick());
        assert_eq!(end, recovered(rung));
        assert!(took < 2 * SECOND, "{took:?}");
        assert_eq!(world.did(Op::Flr), 0);
    }
}

#[test]
fn detach_sbr_keeps_its_order() {
    let mut world = World::new();
    world.here = false;
    assert_eq!(world.recover(WELL).0, recovered(Rung::DetachSbr));
    let mut operations = world.operations();
    operations.dedup();
    operations.retain(|operation| !matches!(operation, Op::ReadLink | Op::LookAtFunctions));
    assert_eq!(
        operations,
        [
            Op::CheckUse,
            Op::CheckDomain,
            Op::Save,
            Op::RecordErrors,
            Op::Mark,
            Op::Detach,
            Op::SecondaryBusReset,
            Op::Rescan,
            Op::ReadMarks,
            Op::Restore,
            Op::HandBack,
            Op::Verify,
        ]
    );
}

#[test]
fn bus_reset_in_place_keeps_its_order() {
    let mut world = World::new();
    assert_eq!(world.recover(WELL).0, recovered(Rung::BusResetInPlace));
    let mut operations = world.operations();
    operations.dedup();
    let expected = [
        // The survey.
        &[Op::ReadLink, Op::LookAtFunctions][..],
        &[
            Op::CheckUse,
            Op::CheckDomain,
            Op::Save,
            Op::ReadLink,
            Op::Wake,
            Op::Release,
        ],
        // Of a function that does not answer, all-ones would be restored.
        &[
            Op::ReadLink,
            Op::LookAtFunctions,
            Op::RecordErrors,
            Op::Mark,
            Op::BusResetInPlace,
        ],
        &[
            Op::ReadLink,
            Op::LookAtFunctions,
            Op::ReadMarks,
            Op::Restore,
            Op::HandBack,
            Op::Verify,
        ],
    ];
    assert_eq!(operations, expected.concat());
}

#[test]
fn function_is_left_alone_after_its_link() {
    for (link, settle) in [
        (PortLink::Active, TIME_AFTER_LINK_ACTIVE),
        (PortLink::NotReported, TIME_WITHOUT_LINK_REPORT),
    ] {
        let mut world = World::new().failing(Op::ReadLink, Observation::Link(link), 100);
        world.trains_in = Some(Duration::ZERO);
        world.here = false;
        assert_eq!(world.recover(WELL).0, recovered(Rung::DetachSbr));
        let pauses = world.waits.iter().filter(|(_, wait)| wait.awaited == Awaited::Time);
        assert!(
            pauses.clone().any(|(now, wait)| wait.until - *now == settle),
            "{link:?}"
        );
    }
}

#[test]
fn flr_that_kills_is_demoted_and_followed_by_detach_sbr() {
    let mut world = World::new();
    world.flr = Effect::Kills;
    let (end, took) = world.recover(GOOD);
    assert_eq!(end, recovered(Rung::DetachSbr));
    assert!(took < 70 * SECOND, "{took:?}");
    let [flr, sbr] = world.records()[..] else { panic!() };
    assert_eq!((flr.rung, flr.outcome), (Rung::KernelFlr, Outcome::TimedOut));
    assert_eq!(flr.reset_class, ClassChange::Demote);
    assert_eq!(sbr.reset_class, ClassChange::None);
}

#[test]
fn class_is_bad_from_the_time_out_on() {
    let timed_out = Observation::Failed(Failure::TimedOut);
    let mut world = World::new().failing(Op::Flr, timed_out, 1);
    assert_eq!(world.recover(GOOD).0, recovered(Rung::BusResetInPlace));
    assert_eq!(world.branches, [Branch::Otherwise, Branch::ClassBad]);
}

#[test]
fn lesser_reset_does_not_follow_a_greater_one() {
    let mut world = World::new();
    world.sick = true;
    (world.in_place, world.sbr) = (Effect::Vain, Effect::Vain);
    assert_eq!(world.recover(sick()).0, recovered(Rung::SlotPower));
    assert_eq!((world.did(Op::Flr), world.did(Op::PmReset)), (0, 0));
}

#[test]
fn enotty_at_once_is_no_time_out() {
    let refused = Observation::Failed(Failure::NotSupported);
    let mut world = World::new().failing(Op::Flr, refused, 1);
    assert_eq!(world.recover(GOOD).0, recovered(Rung::BusResetInPlace));
    let [flr, _] = world.records()[..] else { panic!() };
    let trouble = Trouble::Failed(Failure::NotSupported);
    let operation = Op::Flr;
    assert_eq!(flr.outcome, Outcome::Failed { operation, trouble });
    assert_eq!(flr.reset_class, ClassChange::None);
}

#[test]
fn flr_that_is_ignored_is_found() {
    let mut world = World::new();
    world.sick = true;
    world.flr = Effect::Nothing;
    let mut facts = sick();
    facts.known.reset_class = ClassHistory::Good;
    assert_eq!(world.recover(facts).0, recovered(Rung::BusResetInPlace));
    let [flr, _] = world.records()[..] else { panic!() };
    assert!(matches!(flr.outcome, Outcome::Judged(Verdict::Sick(_))));
}

#[test]
fn flr_with_three_seconds_of_rrs_is_waited_for() {
    let mut world = World::new();
    world.flr = Effect::Delays(3 * SECOND);
    let (end, took) = world.recover(GOOD);
    assert_eq!(end, recovered(Rung::KernelFlr));
    assert!((3 * SECOND..4 * SECOND).contains(&took), "{took:?}");
}

#[test]
fn function_on_its_way_back_is_given_time_first() {
    let mut world = World::new();
    world.ready_at = world.now + 3 * SECOND;
    assert_eq!(world.recover(GOOD).0, recovered(Rung::KernelFlr));
    // A function that requests retries forever is not. It keeps no mark, and time heals it as well as a reset does.
    let mut world = World::new();
    world.ready_at = world.now + 1000 * SECOND;
    world.sbr = Effect::Delays(Duration::ZERO);
    let (end, took) = world.recover(WELL);
    let after = Rung::DetachSbr;
    assert_eq!(end, End::Unproven { after });
    assert!(took < 90 * SECOND, "{took:?}");
}

#[test]
fn function_that_asks_for_time_after_the_bus_reset_gets_a_minute() {
    let mut world = World::new();
    world.here = false;
    world.sbr = Effect::Delays(20 * SECOND);
    assert_eq!(world.recover(WELL).0, recovered(Rung::DetachSbr));
    let mut world = World::new();
    world.here = false;
    world.sbr = Effect::Delays(RRS_LIMIT + 5 * SECOND);
    // While it requests retries, it keeps no mark.
    let after = Rung::SlotPower;
    assert_eq!(world.recover(WELL).0, End::Unproven { after });
}

#[test]
fn function_that_had_its_minute_gets_no_other() {
    let mut world = World::new();
    world.here = false;
    world.sbr = Effect::Delays(1000 * SECOND);
    world.power = Effect::Delays(Duration::ZERO);
    let (end, took) = world.recover(WELL);
    let after = Rung::SlotPower;
    assert_eq!(end, End::Unproven { after });
    assert!(took < 70 * SECOND, "{took:?}");
}

#[test]
fn gpu_that_needs_more_time_is_given_it() {
    let mut only = WELL;
    only.known.only = Some(Rung::DetachSbr);
    let gone = Observation::Functions(Readiness::Absent);
    // A link that trains longer than the default limit, and functions that no scan finds for as long.
    let slow_link = || {
        let mut world = World::new();
        world.here = false;
        world.trains_in = Some(20 * SECOND);
        world
    };
    let found_late = || World::new().failing(Op::LookAtFunctions, gone, 30);
    assert_eq!(slow_link().recover(only).0, quarantined(Reason::Exhausted));
    assert_eq!(found_late().recover(only).0, quarantined(Reason::Exhausted));
    let mut world = slow_link();
    world.given.link = 30 * SECOND;
    assert_eq!(world.recover(only).0, recovered(Rung::DetachSbr));
    let mut world = found_late();
    world.given.ready = 30 * SECOND;
    assert_eq!(world.recover(only).0, recovered(Rung::DetachSbr));
}

#[test]
fn power_stays_off_as_long_as_was_asked_for_and_never_less_than_can_be_relied_on() {
    for (asked, given) in [(20 * SECOND, 20 * SECOND), (Duration::ZERO, Waits::default().power_off)] {
        let mut world = World::new();
        world.here = false;
        world.sbr = Effect::Nothing;
        world.given.power_off = asked;
        assert_eq!(world.recover(WELL).0, recovered(Rung::SlotPower));
        let off = world
            .waits
            .iter()
            .find(|(_, wait)| wait.rung == Some(Rung::SlotPower) && wait.awaited == Awaited::Time);
        let (now, wait) = off.unwrap();
        assert_eq!(wait.until - *now, given);
    }
}

#[test]
fn reset_that_failed_makes_the_function_sick() {
    let sick = Observation::Health(Verdict::Sick(Aspects::none().with(Aspect::Link)));
    let mut world = World::new().failing(Op::Verify, sick, 1);
    assert_eq!(world.recover(WELL).0, recovered(Rung::DetachSbr));
    assert_eq!(world.branches, [Branch::FlrUnknown, Branch::Sick]);
    // A rung that was never done has not failed.
    let denied = Observation::Failed(Failure::Denied);
    let mut world = World::new().failing(Op::BusResetInPlace, denied, 1);
    assert_eq!(world.recover(WELL).0, recovered(Rung::DetachSbr));
    assert_eq!(world.branches, [Branch::FlrUnknown]);
}

#[test]
fn only_power_helps() {
    let mut world = World::new();
    world.here = false;
    world.sbr = Effect::Nothing;
    assert_eq!(world.recover(WELL).0, recovered(Rung::SlotPower));

    let mut world = World::new();
    world.here = false;
    world.sbr = Effect::Nothing;
    let mut facts = WELL;
    facts.surroundings.slot_power = SlotPower::None;
    assert_eq!(world.recover(facts).0, quarantined(Reason::Exhausted));
    assert_eq!(world.log.last(), Some(&Action::Quarantine(Reason::Exhausted)));
}

#[test]
fn bmc_gives_the_power_that_no_slot_switches() {
    let mut facts = WELL;
    facts.surroundings.slot_power = SlotPower::None;
    facts.known.bmc = Bmc::Configured {
        domain: Exclusivity::Exclusive,
    };
    let mut world = World::new();
    world.here = false;
    world.sbr = Effect::Nothing;
    assert_eq!(world.recover(facts).0, recovered(Rung::BmcPower));
    assert_eq!((world.did(Op::CyclePower), world.did(Op::PowerOff)), (1, 0));

    // A domain that becomes shared before the reset is not reset, and after a refusal by the BMC everything that
    // returns is put back.
    let shared = Observation::Domain(Exclusivity::Shared);
    let mut world = World::new().failing(Op::CheckDomain, shared, 1);
    world.here = false;
    let mut only = facts;
    only.known.only = Some(Rung::BmcPower);
    assert_eq!(world.recover(only).0, quarantined(Reason::Exhausted));
    assert_eq!((world.did(Op::CyclePower), world.did(Op::Detach)), (0, 0));
    let refused = Observation::Failed(Failure::Denied);
    let mut world = World::new().failing(Op::CyclePower, refused, 1);
    world.sick = true;
    assert_eq!(world.recover(only).0, quarantined(Reason::Exhausted));
    assert!(!world.removed && world.did(Op::Restore) == 1);
}

#[test]
fn link_that_does_not_come_back_ends_the_rung_untouched() {
    let mut world = World::new();
    world.here = false;
    world.trains_in = None;
    let (end, took) = world.recover(WELL);
    assert_eq!(end, quarantined(Reason::Exhausted));
    // Each rung waits once, and putting back does not wait again.
    assert!(took < 15 * SECOND, "{took:?}");
    assert_eq!(world.did(Op::Rescan), 0);
    assert_eq!(world.did(Op::Verify), 0);
    let troubles = world.records().into_iter().map(|record| record.outcome);
    let operation = Op::ReadLink;
    let trouble = Trouble::TimedOut;
    assert!(
        troubles
            .into_iter()
            .all(|outcome| outcome == Outcome::Failed { operation, trouble })
    );
}

#[test]
fn shared_domain_is_not_reset_as_a_whole() {
    let mut world = World::new();
    world.sick = true;
    world.flr = Effect::Nothing;
    let mut facts = sick();
    facts.surroundings.exclusivity = Exclusivity::Shared;
    facts.surroundings.pm = Availability::Unavailable;
    facts.surroundings.slot_power = SlotPower::None;
    assert_eq!(world.recover(facts).0, quarantined(Reason::Exhausted));
    assert_eq!(world.did(Op::Flr), 1);
    assert_eq!(world.did(Op::SecondaryBusReset), 0);
}

#[test]
fn use_that_begins_between_two_rungs_ends_it() {
    let used = Observation::Use(Use::Used);
    let mut world = World::new().failing(Op::CheckUse, used, 1);
    assert_eq!(world.recover(WELL).0, End::Refused(Refusal::InUse));
    assert_eq!(world.did(Op::Release), 0);
    for unseen in [
        Observation::Blocked,
        Observation::Failed(Failure::Denied),
        Observation::Done,
    ] {
        let mut world = World::new().failing(Op::CheckUse, unseen, 1);
        assert_eq!(world.recover(WELL).0, End::Refused(Refusal::UseUnknown));
    }
}

#[test]
fn use_that_begins_after_a_failed_reset_does_not_keep_the_gpu_in_service() {
    for (usage, refusal) in [(Use::Used, Refusal::InUse), (Use::Unknown, Refusal::UseUnknown)] {
        let mut world = World::new().failing(Op::Flr, Observation::Failed(Failure::TimedOut), 1);
        // Free before the first rung, in use before the second.
        world.use_after_first_look = Some(usage);
        assert_eq!(world.recover(GOOD).0, quarantined(Reason::Refused(refusal)));
        assert_eq!((world.did(Op::BusResetInPlace), world.did(Op::Detach)), (0, 0));
    }
    // A rung that ended before its reset has broken nothing: the GPU stays with its user, if any.
    let unbound = || World::new().failing(Op::Release, Observation::Failed(Failure::Denied), 1);
    let mut world = unbound();
    world.use_after_first_look = Some(Use::Used);
    assert_eq!(world.recover(WELL).0, End::Refused(Refusal::InUse));
    // Without a known user, it is not left partly taken apart.
    let mut world = unbound();
    world.use_after_first_look = Some(Use::Unknown);
    assert_eq!(world.recover(WELL).0, quarantined(Reason::Refused(Refusal::UseUnknown)));
}

#[test]
fn unknown_fabric_ends_in_quarantine_after_a_failed_rung() {
    let mut facts = WELL;
    facts.surroundings.fabric = Fabric::Unknown;
    let mut world = World::new();
    world.sick = true;
    world.flr = Effect::Nothing;
    let reason = Reason::Refused(Refusal::FabricUnknown);
    assert_eq!(world.recover(facts).0, quarantined(reason));
    // FLR, and PM, which does not rank above it.
    assert_eq!((world.did(Op::Flr), world.did(Op::PmReset)), (1, 1));
    assert_eq!(world.did(Op::CheckDomain), 0);

    // For a function that is gone, no rung below can be tried: it goes out of service as after the failure of every
    // rung.
    let mut world = World::new();
    world.here = false;
    assert_eq!(world.recover(facts).0, quarantined(reason));
    assert_eq!(world.operations(), [Op::ReadLink, Op::LookAtFunctions]);
}

#[test]
fn unknown_fabric_does_not_quarantine_a_gpu_that_is_well_or_in_use() {
    let mut facts = WELL;
    facts.surroundings.fabric = Fabric::Unknown;
    facts.surroundings.flr = Availability::Unavailable;
    facts.surroundings.pm = Availability::Unavailable;
    assert_eq!(World::new().recover(facts).0, End::Refused(Refusal::FabricUnknown));
    facts.known.sickness.set_vendor_register(true);
    let reason = Reason::Refused(Refusal::FabricUnknown);
    assert_eq!(World::new().recover(facts).0, quarantined(reason));
    facts.known.usage = Use::Used;
    assert_eq!(World::new().recover(facts).0, End::Refused(Refusal::InUse));
}

#[test]
fn domain_that_became_shared_is_not_reset() {
    for (domain, flr) in [(Exclusivity::Shared, 1), (Exclusivity::Unknown, 1)] {
        let mut world = World::new();
        world.sick = true;
        world.domain = domain;
        world.flr = Effect::Nothing;
        let mut facts = sick();
        facts.surroundings.pm = Availability::Unavailable;
        assert_eq!(world.recover(facts).0, quarantined(Reason::Exhausted));
        assert_eq!(world.did(Op::Flr), flr, "{domain:?}");
        assert_eq!(world.did(Op::Detach), 0);
        assert_eq!(world.did(Op::PowerOff), 0);
    }
    let blocked = Observation::Blocked;
    let mut world = World::new().failing(Op::CheckDomain, blocked, usize::MAX);
    world.here = false;
    assert_eq!(world.recover(WELL).0, quarantined(Reason::Exhausted));
    assert_eq!(world.did(Op::Detach), 0);
}

/// Returns the operations after the last occurrence of `operation`.
fn after(world: &World, operation: Op) -> Vec<Op> {
    let mut operations = world.operations();
    let last = operations.iter().rposition(|done| *done == operation).unwrap();
    operations.split_off(last + 1)
}

#[test]
fn functions_removed_by_a_failed_rung_are_put_back() {
    let put_back = [Op::ReadLink, Op::Rescan, Op::ReadMarks, Op::Restore];
    let survey = [Op::ReadLink, Op::LookAtFunctions];
    for (operation, failure) in [
        (Op::SecondaryBusReset, Failure::Denied),
        (Op::SecondaryBusReset, Failure::NotEmpty),
        (Op::Rescan, Failure::Io),
        (Op::Restore, Failure::Invalid),
    ] {
        let mut world = World::new().failing(operation, Observation::Failed(failure), 1);
        assert_eq!(world.recover(only_detach_sbr()).0, quarantined(Reason::Exhausted));
        let done = match operation {
            // These are part of putting back.
            Op::Rescan | Op::Restore => {
                let all = world.operations();
                let failed = all.iter().position(|done| *done == operation).unwrap();
                all[failed + 1..].to_vec()
            }
            _ => after(&world, operation),
        };
        assert_eq!(done, [&put_back[..], &survey[..]].concat(), "{operation}: {failure}");
        let [record] = world.records()[..] else { panic!() };
        let trouble = Trouble::Failed(failure);
        assert_eq!(record.outcome, Outcome::Failed { operation, trouble });
        assert!(!world.removed);
    }
}

/// A GPU for which only detach-SBR was requested.
fn only_detach_sbr() -> Facts {
    let mut facts = WELL;
    facts.known.only = Some(Rung::DetachSbr);
    facts
}

#[test]
fn removal_that_was_stopped_halfway_is_put_back() {
    for failure in [Failure::NotEmpty, Failure::Denied, Failure::Invalid, Failure::Busy] {
        let mut world = World::new().failing_after_all(Op::Detach, failure);
        if failure == Failure::Busy {
            let busy = Observation::Failed(failure);
            world = world.failing(Op::Detach, busy, usize::MAX);
        }
        assert_eq!(world.recover(only_detach_sbr()).0, quarantined(Reason::Exhausted));
        assert!(!world.removed, "{failure}");
        assert_eq!(world.did(Op::Restore), 1, "{failure}");
        assert_eq!(world.did(Op::SecondaryBusReset), 0, "{failure}");
    }
    let mut world = World::new().failing(Op::Detach, Observation::Vanished, 1);
    world.recover(only_detach_sbr());
    assert_eq!(world.did(Op::Rescan), 1);
}

#[test]
fn link_that_is_on_its_way_back_is_waited_for_before_anything_is_put_back() {
    for (link, settle) in [
        (PortLink::Inactive, TIME_AFTER_LINK_ACTIVE),
        (PortLink::NotReported, TIME_WITHOUT_LINK_REPORT),
    ] {
        // The kernel reports failure, and the link goes down.
        let mut world = World::new().failing_after_all(Op::SecondaryBusReset, Failure::Io);
        if link == PortLink::NotReported {
            world = world.failing(Op::ReadLink, Observation::Link(link), 100);
            world.trains_in = Some(Duration::ZERO);
        }
        assert_eq!(world.recover(only_detach_sbr()).0, quarantined(Reason::Exhausted));
        assert!(!world.removed, "{link:?}");
        let scan = world.waits.iter().rev().find(|(_, wait)| wait.awaited == Awaited::Time);
        assert!(scan.is_some_and(|(now, wait)| wait.until - *now == settle), "{link:?}");
    }
}

#[test]
fn foreign_lock_does_not_prevent_putting_back() {
    let busy = Observation::Failed(Failure::Busy);
    let mut world = World::new()
        .failing(Op::SecondaryBusReset, Observation::Failed(Failure::Denied), 1)
        .failing(Op::Rescan, busy, 3);
    assert_eq!(world.recover(only_detach_sbr()).0, quarantined(Reason::Exhausted));
    assert!(!world.removed);
    // The wait ends, and the rest is still tried.
    let mut world = World::new()
        .failing(Op::SecondaryBusReset, Observation::Failed(Failure::Denied), 1)
        .failing(Op::Rescan, busy, usize::MAX);
    assert_eq!(world.recover(only_detach_sbr()).0, quarantined(Reason::Exhausted));
    assert_eq!(world.did(Op::Restore), 1);
}

#[test]
fn slot_that_was_switched_off_is_switched_on_again() {
    let mut facts = WELL;
    facts.surroundings.secondary_bus_reset = Availability::Unavailable;
    facts.surroundings.flr = Availability::Unavailable;
    facts.surroundings.pm = Availability::Unavailable;
    // The kernel reports failure, and the operation may have taken effect.
    let mut world = World::new().failing(Op::PowerOff, Observation::Failed(Failure::Io), 1);
    world.recover(facts);
    assert_eq!(after(&world, Op::PowerOff).first(), Some(&Op::PowerOn));
    let mut world = World::new().failing(Op::PowerOn, Observation::Failed(Failure::Io), 1);
    world.recover(facts);
    assert_eq!(world.did(Op::PowerOn), 2);
    assert_eq!(world.did(Op::Restore), 1);
    // Refused as invalid, the operation did not take effect.
    let mut world = World::new().failing(Op::PowerOff, Observation::Failed(Failure::Invalid), 1);
    world.recover(facts);
    assert_eq!((world.did(Op::PowerOn), world.did(Op::Rescan)), (0, 0));
}

#[test]
fn nothing_is_put_back_below_a_link_that_is_down_or_while_the_kernel_is_stuck() {
    let mut facts = WELL;
    facts.surroundings.slot_power = SlotPower::None;
    let mut world = World::new();
    world.here = false;
    world.trains_in = None;
    world.recover(facts);
    assert_eq!(world.did(Op::Rescan), 0);

    let mut world = World::new().failing(Op::SecondaryBusReset, Observation::Blocked, 1);
    world.here = false;
    assert_eq!(
        world.recover(facts).0,
        quarantined(Reason::Stuck(Op::SecondaryBusReset))
    );
    assert_eq!(after(&world, Op::SecondaryBusReset), []);

    let mut world = World::new()
        .failing(Op::SecondaryBusReset, Observation::Failed(Failure::Denied), 1)
        .failing(Op::Rescan, Observation::Blocked, 1);
    world.here = false;
    assert_eq!(world.recover(facts).0, quarantined(Reason::Stuck(Op::Rescan)));
    assert_eq!(after(&world, Op::Rescan), []);
}

#[test]
fn unrecordable_counters_do_not_block_a_reset() {
    for failure in [Observation::Failed(Failure::Io), Observation::Blocked] {
        let mut world = World::new().failing(Op::RecordErrors, failure, 1);
        assert_eq!(world.recover(GOOD).0, recovered(Rung::KernelFlr));
    }
    // Waking changes something, so the kernel has to return from it.
    for failure in [Failure::Io, Failure::Busy] {
        let mut world = World::new().failing(Op::Wake, Observation::Failed(failure), usize::MAX);
        assert_eq!(world.recover(GOOD).0, recovered(Rung::KernelFlr));
    }
    let mut world = World::new().failing(Op::Wake, Observation::Blocked, 1);
    assert_eq!(world.recover(WELL).0, quarantined(Reason::Stuck(Op::Wake)));
}

#[test]
fn class_is_judged_by_the_function_and_not_by_its_reader() {
    for (reset, facts) in [(Op::Flr, GOOD), (Op::BusResetInPlace, WELL)] {
        class_is_judged(reset, facts);
    }
    // After the reset, the reader is denied, hangs, or finds no function.
    for (observation, change) in [
        (Observation::Failed(Failure::Denied), ClassChange::None),
        (Observation::Blocked, ClassChange::None),
        (Observation::Functions(Readiness::Absent), ClassChange::Demote),
        (Observation::Vanished, ClassChange::Demote),
    ] {
        let mut world = World::new();
        world.look_after_flr = Some(observation);
        world.recover(GOOD);
        assert_eq!(world.records()[0].reset_class, change, "{observation:?}");
    }
}

fn class_is_judged(reset: Op, facts: Facts) {
    let class = |operation, observation| {
        let mut world = World::new().failing(operation, observation, 1);
        world.recover(facts);
        world.records()[0].reset_class
    };
    let health = |aspect| Observation::Health(Verdict::Sick(Aspects::none().with(aspect)));
    for aspect in [
        Aspect::Identity,
        Aspect::VendorRegister,
        Aspect::Boot,
        Aspect::Transactions,
    ] {
        assert_eq!(class(Op::Verify, health(aspect)), ClassChange::Demote, "{aspect}");
    }
    for aspect in [Aspect::Link, Aspect::Errors, Aspect::Bars] {
        assert_eq!(class(Op::Verify, health(aspect)), ClassChange::None, "{aspect}");
    }
    assert_eq!(class(reset, Observation::Blocked), ClassChange::Demote);
    assert_eq!(class(Op::Verify, Observation::Blocked), ClassChange::None);
    let denied = Observation::Failed(Failure::Denied);
    assert_eq!(class(reset, denied), ClassChange::None);
}

#[test]
fn function_that_vanishes_before_its_reset_gets_no_flr() {
    let mut world = World::new();
    world.dies_at = Some(Op::Release);
    assert_eq!(world.recover(WELL).0, recovered(Rung::DetachSbr));
    assert_eq!((world.did(Op::Flr), world.did(Op::BusResetInPlace)), (0, 0));
    // This does not count against its class.
    let classes: Vec<_> = world.records().iter().map(|record| record.reset_class).collect();
    assert_eq!(classes, [ClassChange::None, ClassChange::None]);
}

#[test]
fn function_that_answers_by_half_may_be_reset() {
    let half = Observation::Functions(Readiness::HalfInitialised(Half::ClassAllOnes));
    let mut facts = WELL;
    facts.surroundings.secondary_bus_reset = Availability::Unavailable;
    let mut world = World::new().failing(Op::LookAtFunctions, half, 2);
    assert_eq!(world.recover(facts).0, recovered(Rung::KernelFlr));
}

#[test]
fn quirk_is_never_overcome() {
    let mut world = World::new();
    world.here = false;
    let mut facts = WELL;
    facts.surroundings.bus_reset = BusReset::ForbiddenAtPort;
    facts.known.preference = Preference::Sbr;
    assert_eq!(world.recover(facts).0, recovered(Rung::SlotPower));
    assert_eq!(world.did(Op::SecondaryBusReset), 0);
}

#[test]
fn nothing_is_removed_without_a_journal() {
    let mut world = World::new().failing(Op::Save, Observation::Failed(Failure::Io), 9);
    world.here = false;
    assert_eq!(world.recover(WELL).0, quarantined(Reason::Exhausted));
    assert_eq!(world.did(Op::Detach), 0);
    assert_eq!(world.did(Op::PowerOff), 0);
}

#[test]
fn foreign_lock_is_waited_for() {
    let busy = Observation::Failed(Failure::Busy);
    let mut world = World::new().failing(Op::SecondaryBusReset, busy, 3);
    world.here = false;
    assert_eq!(world.recover(WELL).0, recovered(Rung::DetachSbr));
    assert_eq!(world.did(Op::SecondaryBusReset), 4);
    // The wait ends.
    let mut world = World::new().failing(Op::SecondaryBusReset, busy, usize::MAX);
    world.here = false;
    world.removed = true;
    assert_eq!(world.recover(WELL).0, recovered(Rung::SlotPower));
}

#[test]
fn kernel_that_does_not_come_back_ends_the_ladder() {
    for operation in [Op::Release, Op::Mark, Op::Flr, Op::ReadMarks, Op::HandBack] {
        let mut world = World::new().failing(operation, Observation::Blocked, 1);
        assert_eq!(world.recover(GOOD).0, quarantined(Reason::Stuck(operation)));
        let others = (world.did(Op::BusResetInPlace), world.did(Op::Detach));
        assert_eq!(others, (0, 0), "{operation}");
    }
    // An operation that only reads may stay hung.
    let mut world = World::new().failing(Op::Verify, Observation::Blocked, 1);
    assert_eq!(world.recover(GOOD).0, recovered(Rung::BusResetInPlace));
}

#[test]
fn reset_by_another_process_is_waited_for() {
    let mut world = World::new().failing(Op::LookAtFunctions, Observation::Blocked, 5);
    assert_eq!(world.recover(GOOD).0, recovered(Rung::KernelFlr));
    let mut world = World::new().failing(Op::LookAtFunctions, Observation::Blocked, usize::MAX);
    let (end, took) = world.recover(WELL);
    assert_eq!(end, quarantined(Reason::Stuck(Op::LookAtFunctions)));
    assert!(took < 90 * SECOND, "{took:?}");
}

#[test]
fn hidden_by_lockdown_is_unverified_and_not_recovered() {
    let hidden = Aspects::none().with(Aspect::VendorRegister);
    let mut world = World::new();
    world.unreadable = hidden;
    let (end, _) = world.recover(GOOD);
    let after = Rung::KernelFlr;
    assert_eq!(end, End::Unverified { after, missing: hidden });
    // An aspect that another reset may make readable counts as failed.
    let missing = hidden;
    let lasting = Aspects::none();
    let unverified = Observation::Health(Verdict::Unverified { missing, lasting });
    let mut world = World::new().failing(Op::Verify, unverified, 1);
    assert_eq!(world.recover(GOOD).0, recovered(Rung::BusResetInPlace));
}

#[test]
fn failed_quarantine_is_reported() {
    let mut facts = WELL;
    facts.surroundings.answer = Answer::Absent;
    facts.known.highest = Rung::KernelPm;
    facts.surroundings.pm = Availability::Unavailable;
    let begin = Duration::ZERO;
    let mut recovery = reseat_core::recovery::Recovery::new(begin, facts, reseat_core::decision::Tried::none());
    let mut now = begin;
    let end = loop {
        match recovery.poll(now) {
            Ok(reseat_core::recovery::Progress::Do(order)) => match order.action {
                Action::Quarantine(_) => now = order.deadline,
                _ => {
                    recovery.tell(now, order.ticket, Observation::Vanished);
                }
            },
            Ok(reseat_core::recovery::Progress::Ended(end)) => break end,
            Err(_) => panic!("nothing to wait for"),
        }
    };
    let quarantine = Quarantine::Failed(Trouble::Blocked);
    let why = Reason::Exhausted;
    assert_eq!(end, End::OutOfService { why, quarantine });
}

#[test]
fn restored_functions_are_not_put_back_again() {
    let refused = Observation::Failed(Failure::Invalid);
    let mut world = World::new().failing(Op::HandBack, refused, 1);
    assert_eq!(world.recover(only_detach_sbr()).0, quarantined(Reason::Exhausted));
    assert_eq!(world.did(Op::Restore), 1);
    assert_eq!(
        after(&world, Op::HandBack),
        [Op::ReadLink, Op::LookAtFunctions],
        "the next look"
    );
}
