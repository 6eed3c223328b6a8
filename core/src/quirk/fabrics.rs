//! Whether links of its own (`NVLink`, XGMI, Xe Link) join a model to others.
//!
//! Where a bridge between two boards can be plugged, it may be: such boards have a fabric too, and
//! only who asks the fabric itself knows better. A model that no row names is judged by its class;
//! see [`Place::fabric`](crate::topology::Place::fabric).

use super::{Confidence, Devices, Effect, Models, Quirk, Source};

const fn row(vendor: u16, devices: &'static [u16], effect: Effect, about: &'static str) -> Quirk {
    Quirk {
        models: Models::new(vendor, Devices::OneOf(devices)),
        effect,
        source: Source::VendorDocumentation,
        confidence: Confidence::Vendor,
        about,
    }
}

/// Whether links of its own join a model to others.
pub const FABRICS: &[Quirk] = &[
    row(0x10de, &[0x1af1, 0x22a3], Effect::FabricSwitch, "NVSwitch"),
    row(0x10de, &[0x20b0], Effect::Fabric, "A100 SXM4"),
    row(0x10de, &[0x2330, 0x2335], Effect::Fabric, "H100 SXM5, H200 SXM"),
    row(
        0x10de,
        &[0x20b7, 0x20f1, 0x2331],
        Effect::Fabric,
        "A30, A100 and H100 on a PCIe board: bridges can join them",
    ),
    row(
        0x10de,
        &[0x1eb8, 0x26b9, 0x26ba, 0x2bb5],
        Effect::NoFabric,
        "T4, L40S, L20, RTX PRO 6000 Server",
    ),
    row(0x1002, &[0x74a1], Effect::Fabric, "MI300X"),
    row(
        0x1002,
        &[0x66a0, 0x66a1, 0x73a1, 0x740f],
        Effect::Fabric,
        "MI50 and its like, V620, MI210: a reset can reach the XGMI hive's peers",
    ),
    row(0x8086, &[0x0bd5], Effect::Fabric, "Data Center GPU Max"),
    row(0x8086, &[0x56c0], Effect::NoFabric, "Data Center GPU Flex 170"),
];
