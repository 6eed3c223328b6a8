//! Functions from arbitrary bytes. They use few buses and mostly realistic values, so that trees, loops, overlaps and
//! exclusive domains are frequent.

use reseat_core::address::FunctionAddress;
use reseat_core::capability::express::PortType;
use reseat_core::capability::power_management::PowerState;
use reseat_core::header::{BusNumbers, ClassCode, Identity};
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::topology::function::{Bridge, Cxl, Fact, Function, HotplugOwner, Membership, Power, Role, Slot};

/// The number of bytes for one function.
pub(crate) const RECORD: usize = 12;

/// Models with a row in some table, and two without.
const MODELS: [(u16, u16, u8, u8); 12] = [
    (0x10de, 0x2489, 0x03, 0x00),
    (0x10de, 0x2330, 0x03, 0x02),
    (0x10de, 0x2342, 0x03, 0x02),
    (0x10de, 0x26b9, 0x03, 0x02),
    (0x10de, 0x22a3, 0x06, 0x80),
    (0x10de, 0x2b85, 0x03, 0x00),
    (0x1002, 0x73ef, 0x03, 0x00),
    (0x1002, 0x74a1, 0x12, 0x00),
    (0x1022, 0x149c, 0x0c, 0x03),
    (0x168c, 0x003e, 0x02, 0x80),
    (0x144d, 0xa824, 0x01, 0x08),
    (0xffff, 0xffff, 0xff, 0xff),
];
const BRIDGES: [(u16, u16); 4] = [(0x8086, 0x352a), (0x1002, 0x1479), (0x10de, 0x22ce), (0x1000, 0xc030)];

/// Returns the functions in ascending order, each address once.
pub(crate) fn functions(bytes: &[u8]) -> Vec<Function> {
    let mut functions: Vec<_> = bytes.as_chunks::<RECORD>().0.iter().map(function).collect();
    functions.sort_by_key(|function| function.address);
    functions.dedup_by_key(|function| function.address);
    functions
}

fn address(place: u8, number: u8) -> FunctionAddress {
    let segment = u32::from(place >> 7) * 0x1_0000;
    let bus = if place & 0x7f == 0x7f { 0xff } else { place & 0x7 };
    FunctionAddress::new(segment, bus, (number >> 3) & 0x1, number & 0x3).expect("small numbers")
}

fn function(bytes: &[u8; RECORD]) -> Function {
    let &[
        place,
        number,
        kind,
        model,
        low,
        high,
        flags,
        power,
        state,
        other,
        other_number,
        more,
    ] = bytes;
    let address = address(place, number);
    let other = self::address(other, other_number);
    let is_bridge = kind % 4 == 3;
    let (vendor, device, base_class, sub_class) = if is_bridge {
        let (vendor, device) = BRIDGES[usize::from(model) % BRIDGES.len()];
        (vendor, device, 0x06, 0x04)
    } else {
        MODELS[usize::from(model) % MODELS.len()]
    };
    let identity = Identity { vendor, device };
    let class = ClassCode {
        base_class,
        sub_class,
        interface: 0,
    };
    let mut function = Function::new(address, identity, class);
    function.role = match kind {
        0..4 => Role::Unknown,
        _ if is_bridge => Role::Bridge(bridge(address.bus(), [low, high, flags, power, state])),
        _ => Role::Endpoint,
    };
    function.flr = fact(flags);
    function.advanced_features_flr = fact(flags >> 2);
    function.power = match power % 4 {
        0 => Power::None,
        1 => Power::Unknown,
        _ => Power::Present {
            no_soft_reset: fact(power >> 2),
            state: [Some(PowerState::D0), Some(PowerState::D3hot), None][usize::from(power >> 4) % 3],
        },
    };
    function.readiness = match state % 4 {
        0 => None,
        1 => Some(Readiness::Absent),
        _ => Some(Readiness::Ready(identity)),
    };
    function.physical_function = more.is_multiple_of(8).then_some(other);
    function.virtual_functions = match state {
        0xff => None,
        0xe0..0xff => Some(1),
        _ => Some(0),
    };
    function.fabric = match more >> 5 {
        0 => Membership::With(other),
        1 => Membership::With(address),
        2 => Membership::Unknown,
        _ => Membership::Alone,
    };
    function
}

fn bridge(bus: u8, [low, high, flags, power, state]: [u8; 5]) -> Bridge {
    let secondary = match low {
        0..0x40 => low % 9,
        0xff => 0xff,
        _ => bus.saturating_add(1 + low % 3),
    };
    let subordinate = match high {
        0..0x40 => high % 9,
        0xff => 0xff,
        _ => secondary.saturating_add(high % 3),
    };
    let buses = BusNumbers {
        primary: 0,
        secondary,
        subordinate,
    };
    Bridge {
        buses: (flags > 3).then_some(buses),
        port_type: [
            None,
            Some(PortType::RootPort),
            Some(PortType::SwitchUpstreamPort),
            Some(PortType::SwitchDownstreamPort),
        ][usize::from(power) % 4],
        ari_forwarding: fact(power >> 2),
        link: [
            PortLink::Active,
            PortLink::Inactive,
            PortLink::NotReported,
            PortLink::Unreadable,
        ][usize::from(power >> 4) % 4],
        slot: match state % 4 {
            0 => Slot::None,
            1 => Slot::Unknown,
            _ => Slot::Present {
                hot_plug: fact(state >> 2),
                power_controller: fact(state >> 4),
                owner: [
                    HotplugOwner::Os,
                    HotplugOwner::Firmware,
                    HotplugOwner::Acpi,
                    HotplugOwner::Nobody,
                    HotplugOwner::Unknown,
                ][usize::from(flags) % 5],
            },
        },
        cxl: [Cxl::None, Cxl::SbrUnmasked, Cxl::SbrMasked, Cxl::Unknown, Cxl::NotInUse][usize::from(flags >> 4) % 5],
    }
}

fn fact(bits: u8) -> Fact {
    [Fact::Yes, Fact::Yes, Fact::No, Fact::Unknown][usize::from(bits) % 4]
}
