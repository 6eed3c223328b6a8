//! Fabric members, and their effect on a reset at a port.

use reseat_core::topology::anomaly::Anomaly;
use reseat_core::topology::domain::NotExclusive;
use reseat_core::topology::function::Membership;
use reseat_core::topology::method::Method;
use reseat_core::topology::{Connector, Fabric};

use crate::machines::*;

fn fabric(identity: &str, class: &str) -> Fabric {
    let mut machine = single();
    machine.function("01:00.0").identity = identity.parse().unwrap();
    machine.function("01:00.0").class = class.parse().unwrap();
    find(machine.topology(), "01:00.0").fabric()
}

/// Four accelerators, each behind its own root port, the first three in a hive.
fn hive() -> Machine {
    let mut functions = Vec::new();
    for bus in 1..5 {
        functions.push(root_port(&format!("00:{bus:02x}.0"), "1022:14ab", bus, bus));
        let mut gpu = endpoint(&format!("{bus:02x}:00.0"), "1002:74a1", "120000");
        gpu.fabric = if bus < 4 {
            Membership::With(at("02:00.0"))
        } else {
            Membership::Alone
        };
        functions.push(gpu);
    }
    Machine::new(functions)
}

#[test]
fn modules_may_have_one_and_boards_have_none() {
    for (identity, class, expected) in [
        ("10de:2330", "030200", Fabric::Unknown),
        ("10de:2335", "030200", Fabric::Unknown),
        ("10de:20b0", "030200", Fabric::Unknown),
        ("10de:2331", "030200", Fabric::Unknown),
        ("10de:22a3", "068000", Fabric::Unknown),
        ("1002:74a1", "120000", Fabric::Unknown),
        ("1002:740f", "038000", Fabric::Unknown),
        ("8086:0bd5", "038000", Fabric::Unknown),
        ("10de:26b9", "030200", Fabric::None),
        ("10de:2489", "030000", Fabric::None),
        ("1002:744c", "030000", Fabric::None),
        ("8086:56a0", "030000", Fabric::None),
        ("8086:56c0", "038000", Fabric::None),
        ("144d:a824", "010802", Fabric::None),
    ] {
        assert_eq!(fabric(identity, class), expected, "{identity}");
    }
}

#[test]
fn boards_with_a_connector_for_a_bridge_may_have_one() {
    for (identity, class, expected) in [
        ("10de:2204", "030000", Fabric::Unknown), // RTX 3090
        ("10de:2203", "030000", Fabric::Unknown), // RTX 3090 Ti
        ("10de:2206", "030000", Fabric::None),    // RTX 3080
        ("10de:2230", "030000", Fabric::Unknown), // RTX A6000
        ("10de:2231", "030000", Fabric::Unknown), // RTX A5000
        ("10de:2233", "030000", Fabric::Unknown), // RTX A5500
        ("10de:24b0", "030000", Fabric::None),    // RTX A4000
        ("10de:2235", "030200", Fabric::Unknown), // A40
        ("10de:1e04", "030000", Fabric::Unknown), // RTX 2080 Ti
        ("10de:1e82", "030000", Fabric::Unknown), // RTX 2080
        ("10de:1e84", "030000", Fabric::Unknown), // RTX 2070 SUPER
        ("10de:1f02", "030000", Fabric::None),    // RTX 2070
        ("10de:1e90", "030000", Fabric::None),    // RTX 2080 Mobile
        ("10de:1e30", "030000", Fabric::Unknown), // Quadro RTX 6000 and 8000
        ("10de:1eb0", "030000", Fabric::Unknown), // Quadro RTX 5000
        ("10de:1eb1", "030000", Fabric::None),    // Quadro RTX 4000
        ("10de:1dba", "030000", Fabric::Unknown), // Quadro GV100
        ("10de:15f0", "030000", Fabric::Unknown), // Quadro GP100
        ("10de:1db7", "030000", Fabric::Unknown), // V100 in a DGX Station
        ("10de:2684", "030000", Fabric::None),    // RTX 4090
    ] {
        assert_eq!(fabric(identity, class), expected, "{identity}");
    }
}

#[test]
fn every_board_has_the_connector_of_its_model() {
    for (identity, class, expected) in [
        ("10de:2331", "030200", Connector::Bridge), // H100 PCIe
        ("10de:20f1", "030200", Connector::Bridge), // A100 PCIe
        ("10de:20b5", "030200", Connector::Bridge), // A100 PCIe 80 GB
        ("10de:2204", "030000", Connector::Bridge), // RTX 3090
        ("10de:2231", "030000", Connector::Bridge), // RTX A5000
        ("10de:2231", "030200", Connector::Bridge), // the same without a display
        ("10de:1e07", "030000", Connector::Bridge), // RTX 2080 Ti
        ("10de:2235", "030200", Connector::Bridge), // A40
        ("1002:740f", "038000", Connector::Bridge), // MI210
        ("8086:0bda", "038000", Connector::Bridge), // Max 1100
        ("10de:27b8", "030200", Connector::None),   // L4
        ("10de:26b5", "030200", Connector::None),   // L40
        ("10de:2236", "030200", Connector::None),   // A10
        ("10de:25b6", "030200", Connector::None),   // A2, A16
        ("10de:1b38", "030200", Connector::None),   // P40
        ("10de:1db4", "030200", Connector::None),   // V100 PCIe
        ("10de:1eb8", "030200", Connector::None),   // T4
        ("8086:56c1", "038000", Connector::None),   // Flex 140
        ("10de:2b85", "030000", Connector::None),   // RTX 5090, by its class
        ("10de:20b0", "030200", Connector::Board),  // A100 SXM4
        ("10de:2330", "030200", Connector::Board),  // H100 SXM5
        ("1002:75a3", "120000", Connector::Board),  // MI355X
        ("10de:ffff", "030200", Connector::Board),  // of no row
        ("1eff:0001", "120000", Connector::Board),
    ] {
        let mut machine = single();
        machine.function("01:00.0").identity = identity.parse().unwrap();
        machine.function("01:00.0").class = class.parse().unwrap();
        assert_eq!(find(machine.topology(), "01:00.0").connector(), expected, "{identity}");
    }
}

/// A GPU at 01:00.0 with its audio function, and other GPUs behind ports of their own.
fn boards(gpu: (&str, &str), others: &[(&str, &str)]) -> Machine {
    let mut functions = Vec::new();
    for (bus, (identity, class)) in (1_u8..).zip([&gpu].into_iter().chain(others)) {
        functions.push(root_port(&format!("00:{bus:02x}.0"), "1022:14ab", bus, bus));
        functions.push(endpoint(&format!("{bus:02x}:00.0"), identity, class));
        functions.push(endpoint(&format!("{bus:02x}:00.1"), "10de:1aef", "040300"));
    }
    functions.sort_by_key(|function| function.address);
    Machine::new(functions)
}

fn joinable(gpu: (&str, &str), others: &[(&str, &str)]) -> Vec<String> {
    let mut machine = boards(gpu, others);
    let topology = machine.topology();
    texts(find(topology, "01:00.0").joinable())
        .into_iter()
        .map(|text| text.to_string())
        .collect()
}

#[test]
fn a_bridge_joins_boards_of_one_vendor_that_have_a_connector_for_it() {
    let (rtx_3090, rtx_3060) = (("10de:2204", "030000"), ("10de:2504", "030000"));
    let (mi210, l4, h100_sxm) = (
        ("1002:740f", "038000"),
        ("10de:27b8", "030200"),
        ("10de:2330", "030200"),
    );
    let unknown = ("10de:ffff", "030200");
    let none: [String; 0] = [];
    assert_eq!(joinable(rtx_3090, &[]), none);
    assert_eq!(joinable(rtx_3090, &[rtx_3060, mi210, l4, h100_sxm]), none);
    assert_eq!(joinable(rtx_3090, &[rtx_3060, rtx_3090]), ["0000:03:00.0"]);
    assert_eq!(joinable(rtx_3090, &[unknown]), ["0000:02:00.0"]);
    assert_eq!(joinable(rtx_3060, &[rtx_3090]), none, "it has no connector");
}

#[test]
fn virtual_function_is_not_a_board() {
    let mut machine = boards(("10de:2235", "030200"), &[("10de:2235", "030200")]);
    machine.function("02:00.0").virtual_functions = Some(1);
    let mut functions = vec![virtual_function("02:00.4", "10de:2235", "030200", "02:00.0")];
    functions.extend(machine.topology().places().map(|place| *place.function()));
    functions.sort_by_key(|function| function.address);
    let mut machine = Machine::new(functions);
    let topology = machine.topology();
    assert_eq!(texts(find(topology, "01:00.0").joinable()), ["0000:02:00.0"]);
}

#[test]
fn data_center_gpu_without_a_row_may_have_a_fabric() {
    assert_eq!(fabric("10de:ffff", "030200"), Fabric::Unknown);
    assert_eq!(fabric("1002:ffff", "038000"), Fabric::Unknown);
    assert_eq!(fabric("1eff:0001", "120000"), Fabric::Unknown);
}

#[test]
fn beside_a_fabric_switch_a_graphics_card_of_its_vendor_may_be_joined() {
    let mut machine = h100_server();
    machine.function("18:00.0").class = "030000".parse().unwrap();
    machine.function("18:00.0").identity = "10de:1fb0".parse().unwrap();
    assert_eq!(find(machine.topology(), "18:00.0").fabric(), Fabric::Unknown);
    machine.function("18:00.0").identity = "1a03:2000".parse().unwrap();
    assert_eq!(
        find(machine.topology(), "18:00.0").fabric(),
        Fabric::None,
        "another vendor's"
    );
    machine.function("18:00.0").identity = "10de:1fb0".parse().unwrap();
    machine.remove("81:00.0");
    assert_eq!(find(machine.topology(), "18:00.0").fabric(), Fabric::None);
}

#[test]
fn an_unknown_fabric_allows_nothing_above_flr() {
    let mut machine = h100_server();
    let topology = machine.topology();
    let gpu = find(topology, "19:00.0");
    let exclusivity = |method| gpu.reset(method).unwrap().exclusive(|_| true);
    assert_eq!(exclusivity(Method::Flr), Ok(()));
    for method in [Method::HotReset, Method::DetachSbr, Method::SlotPower] {
        assert_eq!(exclusivity(method), Err(NotExclusive::FabricUnknown(at("19:00.0"))));
    }
}

#[test]
fn fabric_report_outweighs_the_model() {
    let mut machine = h100_server();
    machine.function("19:00.0").fabric = Membership::Alone;
    let topology = machine.topology();
    let gpu = find(topology, "19:00.0");
    assert_eq!(gpu.fabric(), Fabric::None);
    let domain = gpu.reset(Method::DetachSbr).unwrap();
    assert_eq!(domain.exclusive(|_| true), Ok(()));
}

#[test]
fn peers_are_affected_by_a_reset_at_the_port() {
    let mut machine = hive();
    let topology = machine.topology();
    let hive = ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"];
    for (address, first) in [("01:00.0", 0), ("02:00.0", 1), ("03:00.0", 2)] {
        let gpu = find(topology, address);
        assert_eq!(gpu.fabric(), Fabric::Peers);
        let mut expected = hive;
        expected.rotate_left(first);
        assert_eq!(texts(gpu.peers()), expected[1..]);
        assert_eq!(texts(gpu.reset(Method::DetachSbr).unwrap().hits()), expected);
        assert_eq!(texts(gpu.reset(Method::Flr).unwrap().hits()), [address_of(address)]);
    }
    let alone = find(topology, "04:00.0");
    assert_eq!((alone.fabric(), alone.peers().count()), (Fabric::None, 0));
    assert_eq!(texts(alone.reset(Method::DetachSbr).unwrap().hits()), ["0000:04:00.0"]);
}

fn address_of(text: &str) -> String {
    at(text).to_string()
}

#[test]
fn foreign_peer_makes_the_domain_shared() {
    let mut machine = hive();
    let topology = machine.topology();
    let domain = find(topology, "01:00.0").reset(Method::DetachSbr).unwrap();
    assert_eq!(
        domain.exclusive(|function| function.address != at("03:00.0")),
        Err(NotExclusive::Bystander(at("03:00.0")))
    );
    assert_eq!(domain.exclusive(|_| true), Ok(()));
}

#[test]
fn peer_includes_its_virtual_functions() {
    let mut machine = hive();
    machine.function("03:00.0").virtual_functions = Some(1);
    let mut functions = vec![virtual_function("03:00.1", "1002:74b5", "120000", "03:00.0")];
    functions.extend(machine.topology().places().map(|place| *place.function()));
    let mut machine = Machine::new(functions);
    let topology = machine.topology();
    let domain = find(topology, "01:00.0").reset(Method::DetachSbr).unwrap();
    assert!(domain.contains(at("03:00.1")));
    let exclusivity = domain.exclusive(|_| true);
    assert_ne!(exclusivity, Ok(()));
}

#[test]
fn fabric_named_by_a_non_member_is_unknown() {
    let mut machine = hive();
    machine.function("02:00.0").fabric = Membership::Alone;
    let unclear = Anomaly::FabricUnclear(at("02:00.0"));
    let topology = machine.topology();
    assert_eq!(
        doubts(topology)
            .map(|doubt| (doubt.address, doubt.anomaly))
            .collect::<Vec<_>>(),
        [(at("01:00.0"), unclear), (at("03:00.0"), unclear)]
    );
    assert_eq!(find(topology, "01:00.0").fabric(), Fabric::Unknown);
}

#[test]
fn a_virtual_function_is_on_a_fabric_through_its_physical_one() {
    let mut machine = hive();
    machine.function("03:00.0").physical_function = Some(at("04:00.0"));
    let topology = machine.topology();
    let virtual_function = find(topology, "03:00.0");
    assert_eq!(virtual_function.fabric(), Fabric::Unknown);
    assert_eq!(texts(find(topology, "01:00.0").peers()), ["0000:02:00.0"]);
}
