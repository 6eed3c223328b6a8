//! The connectors by which fabric links (`NVLink`, XGMI, Xe Link) can join a model to others.
//!
//! A bridge joins boards of one machine, so a survey of the machine can rule out any connection; only the fabric itself
//! knows which boards are joined. A module's links run over its base board and may reach other machines. A model
//! without a row is judged by its class; see [`Place::connector`](crate::topology::Place::connector).
//!
//! The IDs are those of pci.ids 2026.08.22.

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

/// A board with a bridge connector, seen in use with two boards joined.
const fn joined(devices: &'static [u16], about: &'static str) -> Quirk {
    Quirk {
        source: Source::Machines,
        confidence: Confidence::Observed,
        ..row(0x10de, devices, Effect::FabricBridge, about)
    }
}

/// A model whose XGMI hive amdgpu queries.
const fn amdgpu(devices: &'static [u16], effect: Effect, about: &'static str) -> Quirk {
    Quirk {
        source: Source::Linux,
        confidence: Confidence::Kernel,
        ..row(0x1002, devices, effect, about)
    }
}

/// The connectors of single models.
pub const FABRICS: &[Quirk] = &[
    row(0x10de, &[0x1af1, 0x22a3], Effect::FabricSwitch, "NVSwitch"),
    row(
        0x10de,
        &[0x20b0, 0x20b2, 0x20b3, 0x20bd, 0x20f3],
        Effect::Fabric,
        "A100 and A800 SXM4",
    ),
    row(
        0x10de,
        &[
            0x2324, 0x2328, 0x2329, 0x232c, 0x2330, 0x2335, 0x2336, 0x2337, 0x2338, 0x2339, 0x233d,
        ],
        Effect::Fabric,
        "H100 and H800 SXM5, H20, H200 SXM",
    ),
    row(
        0x10de,
        &[
            0x2342, 0x2345, 0x2348, 0x2901, 0x2909, 0x2920, 0x2941, 0x29bc, 0x3182, 0x31a1, 0x31c2, 0x31c3,
        ],
        Effect::Fabric,
        "GH200, B100, B200, GB200, B300, GB300",
    ),
    row(
        0x10de,
        &[0x1db1, 0x1db2, 0x1db5, 0x1db7, 0x1db8, 0x1df5, 0x15f9],
        Effect::Fabric,
        "V100 SXM2, SXM3 and DGX Station, P100 SXM2",
    ),
    row(
        0x10de,
        &[0x20b1, 0x20b5, 0x20b7, 0x20b8, 0x20b9, 0x20f1, 0x20f5, 0x20f6, 0x20fd],
        Effect::FabricBridge,
        "A30, A100 and A800 on a PCIe board: bridges can join them",
    ),
    row(
        0x10de,
        &[0x2313, 0x2321, 0x2322, 0x2331, 0x233a, 0x233b],
        Effect::FabricBridge,
        "H100, H800 and H200 on a PCIe board, H100 NVL: bridges can join them",
    ),
    // Most of these are VGA controllers, which without a row count as joined to none. Laptop boards have no connector.
    // Pairs in use: Puget Systems' articles 1330 and 2074, NVIDIA/apex#282, weicj/2080Ti-LLM-Toolbox#2, and published
    // machines with A4500, A5000 and 3090 Ti pairs.
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
        Effect::FabricBridge,
        "RTX 2070 SUPER, 2080 and 2080 SUPER, Quadro RTX 5000: bridges can join them",
    ),
    row(
        0x10de,
        &[0x1dba, 0x2233, 0x2235],
        Effect::FabricBridge,
        "Quadro GV100, RTX A5500, A40: bridges can join them",
    ),
    row(
        0x10de,
        &[
            0x13bd, 0x13f2, 0x17fd, 0x1b38, 0x1bb3, 0x15f7, 0x15f8, 0x1db3, 0x1db4, 0x1db6, 0x1df6,
        ],
        Effect::NoFabric,
        "M10, M60, M40, P40, P4, P100 and V100 on a PCIe board",
    ),
    row(
        0x10de,
        &[0x1eb4, 0x1eb8, 0x2236, 0x2237, 0x24b0, 0x2531, 0x2571, 0x25b6],
        Effect::NoFabric,
        "T4, T4G, A10, A10G, A16, A2, RTX A4000 and A2000",
    ),
    row(
        0x10de,
        &[
            0x26b1, 0x26b2, 0x26b3, 0x26b5, 0x26b7, 0x26b8, 0x26b9, 0x26ba, 0x27b0, 0x27b1, 0x27b2, 0x27b6, 0x27b8,
            0x28b0,
        ],
        Effect::NoFabric,
        "L2, L4, L20, L40, L40G, L40S, RTX boards of the Ada generation",
    ),
    row(
        0x10de,
        &[
            0x2bb1, 0x2bb2, 0x2bb3, 0x2bb4, 0x2bb5, 0x2bb9, 0x2bbc, 0x2c31, 0x2c33, 0x2c34, 0x2c3a, 0x2d30,
        ],
        Effect::NoFabric,
        "RTX PRO of the Blackwell generation",
    ),
    row(
        0x1002,
        &[
            0x7408, 0x740c, 0x74a0, 0x74a1, 0x74a2, 0x74a5, 0x74a9, 0x74bd, 0x75a0, 0x75a3,
        ],
        Effect::Fabric,
        "MI250, MI250X, MI300A, MI300X, MI308X, MI325X, MI350X, MI355X",
    ),
    amdgpu(
        &[0x66a0, 0x66a1, 0x66a3, 0x738c, 0x738e, 0x740f],
        Effect::FabricBridge,
        "MI50, MI60, Radeon Pro VII and Vega II, MI100, MI210: bridges can join them",
    ),
    amdgpu(
        &[0x73a1, 0x73ab],
        Effect::FabricBridge,
        "V620, W6800X: amdgpu looks for XGMI where the chip has it",
    ),
    row(
        0x1002,
        &[0x6860, 0x6864, 0x692f, 0x6929],
        Effect::NoFabric,
        "MI25, V340, FirePro S7150",
    ),
    row(
        0x8086,
        &[0x0bd0, 0x0bd4, 0x0bd5, 0x0bd6, 0x0bd7, 0x0bd8],
        Effect::Fabric,
        "Data Center GPU Max 1350 and 1550",
    ),
    row(
        0x8086,
        &[0x0bd9, 0x0bda, 0x0bdb],
        Effect::FabricBridge,
        "Data Center GPU Max 1100: bridges can join them",
    ),
    row(
        0x8086,
        &[0x56c0, 0x56c1, 0x56c2],
        Effect::NoFabric,
        "Data Center GPU Flex 140 and 170",
    ),
];
