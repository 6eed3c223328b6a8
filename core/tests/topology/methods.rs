//! Each method, each reason against it, and the same case without the reason.

use reseat_core::capability::power_management::PowerState;
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::quirk::{Confidence, Source};
use reseat_core::topology::function::{Cxl, Fact, HotplugOwner, Power, Role, Slot};
use reseat_core::topology::method::{Method, MissingFact, ResetUnavailable};
#[cfg(feature = "serde")]
use reseat_core::topology::warning::Warning;

use crate::machines::*;

fn why(machine: &mut Machine, address: &str, method: Method) -> Option<ResetUnavailable> {
    find(machine.topology(), address).reset(method).err()
}

/// Asserts that a method is available, and unavailable after one change.
#[track_caller]
fn only_with(
    (mut machine, address): (Machine, &str),
    method: Method,
    change: impl FnOnce(&mut Machine),
    reason: ResetUnavailable,
) {
    assert_eq!(why(&mut machine, address, method), None, "before the change");
    change(&mut machine);
    assert_eq!(why(&mut machine, address, method), Some(reason));
}

fn card() -> (Machine, &'static str) {
    (single(), "01:00.0")
}

const FUNCTION_LEVEL: [Method; 3] = [Method::Flr, Method::AdvancedFeaturesFlr, Method::PowerManagement];
const AT_A_PORT: [Method; 4] = [Method::Bus, Method::HotReset, Method::DetachSbr, Method::SlotPower];

#[test]
fn bridges_and_unknown_roles_have_no_method() {
    let mut machine = amd();
    for method in Method::ALL {
        assert_eq!(
            why(&mut machine, "02:00.0", method),
            Some(ResetUnavailable::Bridge),
            "{method}"
        );
    }
    machine.function("03:00.0").role = Role::Unknown;
    for method in Method::ALL {
        assert_eq!(
            why(&mut machine, "03:00.0", method),
            Some(ResetUnavailable::NotKnown(MissingFact::Role)),
            "{method}"
        );
    }
}

#[test]
fn flr_is_offered() {
    use Method::{AdvancedFeaturesFlr, Flr};
    let offer = ResetUnavailable::NotKnown(MissingFact::Offer);
    only_with(
        card(),
        Flr,
        |it| it.function("01:00.0").flr = Fact::No,
        ResetUnavailable::NotOffered,
    );
    only_with(card(), Flr, |it| it.function("01:00.0").flr = Fact::Unknown, offer);
    let set = |fact| move |it: &mut Machine| it.function("01:00.0").advanced_features_flr = fact;
    only_with(card(), AdvancedFeaturesFlr, set(Fact::No), ResetUnavailable::NotOffered);
    only_with(card(), AdvancedFeaturesFlr, set(Fact::Unknown), offer);
}

#[test]
fn flr_is_forbidden_by_quirk() {
    for method in [Method::Flr, Method::AdvancedFeaturesFlr] {
        let change = |it: &mut Machine| it.function("01:00.0").identity = "1022:149c".parse().unwrap();
        only_with(card(), method, change, ResetUnavailable::Quirk(at("01:00.0")));
    }
}

#[test]
fn power_management_reset_is_offered() {
    let power = |power| move |it: &mut Machine| it.function("01:00.0").power = power;
    let present = |no_soft_reset, state| Power::Present { no_soft_reset, state };
    let d0 = Some(PowerState::D0);
    for (change, reason) in [
        (Power::None, ResetUnavailable::NotOffered),
        (Power::Unknown, ResetUnavailable::NotKnown(MissingFact::Offer)),
        (present(Fact::Yes, d0), ResetUnavailable::NoSoftReset),
        (
            present(Fact::Unknown, d0),
            ResetUnavailable::NotKnown(MissingFact::NoSoftReset),
        ),
        (
            present(Fact::No, Some(PowerState::D3hot)),
            ResetUnavailable::NotInD0(PowerState::D3hot),
        ),
        (
            present(Fact::No, None),
            ResetUnavailable::NotKnown(MissingFact::PowerState),
        ),
    ] {
        only_with(card(), Method::PowerManagement, power(change), reason);
    }
}

#[test]
fn power_management_reset_does_nothing_to_amd_graphics() {
    let mut machine = amd();
    let forbidden = Some(ResetUnavailable::Quirk(at("03:00.0")));
    assert_eq!(why(&mut machine, "03:00.0", Method::PowerManagement), forbidden);
    assert_eq!(
        why(&mut machine, "03:00.1", Method::PowerManagement),
        None,
        "not its audio"
    );
}

#[test]
fn function_that_does_not_answer_is_never_written_to() {
    for method in FUNCTION_LEVEL {
        let readiness = |readiness| move |it: &mut Machine| it.function("01:00.0").readiness = readiness;
        for gone in [
            Readiness::Absent,
            Readiness::NotReady,
            Readiness::LinkInactive,
            Readiness::PhysicalFunctionNotReady,
        ] {
            only_with(
                card(),
                method,
                readiness(Some(gone)),
                ResetUnavailable::NotAnswering(gone),
            );
        }
        only_with(
            card(),
            method,
            readiness(None),
            ResetUnavailable::NotKnown(MissingFact::Readiness),
        );
    }
}

#[test]
fn nothing_is_written_below_a_link_that_is_not_active() {
    for method in FUNCTION_LEVEL {
        let link = |link| move |it: &mut Machine| it.bridge("00:01.0").link = link;
        only_with(card(), method, link(PortLink::Inactive), ResetUnavailable::LinkInactive);
        only_with(
            card(),
            method,
            link(PortLink::Unreadable),
            ResetUnavailable::NotKnown(MissingFact::Link),
        );
        let mut machine = single();
        machine.bridge("00:01.0").link = PortLink::NotReported;
        assert_eq!(
            why(&mut machine, "01:00.0", method),
            None,
            "most bridges report nothing"
        );
    }
}

#[test]
fn reset_at_the_port_does_not_need_the_function() {
    for method in AT_A_PORT {
        let mut machine = single();
        machine.bridge("00:01.0").link = PortLink::Inactive;
        machine.function("01:00.0").readiness = Some(Readiness::Absent);
        assert_eq!(why(&mut machine, "01:00.0", method), None, "{method}");
    }
}

#[test]
fn no_port_is_above_the_root_bus() {
    let mut machine = h100_server();
    for method in AT_A_PORT.into_iter().chain([Method::CxlBus]) {
        assert_eq!(
            why(&mut machine, "15:00.4", method),
            Some(ResetUnavailable::RootBus),
            "{method}"
        );
    }
    for method in FUNCTION_LEVEL {
        assert_eq!(why(&mut machine, "15:00.4", method), None, "{method}");
    }
}

#[test]
fn card_root_has_to_contain_the_function() {
    for method in [Method::DetachSbr, Method::SlotPower] {
        let narrower = |it: &mut Machine| it.bridge("00:01.1").buses.as_mut().unwrap().subordinate = 2;
        only_with(
            (amd(), "03:00.0"),
            method,
            narrower,
            ResetUnavailable::NotKnown(MissingFact::Buses),
        );
    }
}

#[test]
fn virtual_functions_have_flr_and_no_port() {
    let mut machine = virtual_functions();
    assert_eq!(why(&mut machine, "42:00.0", Method::Flr), None);
    for method in AT_A_PORT {
        assert_eq!(
            why(&mut machine, "42:00.0", method),
            Some(ResetUnavailable::VirtualFunction),
            "{method}"
        );
    }
    assert_eq!(
        why(&mut machine, "41:00.0", Method::Bus),
        Some(ResetUnavailable::Sibling(at("41:00.4"))),
        "to the kernel they are siblings too"
    );
    assert_eq!(why(&mut machine, "41:00.0", Method::HotReset), None);
}

#[test]
fn bus_reset_of_one_function_has_no_sibling() {
    let mut machine = geforce();
    for (address, sibling) in [("01:00.0", "01:00.1"), ("01:00.3", "01:00.2")] {
        assert_eq!(
            why(&mut machine, address, Method::Bus),
            Some(ResetUnavailable::Sibling(at(sibling)))
        );
        assert_eq!(why(&mut machine, address, Method::HotReset), None);
    }
    for sibling in ["01:00.1", "01:00.2", "01:00.3"] {
        machine.remove(sibling);
    }
    assert_eq!(why(&mut machine, "01:00.0", Method::Bus), None);
}

#[test]
fn on_a_conventional_bus_every_peer_is_a_sibling() {
    let mut machine = conventional();
    assert_eq!(
        why(&mut machine, "02:04.0", Method::Bus),
        Some(ResetUnavailable::Sibling(at("02:05.0")))
    );
    assert_eq!(why(&mut machine, "03:00.0", Method::Bus), None);
}

#[test]
fn a_quirk_of_the_function_forbids_every_bus_reset() {
    for method in [Method::Bus, Method::HotReset, Method::DetachSbr] {
        let change = |it: &mut Machine| it.function("01:00.0").identity = "10de:2342".parse().unwrap();
        only_with(card(), method, change, ResetUnavailable::Quirk(at("01:00.0")));
        let change = |it: &mut Machine| it.function("00:01.0").identity = "10de:22ce".parse().unwrap();
        only_with(card(), method, change, ResetUnavailable::Quirk(at("00:01.0")));
    }
    let mut machine = single();
    machine.function("01:00.0").identity = "10de:2342".parse().unwrap();
    assert_eq!(
        why(&mut machine, "01:00.0", Method::SlotPower),
        None,
        "power is no bus reset"
    );
    assert_eq!(
        why(&mut machine, "02:00.0", Method::DetachSbr),
        None,
        "nor its neighbour's"
    );
}

#[test]
fn a_quirk_of_anything_below_forbids_it() {
    let mut machine = arc_b();
    machine.function("04:00.0").identity = "168c:003e".parse().unwrap();
    let forbidden = Some(ResetUnavailable::Quirk(at("04:00.0")));
    assert_eq!(why(&mut machine, "03:00.0", Method::DetachSbr), forbidden);
    assert_eq!(
        why(&mut machine, "03:00.0", Method::HotReset),
        None,
        "below a port of its own"
    );
    machine.function("04:00.0").identity = "8086:e2f7".parse().unwrap();
    assert_eq!(why(&mut machine, "03:00.0", Method::DetachSbr), None);
}

#[test]
fn a_masked_cxl_port_resets_nothing() {
    for method in [Method::Bus, Method::HotReset, Method::DetachSbr] {
        let cxl = |cxl| move |it: &mut Machine| it.bridge("00:01.0").cxl = cxl;
        only_with(card(), method, cxl(Cxl::SbrMasked), ResetUnavailable::CxlSbrMasked);
        only_with(
            card(),
            method,
            cxl(Cxl::Unknown),
            ResetUnavailable::NotKnown(MissingFact::Cxl),
        );
        let mut machine = single();
        machine.bridge("00:01.0").cxl = Cxl::SbrUnmasked;
        assert_eq!(why(&mut machine, "01:00.0", method), None);
    }
}

#[test]
fn port_that_masks_its_reset_for_cxl_still_resets_a_plain_card() {
    let mut machine = single();
    machine.bridge("00:01.0").cxl = Cxl::NotInUse;
    for (method, reason) in [
        (Method::HotReset, None),
        (Method::DetachSbr, None),
        (Method::CxlBus, None),
        // The kernel lists it and then refuses it.
        (Method::Bus, Some(ResetUnavailable::CxlSbrMasked)),
    ] {
        assert_eq!(why(&mut machine, "01:00.0", method), reason, "{method}");
    }
    let listed = find(machine.topology(), "01:00.0").listed_in_vain(Method::Bus);
    assert_eq!(listed, Some(ResetUnavailable::CxlSbrMasked));
}

#[test]
fn cxl_bus_needs_a_cxl_port_masked_or_not() {
    let mut machine = single();
    for (cxl, reason) in [
        (Cxl::None, Some(ResetUnavailable::NotCxl)),
        (Cxl::Unknown, Some(ResetUnavailable::NotKnown(MissingFact::Cxl))),
        (Cxl::SbrMasked, None),
        (Cxl::SbrUnmasked, None),
    ] {
        machine.bridge("00:01.0").cxl = cxl;
        assert_eq!(why(&mut machine, "01:00.0", Method::CxlBus), reason);
    }
    let mut machine = geforce();
    machine.bridge("00:01.0").cxl = Cxl::SbrMasked;
    assert_eq!(
        why(&mut machine, "01:00.0", Method::CxlBus),
        Some(ResetUnavailable::Sibling(at("01:00.1")))
    );
}

/// The slot at the card root, which is not the port above.
#[track_caller]
fn slot(method: Method, slot: Slot, reason: Option<ResetUnavailable>) {
    let mut machine = amd();
    machine.bridge("00:01.1").slot = slot;
    machine.bridge("02:00.0").slot = Slot::Unknown;
    assert_eq!(why(&mut machine, "03:00.0", method), reason, "{method} {slot:?}");
}

fn present(hot_plug: Fact, power_controller: Fact, owner: HotplugOwner) -> Slot {
    Slot::Present {
        hot_plug,
        power_controller,
        owner,
    }
}

#[test]
fn slot_power_needs_a_controller_and_the_system_as_owner() {
    use Fact::{No, Unknown as Open, Yes};
    let os = HotplugOwner::Os;
    for (it, reason) in [
        (present(Yes, Yes, os), None),
        (Slot::None, Some(ResetUnavailable::NoSlot)),
        (Slot::Unknown, Some(ResetUnavailable::NotKnown(MissingFact::Slot))),
        (present(No, Yes, os), Some(ResetUnavailable::NotHotPlug)),
        (
            present(Open, Yes, os),
            Some(ResetUnavailable::NotKnown(MissingFact::Slot)),
        ),
        (present(Yes, No, os), Some(ResetUnavailable::NoPowerController)),
        (
            present(Yes, Open, os),
            Some(ResetUnavailable::NotKnown(MissingFact::PowerController)),
        ),
        (
            present(Yes, Yes, HotplugOwner::Firmware),
            Some(ResetUnavailable::FirmwareOwnsHotplug),
        ),
        (
            present(Yes, Yes, HotplugOwner::Acpi),
            Some(ResetUnavailable::AcpiOwnsHotplug),
        ),
        (
            present(Yes, Yes, HotplugOwner::Nobody),
            Some(ResetUnavailable::NotHotPlug),
        ),
        (
            present(Yes, Yes, HotplugOwner::Unknown),
            Some(ResetUnavailable::NotKnown(MissingFact::HotplugOwner)),
        ),
    ] {
        slot(Method::SlotPower, it, reason);
    }
}

#[test]
fn detach_sbr_needs_the_system_as_owner_of_a_hot_plug_slot() {
    use Fact::{No, Unknown as Open, Yes};
    for (it, reason) in [
        (present(Yes, No, HotplugOwner::Os), None),
        (Slot::None, None),
        (present(No, No, HotplugOwner::Unknown), None),
        (present(Yes, No, HotplugOwner::Nobody), None),
        (Slot::Unknown, Some(ResetUnavailable::NotKnown(MissingFact::Slot))),
        (
            present(Open, Open, HotplugOwner::Unknown),
            Some(ResetUnavailable::NotKnown(MissingFact::HotplugOwner)),
        ),
        (
            present(Yes, No, HotplugOwner::Firmware),
            Some(ResetUnavailable::FirmwareOwnsHotplug),
        ),
        (
            present(Yes, No, HotplugOwner::Acpi),
            Some(ResetUnavailable::AcpiOwnsHotplug),
        ),
    ] {
        slot(Method::DetachSbr, it, reason);
    }
}

#[test]
fn reports_about_a_model_change_no_method() {
    let all = |machine: &mut Machine| Method::ALL.map(|method| why(machine, "01:00.0", method));
    for identity in ["10de:2b85", "10de:2b87", "10de:2b8c", "1002:67df", "10de:102d"] {
        let mut machine = single();
        machine.function("01:00.0").class = "038000".parse().unwrap();
        let before = all(&mut machine);
        machine.function("01:00.0").identity = identity.parse().unwrap();
        assert_eq!(all(&mut machine), before, "{identity}");
        let topology = machine.topology();
        let gpu = find(topology, "01:00.0");
        assert_eq!(gpu.warnings().count(), 1, "{identity}");
        let domain = gpu.reset(Method::DetachSbr).unwrap();
        assert_eq!(
            domain.warnings().map(|warning| warning.address).collect::<Vec<_>>(),
            [at("01:00.0")]
        );
    }
}

#[test]
fn warning_has_function_effect_and_source() {
    let mut machine = single();
    machine.function("01:00.0").identity = "1002:75a3".parse().unwrap();
    let topology = machine.topology();
    let domain = find(topology, "01:00.0").reset(Method::DetachSbr).unwrap();
    let [warning] = domain.warnings().collect::<Vec<_>>()[..] else {
        panic!()
    };
    assert_eq!(
        (warning.source, warning.confidence),
        (Source::Reports, Confidence::Reported)
    );
    assert_eq!(
        warning.to_string(),
        "0000:01:00.0 may read all-ones after any reset (reported: users): MI300X and MI355X: stay all-ones after a reset \
         through vfio-pci"
    );
    #[cfg(feature = "serde")]
    {
        let json = serde_json::to_string(&warning).unwrap();
        assert_eq!(serde_json::from_str::<Warning>(&json).unwrap(), warning);
    }
}

#[test]
fn the_kernel_lists_bus_at_the_first_of_several_functions() {
    let mut machine = geforce();
    let in_vain = |machine: &mut Machine, address: &str| find(machine.topology(), address).listed_in_vain(Method::Bus);
    assert_eq!(
        in_vain(&mut machine, "01:00.0"),
        Some(ResetUnavailable::Sibling(at("01:00.1")))
    );
    assert_eq!(in_vain(&mut machine, "01:00.1"), None, "sees the first one");
    assert_eq!(in_vain(&mut single(), "01:00.0"), None, "it works");
    assert_eq!(in_vain(&mut h100_server(), "15:00.4"), None, "on the root bus");
    assert_eq!(in_vain(&mut amd(), "02:00.0"), Some(ResetUnavailable::Bridge));
}

#[test]
fn kernel_lists_bus_even_if_the_port_forbids_it() {
    let mut machine = single();
    let in_vain = |machine: &mut Machine| find(machine.topology(), "01:00.0").listed_in_vain(Method::Bus);
    machine.function("00:01.0").identity = "10de:22d0".parse().unwrap();
    assert_eq!(in_vain(&mut machine), Some(ResetUnavailable::Quirk(at("00:01.0"))));
    machine.function("01:00.0").identity = "10de:2342".parse().unwrap();
    machine.function("00:01.0").identity = "8086:460d".parse().unwrap();
    assert_eq!(in_vain(&mut machine), None, "its own quirk the kernel knows");
    let mut machine = single();
    machine.bridge("00:01.0").cxl = Cxl::SbrMasked;
    assert_eq!(in_vain(&mut machine), Some(ResetUnavailable::CxlSbrMasked));
    let mut machine = geforce();
    machine.bridge("00:01.0").cxl = Cxl::SbrMasked;
    let second = find(machine.topology(), "01:00.1");
    assert_eq!(
        second.listed_in_vain(Method::Bus),
        Some(ResetUnavailable::Sibling(at("01:00.0")))
    );
}

#[test]
fn the_kernel_lists_pm_in_every_power_state() {
    let mut machine = single();
    let in_vain = |machine: &mut Machine| find(machine.topology(), "01:00.0").listed_in_vain(Method::PowerManagement);
    assert_eq!(in_vain(&mut machine), None);
    machine.function("01:00.0").power = Power::Present {
        no_soft_reset: Fact::No,
        state: Some(PowerState::D3hot),
    };
    assert_eq!(
        in_vain(&mut machine),
        Some(ResetUnavailable::NotInD0(PowerState::D3hot))
    );
    machine.function("01:00.0").power = Power::Present {
        no_soft_reset: Fact::Yes,
        state: Some(PowerState::D3hot),
    };
    assert_eq!(in_vain(&mut machine), None, "not listed");
}
