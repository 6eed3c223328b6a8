//! A note that a GPU out of service is not isolated: its user was left with it. While the note is there,
//! reseat-isolate.timer tries again.

use std::fs;

use crate::linux::sysfs::root::Root;

/// Gone with the machine's next start, as the user is.
const NOTE: &str = "/run/reseat/not-isolated";

/// Leaves the note. Without it the next `reseat quarantine apply` isolates the GPU, which the operator is told as well.
pub(crate) fn note(root: &Root) {
    let path = root.path(NOTE);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).ok();
    }
    fs::write(path, "").ok();
}

/// True if a GPU is known not to be isolated.
pub(crate) fn is_noted(root: &Root) -> bool {
    root.path(NOTE).exists()
}

/// Takes the note away.
pub(crate) fn clear(root: &Root) {
    fs::remove_file(root.path(NOTE)).ok();
}
