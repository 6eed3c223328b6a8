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

/// A board with a connector for a bridge, of which somebody had two joined by one.
const fn joined(devices: &'static [u16], about: &'static str) -> Quirk {
    Quirk {
        source: Source::Machines,
        confidence: Confidence::Observed,
        ..row(0x10de, devices, Effect::Fabric, about)
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
        &[0x1db1, 0x1db5, 0x1db7, 0x1db8, 0x15f9],
        Effect::Fabric,
        "V100 SXM2, SXM3 and DGX Station, P100 SXM2",
    ),
    // Most of these are VGA controllers, which without a row are taken for joined to nobody. Boards
    // for laptops have no connector. Two joined ones: Puget Systems' articles 1330 and 2074,
    // NVIDIA/apex#282, weicj/2080Ti-LLM-Toolbox#2, and published machines with A4500, A5000 and
    // 3090 Ti pairs.
    joined(
        &[0x1e02, 0x1e04, 0x1e07, 0x1e30, 0x1e78],
        "TITAN RTX, RTX 2080 Ti, Quadro RTX 6000 and 8000: bridges can join them",
    ),
    joined(
        &[0x15f0, 0x2203, 0x2204, 0x2230, 0x2231, 0x2232],
        "Quadro GP100, RTX 3090 and 3090 Ti, RTX A6000, A5000 and A4500: bridges can join them",
    ),
    row(
        0x10de,
        &[0x1e81, 0x1e82, 0x1e84, 0x1e87, 0x1eb0, 0x1ec2, 0x1ec7],
        Effect::Fabric,
        "RTX 2070 SUPER, 2080 and 2080 SUPER, Quadro RTX 5000: bridges can join them",
    ),
    row(
        0x10de,
        &[0x1dba, 0x2233, 0x2235],
        Effect::Fabric,
        "Quadro GV100, RTX A5500, A40: bridges can join them",
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
