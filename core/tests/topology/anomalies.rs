//! Anomalies are reported, and nothing below them is exclusive.

use reseat_core::address::FunctionAddress;
use reseat_core::header::BusNumbers;
use reseat_core::topology::anomaly::{Anomaly, Doubt};
use reseat_core::topology::domain::NotExclusive;
use reseat_core::topology::function::Role;
use reseat_core::topology::method::Method;

use crate::machines::*;

fn anomalies(machine: &mut Machine) -> Vec<(FunctionAddress, Anomaly)> {
    let doubts = doubts(machine.topology());
    doubts.map(|Doubt { address, anomaly }| (address, anomaly)).collect()
}

#[track_caller]
fn exclusivity(machine: &mut Machine, address: &str, method: Method) -> Result<(), NotExclusive> {
    let domain = find(machine.topology(), address).reset(method).unwrap();
    domain.exclusive(|_| true)
}

fn buses(secondary: u8, subordinate: u8) -> Option<BusNumbers> {
    Some(BusNumbers {
        primary: 0,
        secondary,
        subordinate,
    })
}

#[test]
fn machines_as_they_are_built_have_none() {
    for mut machine in [
        geforce(),
        single(),
        amd(),
        arc_b(),
        h100_server(),
        behind_a_switch(),
        virtual_functions(),
        conventional(),
        vmd(),
    ] {
        assert_eq!(anomalies(&mut machine), []);
    }
}

#[test]
fn buses_overlap() {
    let mut machine = single();
    machine.bridge("00:01.0").buses = buses(1, 2);
    let overlap = [
        (at("00:01.0"), Anomaly::BusesOverlap(at("00:02.0"))),
        (at("00:02.0"), Anomaly::BusesOverlap(at("00:01.0"))),
    ];
    assert_eq!(anomalies(&mut machine), overlap);
    for address in ["01:00.0", "02:00.0"] {
        assert!(
            matches!(
                exclusivity(&mut machine, address, Method::DetachSbr),
                Err(NotExclusive::Doubtful(..))
            ),
            "{address}"
        );
    }
}

#[test]
fn buses_overlap_without_functions_there() {
    let mut machine = single();
    machine.bridge("00:01.0").buses = buses(1, 5);
    machine.bridge("00:02.0").buses = buses(4, 6);
    machine.remove("02:00.0");
    assert_eq!(anomalies(&mut machine).len(), 2);
}

#[test]
fn buses_reach_beyond_those_around_them() {
    let mut machine = amd();
    machine.bridge("02:00.0").buses = buses(3, 9);
    assert_eq!(
        anomalies(&mut machine),
        [
            (at("01:00.0"), Anomaly::BusesOverlap(at("02:00.0"))),
            (at("02:00.0"), Anomaly::BusesOverlap(at("01:00.0"))),
        ]
    );
    assert!(matches!(
        exclusivity(&mut machine, "03:00.0", Method::DetachSbr),
        Err(NotExclusive::Doubtful(..))
    ));
}

#[test]
fn a_bus_is_claimed_twice() {
    let mut machine = single();
    machine.bridge("00:02.0").buses = buses(1, 1);
    machine.remove("02:00.0");
    assert_eq!(
        anomalies(&mut machine),
        [
            (at("00:01.0"), Anomaly::BusClaimedTwice(at("00:02.0"))),
            (at("00:02.0"), Anomaly::BusClaimedTwice(at("00:01.0"))),
        ]
    );
    assert_eq!(
        exclusivity(&mut machine, "01:00.0", Method::DetachSbr),
        Err(NotExclusive::Doubtful(
            at("00:01.0"),
            Anomaly::BusClaimedTwice(at("00:02.0"))
        ))
    );
}

#[test]
fn bus_claimed_twice_belongs_to_the_wider_bridge() {
    // 01:00.0 claims bus 2 as well, and with it the first of the buses below 06:00.0.
    let mut machine = Machine::new(vec![
        root_port("00:01.0", "8086:352a", 2, 2),
        upstream("01:00.0", "1000:c030", 2, 7),
        root_port("06:00.0", "8086:352a", 7, 9),
        endpoint("07:00.0", "10de:26b9", "030200"),
    ]);
    assert!(matches!(
        exclusivity(&mut machine, "07:00.0", Method::DetachSbr),
        Err(NotExclusive::Doubtful(..))
    ));
}

#[test]
fn a_bridge_leads_back() {
    let mut machine = amd();
    machine.bridge("02:00.0").buses = buses(1, 3);
    let anomalies = anomalies(&mut machine);
    assert!(anomalies.contains(&(at("02:00.0"), Anomaly::BusesBackward { secondary: 1 })));
    assert!(anomalies.contains(&(at("03:00.0"), Anomaly::NoBridge)));
    assert_eq!(
        exclusivity(&mut machine, "03:00.0", Method::Flr),
        Err(NotExclusive::Doubtful(at("03:00.0"), Anomaly::NoBridge))
    );
}

#[test]
fn subordinate_below_secondary() {
    let mut machine = single();
    machine.bridge("00:01.0").buses = buses(5, 4);
    let inverted = Anomaly::BusesInverted {
        secondary: 5,
        subordinate: 4,
    };
    assert_eq!(anomalies(&mut machine), [(at("00:01.0"), inverted)]);
}

#[test]
fn buses_outside_those_of_the_bridge_above() {
    let mut machine = amd();
    machine.bridge("02:00.0").buses = buses(7, 7);
    machine.move_to("03:00.0", "07:00.0");
    machine.move_to("03:00.1", "07:00.1");
    assert_eq!(
        anomalies(&mut machine),
        [(at("02:00.0"), Anomaly::BusesOutside(at("01:00.0")))]
    );
    let topology = machine.topology();
    let gpu = find(topology, "07:00.0");
    assert!(gpu.reset(Method::DetachSbr).is_err(), "not below its card root");
    let switch = find(topology, "01:00.0");
    assert_eq!(texts(switch.below()), ["0000:02:00.0"]);
}

#[test]
fn unknown_buses_and_unknown_roles() {
    let mut machine = behind_a_switch();
    machine.bridge("02:10.0").buses = None;
    machine.function("03:00.1").role = Role::Unknown;
    assert_eq!(
        anomalies(&mut machine),
        [
            (at("02:10.0"), Anomaly::BusesUnknown),
            (at("03:00.1"), Anomaly::RoleUnknown),
            (at("04:00.0"), Anomaly::NoBridge),
        ]
    );
    assert_eq!(
        exclusivity(&mut machine, "03:00.0", Method::DetachSbr),
        Err(NotExclusive::Doubtful(at("03:00.1"), Anomaly::RoleUnknown))
    );
}

#[test]
fn an_anomaly_beside_is_no_doubt() {
    let mut machine = behind_a_switch();
    machine.bridge("02:10.0").buses = None;
    assert_eq!(exclusivity(&mut machine, "03:00.0", Method::DetachSbr), Ok(()));
}

#[test]
fn a_virtual_function_without_its_physical_one() {
    let mut machine = virtual_functions();
    machine.remove("41:00.0");
    let missing = Anomaly::PhysicalFunctionMissing(at("41:00.0"));
    let anomalies = anomalies(&mut machine);
    assert_eq!(anomalies.len(), 4);
    assert!(anomalies.contains(&(at("42:00.1"), missing)));
    assert_eq!(
        exclusivity(&mut machine, "42:00.1", Method::Flr),
        Err(NotExclusive::Doubtful(at("42:00.1"), missing))
    );
}

#[test]
fn a_virtual_function_of_a_virtual_function() {
    let mut machine = virtual_functions();
    machine.function("42:00.1").physical_function = Some(at("42:00.0"));
    assert_eq!(
        anomalies(&mut machine),
        [
            (at("41:00.0"), Anomaly::VirtualFunctionsMissing { enabled: 4 }),
            (at("42:00.1"), Anomaly::PhysicalFunctionMissing(at("42:00.0"))),
        ]
    );
}

#[test]
fn virtual_functions_that_are_not_all_there() {
    let mut machine = virtual_functions();
    machine.function("41:00.0").virtual_functions = Some(5);
    let missing = Anomaly::VirtualFunctionsMissing { enabled: 5 };
    assert_eq!(anomalies(&mut machine), [(at("41:00.0"), missing)]);
    machine.function("41:00.0").virtual_functions = None;
    assert_eq!(
        anomalies(&mut machine),
        [(at("41:00.0"), Anomaly::VirtualFunctionsUnknown)]
    );
    assert!(matches!(
        exclusivity(&mut machine, "41:00.0", Method::Flr),
        Err(NotExclusive::Doubtful(..))
    ));
}

#[test]
fn a_virtual_function_below_another_port() {
    let mut machine = single();
    machine.function("01:00.0").virtual_functions = Some(1);
    machine.function("02:00.0").physical_function = Some(at("01:00.0"));
    assert_eq!(
        anomalies(&mut machine),
        [
            (at("01:00.0"), Anomaly::VirtualFunctionElsewhere(at("02:00.0"))),
            (at("02:00.0"), Anomaly::VirtualFunctionElsewhere(at("01:00.0"))),
        ]
    );
    let topology = machine.topology();
    let domain = find(topology, "01:00.0").reset(Method::DetachSbr).unwrap();
    assert!(domain.contains(at("02:00.0")), "it goes with its physical function");
}

#[test]
fn everything_below_an_anomaly_is_in_doubt() {
    let mut functions = vec![root_port("00:02.0", "8086:2030", 1, 1)];
    functions.extend(behind_a_switch().topology().places().map(|place| *place.function()));
    let mut machine = Machine::new(functions);
    let claimed = Anomaly::BusClaimedTwice(at("00:02.0"));
    for method in [Method::Flr, Method::HotReset, Method::DetachSbr] {
        assert_eq!(
            exclusivity(&mut machine, "03:00.0", method),
            Err(NotExclusive::Doubtful(at("00:01.0"), claimed)),
            "two bridges further down"
        );
    }
}
