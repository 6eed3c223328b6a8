//! The initramfs of machines made of files, with a builder that is a script.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::initramfs::archive::tests::archive;
use crate::initramfs::builder::Builder;
use crate::initramfs::contents::Shortfall;
use crate::initramfs::machine::{Deployed, Facts, NoDropIns, UnifiedSign};
use crate::initramfs::measured::Binding;
use crate::initramfs::plan::{KEPT_SUFFIX, Request, UNFINISHED_SUFFIX, Which};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Id, id};

mod arch;
mod cut_off;
mod dracut;
mod install;
mod kept;
mod machines;
mod menus;
mod remove;

const KERNEL: &str = "6.1.0-50-amd64";
const IMAGE: &str = "/boot/initrd.img-6.1.0-50-amd64";
const BEFORE: &[u8] = b"the image from before";

struct Machine(TempDir);

impl Machine {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With initramfs-tools that "build" whatever lies at /next.
    fn new() -> Self {
        let machine = Self::empty();
        machine.write("/proc/sys/kernel/osrelease", KERNEL);
        machine.write(
            "/lib/modules/6.1.0-50-amd64/modules.builtin",
            "kernel/drivers/vfio/pci/vfio-pci.ko\n",
        );
        machine.write("/sys/class/block/none/size", "0\n");
        machine.write("/usr/sbin/reseat-claim", "program");
        machine.write(IMAGE, archive(&[("old", 0o100_644, BEFORE)]));
        let next = machine.root().path("/next");
        machine.script("/usr/sbin/mkinitramfs", &format!("cp {} \"$2\"", next.display()));
        machine.write("/next", image(b"program"));
        machine
    }

    fn root(&self) -> Root {
        Root::at(self.0.path())
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.root().path(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.root().path(path).exists()
    }

    fn facts(&self) -> Facts {
        facts::gather(&self.root(), &Request::default())
    }

    fn install(&self) -> Result<Installed, InitramfsError> {
        install_initramfs(&self.root(), &InitramfsOptions::default(), &mut |_| {})
    }

    /// The findings of an installation that fails.
    fn fails_to_install(&self) -> Vec<Finding> {
        self.install().unwrap_err().findings()
    }

    fn remove(&self) -> Result<Removed, InitramfsError> {
        remove_initramfs(&self.root(), false, &mut |_| {})
    }

    /// A script that the builder, or what comes after it, is. Another process writes it: one that this process has open for
    /// writing while another test starts a program may be too busy to be run.
    fn script(&self, path: &str, lines: &str) {
        self.write("/script", format!("#!/bin/sh\n{lines}\n"));
        let (from, to) = (self.root().path("/script"), self.root().path(path));
        let mut command = std::process::Command::new("install");
        command.args(["-D", "-m", "755"]).arg(from).arg(to);
        assert!(command.status().unwrap().success());
    }

    /// Every file that an installation may write, with its permission bits; but for what is learned of the machine.
    fn files(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut files = BTreeMap::new();
        let mut directories: Vec<_> = ["/boot", "/efi", "/etc", "/usr"]
            .map(|path| self.root().path(path))
            .into();
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let (path, there) = (entry.path(), entry.metadata().unwrap());
                if there.is_dir() {
                    directories.push(path);
                } else if there.is_file() {
                    let content = fs::read(&path).unwrap();
                    files.insert(path, (there.permissions().mode(), content));
                }
            }
        }
        files
    }

    /// The names in /boot.
    fn boot(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root().path("/boot")).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// An image in which everything is.
fn image(program: &[u8]) -> Vec<u8> {
    let order = b"/scripts/init-top/00reseat \"$@\"\n";
    archive(&[
        ("usr/sbin/reseat-claim", 0o100_755, program),
        ("scripts/init-top/00reseat", 0o100_755, b"#!/bin/sh"),
        ("scripts/init-top/ORDER", 0o100_644, order),
    ])
}

fn ids_of(findings: &[Finding]) -> Vec<Id> {
    findings.iter().map(|finding| finding.id.clone()).collect()
}
