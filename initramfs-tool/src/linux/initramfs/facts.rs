//! The facts about this machine.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::images::{self, FIRMWARE_PARTITIONS};
use super::{disks, menu, presets, programs};
use crate::initramfs::builder::Builder;
use crate::initramfs::machine::{Deployed, Facts, Image, Kernel, RulesState, UnifiedSign};
use crate::initramfs::measured;
use crate::initramfs::plan::{self, Request};
use crate::linux::claim::check;
use crate::linux::state::rules::{self, RULES_FILE};
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;

/// The program for the image.
pub(super) const PROGRAM: &str = "/usr/sbin/reseat-claim";

/// The paths of images, as builders and `kernel-install` name them.
const PLACES: [&str; 7] = [
    "/boot/initrd.img-VERSION",
    "/boot/initramfs-VERSION.img",
    "/boot/initrd-VERSION",
    "/boot/initrd-VERSION.img",
    "/efi/TOKEN/VERSION/initrd",
    "/boot/efi/TOKEN/VERSION/initrd",
    "/boot/TOKEN/VERSION/initrd",
];
const TOKEN: &str = "TOKEN";

/// Gathers the facts about this machine, for this request.
pub(super) fn gather(root: &Root, request: &Request) -> Facts {
    let builders = Builder::ALL.into_iter();
    let builders = builders
        .filter(|builder| programs::of_builder(root, *builder).is_some())
        .collect();
    let (disks, disks_unknown) = match disks::bindings(root, measured::changing(menu::is_by_grub(root))) {
        Ok(disks) => (disks, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let places = places(root);
    let mut facts = Facts {
        builders,
        made_by: None,
        running: attributes::read(&root.path("/proc/sys/kernel/osrelease")).ok(),
        kernels: kernels(root, &places),
        places,
        has_program: root.path(PROGRAM).is_file(),
        deployed: deployed(root),
        unified: unified(root),
        by_sdbootutil: by_sdbootutil(root),
        no_drop_ins: presets::no_drop_ins(root),
        secure_boot: secure_boot(root),
        disks,
        disks_unknown,
        rules: rules_file(root),
        peers_in_system: check::peers_in_system(root),
    };
    if facts.builders.len() > 1 {
        let first = plan::choose(&facts, &request.kernels)
            .ok()
            .and_then(|chosen| Some(chosen.first()?.1.path.clone()));
        facts.made_by = first.and_then(|image| images::look_into(root, &root.path(image)).ok()?.made_by());
    }
    facts
}

/// The rules that the image takes up.
pub(super) fn rules_file(root: &Root) -> RulesState {
    if !root.path(RULES_FILE).exists() && !root.path(RULES_FILE).is_symlink() {
        return RulesState::Missing(RULES_FILE.into());
    }
    let invalid = rules::invalid(root);
    match invalid.is_empty() {
        true => RulesState::Valid,
        false => RulesState::Invalid(invalid),
    }
}

/// The paths of images on this machine.
fn places(root: &Root) -> Vec<String> {
    let tokens = entry_tokens(root);
    let place = |place: &&str| -> Vec<String> {
        match place.contains(TOKEN) {
            true => tokens.iter().map(|token| place.replace(TOKEN, token)).collect(),
            false => vec![(*place).to_owned()],
        }
    };
    PLACES.iter().flat_map(place).collect()
}

/// The names that `kernel-install` may have for this machine on the boot partition, in the order of its manual page.
fn entry_tokens(root: &Root) -> Vec<String> {
    let line = |path: &str| attributes::read_configuration(&root.path(path));
    let release = ["/etc/os-release", "/usr/lib/os-release"].map(line);
    let release = release.iter().find(|text| !text.is_empty());
    let named = |name: &str| {
        let mut lines = release?.lines();
        lines.find_map(|line| {
            Some(
                line.strip_prefix(name)?
                    .strip_prefix('=')?
                    .trim_matches(['"', '\''])
                    .to_owned(),
            )
        })
    };
    let tokens = [
        Some(line("/etc/kernel/entry-token")),
        Some(line("/etc/machine-id")),
        named("IMAGE_ID"),
        named("ID"),
    ];
    let mut different: Vec<String> = Vec::new();
    for token in tokens.into_iter().flatten() {
        if !token.is_empty() && !different.contains(&token) {
            different.push(token);
        }
    }
    different
}

fn kernels(root: &Root, places: &[String]) -> Vec<Kernel> {
    let mut versions = Vec::new();
    // Where /lib is no link into /usr, both hold some.
    for directory in ["/lib/modules", "/usr/lib/modules"] {
        let entries = fs::read_dir(root.path(directory)).into_iter().flatten().flatten();
        versions.extend(entries.filter_map(|entry| entry.file_name().into_string().ok()));
    }
    versions.sort();
    versions.dedup();
    let kernel = |version: String| Kernel {
        image: image(root, &version, &[places, &presets::places(root, &version)].concat()),
        version,
    };
    versions.into_iter().map(kernel).collect()
}

fn image(root: &Root, version: &str, places: &[String]) -> Option<Image> {
    places.iter().find_map(|place| {
        let path = PathBuf::from(place.replace("VERSION", version));
        let there = fs::symlink_metadata(root.path(&path))
            .ok()
            .filter(fs::Metadata::is_file)?;
        let space = statvfs(root.path(&path)).ok()?;
        Some(Image {
            path,
            size: there.len(),
            free: space.f_bavail.saturating_mul(space.f_frsize),
            file_system: there.dev(),
            read_only: space.f_flag.contains(StatVfsMountFlags::RDONLY),
        })
    })
}

/// Returns true if sdbootutil is there, and serves openSUSE's boot loader.
fn by_sdbootutil(root: &Root) -> bool {
    let configuration = attributes::read_configuration(&root.path("/etc/sysconfig/bootloader"));
    let served = |line: &str| {
        let value = line.strip_prefix("LOADER_TYPE=");
        value.is_some_and(|value| ["systemd-boot", "grub2-bls"].contains(&value.trim_matches(['"', '\''])))
    };
    root.path("/usr/bin/sdbootutil").is_file() && configuration.lines().any(served)
}

fn deployed(root: &Root) -> Option<Deployed> {
    let there = |path: &str| root.path(path).exists();
    if !there("/run/ostree-booted") && !there("/ostree/repo") && !there("/sysroot/ostree") {
        return None;
    }
    match there("/usr/bin/bootc") {
        true => Some(Deployed::Bootc),
        false => Some(Deployed::Ostree),
    }
}

/// The signs of kernel and initramfs in one file.
fn unified(root: &Root) -> Vec<UnifiedSign> {
    let mut signs = Vec::new();
    for partition in FIRMWARE_PARTITIONS {
        let directory = Path::new(partition).join("EFI/Linux");
        let files = fs::read_dir(root.path(&directory)).into_iter().flatten().flatten();
        let files = files.map(|entry| directory.join(entry.file_name()));
        let images = files.filter(|file| {
            file.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("efi"))
        });
        signs.extend(images.map(UnifiedSign::Image));
    }
    let setting = |file: String, setting| UnifiedSign::Setting {
        file: file.into(),
        setting,
    };
    signs.extend(layout_of_unified(root).map(|file| setting(file, "layout=uki")));
    signs.extend(dracut_unifies(root).map(|file| setting(file, "uefi=yes")));
    signs.extend(presets::unified(root).into_iter().map(UnifiedSign::Preset));
    // What the stub of such an image leaves behind.
    if firmware_variable(root, "StubInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f").is_some() {
        signs.push(UnifiedSign::Booted);
    }
    signs.sort();
    signs.dedup();
    signs
}

/// The file that has `kernel-install` make unified images: of a name, the first of these directories counts, and what is
/// beside it comes after.
fn layout_of_unified(root: &Root) -> Option<String> {
    const DIRECTORIES: [&str; 3] = ["/etc/kernel", "/run/kernel", "/usr/lib/kernel"];
    const NAME: &str = "install.conf";
    let main = DIRECTORIES.iter().map(|directory| format!("{directory}/{NAME}"));
    let main = main.into_iter().find(|path| root.path(path).exists());
    let beside = drop_ins(root, &DIRECTORIES.map(|directory| format!("{directory}/{NAME}.d")));
    let layout = |line: &str| {
        let bare: String = line.split_whitespace().collect();
        bare.strip_prefix("layout=").map(str::to_owned)
    };
    let (layout, path) = last_setting(root, main.into_iter().chain(beside), layout)?;
    (layout == "uki").then_some(path)
}

/// The file that has dracut make unified images.
fn dracut_unifies(root: &Root) -> Option<String> {
    let beside = drop_ins(
        root,
        &[
            "/etc/dracut.conf.d".to_owned(),
            "/usr/lib/dracut/dracut.conf.d".to_owned(),
        ],
    );
    let value = |line: &str| {
        // A comment or another command may follow.
        let set = line.trim().strip_prefix("uefi=")?.split([' ', '\t', ';']).next()?;
        Some(set.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned())
    };
    let files = iter::once("/etc/dracut.conf".to_owned()).chain(beside);
    let (value, path) = last_setting(root, files, value)?;
    (value == "yes").then_some(path)
}

/// The value in the last line that sets something, and its file. `value` returns that of a line.
fn last_setting(
    root: &Root,
    files: impl Iterator<Item = String>,
    value: impl Fn(&str) -> Option<String>,
) -> Option<(String, String)> {
    let set = files.filter_map(|path| {
        let text = attributes::read_configuration(&root.path(&path));
        let value = text.lines().filter_map(&value).last()?;
        Some((value, path))
    });
    set.last()
}

/// The files `*.conf` of these directories by name; of one name, that of the first directory.
fn drop_ins(root: &Root, directories: &[String]) -> Vec<String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for directory in directories {
        let entries = fs::read_dir(root.path(directory)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        for name in names.filter(|name| name.ends_with(".conf")) {
            let path = format!("{directory}/{name}");
            files.entry(name).or_insert(path);
        }
    }
    files.into_values().collect()
}

fn secure_boot(root: &Root) -> bool {
    // Four bytes of attributes come before the value.
    let value = firmware_variable(root, "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
    value.is_some_and(|value| value.get(4) == Some(&1))
}

fn firmware_variable(root: &Root, name: &str) -> Option<Vec<u8>> {
    fs::read(root.path("/sys/firmware/efi/efivars").join(name)).ok()
}
