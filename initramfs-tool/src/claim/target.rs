//! The GPU to claim, as a worker needs to know it.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::Identity;
use serde::{Deserialize, Serialize};

use crate::inventory::Gpu;

/// A GPU, as a worker needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its device number.
    pub device: DeviceAddress,
    /// Its functions.
    pub functions: Vec<TargetFunction>,
}

/// A function of a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFunction {
    /// Where it is.
    pub address: FunctionAddress,
    /// Who it has to be.
    pub identity: Identity,
}

impl From<&Gpu> for Target {
    fn from(gpu: &Gpu) -> Self {
        Self {
            device: gpu.device,
            functions: gpu
                .functions
                .iter()
                .map(|function| TargetFunction {
                    address: function.address,
                    identity: function.identity,
                })
                .collect(),
        }
    }
}
