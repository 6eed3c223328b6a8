//! The affected functions, and their ownership.

use reseat_core::topology::Place;
use reseat_core::topology::domain::NotExclusive;
use reseat_core::topology::function::Function;
use reseat_core::topology::method::Method;

use crate::machines::*;

fn hits(machine: &mut Machine, address: &str, method: Method) -> Vec<String> {
    texts(find(machine.topology(), address).reset(method).unwrap().hits())
}

/// Returns the exclusivity if everything on these buses is ours.
fn exclusivity(machine: &mut Machine, address: &str, method: Method, ours: &[u8]) -> Result<(), NotExclusive> {
    let domain = find(machine.topology(), address).reset(method).unwrap();
    domain.exclusive(|function: &Function| ours.contains(&function.address.bus()))
}

#[test]
fn flr_affects_one_function() {
    assert_eq!(hits(&mut geforce(), "01:00.0", Method::Flr), ["0000:01:00.0"]);
    assert_eq!(exclusivity(&mut geforce(), "01:00.0", Method::Flr, &[1]), Ok(()));
}

#[test]
fn flr_of_a_physical_function_affects_its_virtual_functions() {
    let mut machine = virtual_functions();
    let all = [
        "0000:41:00.0",
        "0000:41:00.4",
        "0000:41:1f.7",
        "0000:42:00.0",
        "0000:42:00.1",
    ];
    assert_eq!(hits(&mut machine, "41:00.0", Method::Flr), all);
    assert_eq!(hits(&mut machine, "42:00.0", Method::Flr), ["0000:42:00.0"]);
    assert_eq!(
        hits(&mut machine, "41:00.0", Method::DetachSbr),
        all,
        "nobody is hit twice"
    );
}

#[test]
fn a_domain_with_virtual_functions_is_not_exclusive() {
    let mut machine = virtual_functions();
    for method in [Method::Flr, Method::DetachSbr] {
        assert_eq!(
            exclusivity(&mut machine, "41:00.0", method, &[0x41, 0x42]),
            Err(NotExclusive::VirtualFunction(at("41:00.4")))
        );
        assert_eq!(
            exclusivity(&mut machine, "41:00.0", method, &[0x41]),
            Err(NotExclusive::Bystander(at("42:00.0")))
        );
    }
    assert_eq!(exclusivity(&mut machine, "42:00.0", Method::Flr, &[0x42]), Ok(()));
}

#[test]
fn reset_at_the_card_root_affects_the_whole_card() {
    let card = ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0", "0000:03:00.1"];
    assert_eq!(hits(&mut amd(), "03:00.0", Method::DetachSbr), card);
    assert_eq!(hits(&mut amd(), "03:00.0", Method::SlotPower), card);
    assert_eq!(
        hits(&mut amd(), "03:00.0", Method::HotReset),
        ["0000:03:00.0", "0000:03:00.1"]
    );
}

#[test]
fn bridges_are_affected_but_not_counted_as_others() {
    assert_eq!(exclusivity(&mut amd(), "03:00.0", Method::DetachSbr, &[3]), Ok(()));
}

#[test]
fn audio_below_its_own_port_is_affected() {
    let mut machine = arc_b();
    assert_eq!(
        exclusivity(&mut machine, "03:00.0", Method::DetachSbr, &[3]),
        Err(NotExclusive::Bystander(at("04:00.0")))
    );
    assert_eq!(exclusivity(&mut machine, "03:00.0", Method::DetachSbr, &[3, 4]), Ok(()));
}

#[test]
fn drive_on_the_same_switch_is_not_affected() {
    let mut machine = behind_a_switch();
    let domain = find(machine.topology(), "03:00.0").reset(Method::DetachSbr).unwrap();
    assert_eq!(domain.port().map(Place::address), Some(at("02:08.0")));
    assert!(!domain.contains(at("04:00.0")));
    assert_eq!(exclusivity(&mut machine, "03:00.0", Method::DetachSbr, &[3]), Ok(()));
}

#[test]
fn peers_on_a_conventional_bus_are_bystanders() {
    let mut machine = conventional();
    assert_eq!(
        hits(&mut machine, "02:04.0", Method::HotReset),
        ["0000:02:04.0", "0000:02:05.0", "0000:02:06.0", "0000:03:00.0"]
    );
    let domain = find(machine.topology(), "02:04.0").reset(Method::HotReset).unwrap();
    let bystanders = domain.bystanders(|function| function.address == at("02:04.0"));
    assert_eq!(texts(bystanders), ["0000:02:05.0", "0000:03:00.0"]);
}

#[test]
fn one_foreign_function_makes_the_domain_shared() {
    let mut machine = geforce();
    let domain = find(machine.topology(), "01:00.0").reset(Method::DetachSbr).unwrap();
    assert_eq!(domain.exclusive(|_| true), Ok(()));
    for bystander in ["01:00.0", "01:00.1", "01:00.2", "01:00.3"] {
        let exclusivity = domain.exclusive(|function| function.address != at(bystander));
        assert_eq!(exclusivity, Err(NotExclusive::Bystander(at(bystander))));
    }
}
