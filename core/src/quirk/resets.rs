//! Which resets a model does not survive, ignores or needs.

use super::{Confidence, Devices, Effect, Models, Only, Quirk, Source};

/// Linux's own, unless a row says otherwise.
const fn linux(vendor: u16, devices: Devices, effect: Effect, about: &'static str) -> Quirk {
    Quirk {
        models: Models::new(vendor, devices),
        effect,
        source: Source::Linux,
        confidence: Confidence::Kernel,
        about,
    }
}

/// The models that the vendor-reset module knows.
const fn vendor_reset(devices: &'static [u16], about: &'static str) -> Quirk {
    Quirk {
        source: Source::VendorReset,
        confidence: Confidence::Reported,
        ..linux(0x1002, Devices::OneOf(devices), Effect::NeedsVendorReset, about)
    }
}

/// Which resets a model does not survive, ignores or needs.
pub const RESETS: &[Quirk] = &[
    // H100 and H200 are 2330 to 233f.
    linux(
        0x10de,
        Devices::Masked {
            mask: 0xffc0,
            value: 0x2340,
        },
        Effect::NoBusReset,
        "GH200",
    ),
    linux(
        0x10de,
        Devices::OneOf(&[0x22ce, 0x22d0]),
        Effect::NoBusReset,
        "GB10 root port: the link below does not train again",
    ),
    Quirk {
        models: Models {
            only: Only::VgaOffRootBus,
            ..Models::new(0x1002, Devices::Any)
        },
        ..linux(
            0x1002,
            Devices::Any,
            Effect::NoPowerManagementReset,
            "AMD graphics cards: No Soft Reset is clear, and D3hot→D0 resets nothing",
        )
    },
    linux(
        0x1022,
        Devices::OneOf(&[0x1487, 0x148c, 0x149c, 0x7901]),
        Effect::NoFlr,
        "AMD HD audio, USB and SATA controllers",
    ),
    Quirk {
        source: Source::NewerLinux,
        ..linux(0x1022, Devices::OneOf(&[0x1502, 0x17f0]), Effect::NoFlr, "AMD NPU")
    },
    linux(
        0x8086,
        Devices::OneOf(&[0x1502, 0x1503]),
        Effect::NoFlr,
        "Intel 82579 network controllers",
    ),
    linux(
        0x14c3,
        Devices::OneOf(&[0x0616, 0x7925]),
        Effect::NoFlr,
        "MediaTek wireless network controllers",
    ),
    linux(
        0x1b21,
        Devices::OneOf(&[0x1164]),
        Effect::NoBusReset,
        "ASMedia SATA controller: its link does not train again",
    ),
    linux(0x104c, Devices::OneOf(&[0xb005]), Effect::NoBusReset, "TI KeyStone"),
    linux(
        0x168c,
        Devices::OneOf(&[0x0030, 0x0032, 0x0033, 0x0034, 0x003c, 0x003e]),
        Effect::NoBusReset,
        "Atheros wireless network controllers",
    ),
    Quirk {
        source: Source::NewerLinux,
        ..linux(
            0x17cb,
            Devices::OneOf(&[0x0308, 0x1103, 0x1107]),
            Effect::NoBusReset,
            "Qualcomm wireless network controllers and modems",
        )
    },
    linux(
        0x177d,
        Devices::OneOf(&[0xa100]),
        Effect::NoBusReset,
        "Cavium root port: the reset does not end",
    ),
    linux(
        0x15b3,
        Devices::OneOf(&[0xcb84, 0xcf6c, 0xcf70, 0xcf80]),
        Effect::NoPowerManagementReset,
        "Mellanox switches",
    ),
    // Navi 2x and newer are not in that module: nothing outside their driver resets all of them.
    vendor_reset(
        &[
            0x67c0, 0x67c1, 0x67c2, 0x67c4, 0x67c7, 0x67c8, 0x67c9, 0x67ca, 0x67cc, 0x67cf, 0x67d0, 0x67df, 0x67e0,
            0x67e1, 0x67e3, 0x67e7, 0x67e8, 0x67e9, 0x67eb, 0x67ef, 0x67ff, 0x6980, 0x6981, 0x6985, 0x6986, 0x6987,
            0x6995, 0x6997, 0x699f, 0x6fdf,
        ],
        "Polaris: BACO",
    ),
    vendor_reset(
        &[
            0x6860, 0x6861, 0x6862, 0x6863, 0x6864, 0x6867, 0x6868, 0x6869, 0x686a, 0x686b, 0x686c, 0x686d, 0x686e,
            0x686f, 0x687f,
        ],
        "Vega 10: BACO or PSP",
    ),
    vendor_reset(
        &[0x66a0, 0x66a1, 0x66a2, 0x66a3, 0x66a4, 0x66a7, 0x66af],
        "Vega 20: PSP",
    ),
    vendor_reset(
        &[
            0x7310, 0x7312, 0x7318, 0x7319, 0x731a, 0x731b, 0x731e, 0x731f, 0x7340, 0x7341, 0x7347, 0x734f, 0x7360,
            0x7362,
        ],
        "Navi 1x: BACO or PSP",
    ),
    Quirk {
        models: Models::new(0x10de, Devices::OneOf(&[0x2b85, 0x2b87, 0x2b8c])),
        effect: Effect::FlrMayNotReturn,
        source: Source::Reports,
        confidence: Confidence::Reported,
        about: "GB202: FLR never returns on some, and is what works on others",
    },
    Quirk {
        models: Models::new(0x1002, Devices::OneOf(&[0x74a1, 0x75a3])),
        effect: Effect::AbsentAfterReset,
        source: Source::Reports,
        confidence: Confidence::Reported,
        about: "MI300X and MI355X: stay all-ones after a reset through vfio-pci",
    },
];
