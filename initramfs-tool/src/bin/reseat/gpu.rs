//! GPUs that the arguments name.

use reseat::linux::{self, Root};
use reseat::model::finding::{Finding, id};
pub(crate) use reseat::model::gpu_name::GpuName;
use reseat::model::gpu_name::absent;
use reseat::model::inventory::Gpu;
use reseat_core::address::{DeviceAddress, FunctionAddress};

use crate::failure::{Failure, Outcome};

/// What every argument that names a GPU says of it.
macro_rules! gpu_help {
    () => {
        "The GPU: its address (0000:65:00, 65:00), one of its functions (0000:65:00.0, pci_0000_65_00_0), or its \
         vendor:device ID (10de:2231) if no other GPU has the same"
    };
}
pub(crate) use gpu_help;

/// Returns the device number of a GPU that the arguments name.
pub(crate) fn device(root: &Root, name: GpuName) -> Outcome<DeviceAddress> {
    Ok(name.device(&gpus(root, name))?)
}

/// Returns the function that stands for it.
pub(crate) fn function(root: &Root, name: GpuName) -> Outcome<FunctionAddress> {
    Ok(name.function(&gpus(root, name))?)
}

/// The GPUs to choose from. Where the name is the answer, nothing is read: udev runs the program for every function.
fn gpus(root: &Root, name: GpuName) -> Vec<Gpu> {
    match name {
        GpuName::Function(_) => Vec::new(),
        GpuName::Device(_) | GpuName::Identity(_) => all(root),
    }
}

fn all(root: &Root) -> Vec<Gpu> {
    linux::gpus(root)
}

/// Adds the GPUs of this machine to the reasons of a failure, if none is at this address.
pub(crate) fn or_absent<E: Into<Failure>>(root: &Root, device: DeviceAddress) -> impl FnOnce(E) -> Failure {
    move |error| match error.into() {
        Failure::Because(exit, reasons) => Failure::Because(exit, with_absent(root, device, reasons)),
        Failure::ReaderGone => Failure::ReaderGone,
    }
}

/// The reasons. If no GPU is at this address, one of them names the GPUs of this machine.
pub(crate) fn with_absent(root: &Root, device: DeviceAddress, mut reasons: Vec<Finding>) -> Vec<Finding> {
    let gpus = all(root);
    if gpus.iter().all(|gpu| gpu.device != device) {
        // It says more than these.
        let is_less = |reason: &Finding| reason.id == id::NO_GPU_AT || reason.id == id::NO_FUNCTION_AT;
        reasons.retain(|reason| !is_less(reason));
        reasons.push(absent(device, &gpus));
    }
    reasons
}
