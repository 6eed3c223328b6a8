//! Leftovers of an installation or a removal that was cut off.

use std::fs;
use std::path::{Path, PathBuf};

use super::changes::{OLD, UNFINISHED, with_suffix};
use super::{InitramfsError, failed, images};
use crate::initramfs::plan::{KEPT_SUFFIX, UNFINISHED_SUFFIX};
use crate::initramfs::record::InstallationRecord;
use crate::linux::sysfs::root::Root;

/// The names beside an image that are of use only until all is done.
pub(super) fn beside_image(image: &Path) -> [PathBuf; 4] {
    let kept = with_suffix(image, KEPT_SUFFIX);
    [
        with_suffix(image, UNFINISHED_SUFFIX),
        with_suffix(image, OLD),
        with_suffix(&kept, UNFINISHED),
        with_suffix(&kept, OLD),
    ]
}

/// A name beside a file that nobody has.
pub(super) fn free_name(root: &Root, path: &Path) -> PathBuf {
    let numbered = (1_u32..).map(|number| with_suffix(path, &format!(".{number}")));
    let mut free = numbered.filter(|name| !root.path(name).exists());
    free.next().unwrap_or_else(|| path.to_owned())
}

/// The name beside a file that is of use only until it is whole.
pub(super) fn beside_file(file: &Path) -> PathBuf {
    with_suffix(file, UNFINISHED)
}

/// Gives images from before their names, where that was cut off between the switch and it: what is built next would take
/// their places.
pub(super) fn name_kept(root: &Root, record: &InstallationRecord) -> Result<(), InitramfsError> {
    for image in &record.images {
        let kept = root.path(&image.kept);
        if kept.exists() {
            continue;
        }
        let beside = beside_image(&image.image).map(|path| root.path(path));
        let is_it = |path: &&PathBuf| images::digest(path).is_ok_and(|content| content == image.kept_content);
        if let Some(there) = beside.iter().find(is_it) {
            fs::rename(there, &kept).map_err(failed("keep the image as", &kept))?;
        }
    }
    Ok(())
}
