//! Proof of a reset: a function that was not reset is never called recovered, and a well one is never quarantined for
//! lack of proof.

use core::time::Duration;

use proptest::prelude::*;
use reseat_core::decision::{
    Availability, Branch, ClassHistory, Exclusivity, Facts, FlrReach, Preference, Refusal, Rung, SlotPower, Use,
};
use reseat_core::health::{Aspect, Aspects, Verdict};
use reseat_core::recovery::{
    Action, ClassChange, End, Failure, Observation, Operation as Op, Outcome, Reason, Record, SETTLE_TIME,
};
use reseat_core::witness::Proof;

use crate::climbing::{quarantined, recovered, sick};
use crate::rule::{GOOD, WELL};
use crate::world::{Effect, Marks, World};

/// A machine on which every reset has the same effect.
fn every_reset(effect: Effect) -> World {
    let mut world = World::new();
    (world.flr, world.pm, world.in_place) = (effect, effect, effect);
    (world.sbr, world.power) = (effect, effect);
    world
}

fn without_marks() -> World {
    let mut world = World::new();
    world.marks = Marks::None;
    world
}

fn gone() -> Outcome {
    Outcome::Judged(Verdict::Sick(Aspects::none().with(Aspect::Identity)))
}

fn what_came(records: &[Record]) -> Vec<(Rung, Outcome)> {
    records.iter().map(|record| (record.rung, record.outcome)).collect()
}

fn is_quarantined(world: &World) -> bool {
    world.log.iter().any(|action| matches!(action, Action::Quarantine(_)))
}

#[test]
fn reset_that_a_well_function_ignores_is_no_recovery() {
    for (facts, rung, next) in [
        (GOOD, Rung::KernelFlr, Rung::BusResetInPlace),
        (WELL, Rung::BusResetInPlace, Rung::DetachSbr),
    ] {
        for effect in [Effect::Nothing, Effect::Partly] {
            let mut world = World::new();
            (world.flr, world.in_place) = match rung {
                Rung::KernelFlr => (effect, Effect::Heals),
                _ => (Effect::Heals, effect),
            };
            assert_eq!(world.recover(facts).0, recovered(next), "{effect:?}");
            let [ignored, _] = world.records()[..] else { panic!() };
            assert_eq!((ignored.rung, ignored.outcome), (rung, Outcome::NotReset));
        }
    }
    // The emptied bus and the power have no effect either.
    let mut world = every_reset(Effect::Nothing);
    world.power = Effect::Heals;
    assert_eq!(world.recover(WELL).0, recovered(Rung::SlotPower));
    assert!(world.records().iter().any(|record| record.rung == Rung::DetachSbr));
}

/// A machine with a device-specific reset of this effect, and facts that allow no other reset.
fn only_device_specific(effect: Effect) -> (World, Facts) {
    let mut world = World::new();
    world.own = effect;
    let mut facts = WELL;
    facts.known.own_means.device_specific = Availability::Available;
    facts.known.only = Some(Rung::DeviceSpecific);
    (world, facts)
}

#[test]
fn reset_by_own_means_is_proven_by_marks_that_are_gone_and_disproved_by_none() {
    let rung = Rung::DeviceSpecific;
    let (mut world, facts) = only_device_specific(Effect::Heals);
    assert_eq!(world.recover(facts).0, recovered(rung));
    assert_eq!(world.did(Op::DeviceSpecificReset), 1);
    for effect in [Effect::Nothing, Effect::Partly] {
        let (mut world, facts) = only_device_specific(effect);
        assert_eq!(world.recover(facts).0, End::Unproven { after: rung }, "{effect:?}");
    }
    let (mut world, facts) = only_device_specific(Effect::Kills);
    assert_eq!(world.recover(facts).0, quarantined(Reason::Exhausted));
    assert_eq!(what_came(&world.records()), [(rung, Outcome::TimedOut)]);
}

#[test]
fn gpu_that_ignores_its_bus_resets_is_recovered_by_own_means() {
    let mut world = every_reset(Effect::Nothing);
    let mut facts = WELL;
    facts.known.own_means.acpi = Availability::Available;
    assert_eq!(world.recover(facts).0, recovered(Rung::Acpi));
    assert_eq!((world.did(Op::AcpiReset), world.did(Op::PowerOff)), (1, 0));
}

#[test]
fn flr_that_was_not_meant_for_a_function_is_not_disproved_by_it() {
    let mut world = World::new();
    (world.flr, world.flr_leaves_one) = (Effect::Partly, true);
    let mut shared = GOOD;
    shared.surroundings.exclusivity = Exclusivity::Shared;
    shared.surroundings.flr_reach = FlrReach::LeavesSome;
    assert_eq!(world.recover(shared).0, recovered(Rung::KernelFlr));
}

#[test]
fn function_that_ignores_every_reset_is_quarantined() {
    let mut world = every_reset(Effect::Nothing);
    assert_eq!(world.recover(GOOD).0, quarantined(Reason::Exhausted));
    let all = [
        Rung::KernelFlr,
        Rung::BusResetInPlace,
        Rung::DetachSbr,
        Rung::KernelPm,
        Rung::SlotPower,
    ];
    assert_eq!(
        what_came(&world.records()),
        all.map(|rung| (rung, Outcome::NotReset)).to_vec()
    );
}

#[test]
fn well_function_without_any_mark_is_unproven_and_keeps_its_power() {
    for facts in [WELL, GOOD] {
        let mut world = without_marks();
        let after = Rung::DetachSbr;
        assert_eq!(world.recover(facts).0, End::Unproven { after });
        assert_eq!((world.did(Op::PowerOff), world.did(Op::CyclePower)), (0, 0));
        assert!(!is_quarantined(&world));
        for record in world.records() {
            assert_eq!(record.outcome, Outcome::Unproven(Proof::Unproven));
            // It is no evidence for its class either.
            assert_eq!(record.reset_class, ClassChange::None);
        }
    }
    // Without any rung above FLR.
    let mut shared = GOOD;
    shared.surroundings.exclusivity = Exclusivity::Shared;
    shared.surroundings.slot_power = SlotPower::None;
    shared.surroundings.pm = Availability::Unavailable;
    let after = Rung::KernelFlr;
    assert_eq!(without_marks().recover(shared).0, End::Unproven { after });
    // Marks that cannot be placed or read count as none.
    for operation in [Op::Mark, Op::ReadMarks] {
        let mut world = World::new().failing(operation, Observation::Failed(Failure::Denied), usize::MAX);
        world.marks = if operation == Op::Mark { Marks::None } else { Marks::All };
        assert!(matches!(world.recover(GOOD).0, End::Unproven { .. }), "{operation}");
    }
}

#[test]
fn function_that_is_well_and_unproven_gets_its_driver_back_from_a_later_rung_that_failed() {
    let mut facts = GOOD;
    facts.known.highest = Rung::BusResetInPlace;
    facts.surroundings.pm = Availability::Unavailable;
    let denied = || {
        let denied = Observation::Failed(Failure::Denied);
        without_marks().failing(Op::BusResetInPlace, denied, usize::MAX)
    };
    let after = Rung::KernelFlr;
    let mut world = denied();
    assert_eq!(world.recover(facts).0, End::Unproven { after });
    let operations = world.operations();
    assert!(operations.ends_with(&[Op::LookAtFunctions, Op::ReadMarks, Op::HandBack]));
    // If the kernel hangs in it, the GPU goes out of service.
    let mut world = denied().failing(Op::HandBack, Observation::Done, 1);
    world = world.failing(Op::HandBack, Observation::Blocked, 1);
    assert_eq!(world.recover(facts).0, quarantined(Reason::Stuck(Op::HandBack)));
    // Functions that have their drivers are left alone.
    facts.known.only = Some(Rung::KernelFlr);
    let mut world = without_marks();
    assert_eq!(world.recover(facts).0, End::Unproven { after });
    assert_eq!(world.did(Op::HandBack), 1);
}

#[test]
fn function_that_is_well_and_has_no_reset_is_refused_and_a_sick_one_goes_out_of_service() {
    let mut facts = GOOD;
    facts.known.only = Some(Rung::BmcPower);
    let mut world = World::new();
    assert_eq!(world.recover(facts).0, End::Refused(Refusal::NoReset));
    assert!(!is_quarantined(&world));
    facts.known.sickness.set_vendor_register(true);
    assert_eq!(World::new().recover(facts).0, quarantined(Reason::Exhausted));
    facts.known.sickness.set_vendor_register(false);
    let mut gone = World::new();
    gone.here = false;
    assert_eq!(gone.recover(facts).0, quarantined(Reason::Exhausted));
}

#[test]
fn power_that_was_asked_for_is_cut_without_any_mark() {
    let mut only = WELL;
    only.known.only = Some(Rung::SlotPower);
    let mut world = without_marks();
    let after = Rung::SlotPower;
    assert_eq!(world.recover(only).0, End::Unproven { after });
    assert_eq!(world.did(Op::PowerOff), 1);
}

#[test]
fn function_that_was_well_and_unproven_and_is_sick_now_is_not_left_in_service() {
    for effect in [Effect::Kills, Effect::Sickens] {
        let mut world = without_marks();
        (world.sbr, world.power) = (effect, effect);
        assert_eq!(world.recover(GOOD).0, quarantined(Reason::Exhausted), "{effect:?}");
        assert_eq!(world.records()[0].outcome, Outcome::Unproven(Proof::Unproven));
        // A GPU that is no longer well may lose its power.
        assert_eq!(world.did(Op::PowerOff), 1, "{effect:?}");
    }
    // The power cycle brings it back.
    let mut world = without_marks();
    world.sbr = Effect::Kills;
    assert_eq!(world.recover(GOOD).0, recovered(Rung::SlotPower));
}

#[test]
fn function_that_was_unproven_and_is_gone_at_the_next_look_is_quarantined() {
    let mut flr = GOOD;
    flr.known.only = Some(Rung::KernelFlr);
    let mut ends = (0, 0);
    // Before the second verdict, between it and the next check, and later.
    for milliseconds in 0..12 {
        let mut world = without_marks();
        world.flr = Effect::DiesIn(SETTLE_TIME + Duration::from_millis(milliseconds));
        match world.recover(flr).0 {
            End::Unproven { .. } => {
                assert!(world.is_here(), "{milliseconds}");
                ends.0 += 1;
            }
            end => {
                assert_eq!(end, quarantined(Reason::Exhausted));
                ends.1 += usize::from(world.records()[0].outcome == Outcome::Unproven(Proof::Unproven));
            }
        }
    }
    assert!(ends.0 > 0 && ends.1 > 0, "{ends:?}");
}

#[test]
fn use_of_a_function_that_is_well_and_unproven_does_not_quarantine_it() {
    for usage in [Use::Used, Use::Unknown] {
        let mut world = without_marks();
        world.use_after_first_look = Some(usage);
        let after = Rung::KernelFlr;
        assert_eq!(world.recover(GOOD).0, End::Unproven { after });
        assert!(!is_quarantined(&world));
    }
    // A GPU that was not well is quarantined: it is left to no user.
    let mut world = without_marks();
    world.flr = Effect::Kills;
    world.use_after_first_look = Some(Use::Used);
    let why = Reason::Refused(Refusal::InUse);
    assert_eq!(world.recover(GOOD).0, quarantined(why));
}

#[test]
fn function_that_dies_a_moment_after_its_reset_is_found_by_the_second_verdict() {
    let dies = Effect::DiesIn(Duration::from_millis(250));
    let mut world = World::new();
    world.flr = dies;
    assert_eq!(world.recover(GOOD).0, recovered(Rung::DetachSbr));
    let [flr, _] = world.records()[..] else { panic!() };
    assert_eq!((flr.outcome, flr.reset_class), (gone(), ClassChange::Demote));

    let mut world = World::new();
    world.in_place = dies;
    assert_eq!(world.recover(WELL).0, recovered(Rung::DetachSbr));
    assert_eq!(world.records()[0].outcome, gone());

    assert_eq!(every_reset(dies).recover(WELL).0, quarantined(Reason::Exhausted));
    // The wait lasts as long as requested.
    let late = Effect::DiesIn(Duration::from_millis(900));
    for (settle, rung) in [(SETTLE_TIME, Rung::KernelFlr), (2 * SETTLE_TIME, Rung::DetachSbr)] {
        let mut world = World::new();
        (world.flr, world.given.settle) = (late, settle);
        assert_eq!(world.recover(GOOD).0, recovered(rung));
    }
}

#[test]
fn each_reset_that_does_nothing_or_kills_is_remembered_by_itself() {
    use ClassHistory::{Bad, Good, Unknown};
    for (facts, flr, in_place, learned) in [
        (GOOD, Effect::Nothing, Effect::Heals, (Bad, Unknown)),
        (GOOD, Effect::Kills, Effect::Heals, (Bad, Unknown)),
        (WELL, Effect::Heals, Effect::Nothing, (Unknown, Bad)),
        (WELL, Effect::Heals, Effect::Partly, (Unknown, Bad)),
        (WELL, Effect::Heals, Effect::Kills, (Unknown, Bad)),
        (GOOD, Effect::Heals, Effect::Kills, (Good, Unknown)),
        (GOOD, Effect::Nothing, Effect::Nothing, (Bad, Bad)),
    ] {
        let mut world = World::new();
        (world.flr, world.in_place) = (flr, in_place);
        assert!(matches!(world.recover(facts).0, End::Recovered { .. }));
        let known = world.learned.unwrap();
        assert_eq!((known.reset_class, known.in_place), learned, "{flr:?} {in_place:?}");
        // The history gets the same proof.
        for record in world.records() {
            let class = match record.rung {
                Rung::KernelFlr if learned.0 == Bad => ClassChange::Demote,
                Rung::BusResetInPlace if learned.1 == Bad => ClassChange::Demote,
                Rung::KernelFlr | Rung::BusResetInPlace => ClassChange::Confirm,
                _ => ClassChange::None,
            };
            assert_eq!(record.reset_class, class, "{}", record.rung);
        }
    }
    // For the other two rungs nothing is remembered.
    let mut world = every_reset(Effect::Nothing);
    let mut only = WELL;
    only.known.only = Some(Rung::DetachSbr);
    world.recover(only);
    assert_eq!(world.records()[0].reset_class, ClassChange::None);
}

#[test]
fn flr_that_is_ignored_makes_the_class_bad_for_the_next_rung() {
    let mut world = World::new();
    world.flr = Effect::Nothing;
    world.recover(GOOD);
    assert_eq!(world.branches, [Branch::Otherwise, Branch::ClassBad]);
}

#[test]
fn lesser_reset_follows_a_greater_one_that_was_ignored() {
    for (facts, is_sick) in [(WELL, false), (sick(), true)] {
        let mut facts = facts;
        facts.known.highest = Rung::BusResetInPlace;
        let mut world = World::new();
        (world.in_place, world.sick) = (Effect::Nothing, is_sick);
        assert_eq!(world.recover(facts).0, recovered(Rung::KernelFlr), "sick: {is_sick}");
        // A reset that was done and did not help includes it.
        let mut world = World::new();
        (world.in_place, world.sick) = (Effect::Vain, true);
        assert_eq!(world.recover(facts).0, quarantined(Reason::Exhausted));
        assert_eq!(world.did(Op::Flr), 0);
    }
}

#[test]
fn bus_reset_in_place_that_nothing_would_show_gives_way_to_one_that_marks_show() {
    let mut world = World::new();
    world.marks = Marks::OfRemoval;
    assert_eq!(world.recover(WELL).0, recovered(Rung::DetachSbr));
    assert_eq!(world.did(Op::BusResetInPlace), 0);
    let [record] = world.records()[..] else { panic!() };
    assert_eq!(record.rung, Rung::DetachSbr, "a rung that gave way did not fail");
}

#[test]
fn bus_reset_in_place_that_nothing_would_show_is_done_where_detach_sbr_is_not() {
    let mut highest = WELL;
    highest.known.highest = Rung::BusResetInPlace;
    let mut only = WELL;
    only.known.only = Some(Rung::BusResetInPlace);
    for marks in [Marks::OfRemoval, Marks::None] {
        for facts in [highest, only] {
            let mut world = World::new();
            world.marks = marks;
            let after = Rung::BusResetInPlace;
            assert_eq!(world.recover(facts).0, End::Unproven { after });
            assert_eq!(world.did(Op::BusResetInPlace), 1);
        }
    }
    // The same if detach-SBR fails before its reset.
    let mut world = World::new().failing(Op::SecondaryBusReset, Observation::Failed(Failure::Denied), 1);
    world.marks = Marks::OfRemoval;
    let after = Rung::BusResetInPlace;
    assert_eq!(world.recover(WELL).0, End::Unproven { after });
}

#[test]
fn bus_reset_in_place_that_is_known_bad_comes_after_detach_sbr() {
    let mut facts = WELL;
    facts.known.in_place = ClassHistory::Bad;
    let mut world = World::new();
    world.in_place = Effect::Kills;
    assert_eq!(world.recover(facts).0, recovered(Rung::DetachSbr));
    assert_eq!(world.did(Op::BusResetInPlace), 0);
}

#[test]
fn bus_reset_in_place_that_kills_is_followed_by_detach_sbr() {
    let mut world = World::new();
    world.in_place = Effect::Kills;
    let (end, took) = world.recover(WELL);
    assert_eq!(end, recovered(Rung::DetachSbr));
    assert!(took < Duration::from_secs(70), "{took:?}");
    assert_eq!(world.records()[0].outcome, Outcome::TimedOut);
    assert_eq!(world.did(Op::Flr), 0);
}

#[test]
fn gpu_that_flr_kills_costs_no_minute_the_first_time() {
    let mut world = World::new();
    world.flr = Effect::Kills;
    let (end, took) = world.recover(WELL);
    assert_eq!(end, recovered(Rung::BusResetInPlace));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

fn one_of<T: Clone + core::fmt::Debug + 'static>(values: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(values.to_vec())
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        3 => Just(Effect::Heals),
        3 => Just(Effect::Nothing),
        2 => one_of(&[Effect::Partly, Effect::Vain, Effect::Sickens, Effect::Kills]),
        1 => (0..70_000_u64).prop_map(|time| Effect::Delays(Duration::from_millis(time))),
        2 => (0..1500_u64).prop_map(|time| Effect::DiesIn(Duration::from_millis(time))),
    ]
}

fn fault() -> impl Strategy<Value = (Op, Option<Failure>, bool)> {
    let operation = one_of(&[
        Op::CheckDomain,
        Op::Save,
        Op::Wake,
        Op::Release,
        Op::Mark,
        Op::Flr,
        Op::PmReset,
        Op::BusResetInPlace,
        Op::Detach,
        Op::SecondaryBusReset,
        Op::Rescan,
        Op::ReadMarks,
        Op::Restore,
        Op::HandBack,
        Op::PowerOff,
        Op::PowerOn,
        Op::Verify,
    ]);
    let failure = one_of(&[
        Failure::Busy,
        Failure::Denied,
        Failure::Io,
        Failure::NotSupported,
        Failure::TimedOut,
    ]);
    (operation, prop::option::weighted(0.9, failure), any::<bool>())
}

prop_compose! {
    fn world()(
        (here, is_sick) in (prop::bool::weighted(0.8), any::<bool>()),
        marks in one_of(&[Marks::All, Marks::All, Marks::OfRemoval, Marks::None]),
        flr_leaves_one in any::<bool>(),
        effects in prop::array::uniform5(effect()),
        faults in prop::collection::vec(fault(), 0..3),
    ) -> World {
        let mut world = World::new();
        (world.here, world.sick, world.marks, world.flr_leaves_one) = (here, is_sick, marks, flr_leaves_one);
        [world.flr, world.pm, world.in_place, world.sbr, world.power] = effects;
        for (operation, failure, acts) in faults {
            world = match failure {
                Some(failure) if acts => world.failing_after_all(operation, failure),
                Some(failure) => world.failing(operation, Observation::Failed(failure), 1),
                None => world.failing(operation, Observation::Blocked, 1),
            };
        }
        world
    }
}

prop_compose! {
    fn facts_around()(
        exclusivity in one_of(&[Exclusivity::Exclusive, Exclusivity::Exclusive, Exclusivity::Shared]),
        [flr, pm, secondary_bus_reset] in
            prop::array::uniform3(one_of(&[Availability::Available, Availability::Available, Availability::Unavailable])),
        has_power in any::<bool>(),
        [class, in_place] in
            prop::array::uniform2(one_of(&[ClassHistory::Unknown, ClassHistory::Good, ClassHistory::Bad])),
        in_place_shows in any::<bool>(),
        preference in one_of(&[Preference::Rule, Preference::Rule, Preference::Flr, Preference::Sbr]),
        highest in prop_oneof![2 => Just(Rung::HIGHEST), 1 => one_of(&Rung::ALL)],
    ) -> Facts {
        let mut facts = WELL;
        let around = &mut facts.surroundings;
        (around.exclusivity, around.flr, around.pm) = (exclusivity, flr, pm);
        around.secondary_bus_reset = secondary_bus_reset;
        around.slot_power = if has_power { SlotPower::Controller { domain: exclusivity } } else { SlotPower::None };
        let known = &mut facts.known;
        (known.reset_class, known.in_place, known.in_place_shows) = (class, in_place, in_place_shows);
        (known.preference, known.highest) = (preference, highest);
        facts
    }
}

/// Checks the end of a recovery against the true state of the machine.
fn judge(world: &World, end: End) -> Result<(), TestCaseError> {
    let (at, verdict) = world.verdicts.last().copied().unzip();
    match end {
        End::Recovered { proof, .. } => {
            prop_assert!(world.was_reset(), "it was not reset");
            prop_assert!(proof >= Proof::Configuration);
            prop_assert_eq!(verdict, Some(Verdict::Verified));
            prop_assert!(
                at >= Some(world.reset_at + SETTLE_TIME),
                "nobody looked after it had settled"
            );
        }
        End::Unproven { .. } => {
            prop_assert_eq!(verdict, Some(Verdict::Verified));
            prop_assert!(!is_quarantined(world));
        }
        End::Unverified { .. } | End::Refused(_) | End::OutOfService { .. } => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_called_recovered_was_reset_and_is_well(mut world in world(), facts in facts_around()) {
        let mut facts = facts;
        facts.known.sickness.set_vendor_register(world.sick);
        if world.flr_leaves_one {
            facts.surroundings.flr_reach = FlrReach::LeavesSome;
        }
        world.domain = facts.surroundings.exclusivity;
        let (end, _) = world.recover(facts);
        judge(&world, end)?;
    }
}
