//! Keeping udev from a function that the kernel holds.

use std::path::Path;

use reseat_core::address::FunctionAddress;
use rustix::mount::mount_bind;

use crate::linux::sysfs::root::Root;

/// What is laid over a function's `uevent`: it takes what is written to it and has nothing to read.
const NOTHING: &str = "/dev/null";

/// Masks the functions that the kernel holds, and tells of each.
///
/// An unbind or a reset that does not end has the device's lock, and to read `uevent` is to wait for that. The boot's next
/// step has udev read it of every device and waits two minutes for the one that does not answer.
pub(crate) fn held(root: &Root, functions: &[FunctionAddress]) -> Vec<String> {
    // In tests the root is a folder, which nothing is to be mounted over.
    if root.as_path() != Path::new("/") {
        return Vec::new();
    }
    functions.iter().map(|function| mask(root, *function)).collect()
}

fn mask(root: &Root, function: FunctionAddress) -> String {
    let uevent = root.function(function).join("uevent");
    match mount_bind(NOTHING, &uevent) {
        Ok(()) => format!(
            "the kernel holds {function}: {NOTHING} is mounted over {}, so that udev does not wait for it",
            uevent.display()
        ),
        Err(error) => format!(
            "the kernel holds {function}, and udev may wait for it: cannot mask {}: {error}",
            uevent.display()
        ),
    }
}
