//! AMD: a Navi 23 (1002:73ef, ab28), and a Vega 20 (1002:66a0, ab20), which lacks Power Budgeting. No function has FLR. All sit behind the card's own
//! switch on a real board; here they are served alone, since no bridge can be served.
//!
//! Scaled for a VM: BAR0 is 256 MiB (of 8 GiB), BAR2 2 MiB (of 256 MiB). Left out: the expansion
//! ROM. Values that the public text gives only in words are put into bits here.

use crate::capability::{Capability, Express, Extended, ReturnToD0};
use crate::config_space::{Bar, BarKind, Builder, Header};
use crate::profile::{AUDIO_CONTROL, FixedRegister, FunctionDesign};

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// `CONFIG_MEMSIZE` in the register BAR: 8 GiB of memory, in MiB.
const MEMORY_SIZE: FixedRegister = FixedRegister {
    bar: 5,
    offset: 0x378c,
    value: 0x2000,
};
/// `C2PMSG_33`: bit 31 says that the boot is complete.
const BOOT_DONE: FixedRegister = FixedRegister {
    bar: 5,
    offset: 0x5_8184,
    value: 0x8000_0000,
};

/// `C2PMSG_64`, through which the driver orders a mode-1 reset of the whole board. The vendor-reset module does the like; here
/// it is over at once.
const MODE_1_RESET: FixedRegister = FixedRegister {
    bar: 5,
    offset: 0x5_8200,
    value: 0x0007_0000,
};

/// Legacy endpoint, MPS 256, no FLR; 16 GT/s x16 with L0s, L1 and clock PM, running at full speed;
/// completion time-outs ABCD, LTR, 10-bit tags, atomics 32 and 64, one end-to-end prefix.
const EXPRESS: Express = Express {
    capabilities: 0x0012,
    device_capabilities: 0x0000_8fa1,
    link_capabilities: 0x0044_0d04,
    link_status: 0x1104,
    device_capabilities_2: 0x0063_099f,
    link_capabilities_2: 0x0000_001e,
    link_control_2: 0x0004,
    link_status_2: 0x001e,
};

/// PME from D1, D2, D3hot and D3cold, although D1 and D2 are not supported.
const POWER_MANAGEMENT: u16 = 0xf003;

/// Correctable Error Mask of AMD parts.
const CORRECTABLE_MASK: u32 = 0x2000;

pub(super) fn gpu() -> FunctionDesign {
    FunctionDesign {
        header: Header {
            device: 0x73ef,
            class: 0x03_0000,
            interrupt_pin: 1,
            bars: vec![
                bar(0, BarKind::Memory64Prefetchable, 256 * MIB),
                bar(2, BarKind::Memory64Prefetchable, 2 * MIB),
                bar(4, BarKind::Io, 256),
                bar(5, BarKind::Memory32, MIB),
            ],
            ..header()
        },
        return_to_d0: ReturnToD0::KeepsState,
        registers: vec![MEMORY_SIZE, BOOT_DONE],
        kept: Vec::new(),
        reset_register: Some(MODE_1_RESET),
        serial_number: None,
        rom: Vec::new(),
        capabilities: gpu_capabilities,
    }
}

fn gpu_capabilities(space: Builder, return_to_d0: ReturnToD0) -> Builder {
    standard_capabilities(space, return_to_d0)
        .extended(0x100, &Extended::vendor_specific(&VSEC_BODY))
        .extended(0x150, &Extended::aer(CORRECTABLE_MASK))
        .extended(0x200, &Extended::resizable_bars(&RESIZABLE_BARS))
        .extended(0x240, &Extended::power_budgeting(0))
        .extended(0x270, &Extended::secondary_pci_express(0))
        .extended(0x2a0, &Extended::acs_without_support())
        // Width 16, execute and privileged permission.
        .extended(0x2d0, &Extended::pasid(0x1006))
        .extended(0x320, &Extended::latency_tolerance())
        .extended(0x410, &Extended::physical_layer_16())
        .extended(0x440, &Extended::lane_margining())
}

/// A Vega 20, as of a board for workstations.
pub(super) fn vega20() -> FunctionDesign {
    FunctionDesign {
        header: Header {
            device: 0x66a0,
            class: 0x03_0000,
            revision: 0,
            subsystem_vendor: 0x1002,
            subsystem: 0x081e,
            interrupt_pin: 1,
            bars: vec![
                bar(0, BarKind::Memory64Prefetchable, 256 * MIB),
                bar(2, BarKind::Memory64Prefetchable, 2 * MIB),
                bar(4, BarKind::Io, 256),
                bar(5, BarKind::Memory32, 512 * KIB),
            ],
            ..header()
        },
        capabilities: vega20_capabilities,
        ..gpu()
    }
}

fn vega20_capabilities(space: Builder, return_to_d0: ReturnToD0) -> Builder {
    standard_capabilities(space, return_to_d0)
        .extended(0x100, &Extended::vendor_specific(&VSEC_BODY))
        .extended(0x150, &Extended::aer(CORRECTABLE_MASK))
        .extended(0x200, &Extended::resizable_bars(&RESIZABLE_BARS))
        .extended(0x270, &Extended::secondary_pci_express(0))
        .extended(0x2a0, &Extended::acs_without_support())
        .extended(0x2b0, &Extended::address_translation())
        .extended(0x2c0, &Extended::page_requests())
        .extended(0x2d0, &Extended::pasid(0x1006))
        .extended(0x320, &Extended::latency_tolerance())
        .extended(0x400, &Extended::data_link_feature())
        .extended(0x410, &Extended::physical_layer_16())
        .extended(0x440, &Extended::lane_margining())
}

pub(super) fn vega20_audio() -> FunctionDesign {
    let audio = audio();
    FunctionDesign {
        header: Header {
            device: 0xab20,
            revision: 0,
            subsystem_vendor: 0x1002,
            subsystem: 0xab20,
            ..audio.header
        },
        ..audio
    }
}

/// ID 0001h, revision 1, length 10h.
const VSEC_BODY: [u32; 3] = [0x0101_0001, 0, 0];

/// BAR0 256 MiB and BAR2 2 MiB, no other size on offer.
const RESIZABLE_BARS: [u32; 4] = [0x1000, 0x840, 0x20, 0x102];

pub(super) fn audio() -> FunctionDesign {
    FunctionDesign {
        header: Header {
            device: 0xab28,
            class: 0x04_0300,
            interrupt_pin: 2,
            bars: vec![bar(0, BarKind::Memory32, 16 * KIB)],
            ..header()
        },
        return_to_d0: ReturnToD0::KeepsState,
        registers: Vec::new(),
        kept: vec![AUDIO_CONTROL],
        reset_register: None,
        serial_number: None,
        rom: Vec::new(),
        capabilities: audio_capabilities,
    }
}

/// The extended chain is the one of Navi 14's audio function.
fn audio_capabilities(space: Builder, return_to_d0: ReturnToD0) -> Builder {
    standard_capabilities(space, return_to_d0)
        .extended(0x100, &Extended::vendor_specific(&VSEC_BODY))
        .extended(0x150, &Extended::aer(CORRECTABLE_MASK))
        .extended(0x2a0, &Extended::acs_without_support())
}

fn standard_capabilities(space: Builder, return_to_d0: ReturnToD0) -> Builder {
    let vendor_specific = Capability::VendorSpecific {
        length: 0x08,
        revision: 0,
    };
    let power = Capability::PowerManagement {
        capabilities: POWER_MANAGEMENT,
        return_to_d0,
    };
    space
        .capability(0x48, &vendor_specific)
        .capability(0x50, &power)
        .capability(0x64, &Capability::Express(EXPRESS))
        .capability(0xa0, &Capability::Msi)
}

fn header() -> Header {
    Header {
        vendor: 0x1002,
        device: 0,
        class: 0,
        revision: 0xc2,
        subsystem_vendor: 0x1043,
        subsystem: 0x1dec,
        interrupt_pin: 0,
        multifunction: false,
        bars: Vec::new(),
        rom: 0,
    }
}

fn bar(index: usize, kind: BarKind, size: u64) -> Bar {
    Bar { index, kind, size }
}
