//! Arbitrary facts and attempts: what the rule permits, it permits by what is known.

#![no_main]

#[path = "support/facts.rs"]
mod facts;

use libfuzzer_sys::fuzz_target;
use reseat_core::decision::{
    Answer, Attempt, Availability, Bmc, Branch, BusReset, Exclusivity, Next, Reach, Rung, SlotPower, Tdi, Tried, Use,
    decide,
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
        let reach = input.pick(&[Reach::NotReset, Reach::Reset]);
        tried.note(Attempt { rung, reach });
    }

    let decision = decide(&facts, &tried);
    assert_eq!(decision, decide(&facts, &tried), "the rule is a function");
    assert!(decision.skipped.len() <= Rung::ALL.len());
    let usable = facts.usage == Use::Free && facts.tdi == Tdi::Unlocked;
    assert_eq!(usable, !matches!(decision.branch, Branch::InUse | Branch::TdiLocked));
    let Some(rung) = decision.next.rung() else {
        assert!(usable || matches!(decision.next, Next::Refuse(_)));
        return;
    };
    assert!(usable && rung <= facts.highest && !tried.contains(rung));
    assert!(facts.only.is_none_or(|only| only == rung));
    if rung.above_flr() {
        assert_ne!(facts.fabric, Fabric::Unknown);
    } else {
        assert!(facts.link.admit().is_ok() && matches!(facts.answer, Answer::Ready | Answer::Half));
    }
    let known = match rung {
        Rung::KernelPm => facts.pm == Availability::Available,
        Rung::KernelFlr => facts.flr == Availability::Available,
        Rung::DetachSbr => {
            facts.bus_reset == BusReset::Allowed
                && matches!(facts.hotplug, HotplugOwner::Os | HotplugOwner::Nobody)
                && facts.exclusivity == Exclusivity::Exclusive
                && facts.secondary_bus_reset == Availability::Available
        }
        Rung::SlotPower => {
            let domain = Exclusivity::Exclusive;
            facts.slot_power == SlotPower::Controller { domain } && facts.hotplug == HotplugOwner::Os
        }
        Rung::BmcPower => {
            let domain = Exclusivity::Exclusive;
            (facts.bmc, facts.exclusivity) == (Bmc::Configured { domain }, domain)
                && matches!(facts.hotplug, HotplugOwner::Os | HotplugOwner::Nobody)
                && !matches!(facts.slot_power, SlotPower::Controller { .. })
        }
    };
    assert!(known, "{rung} on {facts:?}");
});
