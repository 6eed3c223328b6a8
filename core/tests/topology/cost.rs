//! The cost of large machines. Quadratic work on 100,000 functions would take minutes here.

use std::time::{Duration, Instant};

use reseat_core::header::BusNumbers;
use reseat_core::topology::function::{Bridge, Function, Role};
use reseat_core::topology::method::Method;
use reseat_core::topology::{Node, Place, Topology};

use crate::large;
use crate::machines::{doubts, endpoint};

const FUNCTIONS: usize = 100_000;

/// Builds the topology and asks every question about every function; returns the number of available resets.
fn judge(functions: &[Function]) -> usize {
    let begin = Instant::now();
    let mut nodes = vec![Node::EMPTY; functions.len()];
    let topology = Topology::new(functions, &mut nodes).unwrap();
    let resets = topology
        .places()
        .flat_map(|place| Method::ALL.map(|method| place.reset(method)));
    let available = resets.filter(Result::is_ok).count();
    let roots = topology.places().filter_map(Place::card_root).count();
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    available + roots
}

#[test]
fn servers() {
    let functions = large::functions(FUNCTIONS);
    assert!(functions.len() >= FUNCTIONS && functions.is_sorted_by_key(|function| function.address));
    let mut nodes = vec![Node::EMPTY; functions.len()];
    let topology = Topology::new(&functions, &mut nodes).unwrap();
    assert_eq!(doubts(topology).next(), None);
    assert!(judge(&functions) > FUNCTIONS);
}

#[test]
fn a_segment_for_each_function() {
    let address = |segment: usize| format!("{segment:x}:ff:1f.7");
    let functions: Vec<_> = (0..FUNCTIONS)
        .map(|segment| endpoint(&address(segment), "10de:2489", "030000"))
        .collect();
    judge(&functions);
}

#[test]
fn full_buses_and_virtual_functions_of_one() {
    let mut functions = Vec::new();
    for number in 0..=0xffff_u16 {
        let [bus, rest] = number.to_be_bytes();
        let address = format!("{bus:02x}:{:02x}.{}", rest >> 3, rest & 7);
        functions.push(endpoint(&address, "10de:26ba", "030200"));
    }
    judge(&functions);
    let physical = functions[0].address;
    functions[0].virtual_functions = Some(0xffff);
    for function in &mut functions[1..] {
        function.physical_function = Some(physical);
    }
    judge(&functions);
}

#[test]
fn chains_as_deep_as_a_segment_allows() {
    let mut functions = Vec::new();
    for segment in 0..FUNCTIONS / 256 {
        for bus in 0..0xff_u8 {
            let mut bridge = endpoint(&format!("{segment:x}:{bus:02x}:00.0"), "1000:c030", "060400");
            bridge.role = Role::Bridge(Bridge::new(BusNumbers {
                primary: bus,
                secondary: bus + 1,
                subordinate: 0xff,
            }));
            functions.push(bridge);
        }
        functions.push(endpoint(&format!("{segment:x}:ff:00.0"), "10de:2489", "030000"));
    }
    judge(&functions);
}
