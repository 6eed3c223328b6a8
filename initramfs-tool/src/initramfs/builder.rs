//! The programs that make an initramfs, and the files of ours that each takes up.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A program that makes an initramfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Builder {
    /// Debian, Ubuntu, Proxmox.
    InitramfsTools,
}

/// A file that a builder takes up by itself whenever it makes an image. The same ones are in the installation tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnFile {
    /// Where it goes.
    pub path: &'static str,
    /// What it holds.
    pub content: &'static str,
    /// Its permission bits.
    pub mode: u32,
}

const PROGRAM: u32 = 0o755;

const INITRAMFS_TOOLS: [OwnFile; 2] = [
    OwnFile {
        path: "/usr/share/initramfs-tools/hooks/reseat",
        content: include_str!("../../initramfs-tools/hooks/reseat"),
        mode: PROGRAM,
    },
    OwnFile {
        path: "/usr/share/initramfs-tools/scripts/init-top/00reseat",
        content: include_str!("../../initramfs-tools/scripts/init-top/00reseat"),
        mode: PROGRAM,
    },
];

impl Builder {
    /// Every one that is known.
    pub const ALL: [Self; 1] = [Self::InitramfsTools];

    /// Its name, as users know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InitramfsTools => "initramfs-tools",
        }
    }

    /// Where its program may be.
    #[must_use]
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::InitramfsTools => &["/usr/sbin/mkinitramfs", "/sbin/mkinitramfs"],
        }
    }

    /// What it takes up.
    #[must_use]
    pub fn files(self) -> &'static [OwnFile] {
        match self {
            Self::InitramfsTools => &INITRAMFS_TOOLS,
        }
    }

    /// The arguments that make an image for a kernel in a file of our choice.
    #[must_use]
    pub fn arguments(self, kernel: &str, output: &Path) -> Vec<PathBuf> {
        match self {
            Self::InitramfsTools => vec!["-o".into(), output.into(), kernel.into()],
        }
    }

    /// Programs that have to hear of a new image, as the distribution's own command lets them: each file in the directory
    /// gets the kernel's version and the image.
    #[must_use]
    pub fn after_build(self) -> Option<&'static str> {
        match self {
            Self::InitramfsTools => Some("/etc/initramfs/post-update.d"),
        }
    }
}

impl fmt::Display for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
