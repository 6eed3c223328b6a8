//! Machines, function by function. Everything is known and every reset is available unless a test changes it.

use std::mem::replace;

use reseat_core::address::FunctionAddress;
use reseat_core::capability::express::PortType;
use reseat_core::capability::power_management::PowerState;
use reseat_core::header::BusNumbers;
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::topology::anomaly::Doubt;
use reseat_core::topology::function::{Bridge, Cxl, Fact, Function, HotplugOwner, Power, Role, Slot};
use reseat_core::topology::{Node, Place, Topology};

pub(crate) fn at(text: &str) -> FunctionAddress {
    text.parse().unwrap()
}

/// Returns all anomalies with their locations.
pub(crate) fn doubts(topology: Topology<'_>) -> impl Iterator<Item = Doubt> {
    let of_its_own = |place: Place<'_>| place.doubt().filter(|doubt| doubt.address == place.address());
    topology.places().filter_map(of_its_own)
}

/// A function that supports every reset and answers.
pub(crate) fn endpoint(address: &str, identity: &str, class: &str) -> Function {
    let identity = identity.parse().unwrap();
    Function {
        role: Role::Endpoint,
        flr: Fact::Yes,
        advanced_features_flr: Fact::Yes,
        power: Power::Present {
            no_soft_reset: Fact::No,
            state: Some(PowerState::D0),
        },
        readiness: Some(Readiness::Ready(identity)),
        virtual_functions: Some(0),
        ..Function::new(at(address), identity, class.parse().unwrap())
    }
}

pub(crate) fn virtual_function(address: &str, identity: &str, class: &str, physical: &str) -> Function {
    Function {
        physical_function: Some(at(physical)),
        ..endpoint(address, identity, class)
    }
}

/// A port with a slot that the operating system owns, with a power controller.
pub(crate) fn port(address: &str, identity: &str, port_type: PortType, secondary: u8, subordinate: u8) -> Function {
    let address = at(address);
    let buses = BusNumbers {
        primary: address.bus(),
        secondary,
        subordinate,
    };
    let bridge = Bridge {
        buses: Some(buses),
        port_type: Some(port_type),
        ari_forwarding: Fact::No,
        link: PortLink::Active,
        slot: Slot::Present {
            hot_plug: Fact::Yes,
            power_controller: Fact::Yes,
            owner: HotplugOwner::Os,
        },
        cxl: Cxl::None,
    };
    Function {
        role: Role::Bridge(bridge),
        ..Function::new(address, identity.parse().unwrap(), "060400".parse().unwrap())
    }
}

pub(crate) fn root_port(address: &str, identity: &str, secondary: u8, subordinate: u8) -> Function {
    port(address, identity, PortType::RootPort, secondary, subordinate)
}

pub(crate) fn upstream(address: &str, identity: &str, secondary: u8, subordinate: u8) -> Function {
    port(address, identity, PortType::SwitchUpstreamPort, secondary, subordinate)
}

pub(crate) fn downstream(address: &str, identity: &str, secondary: u8, subordinate: u8) -> Function {
    port(
        address,
        identity,
        PortType::SwitchDownstreamPort,
        secondary,
        subordinate,
    )
}

/// A machine: its functions in order, and room for the topology's nodes.
pub(crate) struct Machine {
    functions: Vec<Function>,
    nodes: Vec<Node>,
}

impl Machine {
    pub(crate) fn new(mut functions: Vec<Function>) -> Self {
        functions.sort_by_key(|function| function.address);
        Self {
            nodes: vec![Node::EMPTY; functions.len()],
            functions,
        }
    }

    pub(crate) fn topology(&mut self) -> Topology<'_> {
        Topology::new(&self.functions, &mut self.nodes).unwrap()
    }

    pub(crate) fn function(&mut self, address: &str) -> &mut Function {
        let address = at(address);
        let mut functions = self.functions.iter_mut();
        functions.find(|function| function.address == address).unwrap()
    }

    pub(crate) fn bridge(&mut self, address: &str) -> &mut Bridge {
        match &mut self.function(address).role {
            Role::Bridge(bridge) => bridge,
            other => panic!("{address} is {other:?}"),
        }
    }

    pub(crate) fn remove(&mut self, address: &str) {
        let address = at(address);
        self.functions.retain(|function| function.address != address);
    }

    pub(crate) fn move_to(&mut self, from: &str, to: &str) {
        let moved = replace(&mut self.function(from).address, at(to));
        assert_eq!(moved, at(from));
        self.functions.sort_by_key(|function| function.address);
    }
}

pub(crate) fn find<'t>(topology: Topology<'t>, address: &str) -> Place<'t> {
    topology.find(at(address)).unwrap()
}

pub(crate) fn texts<'t>(places: impl Iterator<Item = Place<'t>>) -> Vec<String> {
    places.map(|place| place.address().to_string()).collect()
}

/// A `GeForce` with four functions behind a root port.
pub(crate) fn geforce() -> Machine {
    Machine::new(vec![
        root_port("00:01.0", "8086:460d", 1, 1),
        endpoint("01:00.0", "10de:2187", "030000"),
        endpoint("01:00.1", "10de:1aeb", "040300"),
        endpoint("01:00.2", "10de:1aec", "0c0330"),
        endpoint("01:00.3", "10de:1aed", "0c8000"),
    ])
}

/// A card with one function behind a root port, and the same beside it.
pub(crate) fn single() -> Machine {
    Machine::new(vec![
        root_port("00:01.0", "8086:460d", 1, 1),
        root_port("00:02.0", "8086:460d", 2, 2),
        endpoint("01:00.0", "10de:26b9", "030200"),
        endpoint("02:00.0", "10de:26b9", "030200"),
    ])
}

/// An AMD card with its own switch, behind a root port.
pub(crate) fn amd() -> Machine {
    Machine::new(vec![
        root_port("00:01.1", "1022:1483", 1, 3),
        upstream("01:00.0", "1002:1478", 2, 3),
        downstream("02:00.0", "1002:1479", 3, 3),
        endpoint("03:00.0", "1002:73ef", "030000"),
        endpoint("03:00.1", "1002:ab28", "040300"),
    ])
}

/// An Arc B card: graphics and audio below separate ports.
pub(crate) fn arc_b() -> Machine {
    Machine::new(vec![
        root_port("00:01.0", "8086:460d", 1, 4),
        upstream("01:00.0", "8086:e2ff", 2, 4),
        downstream("02:01.0", "8086:e2f0", 3, 3),
        downstream("02:02.0", "8086:e2f1", 4, 4),
        endpoint("03:00.0", "8086:e20b", "030000"),
        endpoint("04:00.0", "8086:e2f7", "040300"),
    ])
}

/// One branch of a server with eight H100: a PEX switch with a GPU, an NVMe drive and its
/// own management endpoint, and an `NVSwitch` behind another root port.
pub(crate) fn h100_server() -> Machine {
    Machine::new(vec![
        endpoint("15:00.4", "8086:0b23", "080700"),
        root_port("15:01.0", "8086:352a", 0x16, 0x1c),
        upstream("16:00.0", "1000:c030", 0x17, 0x1c),
        downstream("17:00.0", "1000:c030", 0x18, 0x18),
        downstream("17:01.0", "1000:c030", 0x19, 0x19),
        downstream("17:1f.0", "1000:c030", 0x1c, 0x1c),
        endpoint("18:00.0", "144d:a824", "010802"),
        endpoint("19:00.0", "10de:2330", "030200"),
        endpoint("1c:00.0", "1000:00b2", "010700"),
        root_port("80:01.0", "8086:352a", 0x81, 0x81),
        endpoint("81:00.0", "10de:22a3", "068000"),
    ])
}

/// Two graphics cards behind a switch of the machine, and a drive.
pub(crate) fn behind_a_switch() -> Machine {
    Machine::new(vec![
        root_port("00:01.0", "8086:2030", 1, 5),
        upstream("01:00.0", "10b5:8747", 2, 5),
        downstream("02:08.0", "10b5:8747", 3, 3),
        downstream("02:10.0", "10b5:8747", 4, 5),
        endpoint("03:00.0", "10de:1b00", "030000"),
        endpoint("03:00.1", "10de:10ef", "040300"),
        // An unrelated device on the same switch.
        endpoint("04:00.0", "144d:a808", "010802"),
    ])
}

/// An L20 with four virtual functions, of which ARI puts two on a second bus.
pub(crate) fn virtual_functions() -> Machine {
    let mut port = root_port("40:01.0", "8086:347a", 0x41, 0x42);
    if let Role::Bridge(bridge) = &mut port.role {
        bridge.ari_forwarding = Fact::Yes;
    }
    let mut functions = vec![port, endpoint("41:00.0", "10de:26ba", "030200")];
    functions[1].virtual_functions = Some(4);
    for address in ["41:00.4", "41:1f.7", "42:00.0", "42:00.1"] {
        functions.push(virtual_function(address, "10de:26ba", "030200", "41:00.0"));
    }
    Machine::new(functions)
}

/// Two cards on a conventional bus behind a PCIe bridge, one of them a bridge to a third.
pub(crate) fn conventional() -> Machine {
    let mut functions = vec![
        root_port("00:1c.0", "8086:9d10", 1, 3),
        port("01:00.0", "10b5:8112", PortType::ExpressToPciBridge, 2, 3),
        endpoint("02:04.0", "1274:5000", "040100"),
        endpoint("02:05.0", "10ec:8139", "020000"),
        port("02:06.0", "104c:ac28", PortType::RootPort, 3, 3),
        endpoint("03:00.0", "104c:8023", "0c0010"),
    ];
    for function in &mut functions {
        if let Role::Bridge(bridge) = &mut function.role
            && function.address.bus() > 0
        {
            bridge.link = PortLink::NotReported;
            bridge.slot = Slot::None;
        }
    }
    if let Role::Bridge(bridge) = &mut functions[4].role {
        bridge.port_type = None;
    }
    Machine::new(functions)
}

/// The same bus numbers in two segments, one of them VMD's.
pub(crate) fn vmd() -> Machine {
    Machine::new(vec![
        root_port("0000:00:01.0", "8086:352a", 1, 1),
        endpoint("0000:01:00.0", "10de:2489", "030000"),
        root_port("10000:00:01.0", "8086:352a", 1, 1),
        endpoint("10000:01:00.0", "144d:a824", "010802"),
    ])
}
