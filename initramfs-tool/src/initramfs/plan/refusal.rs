//! Why nothing is done, and what helps.

use std::fmt;
use std::path::PathBuf;

use super::super::builder::Builder;
use super::super::measured::Binding;
use super::Deployed;

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `/usr/sbin/reseat-claim` is missing.
    NoProgram,
    /// No builder is installed.
    NoBuilder,
    /// The one that was asked for is not.
    BuilderNotThere(Builder),
    /// Several are, and none of them is known to have made the image.
    SeveralBuilders(Vec<Builder>),
    /// mkinitcpio's configuration would have to be edited.
    NoDropIns(String),
    /// It cannot be seen which kernel runs.
    RunningUnknown,
    /// No kernel is installed that has an image.
    NoKernels,
    /// This one is not installed.
    NoKernel {
        /// Which.
        version: String,
        /// Those that are.
        there: Vec<String>,
    },
    /// It has no image.
    NoImage {
        /// Which.
        version: String,
        /// Where it was looked for.
        places: Vec<String>,
    },
    /// Two kernels have the same image, and it does not show for which it is.
    SharedImage {
        /// The image.
        image: PathBuf,
        /// The kernels.
        versions: [String; 2],
    },
    /// mkinitcpio is told more than is understood here.
    PresetUnclear(String),
    /// The images are on the boot loader's partition, where sdbootutil puts them.
    Sdbootutil,
    /// Nothing can be written where the images are.
    ReadOnly(PathBuf),
    /// Two images do not fit.
    NoSpace {
        /// Where.
        directory: PathBuf,
        /// How much may be needed.
        needed: u64,
        /// How much there is.
        free: u64,
    },
    /// The system is made elsewhere.
    Deployed(Deployed),
    /// The kernel and its initramfs are one file.
    Unified {
        /// What speaks for it.
        signs: Vec<String>,
        /// Whether it has to be signed.
        secure_boot: bool,
    },
    /// A disk that another initramfs does not open.
    Bound {
        /// Which.
        disk: PathBuf,
        /// To what.
        binding: Binding,
    },
    /// A disk of which that is not known.
    BindingUnknown {
        /// Which.
        disk: PathBuf,
        /// Why.
        why: String,
    },
    /// Not even the disks are known.
    DisksUnknown(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProgram => formatter.write_str("/usr/sbin/reseat-claim is not there"),
            Self::NoBuilder => {
                let known: Vec<_> = Builder::ALL.iter().map(|builder| builder.name()).collect();
                write!(
                    formatter,
                    "no program is found that makes an initramfs ({})",
                    known.join(", ")
                )
            }
            Self::BuilderNotThere(builder) => write!(formatter, "{builder} is not installed"),
            Self::SeveralBuilders(builders) => {
                let names: Vec<_> = builders.iter().map(|builder| builder.name()).collect();
                write!(
                    formatter,
                    "{} are installed, and it does not show which of them made the image",
                    names.join(" and ")
                )
            }
            Self::NoDropIns(why) => write!(formatter, "mkinitcpio would not read /etc/mkinitcpio.conf.d: {why}"),
            Self::RunningUnknown => formatter.write_str("it cannot be seen which kernel runs"),
            Self::NoKernels => formatter.write_str("no installed kernel has an initramfs"),
            Self::NoKernel { version, there } => {
                write!(
                    formatter,
                    "kernel {version} is not installed; there are: {}",
                    listed(there)
                )
            }
            Self::NoImage { version, places } => write!(
                formatter,
                "kernel {version} has no initramfs at {}",
                listed(places).replace("VERSION", version)
            ),
            Self::SharedImage {
                image,
                versions: [one, other],
            } => write!(
                formatter,
                "it does not show whether {} is the initramfs of kernel {one} or of {other}",
                image.display()
            ),
            Self::PresetUnclear(why) => formatter.write_str(why),
            Self::Sdbootutil => formatter.write_str(
                "sdbootutil puts this machine's images on the boot loader's partition, under names of its own",
            ),
            Self::ReadOnly(directory) => write!(formatter, "{} is mounted read-only", directory.display()),
            Self::NoSpace {
                directory,
                needed,
                free,
            } => write!(
                formatter,
                "{} has {} MiB free, and the new images beside the present ones may need {}",
                directory.display(),
                free >> 20,
                needed.div_ceil(1 << 20)
            ),
            Self::Deployed(Deployed::Ostree) => formatter.write_str("this system is deployed by ostree"),
            Self::Deployed(Deployed::Bootc) => {
                formatter.write_str("this system is a container's image, deployed by bootc")
            }
            Self::Unified { signs, secure_boot } => write!(
                formatter,
                "this machine boots unified kernel images ({}){}",
                signs.join("; "),
                if *secure_boot {
                    ", which the firmware wants signed"
                } else {
                    ""
                }
            ),
            Self::Bound { disk, binding } => write!(
                formatter,
                "{} is bound to {binding}, which another initramfs changes: the next boot waits for a passphrase",
                disk.display()
            ),
            Self::BindingUnknown { disk, why } => write!(
                formatter,
                "it is not known whether {} still opens by itself after a change of the initramfs: {why}",
                disk.display()
            ),
            Self::DisksUnknown(why) => write!(
                formatter,
                "it is not known whether encrypted disks still open by themselves after a change of the initramfs: {why}"
            ),
        }
    }
}

fn listed(names: &[String]) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

impl Refusal {
    /// What helps, step by step.
    #[must_use]
    pub fn remedy(&self) -> &'static [&'static str] {
        match self {
            Self::NoProgram => &["install all of reseat's files"],
            Self::NoBuilder => &[
                "with another one (Alpine's mkinitfs, NixOS): have it take up /usr/sbin/reseat-claim, and run it before udev",
            ],
            Self::BuilderNotThere(_) => &["name one that is, or leave out --builder"],
            Self::SeveralBuilders(_) => &["say which one with --builder"],
            Self::Sdbootutil => &[
                "reseat initramfs install --files-only",
                "sdbootutil mkinitrd",
                "boot, and see `reseat report`; `reseat=off` on the kernel command line, or the snapshot before, goes back",
            ],
            Self::ReadOnly(_) => &["mount it for writing: mount -o remount,rw"],
            Self::NoDropIns(_) => &[
                "reseat edits no configuration of yours: put `reseat` before `udev` in its HOOKS, or `sd-reseat` behind \
                 `systemd`",
                "reseat initramfs install --files-only",
                "keep the present image: cp /boot/initramfs-linux.img /boot/initramfs-linux.img.before-reseat",
                "mkinitcpio -P, and look into the images: reseat initramfs status",
            ],
            Self::PresetUnclear(_) => &[
                "reseat initramfs install --files-only",
                "keep the present image: cp /boot/initramfs-linux.img /boot/initramfs-linux.img.before-reseat",
                "mkinitcpio -P, and look into the images: reseat initramfs status",
            ],
            Self::RunningUnknown | Self::NoKernels => &[
                "mount the partition with the kernels (/boot, /efi), if it is not",
                "name the kernel with --kernel VERSION",
            ],
            Self::NoKernel { .. } => &[
                "if a newer kernel has been installed since the boot: reboot first",
                "or name the kernel with --kernel VERSION",
            ],
            Self::SharedImage { .. } => &["remove what is left of the other kernel in /lib/modules"],
            Self::NoImage { .. } => &[
                "mount its partition (/boot, /efi), if it is not",
                "if a newer kernel has been installed since the boot: reboot first, or name it with --kernel VERSION",
                "if it lies elsewhere (limine, your own scripts): reseat initramfs install --files-only, and build it as your \
                 distribution does; after the boot, `reseat report` says what came of it",
                "if there is none yet, have your distribution make one first",
            ],
            Self::NoSpace { .. } => &["remove kernels that you do not need"],
            Self::Deployed(Deployed::Ostree) => &[
                "nothing in /usr is written here; have the system's builder do it",
                "in the tree's definition: add reseat's files, dracut's module among them, and run dracut for its kernel",
                "without one of your own: layer a package of reseat, `rpm-ostree initramfs --enable`, and \
                 `rpm-ostree initramfs-etc --track=/etc/reseat/reseat.toml`",
                "the deployment before stays in the boot menu; `rpm-ostree rollback` goes back",
            ],
            Self::Deployed(Deployed::Bootc) => &[
                "nothing in /usr is written here; have the image's build do it, in its Containerfile:",
                "COPY the tree of `cargo xtask dist` to /, and your rules to /etc/reseat/reseat.toml",
                "RUN kernel=$(ls /usr/lib/modules) && dracut --force --no-hostonly --reproducible \
                 /usr/lib/modules/$kernel/initramfs.img $kernel",
                "the deployment before stays in the boot menu; `bootc rollback` goes back",
            ],
            Self::Unified { .. } => &[
                "keep the present image: copy the .efi file under another name in the same directory, it becomes an entry \
                 of its own",
                "reseat initramfs install --files-only",
                "build anew as your distribution does, which signs as well: `kernel-install add VERSION KERNEL`, \
                 `mkinitcpio -P`, or `dracut --uefi --force`",
                "if this machine does not boot from those images: --force",
            ],
            Self::Bound { .. } => &[
                "have a passphrase or a recovery key at hand, and somebody who can enter it",
                "run again with --force, boot, and enroll the TPM anew (`systemd-cryptenroll --wipe-slot=tpm2 \
                 --tpm2-device=auto --tpm2-pcrs=7 DISK`, or `clevis luks regen`)",
            ],
            Self::BindingUnknown { .. } | Self::DisksUnknown(_) => &[
                "run as root, or find out by hand: `cryptsetup luksDump DISK`",
                "if it is not bound to the TPM registers 4, 9 or 11 (with GRUB also 8), or somebody can enter its passphrase: \
                 --force",
            ],
        }
    }
}
