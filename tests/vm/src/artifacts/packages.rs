//! The packages of the bed: which sets there are, and the record of what was fetched for each.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::files::FileError;
use crate::fingerprint::{self, Fingerprint};

/// A Debian release with a private apt root of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Release {
    Bookworm,
    Trixie,
}

impl Release {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    pub(crate) const fn suites(self) -> &'static [&'static str] {
        match self {
            Self::Bookworm => &["bookworm", "bookworm-updates"],
            Self::Trixie => &["trixie", "trixie-backports"],
        }
    }
}

/// A processor, of the bed's own machine or of one that it emulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// The bed's own.
    X86_64,
    /// Arm, 64 bits.
    Aarch64,
}

impl Architecture {
    /// What Debian calls it.
    pub(crate) const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }
}

/// Which of the packages that apt would install belong to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of them: the unpacked tree runs on its own.
    WithDependencies,
    /// The named ones: they need nothing.
    Named,
    /// The parts of a kernel: `linux-image-6.1.0-50-amd64`, from 7.x also its modules and binary.
    KernelParts,
    /// All of them but the parts of a kernel, which headers ask for and nobody builds with.
    WithoutKernel,
}

impl Scope {
    pub(crate) fn takes(self, named: &[&str], package: &str) -> bool {
        match self {
            Self::WithDependencies => true,
            Self::Named => named.contains(&package),
            Self::KernelParts => is_part_of_a_kernel(package),
            Self::WithoutKernel => !is_part_of_a_kernel(package),
        }
    }
}

fn is_part_of_a_kernel(package: &str) -> bool {
    ["image", "base", "binary", "modules"].iter().any(|part| {
        let version = package.strip_prefix(&format!("linux-{part}-"));
        version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// Packages that are fetched and unpacked together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackageSet {
    pub(crate) name: &'static str,
    pub(crate) architecture: Architecture,
    pub(crate) release: Release,
    /// The suite that apt prefers.
    pub(crate) suite: &'static str,
    pub(crate) packages: &'static [&'static str],
    pub(crate) scope: Scope,
}

/// QEMU with `vfio-user-pci`, which came with 10.1.
pub(crate) const QEMU: PackageSet = PackageSet {
    name: "qemu",
    architecture: Architecture::X86_64,
    release: Release::Trixie,
    suite: "trixie-backports",
    packages: &["qemu-system-x86"],
    scope: Scope::WithDependencies,
};

/// A system small enough to unpack in a second in which `mkinitramfs` runs as shipped.
///
/// Essential packages are named because nothing depends on them; the compressors open kernels.
pub(crate) const TOOLS: PackageSet = PackageSet {
    name: "tools",
    architecture: Architecture::X86_64,
    release: Release::Bookworm,
    suite: "bookworm",
    packages: &[
        "bash",
        "busybox",
        "coreutils",
        "dash",
        "debianutils",
        "dpkg",
        "e2fsprogs",
        "findutils",
        "grep",
        "gzip",
        "initramfs-tools",
        "kmod",
        "libc-bin",
        "lz4",
        "mawk",
        "sed",
        "udev",
        "util-linux",
        "xz-utils",
        "zstd",
    ],
    scope: Scope::WithDependencies,
};

/// A system in which `dracut` runs as shipped; systemd is in it for the images that systemd runs.
pub(crate) const DRACUT: PackageSet = PackageSet {
    name: "dracut",
    architecture: Architecture::X86_64,
    release: Release::Trixie,
    suite: "trixie",
    packages: &[
        "bash",
        "coreutils",
        "cpio",
        "dash",
        "dracut-core",
        "findutils",
        "grep",
        "gzip",
        "kmod",
        "libc-bin",
        "lz4",
        "mawk",
        "mount",
        "sed",
        "systemd",
        "systemd-sysv",
        "udev",
        "util-linux",
        "xz-utils",
    ],
    scope: Scope::WithDependencies,
};

/// What loads the kernel that is started when the running one crashes.
pub(crate) const CRASH_TOOLS: PackageSet = PackageSet {
    name: "crash-tools",
    packages: &["kexec-tools", "libc6"],
    ..TOOLS
};

/// Firmware that boots by UEFI: a flash image.
pub(crate) const OVMF: PackageSet = PackageSet {
    name: "ovmf",
    release: Release::Trixie,
    suite: "trixie",
    packages: &["ovmf"],
    scope: Scope::Named,
    architecture: Architecture::X86_64,
};

/// A system that builds modules for Debian 13's kernel: its headers, its source, and the compiler that built it.
pub(crate) const MODULES: PackageSet = PackageSet {
    name: "modules-trixie",
    release: Release::Trixie,
    suite: "trixie",
    packages: &[
        "bash",
        "coreutils",
        "dash",
        "diffutils",
        "findutils",
        "grep",
        "libc-bin",
        "linux-headers-amd64",
        "linux-source",
        "make",
        "mawk",
        "sed",
        "tar",
        "xz-utils",
    ],
    scope: Scope::WithoutKernel,
    architecture: Architecture::X86_64,
};

/// The guest's user space: one static program.
pub(crate) const BUSYBOX: PackageSet = PackageSet {
    name: "busybox",
    architecture: Architecture::X86_64,
    release: Release::Bookworm,
    suite: "bookworm",
    packages: &["busybox-static"],
    scope: Scope::Named,
};

/// As [`QEMU`], for machines with an Arm processor.
pub(crate) const QEMU_ARM: PackageSet = PackageSet {
    name: "qemu-arm",
    packages: &["qemu-system-arm"],
    ..QEMU
};

/// As [`BUSYBOX`]; of the release whose index is read for the kernel as well.
pub(crate) const BUSYBOX_ARM64: PackageSet = PackageSet {
    name: "busybox-arm64",
    architecture: Architecture::Aarch64,
    release: Release::Trixie,
    suite: "trixie",
    ..BUSYBOX
};

impl PackageSet {
    /// What was asked for; a change of it makes what was fetched stale.
    fn request(&self) -> String {
        let print = Fingerprint::new("packages")
            .part(self.name)
            .part(self.suite)
            .parts(self.release.suites())
            .parts(self.packages)
            .part(format!("{:?}", self.scope));
        // Not of the bed's own: what was fetched before there were others is as good as ever.
        match self.architecture {
            Architecture::X86_64 => print.hex(),
            other @ Architecture::Aarch64 => print.part(other.debian()).hex(),
        }
    }
}

/// A package file and its hash, as the archive's signed index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) sha256: String,
    pub(crate) file: String,
}

/// What was fetched for a set: the request's hash, then lines as `sha256sum` writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    request: String,
    pub(crate) files: Vec<Fetched>,
}

impl Manifest {
    /// The record of what was fetched for a set.
    pub(crate) fn record(set: &PackageSet, files: Vec<Fetched>) -> Self {
        Self {
            request: set.request(),
            files,
        }
    }

    /// The manifest at `path`, when it answers what `set` asks for today.
    pub(crate) fn load(set: &PackageSet, path: &Path) -> Option<Self> {
        let manifest = Self::parse(&fs::read_to_string(path).ok()?)?;
        (manifest.request == set.request() && !manifest.files.is_empty()).then_some(manifest)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("# request {}\n", self.request);
        for fetched in &self.files {
            text.push_str(&format!("{}  {}\n", fetched.sha256, fetched.file));
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let request = lines.next()?.strip_prefix("# request ")?.to_owned();
        let files = lines
            .map(|line| {
                let (sha256, file) = line.split_once("  ")?;
                Some(Fetched {
                    sha256: sha256.to_owned(),
                    file: file.to_owned(),
                })
            })
            .collect::<Option<_>>()?;
        Some(Self { request, files })
    }
}

/// Removes each file whose bytes are not those of the index, so that it is fetched again; gives the first that is not as
/// it should be, or not there.
pub(crate) fn discard_changed(files: &[Fetched], debs: &Path) -> Result<Option<PathBuf>, FileError> {
    let mut first = None;
    for fetched in files {
        let path = debs.join(&fetched.file);
        match fingerprint::of_file(&path) {
            Ok(hash) if hash == fetched.sha256 => continue,
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            Ok(_) | Err(_) => fs::remove_file(&path).map_err(FileError::of("remove", &path))?,
        }
        first.get_or_insert(path);
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with the bytes `abc`; the hash is that of FIPS 180-2, appendix B.1.
    fn abc() -> Fetched {
        Fetched {
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned(),
            file: "a_1%3a2_all.deb".to_owned(),
        }
    }

    #[test]
    fn a_kernel_is_its_versioned_packages() {
        let takes = |package| Scope::KernelParts.takes(&["linux-image-amd64"], package);
        assert!(takes("linux-image-6.1.0-50-amd64"));
        assert!(takes("linux-modules-7.3.4+deb13-amd64"));
        assert!(!takes("linux-image-amd64"));
        assert!(!takes("linux-base"));
        assert!(!takes("initramfs-tools"));
        let builds = |package| Scope::WithoutKernel.takes(&[], package);
        assert!(builds("linux-headers-6.12.117+deb13-amd64"));
        assert!(builds("gcc-14"));
        assert!(!builds("linux-image-6.12.117+deb13-amd64"));
    }

    #[test]
    fn a_manifest_reads_back_as_it_was_written() {
        let manifest = Manifest::record(&BUSYBOX, vec![abc()]);
        assert_eq!(Manifest::parse(&manifest.text()), Some(manifest.clone()));
    }

    #[test]
    fn a_changed_file_is_named_and_removed_and_a_whole_one_stays() {
        let debs = tempfile::tempdir().unwrap();
        let path = debs.path().join(abc().file);
        fs::write(&path, "abc").unwrap();
        assert_eq!(discard_changed(&[abc()], debs.path()).unwrap(), None);
        assert!(path.exists());
        // As long as the right one: its length says nothing.
        fs::write(&path, "abd").unwrap();
        assert_eq!(discard_changed(&[abc()], debs.path()).unwrap(), Some(path.clone()));
        assert!(!path.exists());
        // What is not there is not as it should be either.
        assert_eq!(discard_changed(&[abc()], debs.path()).unwrap(), Some(path));
    }

    #[test]
    fn a_manifest_for_another_request_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m");
        let manifest = Manifest::record(&BUSYBOX, vec![abc()]);
        fs::write(&path, manifest.text()).unwrap();
        assert!(Manifest::load(&BUSYBOX, &path).is_some());
        let other = PackageSet {
            packages: &["busybox"],
            ..BUSYBOX
        };
        assert!(Manifest::load(&other, &path).is_none());
    }
}
