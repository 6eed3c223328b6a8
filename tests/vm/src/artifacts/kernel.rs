//! The kernels of the bed, and how a distribution's image becomes one that boots fast.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::packages::{Architecture, PackageSet, Release, Scope};
use super::unpack::Tree;
use crate::files::FileError;
use crate::process::{self, CommandError};

/// A stock Debian kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kernel {
    /// 6.1, of Debian 12.
    Bookworm,
    /// 6.12, of Debian 13.
    Trixie,
    /// The newest that Debian 13 is offered.
    TrixieBackports,
    /// As [`Kernel::Trixie`], for aarch64.
    TrixieArm64,
}

impl Kernel {
    /// Those for the bed's own processor, the default first.
    pub const ALL: [Self; 3] = [Self::Bookworm, Self::Trixie, Self::TrixieBackports];

    /// A short name for command lines and messages: the suite that it comes from.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::TrixieBackports => "trixie-backports",
            Self::TrixieArm64 => "trixie-arm64",
        }
    }

    /// The processor that it is for.
    #[must_use]
    pub const fn architecture(self) -> Architecture {
        match self {
            Self::Bookworm | Self::Trixie | Self::TrixieBackports => Architecture::X86_64,
            Self::TrixieArm64 => Architecture::Aarch64,
        }
    }

    /// The kernel of this name, among [`Kernel::ALL`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kernel| kernel.name() == name)
    }

    pub(crate) const fn packages(self) -> PackageSet {
        let (name, release, suite) = match self {
            Self::Bookworm => ("kernel-bookworm", Release::Bookworm, "bookworm"),
            Self::Trixie => ("kernel-trixie", Release::Trixie, "trixie"),
            Self::TrixieBackports => ("kernel-trixie-backports", Release::Trixie, "trixie-backports"),
            Self::TrixieArm64 => ("kernel-trixie-arm64", Release::Trixie, "trixie"),
        };
        PackageSet {
            name,
            architecture: self.architecture(),
            release,
            suite,
            packages: match self.architecture() {
                Architecture::X86_64 => &["linux-image-amd64"],
                Architecture::Aarch64 => &["linux-image-arm64"],
            },
            scope: Scope::KernelParts,
        }
    }
}

/// An unpacked kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelFiles {
    /// What `uname -r` says in the guest.
    pub version: String,
    /// The uncompressed image; QEMU enters one for x86-64 through its PVH note.
    pub vmlinux: PathBuf,
    /// The unpacked packages: `boot/config-*`, `lib/modules/*`.
    tree: PathBuf,
}

/// An image could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A file of the tree.
    #[error(transparent)]
    File(#[from] FileError),
    /// A tool.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// No modules, so no version.
    #[error("no kernel in {}", .0.display())]
    NoKernel(PathBuf),
    /// Not an image that a boot protocol describes.
    #[error("{} is no kernel image: {what}", path.display())]
    NotAnImage {
        /// The image.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl KernelFiles {
    /// Finds the kernel in an unpacked tree.
    pub(crate) fn find(tree: &Path) -> Result<Self, KernelError> {
        let modules = tree.join("lib/modules");
        let mut versions = fs::read_dir(&modules).map_err(FileError::of("list", &modules))?;
        let none = || KernelError::NoKernel(tree.to_owned());
        let version = versions.next().ok_or_else(none)?;
        let version = version.map_err(FileError::of("list", &modules))?;
        let version = version.file_name();
        Ok(Self::at(&version.to_string_lossy(), tree))
    }

    /// The files of a version in a tree.
    pub(crate) fn at(version: &str, tree: &Path) -> Self {
        Self {
            version: version.to_owned(),
            vmlinux: tree.join("vmlinux"),
            tree: tree.to_owned(),
        }
    }

    /// The kernel's modules.
    pub(crate) fn modules(&self) -> PathBuf {
        self.tree.join("lib/modules").join(&self.version)
    }

    /// The compressed image, as it is installed.
    pub(crate) fn image(&self) -> PathBuf {
        self.part("vmlinuz")
    }

    /// What the kernel was built with.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.part("config")
    }

    /// A file that lies in `boot` up to 6.x, and beside the modules from 7.x.
    fn part(&self, name: &str) -> PathBuf {
        let in_boot = self.tree.join(format!("boot/{name}-{}", self.version));
        if in_boot.exists() {
            return in_boot;
        }
        self.modules().join(name)
    }

    /// The hash of what the files were made from.
    pub(crate) fn tree_stamp(&self) -> Result<String, FileError> {
        Tree {
            path: self.tree.clone(),
        }
        .stamp()
    }

    /// Uncompresses the image and indexes the modules, as installing the packages would.
    pub(crate) fn finish(&self, tools: &Tree) -> Result<(), KernelError> {
        let image = self.image();
        let bytes = fs::read(&image).map_err(FileError::of("read", &image))?;
        let wrong = |what| KernelError::NotAnImage {
            path: image.clone(),
            what,
        };
        if is_arm64_image(&bytes) {
            fs::hard_link(&image, &self.vmlinux).map_err(FileError::of("link", &self.vmlinux))?;
        } else {
            let payload = payload(&bytes).map_err(wrong)?;
            uncompress(&payload, tools, &self.vmlinux)?;
            if fs::metadata(&self.vmlinux).map_or(0, |metadata| metadata.len()) != payload.size {
                return Err(wrong("its payload is not as long as it says"));
            }
        }
        let mut depmod = tools.command_as("usr/bin/kmod", "depmod");
        depmod.arg("-b").arg(&self.tree).arg(&self.version);
        process::run(&mut depmod)?;
        Ok(())
    }
}

/// Whether this is the image that arm64 boots, which is not compressed: by the header in the kernel's
/// `Documentation/arch/arm64/booting.rst`.
fn is_arm64_image(image: &[u8]) -> bool {
    const MAGIC: usize = 0x38;
    image.get(MAGIC..MAGIC + 4) == Some(b"ARM\x64")
}

/// The compressed kernel inside an image.
#[derive(Debug, PartialEq, Eq)]
struct Payload<'a> {
    program: &'static str,
    bytes: &'a [u8],
    /// The size when uncompressed.
    size: u64,
}

/// Finds the payload by the header in the kernel's `Documentation/arch/x86/boot.rst`.
fn payload(image: &[u8]) -> Result<Payload<'_>, &'static str> {
    const SETUP_SECTS: usize = 0x1f1;
    const HEADER_MAGIC: usize = 0x202;
    const PAYLOAD_OFFSET: usize = 0x248;
    const PAYLOAD_LENGTH: usize = 0x24c;
    const SECTOR: usize = 512;
    let field = |at: usize| {
        let bytes = image.get(at..at + 4)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    if image.get(HEADER_MAGIC..HEADER_MAGIC + 4) != Some(b"HdrS") {
        return Err("no setup header");
    }
    let short = "it ends early";
    let sectors = usize::from(*image.get(SETUP_SECTS).ok_or(short)?);
    let start = (sectors + 1) * SECTOR + field(PAYLOAD_OFFSET).ok_or(short)?;
    let end = start + field(PAYLOAD_LENGTH).ok_or(short)?;
    let whole = image.get(start..end).ok_or(short)?;
    // The build appends the uncompressed size.
    let (bytes, size) = whole.split_last_chunk::<4>().ok_or(short)?;
    Ok(Payload {
        program: decompressor(bytes).ok_or("unknown compression")?,
        bytes,
        size: u32::from_le_bytes(*size).into(),
    })
}

fn decompressor(bytes: &[u8]) -> Option<&'static str> {
    let magics: [(&[u8], &str); 2] = [(b"\xfd7zXZ\0", "usr/bin/xz"), (b"\x28\xb5\x2f\xfd", "usr/bin/zstd")];
    let known = magics.iter().find(|(magic, _)| bytes.starts_with(magic))?;
    Some(known.1)
}

fn uncompress(payload: &Payload<'_>, tools: &Tree, to: &Path) -> Result<(), KernelError> {
    let compressed = to.with_extension("compressed");
    fs::write(&compressed, payload.bytes).map_err(FileError::of("write", &compressed))?;
    let input = File::open(&compressed).map_err(FileError::of("read", &compressed))?;
    let output = File::create(to).map_err(FileError::of("create", to))?;
    let mut command = tools.command(payload.program);
    command.arg("-dc").stdin(input).stdout(output).stderr(Stdio::piped());
    let ended = command.spawn().and_then(std::process::Child::wait_with_output);
    let ended = ended.map_err(|cause| process::could_not_start(&command, cause))?;
    fs::remove_file(&compressed).map_err(FileError::of("remove", &compressed))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(process::failed(&command, ended.status, &said).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        let length = u32::try_from(payload.len()).unwrap();
        image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
        image.extend_from_slice(&[0; 16]);
        image.extend_from_slice(payload);
        image
    }

    #[test]
    fn the_payload_is_found_behind_the_setup_sectors() {
        let image = image(b"\xfd7zXZ\0data\x00\x01\x00\x00");
        let payload = payload(&image).unwrap();
        assert_eq!(payload.program, "usr/bin/xz");
        assert_eq!(payload.bytes, b"\xfd7zXZ\0data");
        assert_eq!(payload.size, 256);
    }

    #[test]
    fn an_image_for_arm64_is_told_by_its_magic() {
        let mut image = vec![0; 64];
        assert!(!is_arm64_image(&image));
        image[0x38..0x3c].copy_from_slice(b"ARMd");
        assert!(is_arm64_image(&image));
        assert!(!is_arm64_image(&image[..0x3b]));
    }

    #[test]
    fn what_is_not_an_image_is_refused() {
        assert_eq!(payload(b"\x7fELF"), Err("no setup header"));
        assert_eq!(payload(&image(b"what is this")), Err("unknown compression"));
        let whole = image(b"\xfd7zXZ\0data\x00\x01\x00\x00");
        assert_eq!(payload(&whole[..whole.len() - 1]), Err("it ends early"));
    }
}
