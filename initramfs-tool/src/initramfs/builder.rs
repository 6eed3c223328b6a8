//! The programs that build an initramfs, and reseat's files for each.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A program that builds an initramfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Builder {
    /// Debian, Ubuntu, Proxmox.
    InitramfsTools,
    /// Fedora, RHEL, openSUSE, and other distributions that chose it.
    Dracut,
    /// Arch Linux.
    Mkinitcpio,
}

/// A file that a builder includes in every image. The installation tree has the same files, except for the one that
/// changes mkinitcpio's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnFile {
    /// The path of the file.
    pub path: &'static str,
    /// The content of the file.
    pub content: &'static str,
    /// The permission bits.
    pub mode: u32,
}

const PROGRAM: u32 = 0o755;
const PLAIN: u32 = 0o644;

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

const DRACUT: [OwnFile; 3] = [
    OwnFile {
        path: "/usr/lib/dracut/modules.d/52reseat/module-setup.sh",
        content: include_str!("../../dracut/52reseat/module-setup.sh"),
        mode: PROGRAM,
    },
    OwnFile {
        path: "/usr/lib/dracut/modules.d/52reseat/reseat-claim.sh",
        content: include_str!("../../dracut/52reseat/reseat-claim.sh"),
        mode: PROGRAM,
    },
    CLAIM_UNIT,
];

const MKINITCPIO: [OwnFile; 5] = [
    OwnFile {
        path: "/usr/lib/initcpio/install/reseat",
        content: include_str!("../../mkinitcpio/install/reseat"),
        mode: PROGRAM,
    },
    OwnFile {
        path: "/usr/lib/initcpio/install/sd-reseat",
        content: include_str!("../../mkinitcpio/install/sd-reseat"),
        mode: PROGRAM,
    },
    OwnFile {
        path: "/usr/lib/initcpio/hooks/reseat",
        content: include_str!("../../mkinitcpio/hooks/reseat"),
        mode: PROGRAM,
    },
    CLAIM_UNIT,
    OwnFile {
        path: "/etc/mkinitcpio.conf.d/zz-reseat.conf",
        content: include_str!("../../mkinitcpio/conf.d/zz-reseat.conf"),
        mode: PLAIN,
    },
];

/// For images with systemd.
const CLAIM_UNIT: OwnFile = OwnFile {
    path: "/usr/lib/systemd/system/reseat-claim.service",
    content: include_str!("../../systemd/reseat-claim.service"),
    mode: PLAIN,
};

impl Builder {
    /// All known builders.
    pub const ALL: [Self; 3] = [Self::InitramfsTools, Self::Dracut, Self::Mkinitcpio];

    /// The name that users know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InitramfsTools => "initramfs-tools",
            Self::Dracut => "dracut",
            Self::Mkinitcpio => "mkinitcpio",
        }
    }

    /// The possible locations of its program.
    #[must_use]
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::InitramfsTools => &["/usr/sbin/mkinitramfs", "/sbin/mkinitramfs"],
            Self::Dracut => &["/usr/bin/dracut", "/usr/sbin/dracut", "/sbin/dracut"],
            Self::Mkinitcpio => &["/usr/bin/mkinitcpio", "/usr/sbin/mkinitcpio"],
        }
    }

    /// reseat's files for this builder.
    #[must_use]
    pub fn files(self) -> &'static [OwnFile] {
        match self {
            Self::InitramfsTools => &INITRAMFS_TOOLS,
            Self::Dracut => &DRACUT,
            Self::Mkinitcpio => &MKINITCPIO,
        }
    }

    /// The arguments to build an image for a kernel into a given file.
    #[must_use]
    pub fn arguments(self, kernel: &str, output: &Path) -> Vec<PathBuf> {
        match self {
            Self::InitramfsTools => vec!["-o".into(), output.into(), kernel.into()],
            Self::Dracut => vec!["--force".into(), output.into(), kernel.into()],
            Self::Mkinitcpio => vec!["-k".into(), kernel.into(), "-g".into(), output.into()],
        }
    }

    /// The option that keeps the builder from running post hooks: the new image is not in place yet.
    #[must_use]
    pub fn without_announcement(self) -> Option<&'static str> {
        match self {
            Self::Mkinitcpio => Some("--nopost"),
            Self::InitramfsTools | Self::Dracut => None,
        }
    }

    /// The directories with programs to run after a new image, as the distribution's own command does. Each gets the
    /// kernel's version and the image; from mkinitcpio, its file and the image. For equal names, the first directory
    /// counts.
    #[must_use]
    pub fn after_build(self) -> &'static [&'static str] {
        match self {
            Self::InitramfsTools => &["/etc/initramfs/post-update.d"],
            Self::Dracut => &[],
            Self::Mkinitcpio => &["/etc/initcpio/post", "/usr/lib/initcpio/post"],
        }
    }
}

impl fmt::Display for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
