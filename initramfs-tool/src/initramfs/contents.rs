//! The files of reseat in an image, and its shortfalls.

mod shortfall;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::archive::ArchiveEntry;
use super::builder::Builder;

pub use shortfall::{NotRun, Shortfall};

/// A SHA-256 digest, as `sha256sum` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// Computes the digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(Sha256::new().chain_update(bytes))
    }

    /// Returns the digest of the data added so far.
    #[must_use]
    pub fn finish(hash: Sha256) -> Self {
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

const PROGRAM: &str = "reseat-claim";
const RULES: &str = "etc/reseat/reseat.toml";
const QUARANTINE: &str = "etc/reseat/quarantine.json";

/// The file with the order in which an image by initramfs-tools runs the scripts of a directory.
const ORDER: &str = "scripts/init-top/ORDER";
const OWN_SCRIPT: &str = "/scripts/init-top/00reseat";
const UDEV_SCRIPT: &str = "/scripts/init-top/udev";

/// The hook in dracut's image, below the directory of hooks, whose path depends on the version. Later stages come after
/// `rd.driver.pre=`.
const DRACUT_HOOK: &str = "dracut/hooks/cmdline/00-reseat-claim.sh";

/// The file that lists, in order, the hooks that mkinitcpio's init runs.
const MKINITCPIO_CONFIGURATION: &str = "config";
const MKINITCPIO_HOOK: &str = "hooks/reseat";

/// A file that mkinitcpio leaves in every image.
const MKINITCPIO_MARK: &str = "buildconfig";

const SYSTEMD: &str = "usr/lib/systemd/systemd";
const UNIT: &str = "usr/lib/systemd/system/reseat-claim.service";
const UNIT_WANTED: &str = "systemd/system/sysinit.target.wants/reseat-claim.service";

/// Returns true if the content of an entry is of interest.
#[must_use]
pub fn is_wanted(name: &str) -> bool {
    [RULES, QUARANTINE, ORDER, MKINITCPIO_CONFIGURATION].contains(&name) || is_program(name, PROGRAM)
}

/// In some images on some systems, program directories are links to each other.
fn is_program(name: &str, program: &str) -> bool {
    let in_directory = name.rsplit_once('/').filter(|(_, file)| *file == program);
    in_directory.is_some_and(|(directory, _)| matches!(directory, "sbin" | "bin" | "usr/sbin" | "usr/bin"))
}

/// The maximum number of links on a path that the kernel follows (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// The relevant entries of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// By name: the content if requested, and the type and permission bits.
    files: BTreeMap<String, (Option<Vec<u8>>, u32)>,
}

impl Contents {
    /// Collects the entries of an image.
    #[must_use]
    pub fn collect(entries: Vec<ArchiveEntry>) -> Self {
        // The last name of a file with several names has the content.
        let shared: BTreeMap<_, _> = entries
            .iter()
            .filter(|entry| entry.links > 1)
            .filter_map(|entry| Some((entry.file, entry.content.clone().filter(|content| !content.is_empty())?)))
            .collect();
        let file = |entry: ArchiveEntry| {
            let empty = entry.content.as_ref().is_some_and(Vec::is_empty);
            let content = match empty && entry.links > 1 {
                true => shared.get(&entry.file).cloned(),
                false => entry.content,
            };
            (entry.name, (content, entry.mode))
        };
        Self {
            files: entries.into_iter().map(file).collect(),
        }
    }

    /// The link targets of [wanted](is_wanted) files whose content was not kept, since the reader passed them before
    /// the link.
    #[must_use]
    pub fn behind_links(&self) -> BTreeSet<String> {
        let wanted = self.files.keys().map(String::as_str).filter(|name| is_wanted(name));
        let behind = wanted.chain([RULES, QUARANTINE]).filter_map(|name| self.real(name));
        let is_unread = |name: &String| self.files.get(name).is_some_and(|(content, _)| content.is_none());
        behind.filter(is_unread).collect()
    }

    /// Resolves the links in a name; `None` if they form a loop.
    fn real(&self, name: &str) -> Option<String> {
        let parts = |path: &str| -> Vec<String> { path.split('/').rev().map(str::to_owned).collect() };
        let (mut resolved, mut left): (Vec<String>, Vec<String>) = (Vec::new(), parts(name));
        let mut links = 0;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    resolved.pop();
                    continue;
                }
                _ => resolved.push(part),
            }
            let Some((Some(target), mode)) = self.files.get(&resolved.join("/")) else {
                continue;
            };
            if !ArchiveEntry::is_link(*mode) {
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return None;
            }
            let target = String::from_utf8_lossy(target);
            match target.starts_with('/') {
                true => resolved.clear(),
                false => drop(resolved.pop()),
            }
            left.extend(parts(&target));
        }
        Some(resolved.join("/"))
    }

    fn content(&self, name: &str) -> Option<&[u8]> {
        let (content, mode) = self.files.get(&self.real(name)?)?;
        content.as_deref().filter(|_| !ArchiveEntry::is_link(*mode))
    }

    fn program(&self, program: &str) -> Option<&(Option<Vec<u8>>, u32)> {
        let mut named = self.files.iter().filter(|(name, _)| is_program(name, program));
        let (name, found) = named.next()?;
        let behind = self.real(name).and_then(|real| self.files.get(&real));
        // A dangling link exists, but cannot be executed.
        Some(behind.unwrap_or(found))
    }

    /// Returns true if a program is one of busybox's.
    fn is_busyboxs(&self, program: &str) -> bool {
        let mut named = self.files.keys().filter(|name| is_program(name, program));
        let real = named.next().and_then(|name| self.real(name));
        real.is_some_and(|real| real.rsplit('/').next().is_some_and(|file| file.starts_with("busybox")))
    }

    /// Returns true if the image would run a claim, or try to.
    #[must_use]
    pub fn has_claim(&self) -> bool {
        self.program(PROGRAM).is_some()
    }

    /// The builder that made the image, if it shows.
    #[must_use]
    pub fn made_by(&self) -> Option<Builder> {
        let has = |name: &str| self.files.contains_key(name);
        let from_dracut = |name: &String| name.strip_prefix("usr/").unwrap_or(name).starts_with("lib/dracut/");
        if has(ORDER) {
            Some(Builder::InitramfsTools)
        } else if has(MKINITCPIO_MARK) {
            Some(Builder::Mkinitcpio)
        } else {
            self.files.keys().any(from_dracut).then_some(Builder::Dracut)
        }
    }

    /// Returns true if modprobe can find modules: kmod's needs the list in one of these forms, busybox's the first.
    fn has_module_list(&self, kernel: &str) -> bool {
        let has = |name: &str| {
            let path = format!("lib/modules/{kernel}/{name}");
            self.files.contains_key(&path) || self.files.contains_key(&format!("usr/{path}"))
        };
        has("modules.dep") || has("modules.dep.bin")
    }

    fn has_module(&self, kernel: &str, module: &str) -> bool {
        let directory = format!("lib/modules/{kernel}/");
        let is_it = |name: &String| {
            let below = name.strip_prefix("usr/").unwrap_or(name).strip_prefix(&directory);
            let file = below.and_then(|below| below.rsplit('/').next());
            let named = file.and_then(|file| file.split_once(".ko")).map(|(named, _)| named);
            named.is_some_and(|named| named.replace('-', "_") == module)
        };
        self.files.keys().any(is_it)
    }
}

/// The required content of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredContents {
    /// The builder of the image.
    pub builder: Builder,
    /// The kernel of the image.
    pub kernel: String,
    /// The program on the machine.
    pub program: Option<Digest>,
    /// The rules on the machine, if any.
    pub rules: Option<Digest>,
    /// The quarantine on the machine, if any.
    pub quarantine: Option<Digest>,
    /// True if vfio-pci is built into the kernel.
    pub vfio_built_in: bool,
    /// True if the kernel has `vfio_iommu_type1` as a module: without it no VM can open a function bound to vfio-pci.
    pub has_type1_module: bool,
    /// The variants of vfio-pci for GPUs of this machine.
    pub variants: Vec<String>,
}

/// The shortfalls of the image; empty if it is complete.
#[must_use]
pub fn shortfalls(contents: &Contents, wanted: &RequiredContents) -> Vec<Shortfall> {
    let Some((program, mode)) = contents.program(PROGRAM) else {
        return vec![Shortfall::NoClaim];
    };
    let mut found = Vec::new();
    let digest = program.as_deref().map(Digest::of);
    if digest.is_none() || digest != wanted.program || mode & 0o111 == 0 {
        found.push(Shortfall::OtherProgram);
    }
    found.extend(not_run(contents, wanted.builder).map(Shortfall::NotRun));
    let rules = contents.content(RULES).map(Digest::of);
    found.extend(match (&rules, &wanted.rules) {
        (None, Some(_)) => Some(Shortfall::NoRules),
        (there, wanted) if there != wanted => Some(Shortfall::OtherRules),
        _ => None,
    });
    if contents.content(QUARANTINE).map(Digest::of) != wanted.quarantine {
        found.push(Shortfall::OtherQuarantine);
    }
    if !wanted.vfio_built_in {
        if !contents.has_module(&wanted.kernel, "vfio_pci") {
            found.push(Shortfall::NoModule("vfio-pci".to_owned()));
        } else if !contents.has_module_list(&wanted.kernel) {
            found.push(Shortfall::NoModuleList);
        }
    }
    if wanted.has_type1_module && !contents.has_module(&wanted.kernel, "vfio_iommu_type1") {
        found.push(Shortfall::NoModule("vfio_iommu_type1".to_owned()));
    }
    if !wanted.vfio_built_in || wanted.has_type1_module {
        if contents.program("modprobe").is_none() {
            found.push(Shortfall::NoModprobe);
        } else if contents.is_busyboxs("modprobe") {
            found.push(Shortfall::BusyboxModprobe);
        }
    }
    let lacking = wanted
        .variants
        .iter()
        .filter(|module| !contents.has_module(&wanted.kernel, module));
    found.extend(lacking.map(|module| Shortfall::NoModule(module.clone())));
    found
}

/// The reason why the program would not run in time.
fn not_run(contents: &Contents, builder: Builder) -> Option<NotRun> {
    match builder {
        Builder::InitramfsTools => not_run_by_scripts(contents),
        Builder::Dracut | Builder::Mkinitcpio if contents.files.contains_key(SYSTEMD) => not_run_by_systemd(contents),
        Builder::Dracut => {
            let there = contents.files.keys().any(|name| name.ends_with(DRACUT_HOOK));
            (!there).then_some(NotRun::DracutHookMissing)
        }
        Builder::Mkinitcpio => not_run_by_hooks(contents),
    }
}

fn not_run_by_scripts(contents: &Contents) -> Option<NotRun> {
    let mode = contents
        .files
        .get(OWN_SCRIPT.trim_start_matches('/'))
        .map(|(_, mode)| mode);
    if mode.is_none_or(|mode| mode & 0o111 == 0) {
        return Some(NotRun::ScriptMissing);
    }
    let order = String::from_utf8_lossy(contents.content(ORDER).unwrap_or_default());
    let place = |script: &str| {
        order
            .lines()
            .position(|line| line.split_whitespace().next() == Some(script))
    };
    match (place(OWN_SCRIPT), place(UDEV_SCRIPT)) {
        (None, _) => Some(NotRun::ScriptNotOrdered),
        (Some(own), Some(udev)) if udev < own => Some(NotRun::ScriptAfterUdev),
        (Some(_), _) => None,
    }
}

fn not_run_by_systemd(contents: &Contents) -> Option<NotRun> {
    if !contents.files.contains_key(UNIT) {
        return Some(NotRun::UnitMissing);
    }
    let wanted = contents.files.keys().any(|name| name.ends_with(UNIT_WANTED));
    (!wanted).then_some(NotRun::UnitNotStarted)
}

fn not_run_by_hooks(contents: &Contents) -> Option<NotRun> {
    if !contents.files.contains_key(MKINITCPIO_HOOK) {
        return Some(NotRun::MkinitcpioHookMissing);
    }
    let configuration = String::from_utf8_lossy(contents.content(MKINITCPIO_CONFIGURATION).unwrap_or_default());
    let early = configuration
        .lines()
        .find_map(|line| line.trim().strip_prefix("EARLYHOOKS="));
    let early: Vec<&str> = early.unwrap_or_default().trim_matches('"').split_whitespace().collect();
    let place = |hook: &str| early.iter().position(|other| *other == hook);
    match (place("reseat"), place("udev")) {
        (None, _) => Some(NotRun::MkinitcpioHookNotEarly),
        (Some(own), Some(udev)) if udev < own => Some(NotRun::MkinitcpioHookAfterUdev),
        (Some(_), _) => None,
    }
}

#[cfg(test)]
mod tests;
