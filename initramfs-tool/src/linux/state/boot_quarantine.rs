//! The quarantine as the boot finds it.

use super::regular_file;
use crate::linux::sysfs::root::Root;
use crate::records::boot_quarantine::AtBoot;

/// On the real root the file itself, in the initramfs the copy that the hook has put there when the image was made.
const PLACES: [&str; 2] = ["/var/lib/reseat/quarantine.json", "/etc/reseat/quarantine.json"];

/// What the first of the files that is there says. Without one, no GPU is quarantined.
pub(crate) fn read(root: &Root) -> AtBoot {
    for place in PLACES {
        let path = root.path(place);
        match regular_file::read(&path) {
            Ok(None) => {}
            Ok(Some(bytes)) => return AtBoot::parse(&bytes),
            Err(error) => return AtBoot::unreadable(format!("cannot read {}: {error}", path.display())),
        }
    }
    AtBoot::nobody()
}
