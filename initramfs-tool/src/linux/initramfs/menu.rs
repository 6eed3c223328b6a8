//! The boot menu's files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::changes::Changes;
use super::images::{self, FIRMWARE_PARTITIONS};
use super::{InitramfsError, failed};
use crate::initramfs::menu::{self, GRUB_CUSTOM};
use crate::initramfs::record::InstallationRecord;
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};

const GRUB: [&str; 2] = ["/boot/grub", "/boot/grub2"];
const CONFIGURATION: &str = "grub.cfg";
const ENTRIES: &str = "loader/entries";

/// The partitions that Proxmox copies kernels and images to, and boots from: nothing else of ours gets there.
const PROXMOX_PARTITIONS: &str = "/etc/kernel/proxmox-boot-uuids";

/// Files as they are to be; nothing for one that is to go.
pub(super) type Files = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// The files that give the kept image of every kernel in the record an entry, which is written down there. What an earlier
/// installation has written and is not needed goes. `keeps` are about to be kept.
pub(super) fn with_entries(
    root: &Root,
    record: &mut InstallationRecord,
    keeps: &[PathBuf],
) -> Result<Files, InitramfsError> {
    let mut files = without_entries(root)?;
    let mut custom: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    let boots_copies = is_by_proxmox(root);
    for image in &mut record.images {
        image.entry = None;
        let is_kept = keeps.contains(&image.kept) || root.path(&image.kept).exists();
        if boots_copies || !is_kept {
            continue;
        }
        if let Some((path, content)) = loader_entry(root, &image.image)? {
            files.insert(path.clone(), Some(content.into_bytes()));
            image.entry = Some(path);
            continue;
        }
        let tail = menu::tail(&image.image);
        let entry = GRUB.iter().find_map(|directory| {
            let configuration = grub_configuration(root, directory)?;
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
        let content = menu::with_entries(before.as_deref(), &entries);
        files.insert(path, content);
    }
    Ok(files)
}

/// The files in which entries of ours are, without them.
pub(super) fn without_entries(root: &Root) -> Result<Files, InitramfsError> {
    let mut files = Files::new();
    for directory in GRUB {
        let path = Path::new(directory).join(GRUB_CUSTOM);
        let Some(content) = read(&root.path(&path))? else {
            continue;
        };
        let left = menu::without_entries(&content);
        if left.as_ref() != Some(&content) {
            files.insert(path, left);
        }
    }
    for path in loader_files(root) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if menu::is_own_loader_entry(&name, &text(&root.path(&path)).unwrap_or_default()) {
            files.insert(path.clone(), None);
        }
    }
    Ok(files)
}

/// Writes them.
pub(super) fn write(root: &Root, files: &Files, changes: &mut Changes) -> Result<(), InitramfsError> {
    for (path, content) in files {
        let path = root.path(path);
        match content {
            Some(content) => changes.rewrite(&path, content)?,
            None => changes.remove(&path)?,
        }
    }
    Ok(())
}

/// Returns true if GRUB's menu takes up entries that are laid beside it: then its commands, which are measured, become others.
pub(super) fn is_by_grub(root: &Root) -> bool {
    let mut configurations = GRUB.iter().filter_map(|directory| grub_configuration(root, directory));
    configurations.any(|configuration| menu::reads_custom(&configuration))
}

fn is_by_proxmox(root: &Root) -> bool {
    let partitions = attributes::read(&root.path(PROXMOX_PARTITIONS));
    partitions.is_ok_and(|partitions| !partitions.is_empty())
}

/// Returns true if the boot loader boots copies of an image, and so nothing that lies beside it.
pub(super) fn is_copied(root: &Root, image: &Path) -> bool {
    let tail = menu::tail(image);
    let boots_a_copy = |path: &PathBuf| {
        let file = text(&root.path(path)).unwrap_or_default();
        let boots = menu::loader_image(&file, &tail);
        boots.is_some_and(|boots| a_copy(root, image, path, boots).is_some())
    };
    is_by_proxmox(root) || loader_files(root).iter().any(boots_a_copy)
}

fn grub_configuration(root: &Root, directory: &str) -> Option<String> {
    text(&root.path(directory).join(CONFIGURATION))
}

/// Menus may name things in any encoding; of those no entry is copied.
fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, InitramfsError> {
    match fs::read(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(failed("read", path)),
    }
}

/// The files of the Boot Loader Specification, in the order of their names.
fn loader_files(root: &Root) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for partition in FIRMWARE_PARTITIONS {
        let directory = Path::new(partition).join(ENTRIES);
        let entries = fs::read_dir(root.path(&directory)).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| directory.join(entry.file_name())).collect();
        paths.sort();
        files.extend(paths);
    }
    files
}

/// The entry of systemd-boot, or of a GRUB that reads the same, that boots the image: copied, and under its new name.
fn loader_entry(root: &Root, image: &Path) -> Result<Option<(PathBuf, String)>, InitramfsError> {
    let tail = menu::tail(image);
    for path in loader_files(root) {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(copy) = name.and_then(menu::loader_entry_name) else {
            continue;
        };
        let Some(file) = text(&root.path(&path)) else { continue };
        let Some(content) = menu::loader_entry(&file, &tail) else {
            continue;
        };
        let boots = menu::loader_image(&file, &tail).unwrap_or_default();
        if a_copy(root, image, &path, boots).is_none() {
            return Ok(Some((path.with_file_name(copy), content)));
        }
    }
    Ok(None)
}

/// The copies that the boot loader boots in the place of an image, if they are not the same.
pub(super) fn other_copies(root: &Root, image: &Path) -> Vec<PathBuf> {
    let tail = menu::tail(image);
    let content = images::digest(&root.path(image)).ok();
    let copies = loader_files(root).into_iter().filter_map(|path| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let file = text(&root.path(&path)).filter(|file| !menu::is_own_loader_entry(&name, file))?;
        a_copy(root, image, &path, menu::loader_image(&file, &tail)?)
    });
    let mut copies: Vec<_> = copies.chain(copies_by_name(root, image)).collect();
    copies.sort();
    copies.dedup();
    copies.retain(|copy| images::digest(&root.path(copy)).ok() != content);
    copies
}

/// The files of the image's name on the firmware's own partition, where hooks copy it to for boot loaders without entries of
/// their own.
fn copies_by_name(root: &Root, image: &Path) -> Vec<PathBuf> {
    const DEEPEST: usize = 4;
    let mut copies = Vec::new();
    let mut rest: Vec<_> = ["/efi", "/boot/efi"]
        .map(|partition| (PathBuf::from(partition), 0))
        .into();
    while let Some((directory, depth)) = rest.pop() {
        for entry in fs::read_dir(root.path(&directory)).into_iter().flatten().flatten() {
            let path = directory.join(entry.file_name());
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_directory && depth < DEEPEST {
                rest.push((path, depth + 1));
            } else if path.file_name() == image.file_name() && identity(root, &path) != identity(root, image) {
                copies.push(path);
            }
        }
    }
    copies
}

/// The finding on such a copy.
pub(super) fn outdated_copy(copy: &Path, kernel: &str) -> Finding {
    Finding::warning(id::BOOT_COPY_OUTDATED, Subject::file(copy))
        .with("kernel", kernel)
        .remedy(id::COPY_IMAGE)
}

/// The copy of the image that the entry boots on its partition, where nobody puts the kept one. What is not there, on GRUB's
/// account of a partition, is taken for the image itself.
fn a_copy(root: &Root, image: &Path, entry: &Path, boots: &str) -> Option<PathBuf> {
    let partition = entry.ancestors().nth(3).unwrap_or(Path::new("/"));
    let copy = partition.join(boots.trim_start_matches('/'));
    let there = identity(root, &copy);
    (there.is_some() && there != identity(root, image)).then_some(copy)
}

fn identity(root: &Root, path: &Path) -> Option<(u64, u64)> {
    let there = fs::metadata(root.path(path)).ok()?;
    Some((there.dev(), there.ino()))
}
