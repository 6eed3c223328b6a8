//! Arbitrary facts and attempts: what the rule permits, it permits by what is known.

#![no_main]

#[path = "support/facts.rs"]
mod facts;

use libfuzzer_sys::fuzz_target;
use reseat_core::decision::{
    Answer, Attempt, Availability, Bmc, Branch, BusReset, Exclusivity, Next, OwnMeans, Reach, Rung, SlotPower, Tdi,
    Tried, Use, decide,
};
use reseat_core::topology::Fabric;
use reseat_core::topology::function::HotplugOwner;

use crate::facts::Input;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let facts = input.facts();
    let mut tried = Tried::none();
    for _ in 0..input.byte() % 6 {
        let rung = input.pick(&Rung::ALL);
        let reach = input.pick(&[Reach::NotReset, Reach::Reset, Reach::Ignored]);
        tried.note(Attempt { rung, reach });
    }

    let decision = decide(&facts, &tried);
    assert_eq!(decision, decide(&facts, &tried), "the rule is a function");
    assert!(decision.skipped.len() <= Rung::ALL.len());
    let usable = facts.known.usage == Use::Free && facts.known.tdi == Tdi::Unlocked;
    assert_eq!(usable, !matches!(decision.branch, Branch::InUse | Branch::TdiLocked));
    let Some(rung) = decision.next.rung() else {
        assert!(usable || matches!(decision.next, Next::Refuse(_)));
        return;
    };
    assert!(usable && rung <= facts.known.highest && !tried.contains(rung));
    assert!(facts.known.only.is_none_or(|only| only == rung));
    if rung.above_flr() {
        assert_ne!(facts.surroundings.fabric, Fabric::Unknown);
    } else {
        assert!(
            facts.surroundings.link.admit().is_ok()
                && matches!(facts.surroundings.answer, Answer::Ready | Answer::Half)
        );
    }
    let known = match rung {
        Rung::KernelPm => facts.surroundings.pm == Availability::Available,
        Rung::KernelFlr => facts.surroundings.flr == Availability::Available,
        Rung::BusResetInPlace | Rung::DetachSbr => {
            let in_place = rung == Rung::BusResetInPlace;
            let answers = facts.surroundings.answer == Answer::Ready && facts.surroundings.link.admit().is_ok();
            (answers || !in_place)
                && facts.surroundings.bus_reset == BusReset::Allowed
                && matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody)
                && facts.surroundings.exclusivity == Exclusivity::Exclusive
                && facts.surroundings.secondary_bus_reset == Availability::Available
        }
        Rung::DeviceSpecific | Rung::Acpi => {
            let OwnMeans { device_specific, acpi } = facts.known.own_means;
            let offer = if rung == Rung::Acpi { acpi } else { device_specific };
            offer == Availability::Available
                && facts.surroundings.answer == Answer::Ready
                && facts.surroundings.link.admit().is_ok()
                && matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody)
                && facts.surroundings.exclusivity == Exclusivity::Exclusive
        }
        Rung::SlotPower => {
            let domain = Exclusivity::Exclusive;
            facts.surroundings.slot_power == SlotPower::Controller { domain }
                && facts.surroundings.hotplug == HotplugOwner::Os
        }
        Rung::BmcPower => {
            let domain = Exclusivity::Exclusive;
            (facts.known.bmc, facts.surroundings.exclusivity) == (Bmc::Configured { domain }, domain)
                && matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody)
                && !matches!(facts.surroundings.slot_power, SlotPower::Controller { .. })
        }
    };
    assert!(known, "{rung} on {facts:?}");
});
