//! The encrypted disks, and what binds them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::initramfs::machine::{Disk, DisksError};
use crate::initramfs::measured::{self, Binding, BindingError, HEAD, Head};
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;

/// Each encrypted disk with what binds it.
///
/// The heads are read themselves: the text in them is what `cryptsetup luksDump --dump-json-metadata` prints, and that
/// program is not everywhere.
///
/// # Errors
/// When not even the disks can be listed.
pub(super) fn bindings(root: &Root, changing: &[u64]) -> Result<Vec<Disk>, DisksError> {
    let blocks = root.path("/sys/class/block");
    let failed = |error: io::Error| DisksError {
        cause: format!("cannot list {}: {error}", blocks.display()),
    };
    let entries = fs::read_dir(&blocks).map_err(failed)?;
    let mut disks = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let says = |attribute: &str, value: &str| {
            attributes::read(&entry.path().join(attribute)).is_ok_and(|there| there == value)
        };
        // A drive without a medium, a network disk without a server; and a path of several to an NVMe disk, which has no node.
        if says("size", "0") || says("hidden", "1") {
            continue;
        }
        let device = Path::new("/dev").join(entry.file_name());
        let node = root.path(Path::new("/dev").join(entry.file_name().to_string_lossy().replace('!', "/")));
        disks.extend(of(root, &node, changing).map(|binding| Disk { path: device, binding }));
    }
    disks.extend(listed(root, changing)?);
    disks.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(disks)
}

fn of(root: &Root, node: &Path, changing: &[u64]) -> Option<Result<Binding, BindingError>> {
    let mut bytes = [0; HEAD];
    let file = File::open(node).and_then(|mut file| file.read_exact(&mut bytes).map(|()| file));
    let mut file = match file {
        Ok(file) => file,
        // Shorter than any head.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
        // A floppy drive has a size all the same.
        Err(error) if no_medium(&error) => return None,
        Err(error) => {
            return Some(Err(BindingError::Disk {
                cause: error.to_string(),
            }));
        }
    };
    match Head::of(&bytes) {
        Head::Other => None,
        // There clevis keeps its tokens beside the head.
        Head::Luks1 if super::programs::find(root, "clevis").is_some() => Some(Err(BindingError::Luks1)),
        Head::Luks1 => Some(Ok(Binding::None)),
        Head::Damaged => Some(Err(BindingError::UnknownHead)),
        Head::Luks2(size) => {
            let mut head = bytes.to_vec();
            head.resize(size, 0);
            let rest = head.get_mut(HEAD..).unwrap_or_default();
            let read = file.read_exact(rest).map_err(|error| BindingError::Head {
                cause: error.to_string(),
            });
            Some(read.and_then(|()| measured::binding(&head, changing)))
        }
    }
}

fn no_medium(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::NXIO | Errno::NOMEDIUM))
}

/// The bindings in the list of disks that the boot opens: of those whose head lies elsewhere, and of a key that
/// does not lie in one.
fn listed(root: &Root, changing: &[u64]) -> Result<Vec<Disk>, DisksError> {
    const CRYPTTAB: &str = "/etc/crypttab";
    let text = attributes::read_if_there(&root.path(CRYPTTAB)).map_err(|error| DisksError {
        cause: error.to_string(),
    })?;
    let text = text.unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let disks = lines.filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (Some(_), Some(device), _, options) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
            return None;
        };
        let options = options.unwrap_or_default();
        let value = |name: &str| options.split(',').find_map(|option| option.strip_prefix(name));
        let binding = if value("header=").is_some() {
            Err(BindingError::DetachedHead { file: CRYPTTAB })
        } else if let Some(script) = value("keyscript=").filter(|script| asks_the_tpm(root, script)) {
            Err(BindingError::KeyScript {
                file: CRYPTTAB,
                script: script.to_owned(),
            })
        } else {
            measured::of_options(options, changing)
        };
        let path = device.into();
        (binding != Ok(Binding::None)).then_some(Disk { path, binding })
    });
    Ok(disks.collect())
}

/// Debian's way to have a key brought by a program of one's own.
fn asks_the_tpm(root: &Root, script: &str) -> bool {
    let places = [PathBuf::from(script), Path::new("/lib/cryptsetup/scripts").join(script)];
    let text = places.iter().find_map(|place| fs::read(root.path(place)).ok());
    let text = text.map(|text| String::from_utf8_lossy(&text).to_lowercase());
    script.contains("tpm") || text.is_some_and(|text| text.contains("tpm"))
}
