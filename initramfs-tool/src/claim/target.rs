//! A GPU and what is to become of it, as a worker needs to know it.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::Identity;
use serde::{Deserialize, Serialize};

use super::VFIO_PCI;
use crate::model::display::Framebuffer;
use crate::model::inventory::Gpu;

/// A GPU and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What is to become of it.
    pub aim: Aim,
    /// Its device number.
    pub device: DeviceAddress,
    /// Its functions.
    pub functions: Vec<TargetFunction>,
}

/// What is to become of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aim {
    /// All of it on vfio-pci, in D0 and pinned; or as it was.
    Claim,
    /// No driver is to have any of it. What was reached of that stays, whatever comes of the rest.
    Isolate,
}

/// Whether it is known that a function's DMA is isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DmaIsolation {
    /// It is in an IOMMU group, or a group is no matter here.
    Known,
    /// It was in none, and may come into one with its driver: then that is to be seen.
    Awaited,
}

/// A function of a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFunction {
    /// Where it is.
    pub address: FunctionAddress,
    /// Who it has to be.
    pub identity: Identity,
    /// The driver that it is to get by a claim: vfio-pci, or the variant of it that is made for this function.
    pub driver: String,
    /// Whether its DMA is isolated.
    pub isolation: DmaIsolation,
    /// The firmware's framebuffers that have to let go of its memory.
    pub framebuffers: Vec<Framebuffer>,
    /// The state of its memory before the claim. It has to be free after it.
    pub memory: Memory,
}

/// The state of a function's memory before a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memory {
    /// Nothing.
    #[default]
    Free,
    /// A framebuffer, or what its driver has there.
    Occupied,
}

impl TargetFunction {
    /// One that plain vfio-pci is to get.
    pub fn new(address: FunctionAddress, identity: Identity) -> Self {
        Self {
            address,
            identity,
            driver: VFIO_PCI.to_owned(),
            isolation: DmaIsolation::Known,
            framebuffers: Vec::new(),
            memory: Memory::Free,
        }
    }
}

impl Target {
    /// A GPU, and what is to become of it.
    pub fn new(aim: Aim, gpu: &Gpu) -> Self {
        Self {
            aim,
            device: gpu.device,
            functions: gpu
                .functions
                .iter()
                .map(|function| TargetFunction {
                    isolation: match function.iommu_group {
                        Some(_) => DmaIsolation::Known,
                        None => DmaIsolation::Awaited,
                    },
                    ..TargetFunction::new(function.address, function.identity)
                })
                .collect(),
        }
    }
}
