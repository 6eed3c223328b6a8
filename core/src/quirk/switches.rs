//! The switches that are part of a card.
//!
//! Any other switch counts as part of the machine: a PLX or PEX switch can be either, and the devices below a server's
//! switch are not one card.

use super::{Confidence, Devices, Effect, Models, Only, Quirk, Source};

const fn row(vendor: u16, devices: Devices, source: Source, confidence: Confidence, about: &'static str) -> Quirk {
    Quirk {
        models: Models {
            vendor,
            devices,
            only: Only::Bridges,
        },
        effect: Effect::InternalSwitch,
        source,
        confidence,
        about,
    }
}

/// The switches that are part of a card.
pub const SWITCHES: &[Quirk] = &[
    // amdgpu skips every bridge of vendor 1002 on its way to the first port off the card. (Seen: 1478 and 1479, 14a0
    // and 14a1, 14c8.)
    row(
        0x1002,
        Devices::Any,
        Source::Linux,
        Confidence::Kernel,
        "the switch of AMD graphics cards and accelerators",
    ),
    row(
        0x1022,
        Devices::OneOf(&[0x14c7]),
        Source::Machines,
        Confidence::Observed,
        "the upper half of MI210's switch",
    ),
    row(
        0x8086,
        Devices::OneOf(&[0x4fa0, 0x4fa1, 0x4fa4]),
        Source::Machines,
        Confidence::Observed,
        "the switch of Arc A and Flex cards",
    ),
    row(
        0x8086,
        Devices::OneOf(&[0xe2f0, 0xe2f1, 0xe2ff]),
        Source::Machines,
        Confidence::Observed,
        "the switch of Arc B cards: graphics and audio are below ports of their own",
    ),
    Quirk {
        models: Models::new(0x10de, Devices::OneOf(&[0x102d])),
        effect: Effect::BoardWithSwitch,
        source: Source::Machines,
        confidence: Confidence::Reported,
        about: "Tesla K80: two GPUs below a PEX 8747",
    },
];
