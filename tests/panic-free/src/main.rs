//! All of reseat-core in one image for a Cortex-M4: the linker keeps what can be reached, so a panic that can be reached
//! is a symbol in the image. `cargo xtask panic-free` builds it and looks.

#![no_std]
#![no_main]

mod decoders;

use core::hint::black_box;
use core::panic::PanicInfo;
use core::time::Duration;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::config::{ByteOffset, ConfigRead, ConfigWrite, Offset, ReadableSize, WordOffset};
use reseat_core::decision::{Surroundings, decide};
use reseat_core::header::{ClassCode, Identity};
use reseat_core::health::{self, Condition, Reading, Verdict};
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::recovery::Recovery;
use reseat_core::snapshot::{Snapshot, wire};
use reseat_core::topology::function::Function;
use reseat_core::topology::method::Method;
use reseat_core::topology::{Node, Place, Topology};
use reseat_core::vendor::Check;

/// A bus of which the compiler knows nothing: each register may hold anything, and each read may fail.
pub(crate) struct Unknown;

impl ConfigRead for Unknown {
    type Error = u8;

    fn size(&self) -> ReadableSize {
        black_box(ReadableSize::Extended)
    }

    fn read(&mut self, offset: Offset) -> Result<u32, u8> {
        black_box(offset);
        black_box(Err(black_box(0)))
    }
}

impl ConfigWrite for Unknown {
    type Error = u8;

    fn write_byte(&mut self, offset: ByteOffset, value: u8) -> Result<(), u8> {
        black_box((offset, value));
        black_box(Err(black_box(0)))
    }

    fn write_word(&mut self, offset: WordOffset, value: u16) -> Result<(), u8> {
        black_box((offset, value));
        black_box(Err(black_box(0)))
    }

    fn write(&mut self, offset: Offset, value: u32) -> Result<(), u8> {
        black_box((offset, value));
        black_box(Err(black_box(0)))
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {
        addresses();
        decoders::configuration_space();
        topology();
        judging();
        snapshots();
        #[cfg(feature = "panicking")]
        black_box([0_u8; 4][black_box(7)]);
    }
}

/// Keeps a result, whatever it is, from being optimised away.
pub(crate) fn keep<T>(result: T) {
    black_box(&result);
}

fn addresses() {
    let text = black_box("0000:65:00.0");
    keep(text.parse::<FunctionAddress>());
    keep(text.parse::<DeviceAddress>());
    keep(text.parse::<Identity>());
    keep(text.parse::<ClassCode>());
    keep(FunctionAddress::new(
        black_box(0),
        black_box(0),
        black_box(0),
        black_box(0),
    ));
}

fn topology() {
    let Ok(address) = FunctionAddress::new(black_box(0), black_box(1), black_box(0), black_box(0)) else {
        return;
    };
    let identity = Identity::from_register(black_box(0x2489_10de));
    let class = ClassCode {
        base_class: black_box(3),
        sub_class: black_box(0),
        interface: black_box(0),
    };
    let functions = black_box([Function::new(address, identity, class); 4]);
    let mut room = [Node::EMPTY; 4];
    let Ok(topology) = Topology::new(&functions, &mut room) else {
        return;
    };
    for place in topology.places() {
        keep((
            place.port_above().is_some(),
            place.card_root().is_some(),
            place.fabric(),
            place.doubt().is_some(),
        ));
        keep((
            place.siblings().count(),
            place.below().count(),
            place.virtual_functions().count(),
        ));
        keep((place.peers().count(), place.quirks().count(), place.warnings().count()));
        keep(Surroundings::of(place, |_| black_box(true)));
        for method in Method::ALL {
            keep(place.listed_in_vain(method));
            if let Ok(domain) = place.reset(method) {
                keep((
                    domain.hits().count(),
                    domain.contains(address),
                    domain.exclusive(|_| black_box(true)),
                ));
                keep((
                    domain.bystanders(|_| black_box(false)).count(),
                    domain.warnings().count(),
                ));
            }
        }
    }
    keep(topology.places().filter_map(Place::doubt).count());
}

/// A value of which the compiler knows nothing.
fn unknown<T>() -> Option<T> {
    black_box(None)
}

fn judging() {
    if let (Some(identity), Some(class)) = (unknown(), unknown()) {
        let mut inquiry = Check::of(identity, class).begin(&Reading::Value(black_box([0; 6])));
        while let Some(register) = inquiry.next_register() {
            keep(register);
            inquiry.tell(black_box(Ok(0)));
        }
        keep(inquiry.result());
    }
    if let (Some(one), Some(other)) = (unknown::<Readiness>(), unknown::<Readiness>()) {
        keep(one.and(other));
    }
    if let (Some(one), Some(other)) = (unknown::<Verdict>(), unknown::<Verdict>()) {
        keep((one.and(other), one.sickness()));
    }
    if let Ok(admission) = black_box(PortLink::Active).admit() {
        keep(Condition::read(admission, Unknown));
    }
    if let (Some(baseline), Some(before), Some(now)) = (unknown(), unknown(), unknown()) {
        let examination = health::judge(&baseline, &before, &now);
        keep((examination.verdict(), &examination));
    }
    let (Some(facts), Some(tried)) = (unknown(), unknown()) else {
        return;
    };
    keep(decide(&facts, &tried));
    let mut recovery = Recovery::new(black_box(Duration::ZERO), facts, tried);
    while let Some(now) = unknown() {
        keep(recovery.poll(now));
        keep(recovery.waiting());
        if let (Some(ticket), Some(observation)) = (unknown(), unknown()) {
            keep(recovery.tell(now, ticket, observation));
        }
    }
}

fn snapshots() {
    let Some(address) = unknown() else { return };
    let taken = Snapshot::<64>::take(address, Unknown);
    keep(taken.cut);
    let snapshot = taken.snapshot;
    let mut buffer = [0; wire::room(64)];
    keep(snapshot.encode(&mut buffer));
    if let Ok(other) = Snapshot::<64>::decode(black_box(&buffer)) {
        keep(snapshot.difference(&other).changes().count());
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
