//! NVIDIA: the GPU is an RTX 3060 Ti (GA104) byte for byte where its dump was public; the
//! audio chain is GA102's; USB and UCSI are those of a TU116 board, because tests of a reset that
//! hits four functions need them and no Ampere board in reach carries them.
//!
//! Scaled for a VM: BAR1 is 256 MiB. The expansion ROM is there only where a test asks for it. Of the T4, SR-IOV and ARI are
//! left out.

use crate::capability::{Capability, Express, Extended, ReturnToD0};
use crate::config_space::{Bar, BarKind, Builder, Header};
use crate::profile::{AUDIO_CONTROL, FixedRegister, FunctionDesign, KeptRegister};

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// Subsystem 1458:4077, repeated at offset 40h as NVIDIA functions do.
const SUBSYSTEM_VENDOR: u16 = 0x1458;
const SUBSYSTEM: u16 = 0x4077;
const SUBSYSTEM_ALIAS: u16 = 0x40;

/// `PMC_BOOT_0` at BAR0+0 of an Ampere part that nouveau does not know (chipset 175h): it logs an unknown
/// chipset and stops, where a known one would make it load firmware.
const BOOT_ID: FixedRegister = FixedRegister {
    bar: 0,
    offset: 0,
    value: 0x1750_00a1,
};
/// Turing to Ada: 3ffh here says that the GPU has booted.
const BOOT_DONE: FixedRegister = FixedRegister {
    bar: 0,
    offset: 0x0011_8234,
    value: 0x3ff,
};

/// The xHCI controller: operational registers at 40h, 32 slots and 6 ports, never run: `USBCMD` keeps no bit, so that a driver's
/// reset ends at once, and `USBSTS` says that it is halted.
const USB_REGISTERS: [FixedRegister; 4] = [
    usb_register(0x00, 0x0110_0040),
    usb_register(0x04, 0x0600_0820),
    usb_register(0x40, 0),
    usb_register(0x44, 1),
];
/// Its `CONFIG`: the slots in use, and two enables.
const USB_CONFIG: KeptRegister = KeptRegister {
    bar: 0,
    offset: 0x78,
    writable: 0x3ff,
};
/// The address that UCSI's I2C controller speaks to next.
const I2C_ADDRESS: KeptRegister = KeptRegister {
    bar: 0,
    offset: 0x04,
    writable: 0x7f,
};

const fn usb_register(offset: u64, value: u32) -> FixedRegister {
    FixedRegister { bar: 0, offset, value }
}

const GPU_EXPRESS: Express = Express {
    capabilities: 0x0012,
    device_capabilities: 0x112c_8de1,
    link_capabilities: 0x0045_3d04,
    link_status: 0x1101,
    device_capabilities_2: 0x0007_0013,
    link_capabilities_2: 0x0180_001e,
    link_control_2: 0x0004,
    link_status_2: 0x001e,
};

/// The audio function: an endpoint without FLR, otherwise as the GPU.
const AUDIO_EXPRESS: Express = Express {
    capabilities: 0x0002,
    device_capabilities: 0x012c_8de1,
    ..GPU_EXPRESS
};

/// A T4: an endpoint up to 8 GT/s, without FLR.
const T4_EXPRESS: Express = Express {
    capabilities: 0x0002,
    device_capabilities: 0x002c_8de1,
    link_capabilities: 0x0045_3d03,
    link_status: 0x1103,
    link_capabilities_2: 0x0000_000e,
    link_control_2: 0x0003,
    ..GPU_EXPRESS
};

/// USB and UCSI: maximum payload 128, link up to 8 GT/s, no FLR.
const TURING_EXPRESS: Express = Express {
    capabilities: 0x0002,
    device_capabilities: 0x012c_8de0,
    link_capabilities: 0x0045_3d03,
    link_capabilities_2: 0x0000_000e,
    link_control_2: 0x0003,
    ..GPU_EXPRESS
};

/// Correctable Error Mask of NVIDIA parts.
const CORRECTABLE_MASK: u32 = 0xa000;

pub(super) fn gpu() -> FunctionDesign {
    FunctionDesign {
        header: Header {
            device: 0x2489,
            class: 0x03_0000,
            interrupt_pin: 1,
            bars: vec![
                bar(0, BarKind::Memory32, 16 * MIB),
                bar(1, BarKind::Memory64Prefetchable, 256 * MIB),
                bar(3, BarKind::Memory64Prefetchable, 32 * MIB),
                bar(5, BarKind::Io, 128),
            ],
            ..header()
        },
        return_to_d0: ReturnToD0::KeepsState,
        registers: vec![BOOT_ID, BOOT_DONE],
        kept: Vec::new(),
        reset_register: None,
        serial_number: None,
        rom: Vec::new(),
        capabilities: gpu_capabilities,
    }
}

/// The chain turns back from 258h to 128h, as on every part from Pascal to Ada.
fn gpu_capabilities(space: Builder, return_to_d0: ReturnToD0) -> Builder {
    let power = Capability::PowerManagement {
        capabilities: 0x4803,
        return_to_d0,
    };
    let vendor_specific = Capability::VendorSpecific {
        length: 0x14,
        revision: 1,
    };
    space
        .unlinked(SUBSYSTEM_ALIAS, &[subsystem_dword()])
        .capability(0x60, &power)
        .capability(0x68, &Capability::Msi)
        .capability(0x78, &Capability::Express(GPU_EXPRESS))
        .capability(0xb4, &vendor_specific)
        // MSI-X and SR-IOV bodies that the chains do not reach.
        .unlinked(0xc8, &[0x0005_0011, 0x00b9_0000, 0x00ba_0000])
        .unlinked(0xbcc, &SRIOV_BODY)
        .extended(0x100, &Extended::virtual_channel())
        .extended(0x258, &Extended::l1_substates(0x0028_ff1f, 0x4113_0000, 0x28))
        .extended(0x128, &Extended::power_budgeting(0x0007_8121))
        .extended(0x420, &Extended::aer(CORRECTABLE_MASK))
        .extended(0x600, &Extended::vendor_specific(&VSEC_BODY))
        .extended(0x900, &Extended::secondary_pci_express(0x7700))
        .extended(0xbb0, &Extended::resizable_bars(&RESIZABLE_BARS))
        .extended(0xc1c, &Extended::physical_layer_16())
        .extended(0xd00, &Extended::lane_margining())
        .extended(0xe00, &Extended::data_link_feature())
}

/// A T4 (TU104): a GPU for data centres without FLR and without siblings. It has MSI-X, and a dead MSI capability in its list.
pub(super) fn t4() -> FunctionDesign {
    FunctionDesign {
        header: Header {
            device: 0x1eb8,
            class: 0x03_0200,
            subsystem_vendor: 0x10de,
            subsystem: 0x12a2,
            interrupt_pin: 1,
            bars: vec![
                bar(0, BarKind::Memory32, 16 * MIB),
                bar(1, BarKind::Memory64Prefetchable, 256 * MIB),
                bar(3, BarKind::Memory64Prefetchable, 32 * MIB),
            ],
            ..header()
        },
        capabilities: t4_capabilities,
        ..gpu()
    }
}

fn t4_capabilities(space: Builder, return_to_d0: ReturnToD0) -> Builder {
    let power = Capability::PowerManagement {
        capabilities: 0x4803,
        return_to_d0,
    };
    let vectors = Capability::MsiX {
        last_vector: 5,
        table: 0x00b9_0000,
        pending: 0x00ba_0000,
    };
    space
        .unlinked(SUBSYSTEM_ALIAS, &[0x12a2_10de])
        .capability(0x60, &power)
        .capability(0x68, &Capability::Null)
        .capability(0x78, &Capability::Express(T4_EXPRESS))
        .capability(0xc8, &vectors)
        .extended(0x100, &Extended::virtual_channel())
        .extended(0x258, &Extended::l1_substates(0x0000_0010, 0, 0))
        .extended(0x128, &Extended::power_budgeting(0x0007_8121))
        .extended(0x420, &Extended::aer(CORRECTABLE_MASK))
        .extended(0x600, &Extended::vendor_specific(&VSEC_BODY))
        .extended(0x900, &Extended::secondary_pci_express(0x7700))
        .extended(0xbb0, &Extended::resizable_bars(&RESIZABLE_BARS))
}

/// ID 0001h, revision 1, length 24h.
const VSEC_BODY: [u32; 8] = [0x0241_0001, 0x0141_0002, 0x0000_1801, 0x0000_1001, 0, 0, 0, 0];

/// BAR0 16 MiB, BAR1 256 MiB of 64 to 256 MiB (as TU116 offers), BAR3 32 MiB.
const RESIZABLE_BARS: [u32; 6] = [0x100, 0x460, 0x1c00, 0x801, 0x200, 0x503];

const SRIOV_BODY: [u32; 9] = [
    0xc141_0010,
    0x0000_0006,
    0,
    0x0010_0010,
    0,
    0x0001_0004,
    0x2489_0000,
    0x0000_0573,
    1,
];

pub(super) fn audio() -> FunctionDesign {
    FunctionDesign {
        header: Header {
            device: 0x1aef,
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

fn audio_capabilities(space: Builder, return_to_d0: ReturnToD0) -> Builder {
    let power = Capability::PowerManagement {
        capabilities: 0x0003,
        return_to_d0,
    };
    space
        .unlinked(SUBSYSTEM_ALIAS, &[subsystem_dword()])
        .capability(0x60, &power)
        .capability(0x68, &Capability::Msi)
        .capability(0x78, &Capability::Express(AUDIO_EXPRESS))
        .extended(0x100, &Extended::aer(CORRECTABLE_MASK))
        .extended(0x160, &Extended::data_link_feature())
}

pub(super) fn usb() -> FunctionDesign {
    FunctionDesign {
        header: Header {
            device: 0x1aec,
            class: 0x0c_0330,
            interrupt_pin: 3,
            bars: vec![
                bar(0, BarKind::Memory64Prefetchable, 256 * KIB),
                bar(3, BarKind::Memory64Prefetchable, 64 * KIB),
            ],
            ..header()
        },
        return_to_d0: ReturnToD0::KeepsState,
        registers: USB_REGISTERS.to_vec(),
        kept: vec![USB_CONFIG],
        reset_register: None,
        serial_number: None,
        rom: Vec::new(),
        capabilities: usb_capabilities,
    }
}

pub(super) fn ucsi() -> FunctionDesign {
    FunctionDesign {
        header: Header {
            device: 0x1aed,
            class: 0x0c_8000,
            interrupt_pin: 4,
            bars: vec![bar(0, BarKind::Memory32, 4 * KIB)],
            ..header()
        },
        return_to_d0: ReturnToD0::KeepsState,
        registers: Vec::new(),
        kept: vec![I2C_ADDRESS],
        reset_register: None,
        serial_number: None,
        rom: Vec::new(),
        capabilities: usb_capabilities,
    }
}

/// USB and UCSI share one layout, with Power Management last.
fn usb_capabilities(space: Builder, return_to_d0: ReturnToD0) -> Builder {
    // PME from D0, D3hot and D3cold, 55 mA of auxiliary current.
    let power = Capability::PowerManagement {
        capabilities: 0xc843,
        return_to_d0,
    };
    space
        .unlinked(SUBSYSTEM_ALIAS, &[subsystem_dword()])
        .capability(0x68, &Capability::Msi)
        .capability(0x78, &Capability::Express(TURING_EXPRESS))
        .capability(0xb4, &power)
        .extended(0x100, &Extended::aer(CORRECTABLE_MASK))
}

fn header() -> Header {
    Header {
        vendor: 0x10de,
        device: 0,
        class: 0,
        revision: 0xa1,
        subsystem_vendor: SUBSYSTEM_VENDOR,
        subsystem: SUBSYSTEM,
        interrupt_pin: 0,
        multifunction: false,
        bars: Vec::new(),
        rom: 0,
    }
}

fn bar(index: usize, kind: BarKind, size: u64) -> Bar {
    Bar { index, kind, size }
}

fn subsystem_dword() -> u32 {
    u32::from(SUBSYSTEM) << 16 | u32::from(SUBSYSTEM_VENDOR)
}
