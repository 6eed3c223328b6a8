//! What matters about this machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::{disks, images};
use crate::initramfs::builder::Builder;
use crate::initramfs::plan::{self, Deployed, Facts, Image, Kernel, Request};
use crate::linux::{Root, attribute};

/// The program for the image.
pub(super) const PROGRAM: &str = "/usr/sbin/reseat-claim";

/// Where images are, as builders and `kernel-install` name them.
const PLACES: [&str; 6] = [
    "/boot/initrd.img-VERSION",
    "/boot/initramfs-VERSION.img",
    "/boot/initrd-VERSION",
    "/efi/MACHINE/VERSION/initrd",
    "/boot/efi/MACHINE/VERSION/initrd",
    "/boot/MACHINE/VERSION/initrd",
];

/// Where the firmware's partition is mounted.
pub(super) const FIRMWARE_PARTITIONS: [&str; 3] = ["/efi", "/boot/efi", "/boot"];

/// What matters about this machine, for this request.
pub(super) fn gather(root: &Root, request: &Request) -> Facts {
    let builders = Builder::ALL.into_iter();
    let builders = builders.filter(|builder| program(root, *builder).is_some()).collect();
    let (disks, disks_unknown) = match disks::bindings(root) {
        Ok(disks) => (disks, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let machine = attribute::read(&root.path("/etc/machine-id"))
        .ok()
        .filter(|id| !id.is_empty());
    let places = PLACES.iter().filter_map(|place| match &machine {
        Some(machine) => Some(place.replace("MACHINE", machine)),
        None => (!place.contains("MACHINE")).then(|| (*place).to_owned()),
    });
    let places: Vec<_> = places.collect();
    let mut facts = Facts {
        builders,
        made_by: None,
        running: attribute::read(&root.path("/proc/sys/kernel/osrelease")).ok(),
        kernels: kernels(root, &places),
        places,
        has_program: root.path(PROGRAM).is_file(),
        deployed: deployed(root),
        unified: unified(root),
        secure_boot: secure_boot(root),
        disks,
        disks_unknown,
    };
    if facts.builders.len() > 1 {
        let first = plan::choose(&facts, &request.kernels)
            .ok()
            .and_then(|chosen| Some(chosen.first()?.1.path.clone()));
        facts.made_by = first.and_then(|image| images::look_into(root, &root.path(image)).ok()?.made_by());
    }
    facts
}

/// Where a builder's program is.
pub(super) fn program(root: &Root, builder: Builder) -> Option<PathBuf> {
    let mut places = builder.programs().iter().map(|path| root.path(path));
    places.find(|path| path.is_file())
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
        image: image(root, &version, places),
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
        })
    })
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

/// What speaks for kernel and initramfs in one file.
fn unified(root: &Root) -> Vec<String> {
    let mut signs = Vec::new();
    for partition in FIRMWARE_PARTITIONS {
        let directory = Path::new(partition).join("EFI/Linux");
        let files = fs::read_dir(root.path(&directory)).into_iter().flatten().flatten();
        let files = files.map(|entry| directory.join(entry.file_name()));
        let images = files.filter(|file| {
            file.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("efi"))
        });
        signs.extend(images.map(|image| image.display().to_string()));
    }
    for configuration in ["/etc/kernel/install.conf", "/usr/lib/kernel/install.conf"] {
        let text = attribute::read(&root.path(configuration)).unwrap_or_default();
        if text
            .lines()
            .any(|line| line.split_whitespace().collect::<String>() == "layout=uki")
        {
            signs.push(format!("{configuration} says layout=uki"));
            break;
        }
    }
    // What the stub of such an image leaves behind.
    if firmware_variable(root, "StubInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f").is_some() {
        signs.push("one was booted".to_owned());
    }
    signs.sort();
    signs.dedup();
    signs
}

fn secure_boot(root: &Root) -> bool {
    // Four bytes of attributes come before the value.
    let value = firmware_variable(root, "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
    value.is_some_and(|value| value.get(4) == Some(&1))
}

fn firmware_variable(root: &Root, name: &str) -> Option<Vec<u8>> {
    fs::read(root.path("/sys/firmware/efi/efivars").join(name)).ok()
}
