//! The rule's facts from a place in a topology: a card without obstacles, and the same card with one.

use reseat_core::capability::power_management::PowerState;
use reseat_core::decision::{
    Answer, Availability, Bmc, Branch, BusReset, ClassHistory, Exclusivity, FlrReach, Known, Next, OwnMeans,
    Preference, Reported, Rung, Sickness, SlotPower, Surroundings, Tdi, Tried, Use, decide,
};
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::topology::Fabric;
use reseat_core::topology::anomaly::Anomaly;
use reseat_core::topology::domain::NotExclusive;
use reseat_core::topology::function::{Cxl, Fact, Function, HotplugOwner, Membership, Power, Role, Slot};
use reseat_core::topology::method::{MissingFact, ResetUnavailable};

use crate::machines::*;

/// The facts about a card without obstacles.
const FREE: Surroundings = Surroundings {
    fabric: Fabric::None,
    exclusivity: Exclusivity::Exclusive,
    not_exclusive: None,
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
    reported: Reported::NOTHING,
};

/// The facts about a card that is not alone below its card root.
const fn shared(reason: NotExclusive) -> Surroundings {
    Surroundings {
        exclusivity: Exclusivity::Shared,
        not_exclusive: Some(reason),
        slot_power: SlotPower::Controller {
            domain: Exclusivity::Shared,
        },
        ..FREE
    }
}

/// A GPU and its companion functions are ours.
fn is_gpu(function: &Function) -> bool {
    matches!(function.class.base_class, 0x03 | 0x04)
}

fn of(machine: &mut Machine, address: &str) -> Surroundings {
    Surroundings::of(find(machine.topology(), address), is_gpu)
}

/// Asserts the effect of one change to a single card.
#[track_caller]
fn after(change: impl FnOnce(&mut Machine), expected: Surroundings) {
    let mut machine = single();
    assert_eq!(of(&mut machine, "01:00.0"), FREE, "before the change");
    change(&mut machine);
    assert_eq!(of(&mut machine, "01:00.0"), expected);
}

fn slot(hot_plug: Fact, power_controller: Fact, owner: HotplugOwner) -> Slot {
    Slot::Present {
        hot_plug,
        power_controller,
        owner,
    }
}

#[test]
fn facts_combine_topology_and_other_sources() {
    let known = Known {
        usage: Use::Free,
        tdi: Tdi::Unlocked,
        bmc: Bmc::NotConfigured,
        reset_class: ClassHistory::Bad,
        in_place: ClassHistory::Unknown,
        in_place_shows: true,
        own_means: OwnMeans::NONE,
        sickness: Sickness::new(),
        preference: Preference::Rule,
        highest: Rung::SlotPower,
        only: None,
    };
    let facts = of(&mut single(), "01:00.0").facts(known);
    assert_eq!(decide(&facts, &Tried::none()).next, Next::Try(Rung::BusResetInPlace));
    let mut machine = single();
    machine.bridge("00:01.0").slot = Slot::None;
    let facts = of(&mut machine, "01:00.0").facts(known);
    assert_eq!(
        decide(&facts, &Tried::none()).next,
        Next::Try(Rung::BusResetInPlace),
        "nobody owns hotplug"
    );
}

#[test]
fn reported_flr_trouble_puts_the_bus_reset_first_and_forbids_nothing() {
    let known = Known {
        usage: Use::Free,
        tdi: Tdi::Unlocked,
        bmc: Bmc::NotConfigured,
        reset_class: ClassHistory::Unknown,
        in_place: ClassHistory::Unknown,
        in_place_shows: true,
        own_means: OwnMeans::NONE,
        sickness: Sickness::new(),
        preference: Preference::Rule,
        highest: Rung::SlotPower,
        only: None,
    };
    let mut machine = single();
    machine.function("01:00.0").identity = "10de:2b85".parse().unwrap();
    machine.function("01:00.0").class = "030000".parse().unwrap();
    let reported = of(&mut machine, "01:00.0");
    assert!(reported.reported.flr && !reported.reported.bus_reset);
    let decision = decide(&reported.facts(known), &Tried::none());
    assert_eq!(
        (decision.branch, decision.next),
        (Branch::ReportedFlr, Next::Try(Rung::BusResetInPlace))
    );
    // The function beside it is in the domain. For FLR, only reports about the function that is reset count.
    machine.function("01:00.0").identity = "10de:2489".parse().unwrap();
    machine.function("02:00.0").identity = "10de:2b85".parse().unwrap();
    assert_eq!(of(&mut machine, "01:00.0").reported, Reported::NOTHING);
}

#[test]
fn the_port_is_the_card_root_and_the_link_the_port_above() {
    let mut machine = amd();
    // Linux masks the PM reset of AMD's VGA functions.
    let amd = Surroundings {
        pm: Availability::Unavailable,
        ..FREE
    };
    assert_eq!(of(&mut machine, "03:00.0"), amd);
    machine.bridge("02:00.0").slot = Slot::Unknown;
    machine.bridge("02:00.0").cxl = Cxl::SbrMasked;
    assert_eq!(of(&mut machine, "03:00.0"), amd, "of the card's own switch");
    machine.bridge("00:01.1").link = PortLink::NotReported;
    assert_eq!(of(&mut machine, "03:00.0"), amd, "above the card's own switch");
    machine.bridge("02:00.0").link = PortLink::Inactive;
    machine.bridge("00:01.1").slot = Slot::None;
    let expected = Surroundings {
        link: PortLink::Inactive,
        hotplug: HotplugOwner::Nobody,
        slot_power: SlotPower::None,
        ..amd
    };
    assert_eq!(of(&mut machine, "03:00.0"), expected);
}

#[test]
fn drive_behind_the_same_card_root_makes_the_domain_shared() {
    let mut machine = amd();
    machine.function("03:00.1").class = "010802".parse().unwrap();
    let expected = Surroundings {
        pm: Availability::Unavailable,
        ..shared(NotExclusive::Bystander(at("03:00.1")))
    };
    assert_eq!(of(&mut machine, "03:00.0"), expected);
    // Behind a switch of the machine, the port directly above is the card root.
    let mut machine = behind_a_switch();
    assert_eq!(of(&mut machine, "03:00.0"), FREE);
}

#[test]
fn virtual_functions_make_a_domain_shared() {
    let mut machine = virtual_functions();
    let reason = NotExclusive::VirtualFunction(at("41:00.4"));
    assert_eq!(of(&mut machine, "41:00.0"), shared(reason));
    let of_one = of(&mut machine, "42:00.0");
    assert_eq!(of_one.exclusivity, Exclusivity::Shared);
    assert_eq!(of_one.secondary_bus_reset, Availability::Unavailable);
    assert_eq!(of_one.slot_power, SlotPower::None);
    assert_eq!(of_one.flr, Availability::Available);
}

#[test]
fn inconsistent_functions_are_unknown() {
    let unknown = Surroundings {
        exclusivity: Exclusivity::Unknown,
        not_exclusive: Some(NotExclusive::Doubtful(at("01:00.0"), Anomaly::VirtualFunctionsUnknown)),
        slot_power: SlotPower::Controller {
            domain: Exclusivity::Unknown,
        },
        ..FREE
    };
    after(|it| it.function("01:00.0").virtual_functions = None, unknown);
    let nowhere = Surroundings {
        exclusivity: Exclusivity::Unknown,
        not_exclusive: Some(NotExclusive::NoDomain(ResetUnavailable::NotKnown(MissingFact::Role))),
        flr: Availability::Unknown,
        pm: Availability::Unknown,
        secondary_bus_reset: Availability::Unknown,
        bus_reset: BusReset::Unknown,
        slot_power: SlotPower::Unknown,
        ..FREE
    };
    after(|it| it.function("01:00.0").role = Role::Unknown, nowhere);
    // The card root's buses do not contain it: it is unknown whose quirks count.
    let mut machine = amd();
    machine.bridge("00:01.1").buses.as_mut().unwrap().subordinate = 2;
    let outside = of(&mut machine, "03:00.0");
    assert_eq!(outside.exclusivity, Exclusivity::Unknown);
    assert_eq!(outside.bus_reset, BusReset::Unknown);
    assert_eq!(outside.secondary_bus_reset, Availability::Unknown);
    assert_eq!(outside.slot_power, SlotPower::Unknown);
}

#[test]
fn on_a_root_bus_there_is_nothing_but_flr() {
    let expected = Surroundings {
        exclusivity: Exclusivity::Unknown,
        not_exclusive: Some(NotExclusive::NoDomain(ResetUnavailable::RootBus)),
        hotplug: HotplugOwner::Nobody,
        link: PortLink::NotReported,
        secondary_bus_reset: Availability::Unavailable,
        slot_power: SlotPower::None,
        ..FREE
    };
    assert_eq!(of(&mut h100_server(), "15:00.4"), expected);
}

#[test]
fn an_unknown_fabric_is_a_fact_of_its_own() {
    let unknown = Surroundings {
        fabric: Fabric::Unknown,
        ..FREE
    };
    let h100 = |it: &mut Machine| it.function("01:00.0").identity = "10de:2330".parse().unwrap();
    after(h100, unknown);
    // On a card with two GPUs the other GPU's quirks count too.
    let mut machine = arc_b();
    machine.function("04:00.0").class = "038000".parse().unwrap();
    assert_eq!(of(&mut machine, "03:00.0"), unknown);
    machine.function("04:00.0").fabric = Membership::Alone;
    assert_eq!(of(&mut machine, "03:00.0"), FREE);
}

#[test]
fn an_unknown_fabric_hides_no_other_reason() {
    let mut machine = virtual_functions();
    machine.function("41:00.0").identity = "10de:2330".parse().unwrap();
    let expected = Surroundings {
        fabric: Fabric::Unknown,
        ..shared(NotExclusive::VirtualFunction(at("41:00.4")))
    };
    assert_eq!(of(&mut machine, "41:00.0"), expected);
}

#[test]
fn known_peers_count_for_exclusivity() {
    let join = |it: &mut Machine| {
        for address in ["01:00.0", "02:00.0"] {
            it.function(address).fabric = Membership::With(at("01:00.0"));
        }
    };
    let peers = Fabric::Peers;
    after(join, Surroundings { fabric: peers, ..FREE });
    let join_drive = |it: &mut Machine| {
        join(it);
        it.function("02:00.0").class = "010802".parse().unwrap();
    };
    let shared = Surroundings {
        fabric: peers,
        ..shared(NotExclusive::Bystander(at("02:00.0")))
    };
    after(join_drive, shared);
}

#[test]
fn without_a_hot_plug_slot_hotplug_has_no_owner() {
    let nobody = Surroundings {
        hotplug: HotplugOwner::Nobody,
        slot_power: SlotPower::None,
        ..FREE
    };
    let unowned = slot(Fact::Yes, Fact::Yes, HotplugOwner::Nobody);
    let fixed = slot(Fact::No, Fact::Yes, HotplugOwner::Unknown);
    for it in [Slot::None, fixed, unowned] {
        after(|machine| machine.bridge("00:01.0").slot = it, nobody);
    }
}

#[test]
fn slot_has_an_owner_and_maybe_a_power_controller() {
    let none = SlotPower::None;
    let unknown = SlotPower::Unknown;
    let controller = FREE.slot_power;
    for (it, hotplug, slot_power) in [
        (Slot::Unknown, HotplugOwner::Unknown, unknown),
        (slot(Fact::Yes, Fact::No, HotplugOwner::Os), HotplugOwner::Os, none),
        (
            slot(Fact::Yes, Fact::Unknown, HotplugOwner::Os),
            HotplugOwner::Os,
            unknown,
        ),
        (
            slot(Fact::Unknown, Fact::Yes, HotplugOwner::Os),
            HotplugOwner::Os,
            unknown,
        ),
        (
            slot(Fact::Yes, Fact::Yes, HotplugOwner::Firmware),
            HotplugOwner::Firmware,
            controller,
        ),
        (
            slot(Fact::Yes, Fact::Yes, HotplugOwner::Acpi),
            HotplugOwner::Acpi,
            controller,
        ),
        (
            slot(Fact::Yes, Fact::Yes, HotplugOwner::Unknown),
            HotplugOwner::Unknown,
            controller,
        ),
    ] {
        let expected = Surroundings {
            hotplug,
            slot_power,
            ..FREE
        };
        after(|machine| machine.bridge("00:01.0").slot = it, expected);
    }
}

#[test]
fn quirk_applies_to_the_port_or_to_functions_below() {
    let forbidden = |bus_reset| Surroundings { bus_reset, ..FREE };
    let port = |it: &mut Machine| it.function("00:01.0").identity = "10de:22ce".parse().unwrap();
    after(port, forbidden(BusReset::ForbiddenAtPort));
    let mut machine = amd();
    machine.function("03:00.1").identity = "168c:003e".parse().unwrap();
    assert_eq!(of(&mut machine, "03:00.0").bus_reset, BusReset::ForbiddenAtChild);
    // A quirk hides neither the port's own mask nor a foreign owner.
    let all = |it: &mut Machine| {
        port(it);
        it.bridge("00:01.0").cxl = Cxl::SbrMasked;
        it.bridge("00:01.0").slot = slot(Fact::Yes, Fact::Yes, HotplugOwner::Firmware);
    };
    let expected = Surroundings {
        secondary_bus_reset: Availability::Unavailable,
        hotplug: HotplugOwner::Firmware,
        ..forbidden(BusReset::ForbiddenAtPort)
    };
    after(all, expected);
}

#[test]
fn a_cxl_port_may_mask_its_reset() {
    let cxl = |cxl| move |it: &mut Machine| it.bridge("00:01.0").cxl = cxl;
    let expected = |secondary_bus_reset| Surroundings {
        secondary_bus_reset,
        ..FREE
    };
    after(cxl(Cxl::SbrMasked), expected(Availability::Unavailable));
    after(cxl(Cxl::Unknown), expected(Availability::Unknown));
    after(cxl(Cxl::SbrUnmasked), FREE);
    // A plain PCIe card below a CXL-capable port.
    after(cxl(Cxl::NotInUse), FREE);
}

#[test]
fn flr_is_there_by_either_capability() {
    use Fact::{No, Unknown as Open, Yes};
    for (express, advanced_features, flr) in [
        (Yes, No, Availability::Available),
        (No, Yes, Availability::Available),
        (Yes, Open, Availability::Available),
        (No, Open, Availability::Unknown),
        (Open, No, Availability::Unknown),
        (No, No, Availability::Unavailable),
    ] {
        let offer = |it: &mut Machine| {
            it.function("01:00.0").flr = express;
            it.function("01:00.0").advanced_features_flr = advanced_features;
        };
        after(offer, Surroundings { flr, ..FREE });
    }
    let quirk = |it: &mut Machine| it.function("01:00.0").identity = "1022:149c".parse().unwrap();
    let flr = Availability::Unavailable;
    let expected = Surroundings {
        flr,
        // A vendor without known models.
        fabric: Fabric::Unknown,
        ..FREE
    };
    after(quirk, expected);
}

#[test]
fn flr_reaches_the_functions_that_have_it() {
    let reach = |address: &str, express, advanced_features| {
        let mut machine = geforce();
        machine.function(address).flr = express;
        machine.function(address).advanced_features_flr = advanced_features;
        of(&mut machine, "01:00.0").flr_reach
    };
    use Fact::{No, Unknown as Open, Yes};
    let audio = "01:00.1";
    assert_eq!(reach(audio, Yes, No), FlrReach::All);
    assert_eq!(reach(audio, No, Yes), FlrReach::All);
    for (express, advanced_features) in [(No, No), (No, Open), (Open, No)] {
        assert_eq!(reach(audio, express, advanced_features), FlrReach::LeavesSome);
    }
    // A function that is not ours does not count; for the function itself there is a separate fact.
    assert_eq!(reach("01:00.2", No, No), FlrReach::All);
    assert_eq!(reach("01:00.0", No, No), FlrReach::All);
    // A quirk forbids it.
    let mut machine = geforce();
    machine.function(audio).identity = "1022:149c".parse().unwrap();
    assert_eq!(of(&mut machine, "01:00.0").flr_reach, FlrReach::LeavesSome);
}

#[test]
fn a_power_management_reset_resets_something() {
    for (power, pm) in [
        (Power::None, Availability::Unavailable),
        (Power::Unknown, Availability::Unknown),
        (
            Power::Present {
                no_soft_reset: Fact::Yes,
                state: Some(PowerState::D0),
            },
            Availability::Unavailable,
        ),
        (
            Power::Present {
                no_soft_reset: Fact::No,
                state: Some(PowerState::D3hot),
            },
            Availability::Unavailable,
        ),
        (
            Power::Present {
                no_soft_reset: Fact::No,
                state: None,
            },
            Availability::Unknown,
        ),
    ] {
        let change = |it: &mut Machine| it.function("01:00.0").power = power;
        after(change, Surroundings { pm, ..FREE });
    }
}

#[test]
fn method_is_available_for_every_answer() {
    for (readiness, answer) in [
        (Some(Readiness::Absent), Answer::Absent),
        (Some(Readiness::NotReady), Answer::NotReady),
        (None, Answer::Unknown),
    ] {
        let change = |it: &mut Machine| it.function("01:00.0").readiness = readiness;
        after(change, Surroundings { answer, ..FREE });
    }
    for link in [PortLink::Inactive, PortLink::Unreadable, PortLink::NotReported] {
        let change = |it: &mut Machine| it.bridge("00:01.0").link = link;
        after(change, Surroundings { link, ..FREE });
    }
}
