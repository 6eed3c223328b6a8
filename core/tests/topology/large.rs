//! Large machines, for `cargo xtask bench core` and the cost test.

use reseat_core::address::FunctionAddress;
use reseat_core::capability::express::PortType;
use reseat_core::capability::power_management::PowerState;
use reseat_core::header::{BusNumbers, ClassCode, Identity};
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::topology::function::{Bridge, Cxl, Fact, Function, HotplugOwner, Power, Role, Slot};

/// Returns at least `count` functions in ascending order, in a realistic server layout.
///
/// Each segment has eight root ports with a switch of four downstream ports. Below these are a GPU with two functions,
/// one with its own switch, one with virtual functions, and a drive.
/// with two functions, one with a switch of its own, one with virtual functions, and a drive.
pub(crate) fn functions(count: usize) -> Vec<Function> {
    let mut functions = Vec::with_capacity(count.next_multiple_of(8 * BRANCH));
    for segment in 0.. {
        if functions.len() >= count {
            break;
        }
        let start = functions.len();
        for branch in 0..8 {
            self::branch(&mut functions, segment, branch);
        }
        functions[start..].sort_by_key(|function| function.address);
    }
    functions
}

/// The number of functions in a branch.
const BRANCH: usize = 1 + 5 + 2 + 4 + 5 + 1;
/// The number of buses in a branch: below the root port, the switch, its ports and the card's switch.
const BUSES: u8 = 8;

fn branch(functions: &mut Vec<Function>, segment: u32, branch: u8) {
    let bus = 1 + branch * BUSES;
    let at = |bus, device, function| FunctionAddress::new(segment, bus, device, function).expect("small numbers");
    let endpoint = |address, device, class| endpoint(address, Identity { vendor: 0x10de, device }, class);
    let last = bus + BUSES - 1;
    functions.extend([
        port(at(0, branch, 0), (0x8086, 0x352a), PortType::RootPort, bus, last),
        port(
            at(bus, 0, 0),
            (0x1000, 0xc030),
            PortType::SwitchUpstreamPort,
            bus + 1,
            last,
        ),
    ]);
    let mut below = bus + 2;
    for (device, buses) in [(0, 1), (1, 3), (2, 1), (3, 1)] {
        let identity = (0x1000, 0xc030);
        let port_type = PortType::SwitchDownstreamPort;
        functions.push(port(
            at(bus + 1, device, 0),
            identity,
            port_type,
            below,
            below + buses - 1,
        ));
        below += buses;
    }
    functions.extend([
        endpoint(at(bus + 2, 0, 0), 0x26b9, 0x0302),
        endpoint(at(bus + 2, 0, 1), 0x22ba, 0x0403),
        port(
            at(bus + 3, 0, 0),
            (0x1002, 0x1478),
            PortType::SwitchUpstreamPort,
            bus + 4,
            bus + 5,
        ),
        port(
            at(bus + 4, 0, 0),
            (0x1002, 0x1479),
            PortType::SwitchDownstreamPort,
            bus + 5,
            bus + 5,
        ),
        self::endpoint(
            at(bus + 5, 0, 0),
            Identity {
                vendor: 0x1002,
                device: 0x73ef,
            },
            0x0300,
        ),
        self::endpoint(
            at(bus + 5, 0, 1),
            Identity {
                vendor: 0x1002,
                device: 0xab28,
            },
            0x0403,
        ),
    ]);
    let physical = at(bus + 6, 0, 0);
    functions.push(Function {
        virtual_functions: Some(4),
        ..endpoint(physical, 0x26ba, 0x0302)
    });
    functions.extend((4..8).map(|function| Function {
        physical_function: Some(physical),
        ..endpoint(at(bus + 6, 0, function), 0x26ba, 0x0302)
    }));
    let drive = Identity {
        vendor: 0x144d,
        device: 0xa824,
    };
    functions.push(self::endpoint(at(bus + 7, 0, 0), drive, 0x0108));
}

fn class(class: u16) -> ClassCode {
    let [base_class, sub_class] = class.to_be_bytes();
    ClassCode {
        base_class,
        sub_class,
        interface: 0,
    }
}

fn endpoint(address: FunctionAddress, identity: Identity, class: u16) -> Function {
    Function {
        role: Role::Endpoint,
        flr: Fact::Yes,
        advanced_features_flr: Fact::No,
        power: Power::Present {
            no_soft_reset: Fact::Yes,
            state: Some(PowerState::D0),
        },
        readiness: Some(Readiness::Ready(identity)),
        virtual_functions: Some(0),
        ..Function::new(address, identity, self::class(class))
    }
}

fn port(
    address: FunctionAddress,
    (vendor, device): (u16, u16),
    port_type: PortType,
    secondary: u8,
    subordinate: u8,
) -> Function {
    let bridge = Bridge {
        port_type: Some(port_type),
        ari_forwarding: Fact::No,
        link: PortLink::Active,
        slot: Slot::Present {
            hot_plug: Fact::Yes,
            power_controller: Fact::Yes,
            owner: HotplugOwner::Os,
        },
        cxl: Cxl::None,
        ..Bridge::new(BusNumbers {
            primary: address.bus(),
            secondary,
            subordinate,
        })
    };
    Function {
        role: Role::Bridge(bridge),
        ..Function::new(address, Identity { vendor, device }, class(0x0604))
    }
}
