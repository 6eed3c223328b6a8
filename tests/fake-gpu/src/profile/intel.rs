//! Intel: an Arc A770 (8086:56a0), which has FLR and neither AER nor Power Budgeting. It sits behind the card's own switch on
//! a real board, and its audio behind another port of that switch; here it is served alone, since no bridge can be served.
//!
//! Scaled for a VM: BAR2 is 256 MiB (of 16 GiB). Left out: the expansion ROM.

use crate::capability::{Capability, Express, Extended, ReturnToD0};
use crate::config_space::{Bar, BarKind, Builder, Header};
use crate::profile::{FixedRegister, FunctionDesign};

const MIB: u64 = 1 << 20;

/// `GU_CNTL`: bit 7, `LMEM_INIT`, says that the local memory is ready.
const LOCAL_MEMORY: FixedRegister = FixedRegister {
    bar: 0,
    offset: 0x10_1010,
    value: 0x80,
};

/// Its link is within the card: 2.5 GT/s x1 stands in for it.
const EXPRESS: Express = Express {
    capabilities: 0x0002,
    device_capabilities: 0x1000_8020,
    link_capabilities: 0x0040_0c11,
    link_status: 0x0011,
    device_capabilities_2: 0x0013_0812,
    link_capabilities_2: 0x0000_0002,
    link_control_2: 0x0001,
    link_status_2: 0,
};

pub(super) fn gpu() -> FunctionDesign {
    FunctionDesign {
        header: Header {
            vendor: 0x8086,
            device: 0x56a0,
            class: 0x03_0000,
            revision: 0x08,
            subsystem_vendor: 0x8086,
            subsystem: 0x1020,
            interrupt_pin: 0,
            multifunction: false,
            bars: vec![
                bar(0, BarKind::Memory64, 16 * MIB),
                bar(2, BarKind::Memory64Prefetchable, 256 * MIB),
            ],
            rom: 0,
        },
        return_to_d0: ReturnToD0::KeepsState,
        registers: vec![LOCAL_MEMORY],
        kept: Vec::new(),
        reset_register: None,
        serial_number: None,
        rom: Vec::new(),
        capabilities: gpu_capabilities,
    }
}

/// The extended chain turns back from 420h to 400h.
fn gpu_capabilities(space: Builder, return_to_d0: ReturnToD0) -> Builder {
    let vendor_specific = Capability::VendorSpecific {
        length: 0x0c,
        revision: 0,
    };
    let power = Capability::PowerManagement {
        capabilities: 0x4803,
        return_to_d0,
    };
    space
        .capability(0x40, &vendor_specific)
        .capability(0x70, &Capability::Express(EXPRESS))
        .capability(0xac, &Capability::Msi)
        .capability(0xd0, &power)
        .extended(0x100, &Extended::alternative_routing_id())
        .extended(0x420, &Extended::resizable_bars(&RESIZABLE_BARS))
        .extended(0x400, &Extended::latency_tolerance())
}

/// BAR2 256 MiB, no other size on offer.
const RESIZABLE_BARS: [u32; 2] = [0x1000, 0x822];

fn bar(index: usize, kind: BarKind, size: u64) -> Bar {
    Bar { index, kind, size }
}
