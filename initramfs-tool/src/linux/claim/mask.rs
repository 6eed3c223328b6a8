//! Keeping udev from a function that the kernel holds.

use std::path::Path;

use reseat_core::address::FunctionAddress;
use rustix::mount::mount_bind;

use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};

/// What is laid over a function's `uevent`: it takes what is written to it and has nothing to read.
const NOTHING: &str = "/dev/null";

/// Masks the functions that the kernel holds, and reports each.
///
/// An unbind or a reset that does not end has the device's lock, and to read `uevent` is to wait for that. The boot's next
/// step has udev read it of every device and waits two minutes for the one that does not answer.
pub(crate) fn held(root: &Root, functions: &[FunctionAddress]) -> Vec<Finding> {
    // In tests the root is a folder, which nothing is to be mounted over.
    if root.as_path() != Path::new("/") {
        return Vec::new();
    }
    functions.iter().map(|function| mask(root, *function)).collect()
}

fn mask(root: &Root, function: FunctionAddress) -> Finding {
    let uevent = root.function(function).join("uevent");
    let held = |id| Finding::error(id, Subject::function(function)).with("file", uevent.display());
    match mount_bind(NOTHING, &uevent) {
        Ok(()) => held(id::FUNCTION_HELD_MASKED),
        Err(error) => held(id::FUNCTION_HELD_UNMASKED).with("cause", error),
    }
}
