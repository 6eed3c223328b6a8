//! Looking into an image.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{InitramfsError, failed, programs};
use crate::initramfs::archive::{self, ArchiveEntry, ArchiveError, Compression, End};
use crate::initramfs::contents::{Contents, Digest, is_wanted};
use crate::linux::sysfs::root::Root;

/// The mount points of the firmware's partition.
pub(super) const FIRMWARE_PARTITIONS: [&str; 3] = ["/efi", "/boot/efi", "/boot"];

/// Reads an image.
pub(super) fn look_into(root: &Root, path: &Path) -> Result<Contents, InitramfsError> {
    let mut behind_links = BTreeSet::new();
    loop {
        let contents = read(root, path, &|name| is_wanted(name) || behind_links.contains(name))?;
        let more = contents.behind_links();
        // What is too large to be kept was not kept again.
        if more.is_subset(&behind_links) {
            return Ok(contents);
        }
        behind_links.extend(more);
    }
}

fn read(root: &Root, path: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Contents, InitramfsError> {
    let image = |cause| InitramfsError::Image {
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(failed("open", path))?;
    let mut entries = Vec::new();
    let mut plain = BufReader::new(file);
    let end = archive::read(&mut plain, wanted, &mut |entry| entries.push(entry)).map_err(image)?;
    if let End::Compressed(compression, at) = end {
        let rest = (plain.into_inner(), compression, at);
        unpack(root, rest, wanted, &mut |entry| entries.push(entry)).map_err(image)?;
    }
    Ok(Contents::collect(entries))
}

/// Has the rest of the file unpacked by the program that packed it, which is there where images are built.
fn unpack(
    root: &Root,
    (mut file, compression, at): (File, Compression, u64),
    wanted: &dyn Fn(&str) -> bool,
    visit: &mut dyn FnMut(ArchiveEntry),
) -> Result<(), ArchiveError> {
    file.seek(SeekFrom::Start(at))?;
    let (name, arguments) = compression.command().split_first().unwrap_or((&"", &[]));
    let program = programs::find(root, name);
    let program =
        program.ok_or_else(|| io::Error::other(format!("it takes `{name}` to unpack it, which is not there")))?;
    let (read, status) = programs::command(&program)
        .args(arguments)
        .input(file)
        .read(|output| archive::read(&mut BufReader::new(output), wanted, visit))?;
    match read? {
        End::File => {}
        End::Compressed(..) => return Err(io::Error::other("something is compressed twice").into()),
    }
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "`{}` says that it is damaged ({status})",
            compression.command().join(" ")
        ))
        .into()),
    }
}

/// The digest of a file.
pub(super) fn digest(path: &Path) -> Result<Digest, InitramfsError> {
    let mut file = File::open(path).map_err(failed("open", path))?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 18];
    loop {
        match file.read(&mut block).map_err(failed("read", path))? {
            0 => return Ok(Digest::finish(hash)),
            read => hash.update(block.get(..read).unwrap_or_default()),
        }
    }
}
