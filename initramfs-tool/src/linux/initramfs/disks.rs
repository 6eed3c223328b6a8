//! The encrypted disks, and what binds them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::initramfs::measured::{self, Binding, HEAD, Head};
use crate::initramfs::plan::Disk;
use crate::linux::{Root, attribute};

/// Each encrypted disk with what binds it.
///
/// The heads are read themselves: the text in them is what `cryptsetup luksDump --dump-json-metadata` prints, and that
/// program is not everywhere.
///
/// # Errors
/// When not even the disks can be listed.
pub(super) fn bindings(root: &Root) -> Result<Vec<Disk>, String> {
    let blocks = root.path("/sys/class/block");
    let entries = fs::read_dir(&blocks).map_err(|error| format!("cannot list {}: {error}", blocks.display()))?;
    let mut disks = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| format!("cannot list {}: {error}", blocks.display()))?;
        // A drive without a medium, a network disk without a server.
        if attribute::read(&entry.path().join("size")).is_ok_and(|size| size == "0") {
            continue;
        }
        let device = Path::new("/dev").join(entry.file_name());
        let node = root.path(Path::new("/dev").join(entry.file_name().to_string_lossy().replace('!', "/")));
        disks.extend(of(root, &node).map(|binding| Disk { path: device, binding }));
    }
    let detached = detached_heads(root)?;
    disks.extend(detached);
    disks.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(disks)
}

fn of(root: &Root, node: &Path) -> Option<Result<Binding, String>> {
    let mut bytes = [0; HEAD];
    let file = File::open(node).and_then(|mut file| file.read_exact(&mut bytes).map(|()| file));
    let mut file = match file {
        Ok(file) => file,
        // Shorter than any head.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
        Err(error) => return Some(Err(format!("cannot read it: {error}"))),
    };
    match Head::of(&bytes) {
        Head::Other => None,
        // There clevis keeps its tokens beside the head.
        Head::Luks1 if super::programs::find(root, "clevis").is_some() => Some(Err(
            "it is LUKS1, and clevis may have bound it (`clevis luks list`)".to_owned(),
        )),
        Head::Luks1 => Some(Ok(Binding::None)),
        Head::Damaged => Some(Err("its LUKS head is of no known form".to_owned())),
        Head::Luks2(size) => {
            let mut head = bytes.to_vec();
            head.resize(size, 0);
            let rest = head.get_mut(HEAD..).unwrap_or_default();
            let read = file
                .read_exact(rest)
                .map_err(|error| format!("cannot read its head: {error}"));
            Some(read.and_then(|()| measured::binding(&head)))
        }
    }
}

/// The disks whose heads lie elsewhere, by the list of those that the boot opens.
fn detached_heads(root: &Root) -> Result<Vec<Disk>, String> {
    const CRYPTTAB: &str = "/etc/crypttab";
    let text = attribute::read_if_there(&root.path(CRYPTTAB)).map_err(|error| error.to_string())?;
    let text = text.unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let detached = lines.filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (Some(_), Some(device), _, options) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
            return None;
        };
        let options = options.unwrap_or_default();
        let detached = options.split(',').any(|option| option.starts_with("header="));
        detached.then(|| Disk {
            path: device.into(),
            binding: Err(format!("{CRYPTTAB} says that its head lies elsewhere")),
        })
    });
    Ok(detached.collect())
}
