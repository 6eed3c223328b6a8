//! The boot menu's files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::changes::Changes;
use super::facts::FIRMWARE_PARTITIONS;
use super::{InitramfsError, failed};
use crate::initramfs::menu::{self, GRUB_CUSTOM};
use crate::initramfs::record::Record;
use crate::linux::{Root, attribute};

const GRUB: [&str; 2] = ["/boot/grub", "/boot/grub2"];
const CONFIGURATION: &str = "grub.cfg";
const ENTRIES: &str = "loader/entries";
const MODE: u32 = 0o644;

/// Gives the kept image of every kernel in the record an entry, and writes down where.
pub(super) fn add(root: &Root, record: &mut Record, changes: &mut Changes) -> Result<(), InitramfsError> {
    let mut custom: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for image in &mut record.images {
        let tail = menu::tail(&image.image);
        if let Some((path, content)) = loader_entry(root, &tail)? {
            changes.write(&root.path(&path), content.as_bytes(), MODE)?;
            image.entry = Some(path);
            continue;
        }
        let entry = GRUB.iter().find_map(|directory| {
            let configuration = attribute::read(&root.path(directory).join(CONFIGURATION)).ok()?;
            Some((directory, menu::grub_entry(&configuration, &tail)?))
        });
        image.entry = entry.map(|(directory, entry)| {
            let path = Path::new(directory).join(GRUB_CUSTOM);
            custom.entry(path.clone()).or_default().push(entry);
            path
        });
    }
    for (path, entries) in custom {
        let before = read(&root.path(&path))?;
        changes.write(
            &root.path(&path),
            menu::with_entries(&before, &entries).as_bytes(),
            MODE,
        )?;
    }
    Ok(())
}

/// Takes the record's entries away.
pub(super) fn remove(root: &Root, record: &Record, changes: &mut Changes) -> Result<(), InitramfsError> {
    for entry in record.images.iter().filter_map(|image| image.entry.as_ref()) {
        let path = root.path(entry);
        let content = read(&path)?;
        let left = match entry.ends_with(GRUB_CUSTOM) {
            true => menu::without_entries(&content),
            false => String::new(),
        };
        match left.is_empty() {
            true => changes.remove(&path)?,
            false => changes.write(&path, left.as_bytes(), MODE)?,
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, InitramfsError> {
    match fs::read_to_string(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(failed("read", path)),
    }
}

/// The entry of systemd-boot, or of a GRUB that reads the same, that boots the image: copied, and under its new name.
fn loader_entry(root: &Root, tail: &str) -> Result<Option<(PathBuf, String)>, InitramfsError> {
    for partition in FIRMWARE_PARTITIONS {
        let directory = Path::new(partition).join(ENTRIES);
        let Ok(entries) = fs::read_dir(root.path(&directory)) else {
            continue;
        };
        let mut names: Vec<_> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        for name in names {
            let Some(copy) = menu::loader_entry_name(&name) else {
                continue;
            };
            let file = read(&root.path(&directory).join(&name))?;
            if let Some(content) = menu::loader_entry(&file, tail) {
                return Ok(Some((directory.join(copy), content)));
            }
        }
    }
    Ok(None)
}
