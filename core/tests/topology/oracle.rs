//! An independent implementation in the simplest way, in quadratic time, and properties of every answer.

use std::collections::HashSet;

use reseat_core::address::FunctionAddress;
use reseat_core::decision::{
    self, Attempt, Availability, Bmc, ClassHistory, Known, OwnMeans, Preference, Reach, Rung, Sickness, Surroundings,
    Tdi, Tried, Use, decide,
};
use reseat_core::header::BusNumbers;
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::quirk::Effect;
use reseat_core::topology::domain::Domain;
use reseat_core::topology::function::{Bridge, Cxl, Fact, Function, HotplugOwner, Membership, Power, Role, Slot};
use reseat_core::topology::method::Method;
use reseat_core::topology::{Fabric, Node, Place, Topology};

/// Asserts the properties of a set of functions in ascending order. `ours` defines their ownership.
pub(crate) fn check(functions: &[Function], ours: impl Fn(&Function) -> bool) {
    let mut nodes = vec![Node::EMPTY; functions.len()];
    let topology = Topology::new(functions, &mut nodes).expect("in order");
    assert_eq!(topology.places().len(), functions.len());
    for (place, function) in topology.places().zip(functions) {
        assert_eq!(place.function(), function);
        let found = topology.find(function.address).expect("it is one of them");
        assert_eq!(found.address(), function.address);
        tree(functions, place);
        for method in Method::ALL {
            match place.reset(method) {
                Ok(domain) => reset(functions, &domain, method, &ours),
                Err(why) => assert!(!why.to_string().is_empty()),
            }
            let _in_vain = place.listed_in_vain(method);
        }
        judged(functions, place, &ours);
    }
}

fn tree(functions: &[Function], place: Place<'_>) {
    let function = place.function();
    let above = above(functions, function).map(|above| above.address);
    assert_eq!(place.port_above().map(Place::address), above);
    let mut at = place;
    while let Some(port) = at.port_above() {
        assert!(port.address().bus() < at.address().bus(), "the way up ends");
        at = port;
    }
    let below: HashSet<_> = place.below().map(Place::address).collect();
    assert_eq!(below, self::below(functions, function));
    assert_eq!(place.card_root().is_some(), above.is_some());
    assert!(place.siblings().all(|sibling| sibling.address() != function.address));
    let virtual_functions: HashSet<_> = place.virtual_functions().map(Place::address).collect();
    assert_eq!(virtual_functions, self::virtual_functions(functions, function));
    let peers: HashSet<_> = place.peers().map(Place::address).collect();
    assert_eq!(peers, self::peers(functions, function));
    assert!(place.fabric() == Fabric::Peers || peers.is_empty());
}

fn reset(functions: &[Function], domain: &Domain<'_>, method: Method, ours: &impl Fn(&Function) -> bool) {
    let place = domain.function();
    let function = place.function();
    assert_eq!(function.role, Role::Endpoint);
    match method {
        Method::Flr => assert_eq!(function.flr, Fact::Yes),
        Method::AdvancedFeaturesFlr => assert_eq!(function.advanced_features_flr, Fact::Yes),
        _ => {}
    }
    let hits: Vec<_> = domain.hits().map(Place::address).collect();
    let distinct: HashSet<_> = hits.iter().copied().collect();
    assert_eq!(hits.len(), distinct.len(), "nobody is hit twice");
    assert!(distinct.contains(&function.address), "who is meant is hit");
    let expected = match domain.port() {
        Some(port) => at_the_port(functions, port.function()),
        None => with_virtual_functions(functions, HashSet::from([function.address])),
    };
    assert_eq!(distinct, expected);
    let bystanders: HashSet<_> = domain.bystanders(ours).map(Place::address).collect();
    assert!(bystanders.is_subset(&distinct));
    if domain.exclusive(ours) == Ok(()) {
        exclusive(functions, domain, &expected, ours);
    }
    assert_ne!(domain.exclusive(|_| false), Ok(()), "nothing of it is ours");
}

/// Checks that everything that the rule permits at a place, with no other obstacle, is safe by the known facts.
fn judged(functions: &[Function], place: Place<'_>, ours: &impl Fn(&Function) -> bool) {
    let facts = Surroundings::of(place, ours).facts(Known {
        usage: Use::Free,
        tdi: Tdi::Unlocked,
        bmc: Bmc::Configured {
            domain: decision::Exclusivity::Exclusive,
        },
        reset_class: ClassHistory::Unknown,
        in_place: ClassHistory::Unknown,
        in_place_shows: true,
        own_means: OwnMeans {
            device_specific: Availability::Available,
            acpi: Availability::Available,
        },
        sickness: Sickness::new(),
        preference: Preference::Rule,
        highest: Rung::BmcPower,
        only: None,
    });
    let mut tried = Tried::none();
    while let Some(rung) = decide(&facts, &tried).next.rung() {
        assert!(!tried.contains(rung));
        let reach = Reach::NotReset;
        tried.note(Attempt { rung, reach });
        if rung.above_flr() {
            at_the_card_root(functions, place, rung, ours);
        } else {
            at_the_function(place, rung);
        }
    }
}

fn at_the_card_root(functions: &[Function], place: Place<'_>, rung: Rung, ours: &impl Fn(&Function) -> bool) {
    let root = place.card_root().expect("a port for it");
    assert!(place.function().physical_function.is_none());
    let hits = at_the_port(functions, root.function());
    assert!(hits.contains(&place.address()));
    exclusive(functions, &place.card().expect("who is hit is known"), &hits, ours);
    let Role::Bridge(Bridge { slot, cxl, .. }) = root.function().role else {
        panic!("{root:?} is no bridge");
    };
    let (hot_plug, power_controller, owner) = match slot {
        Slot::None => (Fact::No, Fact::No, HotplugOwner::Nobody),
        Slot::Unknown => panic!("a slot of which nothing is known"),
        Slot::Present {
            hot_plug,
            power_controller,
            owner,
        } => (hot_plug, power_controller, owner),
    };
    let by_own_means = matches!(rung, Rung::DeviceSpecific | Rung::Acpi);
    if rung == Rung::BusResetInPlace || by_own_means {
        // A function that does not answer is not restored.
        let readiness = place.function().readiness;
        assert!(matches!(readiness, Some(Readiness::Ready(_))), "{readiness:?}");
    }
    if rung == Rung::SlotPower {
        let expected = (Fact::Yes, Fact::Yes, HotplugOwner::Os);
        assert_eq!((hot_plug, power_controller, owner), expected);
        return;
    }
    assert!(hot_plug == Fact::No || matches!(owner, HotplugOwner::Os | HotplugOwner::Nobody));
    if rung == Rung::BmcPower || by_own_means {
        return;
    }
    assert!(matches!(cxl, Cxl::None | Cxl::SbrUnmasked | Cxl::NotInUse));
    let is_forbidden = |place: Place<'_>| place.quirks().any(|quirk| quirk.effect == Effect::NoBusReset);
    assert!(!is_forbidden(root) && !root.below().any(is_forbidden));
}

fn at_the_function(place: Place<'_>, rung: Rung) {
    let function = place.function();
    assert!(matches!(function.readiness, Some(Readiness::Ready(_))));
    let link = place.port_above().map(|port| match port.function().role {
        Role::Bridge(bridge) => bridge.link,
        Role::Endpoint | Role::Unknown => PortLink::Unreadable,
    });
    assert!(matches!(link, None | Some(PortLink::Active | PortLink::NotReported)));
    let is_offered = match rung {
        Rung::KernelFlr => function.flr == Fact::Yes || function.advanced_features_flr == Fact::Yes,
        _ => matches!(
            function.power,
            Power::Present {
                no_soft_reset: Fact::No,
                ..
            }
        ),
    };
    assert!(is_offered, "{rung} of {function:?}");
    let effect = match rung {
        Rung::KernelFlr => Effect::NoFlr,
        _ => Effect::NoPowerManagementReset,
    };
    assert!(!place.quirks().any(|quirk| quirk.effect == effect));
}

/// Checks the conditions for an exclusive domain without using anomalies.
fn exclusive(
    functions: &[Function],
    domain: &Domain<'_>,
    hits: &HashSet<FunctionAddress>,
    ours: &impl Fn(&Function) -> bool,
) {
    let meant = domain.function().address();
    for function in functions.iter().filter(|function| hits.contains(&function.address)) {
        let is_bridge = matches!(function.role, Role::Bridge(_));
        assert_ne!(function.role, Role::Unknown);
        assert!(is_bridge || ours(function), "foreign function {}", function.address);
        assert!(function.physical_function.is_none() || function.address == meant);
        assert!(is_bridge || function.virtual_functions.is_some() || function.physical_function.is_some());
        if let Role::Bridge(bridge) = function.role {
            assert!(bridge.buses.is_some());
        }
    }
    let Some(port) = domain.port() else { return };
    let around = buses(port.function()).expect("a port leads somewhere");
    let segment = port.address().segment();
    for function in functions
        .iter()
        .filter(|function| function.address.segment() == segment)
    {
        if function.address == port.address() {
            continue;
        }
        let Some(other) = buses(function) else { continue };
        let within = around.secondary <= other.secondary && other.subordinate <= around.subordinate;
        let outside = other.secondary < around.secondary && around.subordinate <= other.subordinate;
        let apart = other.subordinate < around.secondary || around.subordinate < other.secondary;
        assert!(within || outside || apart, "{} overlaps", function.address);
        if within {
            assert!(hits.contains(&function.address), "{} leads into it", function.address);
        }
    }
    for hit in domain.hits() {
        assert_ne!(hit.fabric(), Fabric::Unknown);
    }
}

/// The buses below a bridge, if it leads anywhere.
fn buses(function: &Function) -> Option<BusNumbers> {
    let Role::Bridge(bridge) = function.role else {
        return None;
    };
    let buses = bridge.buses?;
    let down = buses.secondary > function.address.bus() && buses.subordinate >= buses.secondary;
    down.then_some(buses)
}

/// The bridge above: the first of the widest that lead to the bus. For a virtual function on a bus that none leads to,
/// the innermost bridge whose range contains the bus.
fn above<'f>(functions: &'f [Function], function: &Function) -> Option<&'f Function> {
    let bus = function.address.bus();
    let bridges = || {
        functions
            .iter()
            .filter(|bridge| bridge.address.segment() == function.address.segment())
            .filter_map(|bridge| Some((bridge, buses(bridge)?)))
    };
    let leads_to = |bus| {
        let leading = || bridges().filter(|(_, buses)| buses.secondary == bus);
        let widest = leading().map(|(_, buses)| buses.subordinate).max()?;
        leading().find(|(_, buses)| buses.subordinate == widest)
    };
    let around = || {
        (0..bus)
            .rev()
            .filter_map(leads_to)
            .find(|(_, buses)| bus <= buses.subordinate)
    };
    let bridge = match function.physical_function {
        None => leads_to(bus),
        Some(_) => leads_to(bus).or_else(around),
    };
    bridge.map(|(bridge, _)| bridge)
}

fn below(functions: &[Function], bridge: &Function) -> HashSet<FunctionAddress> {
    let Some(buses) = buses(bridge) else {
        return HashSet::new();
    };
    let addresses = functions.iter().map(|function| function.address);
    addresses
        .filter(|address| address.segment() == bridge.address.segment())
        .filter(|address| (buses.secondary..=buses.subordinate).contains(&address.bus()))
        .collect()
}

fn virtual_functions(functions: &[Function], physical: &Function) -> HashSet<FunctionAddress> {
    if physical.physical_function.is_some() || matches!(physical.role, Role::Bridge(_)) {
        return HashSet::new();
    }
    functions
        .iter()
        .filter(|function| function.physical_function == Some(physical.address))
        .map(|function| function.address)
        .collect()
}

fn peers(functions: &[Function], function: &Function) -> HashSet<FunctionAddress> {
    let Membership::With(named_by) = function.fabric else {
        return HashSet::new();
    };
    if function.physical_function.is_some() {
        return HashSet::new();
    }
    let members: HashSet<_> = functions
        .iter()
        .filter(|member| member.fabric == function.fabric && member.physical_function.is_none())
        .filter(|member| member.address != function.address)
        .map(|member| member.address)
        .collect();
    if members.contains(&named_by) || named_by == function.address {
        members
    } else {
        HashSet::new()
    }
}

fn with_virtual_functions(functions: &[Function], mut hits: HashSet<FunctionAddress>) -> HashSet<FunctionAddress> {
    for function in functions {
        if hits.contains(&function.address) {
            hits.extend(virtual_functions(functions, function));
        }
    }
    hits
}

fn at_the_port(functions: &[Function], port: &Function) -> HashSet<FunctionAddress> {
    let below = below(functions, port);
    let mut hits = below.clone();
    for function in functions.iter().filter(|function| below.contains(&function.address)) {
        hits.extend(peers(functions, function));
    }
    with_virtual_functions(functions, hits)
}
