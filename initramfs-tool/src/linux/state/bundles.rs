//! The bundles of evidence as files, one a recovery: whole or not there.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::durable::{DurableError, Locked};
use super::recovery_files;
use super::recovery_files::RecordError;
use crate::linux::sysfs::root::Root;
use crate::records::evidence::{Bundle, LARGEST, encode};

/// Where they are.
const BUNDLES: &str = "/var/lib/reseat/evidence";
/// So many are kept, the newest: together with the bound of each, that bounds what they take of the disk.
const KEPT: usize = 32;
const EXTENSION: &str = ".json";
/// What a writer that was killed may have left behind.
const UNFINISHED: &str = ".json.new";

/// Writes a bundle, removes the oldest of those that are too many, and says which file it is.
pub(crate) fn write(root: &Root, bundle: Bundle) -> Result<PathBuf, DurableError> {
    let directory = root.path(BUNDLES);
    // By name they are in the order of their time.
    let name = format!(
        "{}-{}{EXTENSION}",
        bundle.begun.strftime("%Y%m%dT%H%M%S.%3fZ"),
        bundle.device
    );
    let path = directory.join(&name);
    let text = encode(bundle, LARGEST).map_err(|cause| DurableError::Content {
        path: path.clone(),
        cause,
    })?;
    let is_new = !directory.exists();
    let locked = Locked::wait(&directory)?;
    if is_new {
        // The kernel log, and who runs what, are not for everybody to read.
        let only_owner = Permissions::from_mode(0o700);
        fs::set_permissions(&directory, only_owner).map_err(|cause| DurableError::File {
            action: "protect",
            path: directory.clone(),
            cause,
        })?;
    }
    locked.replace(&name, &text)?;
    let (mut bundles, unfinished) = names(&directory)?;
    bundles.retain(|bundle| *bundle != name);
    let too_many = bundles.len().saturating_sub(KEPT - 1);
    bundles.truncate(too_many);
    // Nobody else writes while the lock is ours: what is unfinished stays so.
    for name in bundles.iter().chain(&unfinished) {
        locked.remove(name)?;
    }
    Ok(path)
}

/// The bundles, oldest first.
///
/// # Errors
/// When the directory is there and cannot be read.
pub fn list(root: &Root) -> Result<Vec<PathBuf>, DurableError> {
    let directory = root.path(BUNDLES);
    let (bundles, _) = names(&directory)?;
    Ok(bundles.iter().map(|name| directory.join(name)).collect())
}

/// The bundle at `path`; a name alone is one of those that [`list`] has.
///
/// # Errors
/// When it is not there, or is no bundle.
pub fn read(root: &Root, path: &Path) -> Result<Bundle, RecordError> {
    let is_name = path.components().count() == 1 && !path.exists();
    let path = if is_name {
        root.path(BUNDLES).join(path)
    } else {
        path.to_owned()
    };
    let bundle = recovery_files::read_file(&path, "bundle of evidence")?;
    bundle.ok_or_else(|| {
        RecordError::File(DurableError::File {
            action: "read",
            path,
            cause: io::ErrorKind::NotFound.into(),
        })
    })
}

/// The names of the bundles and of what is unfinished, in order. Other files are nobody's here.
fn names(directory: &Path) -> Result<(Vec<String>, Vec<String>), DurableError> {
    let failed = |cause| DurableError::File {
        action: "list",
        path: directory.to_owned(),
        cause,
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(cause) => return Err(failed(cause)),
    };
    let (mut bundles, mut unfinished) = (Vec::new(), Vec::new());
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let is_ours = name.starts_with(|first: char| first.is_ascii_digit());
        match &name {
            _ if !is_ours => {}
            name if name.ends_with(EXTENSION) => bundles.push(name.clone()),
            name if name.ends_with(UNFINISHED) => unfinished.push(name.clone()),
            _ => {}
        }
    }
    bundles.sort();
    Ok((bundles, unfinished))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::evidence::fixture;

    fn root() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        (directory, root)
    }

    #[test]
    fn what_was_written_is_read_again() {
        let (_directory, root) = root();
        assert_eq!(list(&root).unwrap(), Vec::<PathBuf>::new());
        let path = write(&root, fixture()).unwrap();
        assert_eq!(
            path,
            root.path("/var/lib/reseat/evidence/20260921T141320.250Z-0000:01:00.json")
        );
        assert_eq!(read(&root, &path).unwrap(), fixture());
        assert_eq!(read(&root, Path::new(path.file_name().unwrap())).unwrap(), fixture());
        assert_eq!(list(&root).unwrap(), [path]);
        let mode = fs::metadata(root.path(BUNDLES)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn the_newest_are_kept_and_what_is_no_bundle_is_left_alone() {
        let (_directory, root) = root();
        let directory = root.path(BUNDLES);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("notes.json"), "mine").unwrap();
        fs::write(directory.join("20260101T000000.000Z-0000:01:00.json.new"), "{\"half").unwrap();
        for second in 0..40 {
            let mut bundle = fixture();
            bundle.begun += jiff::SignedDuration::from_secs(second);
            write(&root, bundle).unwrap();
        }
        let bundles = list(&root).unwrap();
        assert_eq!(bundles.len(), KEPT);
        assert!(bundles[0].to_string_lossy().contains("T141328"), "{bundles:?}");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), KEPT + 1);
    }

    #[test]
    fn what_is_no_bundle_is_named() {
        let (_directory, root) = root();
        let path = write(&root, fixture()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        let error = read(&root, &path).unwrap_err().to_string();
        assert!(error.contains("is no bundle of evidence"), "{error}");
        fs::write(&path, text.replace("reseat.evidence/2", "reseat.evidence/3")).unwrap();
        let error = read(&root, &path).unwrap_err().to_string();
        assert!(error.contains("reseat.evidence/3"), "{error}");
        fs::remove_file(&path).unwrap();
        assert!(read(&root, &path).is_err());
    }
}
