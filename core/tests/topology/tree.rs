//! The functions above, beside and below a function.

use reseat_core::topology::function::Fact;
use reseat_core::topology::{Node, Place, Topology, TopologyError};

use crate::machines::*;

#[track_caller]
fn card_root(machine: &mut Machine, address: &str, root: Option<&str>) {
    let found = find(machine.topology(), address).card_root();
    assert_eq!(found.map(Place::address), root.map(at));
}

#[test]
fn port_above_leads_to_the_bus() {
    let mut machine = h100_server();
    let topology = machine.topology();
    for (address, port) in [
        ("19:00.0", Some("17:01.0")),
        ("1c:00.0", Some("17:1f.0")),
        ("17:01.0", Some("16:00.0")),
        ("16:00.0", Some("15:01.0")),
        ("15:01.0", None),
        ("15:00.4", None),
    ] {
        let found = find(topology, address).port_above();
        assert_eq!(found.map(Place::address), port.map(at), "{address}");
    }
    assert_eq!(doubts(topology).next(), None);
}

#[test]
fn buses_are_local_to_a_segment() {
    let mut machine = vmd();
    let topology = machine.topology();
    let drive = find(topology, "10000:01:00.0");
    assert_eq!(drive.port_above().map(Place::address), Some(at("10000:00:01.0")));
    assert_eq!(
        texts(find(topology, "0000:00:01.0").below()),
        ["0000:01:00.0"],
        "not the drive's segment"
    );
}

#[test]
fn card_root_is_off_the_card() {
    card_root(&mut amd(), "03:00.0", Some("00:01.1"));
    card_root(&mut amd(), "02:00.0", Some("00:01.1"));
    card_root(&mut arc_b(), "03:00.0", Some("00:01.0"));
    card_root(&mut arc_b(), "04:00.0", Some("00:01.0"));
    card_root(&mut geforce(), "01:00.1", Some("00:01.0"));
}

#[test]
fn a_switch_of_the_machine_is_not_the_card() {
    card_root(&mut h100_server(), "19:00.0", Some("17:01.0"));
    card_root(&mut behind_a_switch(), "03:00.0", Some("02:08.0"));
}

#[test]
fn a_card_with_a_switch_behind_a_switch_of_the_machine() {
    let mut machine = Machine::new(vec![
        root_port("00:01.1", "1022:14ab", 1, 5),
        upstream("01:00.0", "1000:c030", 2, 5),
        downstream("02:00.0", "1000:c030", 3, 5),
        upstream("03:00.0", "1002:1478", 4, 5),
        downstream("04:00.0", "1002:1479", 5, 5),
        endpoint("05:00.0", "1002:74a1", "120000"),
    ]);
    card_root(&mut machine, "05:00.0", Some("02:00.0"));
}

#[test]
fn a_root_port_of_the_cards_vendor_is_not_the_card() {
    let mut machine = Machine::new(vec![
        root_port("00:02.0", "1002:5a16", 1, 1),
        endpoint("01:00.0", "1002:67df", "030000"),
    ]);
    card_root(&mut machine, "01:00.0", Some("00:02.0"));
}

#[test]
fn nothing_is_above_the_root_bus() {
    card_root(&mut h100_server(), "15:00.4", None);
    let mut machine = amd();
    machine.remove("00:01.1");
    card_root(&mut machine, "03:00.0", Some("01:00.0"));
}

#[test]
fn a_board_with_a_plx_switch_warns_and_decides_nothing() {
    let mut machine = behind_a_switch();
    machine.function("03:00.0").identity = "10de:102d".parse().unwrap();
    card_root(&mut machine, "03:00.0", Some("02:08.0"));
    let topology = machine.topology();
    assert_eq!(find(topology, "03:00.0").warnings().count(), 1);
    assert_eq!(find(topology, "03:00.1").warnings().count(), 0);
}

#[test]
fn siblings_share_the_device_number() {
    let mut machine = geforce();
    assert_eq!(
        texts(find(machine.topology(), "01:00.1").siblings()),
        ["0000:01:00.0", "0000:01:00.2", "0000:01:00.3"]
    );
    let mut machine = conventional();
    assert_eq!(
        texts(find(machine.topology(), "02:04.0").siblings()),
        Vec::<String>::new()
    );
}

#[test]
fn with_ari_the_bus_is_one_device() {
    let mut machine = geforce();
    machine.move_to("01:00.3", "01:01.0");
    let siblings = |machine: &mut Machine| find(machine.topology(), "01:00.0").siblings().count();
    assert_eq!(siblings(&mut machine), 2);
    machine.bridge("00:01.0").ari_forwarding = Fact::Yes;
    assert_eq!(siblings(&mut machine), 3);
    machine.bridge("00:01.0").ari_forwarding = Fact::Unknown;
    assert_eq!(siblings(&mut machine), 3, "one link, one device");
}

#[test]
fn a_switch_s_own_bus_has_many_devices() {
    let mut machine = h100_server();
    machine.bridge("16:00.0").ari_forwarding = Fact::Unknown;
    assert_eq!(find(machine.topology(), "17:01.0").siblings().count(), 0);
}

#[test]
fn virtual_functions_are_listed_and_no_siblings() {
    let mut machine = virtual_functions();
    let topology = machine.topology();
    let physical = find(topology, "41:00.0");
    assert_eq!(
        texts(physical.virtual_functions()),
        ["0000:41:00.4", "0000:41:1f.7", "0000:42:00.0", "0000:42:00.1"]
    );
    assert_eq!(physical.siblings().count(), 0);
    assert_eq!(physical.on_same_bus().count(), 2);
    let far = find(topology, "42:00.1");
    assert_eq!(far.port_above().map(Place::address), Some(at("40:01.0")));
    assert_eq!(doubts(topology).next(), None);
}

#[test]
fn peers_of_a_conventional_bus() {
    let mut machine = conventional();
    let topology = machine.topology();
    assert_eq!(
        texts(find(topology, "02:04.0").on_same_bus()),
        ["0000:02:05.0", "0000:02:06.0"]
    );
    assert_eq!(
        texts(find(topology, "01:00.0").below()),
        ["0000:02:04.0", "0000:02:05.0", "0000:02:06.0", "0000:03:00.0"]
    );
}

#[test]
fn a_bridge_without_buses_leads_nowhere() {
    let mut machine = single();
    let buses = machine.bridge("00:02.0").buses.as_mut().unwrap();
    (buses.secondary, buses.subordinate) = (0, 0);
    machine.remove("02:00.0");
    let topology = machine.topology();
    assert_eq!(find(topology, "00:02.0").below().count(), 0);
    assert_eq!(doubts(topology).next(), None);
}

#[test]
fn functions_come_in_order_and_once() {
    let one = endpoint("01:00.0", "10de:2489", "030000");
    let other = endpoint("01:00.1", "10de:228b", "040300");
    let error = |functions: &[_], room: usize| Topology::new(functions, &mut vec![Node::EMPTY; room]).err();
    assert_eq!(error(&[one, other], 2), None);
    assert_eq!(error(&[], 0), None);
    assert_eq!(error(&[one, one], 2), Some(TopologyError::Duplicate(one.address)));
    assert_eq!(error(&[other, one], 2), Some(TopologyError::Unsorted(one.address)));
    assert_eq!(error(&[one, other], 1), Some(TopologyError::NoRoom { needed: 2 }));
}

#[test]
fn former_content_of_the_nodes_does_not_matter() {
    let mut machine = virtual_functions();
    let before: Vec<_> = texts(machine.topology().places().flat_map(Place::virtual_functions));
    let again: Vec<_> = texts(machine.topology().places().flat_map(Place::virtual_functions));
    assert_eq!(before, again);
}
