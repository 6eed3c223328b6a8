//! Refusals of an installation.

use std::path::PathBuf;

use crate::initramfs::builder::Builder;
use crate::initramfs::machine::{Deployed, DisksError, NoDropIns, UnifiedSign};
use crate::initramfs::measured::{Binding, BindingError};
use crate::model::finding::{Finding, Id, Remedy, Severity, Subject, SubjectKind, id};

/// A reason to do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallRefusal {
    /// A rule, or the rules file, is invalid.
    InvalidRules(Finding),
    /// Functions that the rules claim with a GPU carry the running system.
    PeerInSystem(Finding),
    /// `/usr/sbin/reseat-claim` is missing.
    NoProgram,
    /// No builder is installed.
    NoBuilder,
    /// The requested builder is not installed.
    BuilderNotThere(Builder),
    /// Several builders are installed, and none is known to have made the image.
    SeveralBuilders(Vec<Builder>),
    /// mkinitcpio's configuration would have to be edited.
    NoDropIns(NoDropIns),
    /// The running kernel cannot be determined.
    RunningUnknown,
    /// No installed kernel has an image.
    NoKernels,
    /// A kernel is not installed.
    NoKernel {
        /// The kernel.
        version: String,
        /// The installed kernels.
        there: Vec<String>,
    },
    /// A kernel has no image.
    NoImage {
        /// The kernel.
        version: String,
        /// The places where it was searched.
        places: Vec<String>,
    },
    /// Two kernels share an image, and its kernel cannot be determined.
    SharedImage {
        /// The image.
        image: PathBuf,
        /// The kernels.
        versions: [String; 2],
    },
    /// A preset has options that only a shell understands.
    PresetUnclear {
        /// The preset.
        preset: PathBuf,
        /// The setting in it.
        option: String,
    },
    /// The images are on the boot loader's partition, where sdbootutil puts them.
    Sdbootutil,
    /// The directory of the images is read-only.
    ReadOnly(PathBuf),
    /// There is no room for two images.
    NoSpace {
        /// The directory.
        directory: PathBuf,
        /// The bytes that may be required.
        needed: u64,
        /// The bytes that are free.
        free: u64,
    },
    /// The system is built elsewhere.
    Deployed(Deployed),
    /// The kernel and its initramfs are one file.
    Unified {
        /// The signs of unified images.
        signs: Vec<UnifiedSign>,
        /// True if the firmware requires a signature.
        secure_boot: bool,
    },
    /// A disk that does not open with another initramfs.
    Bound {
        /// The disk.
        disk: PathBuf,
        /// The binding of the disk.
        binding: Binding,
    },
    /// A disk with an unknown binding.
    BindingUnknown {
        /// The disk.
        disk: PathBuf,
        /// The error.
        cause: BindingError,
    },
    /// The disks are unknown.
    DisksUnknown(DisksError),
}

impl InstallRefusal {
    /// Returns the refusal as a finding.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let mut finding = match self {
            Self::InvalidRules(finding) | Self::PeerInSystem(finding) => finding.clone().severity(Severity::Refusal),
            _ => self.with_facts(Finding::refusal(self.id(), self.subject())),
        };
        finding.remedy = self.remedy();
        finding
    }

    fn id(&self) -> Id {
        match self {
            Self::InvalidRules(finding) | Self::PeerInSystem(finding) => finding.id.clone(),
            Self::NoProgram => id::CLAIM_PROGRAM_MISSING,
            Self::NoBuilder => id::INITRAMFS_BUILDER_MISSING,
            Self::BuilderNotThere(_) => id::INITRAMFS_BUILDER_NOT_INSTALLED,
            Self::SeveralBuilders(_) => id::INITRAMFS_BUILDER_AMBIGUOUS,
            Self::NoDropIns(NoDropIns::TooOld) => id::MKINITCPIO_TOO_OLD,
            Self::NoDropIns(NoDropIns::ConfigurationNamed(_)) => id::MKINITCPIO_CONFIGURATION_NAMED,
            Self::PresetUnclear { .. } => id::MKINITCPIO_OPTIONS_UNCLEAR,
            Self::RunningUnknown => id::RUNNING_KERNEL_UNKNOWN,
            Self::NoKernels => id::NO_KERNEL_WITH_IMAGE,
            Self::NoKernel { .. } => id::KERNEL_NOT_INSTALLED,
            Self::NoImage { .. } => id::IMAGE_NOT_FOUND,
            Self::SharedImage { .. } => id::IMAGE_SHARED,
            Self::Sdbootutil => id::IMAGES_BY_SDBOOTUTIL,
            Self::ReadOnly(_) => id::IMAGE_DIRECTORY_READ_ONLY,
            Self::NoSpace { .. } => id::IMAGE_SPACE_SHORT,
            Self::Deployed(Deployed::Ostree) => id::SYSTEM_BY_OSTREE,
            Self::Deployed(Deployed::Bootc) => id::SYSTEM_BY_BOOTC,
            Self::Unified { secure_boot: false, .. } => id::UNIFIED_IMAGES,
            Self::Unified { secure_boot: true, .. } => id::UNIFIED_IMAGES_SIGNED,
            Self::Bound {
                binding: Binding::Registers(..),
                ..
            } => id::DISK_BOUND_TO_REGISTERS,
            Self::Bound { .. } => id::DISK_BOUND_TO_PCRLOCK,
            Self::BindingUnknown { .. } => id::DISK_BINDING_UNKNOWN,
            Self::DisksUnknown(_) => id::DISKS_UNKNOWN,
        }
    }

    fn subject(&self) -> Subject {
        match self {
            Self::InvalidRules(finding) | Self::PeerInSystem(finding) => finding.subject.clone(),
            Self::NoProgram => Subject::file("/usr/sbin/reseat-claim"),
            Self::BuilderNotThere(builder) => Subject::named(SubjectKind::Program, builder.name()),
            Self::NoDropIns(NoDropIns::TooOld) => Subject::named(SubjectKind::Program, Builder::Mkinitcpio.name()),
            Self::NoDropIns(NoDropIns::ConfigurationNamed(preset)) | Self::PresetUnclear { preset, .. } => {
                Subject::file(preset)
            }
            Self::NoKernel { version, .. } | Self::NoImage { version, .. } => {
                Subject::named(SubjectKind::Kernel, version)
            }
            Self::SharedImage { image: file, .. }
            | Self::ReadOnly(file)
            | Self::NoSpace { directory: file, .. }
            | Self::Bound { disk: file, .. }
            | Self::BindingUnknown { disk: file, .. } => Subject::file(file),
            Self::NoBuilder
            | Self::SeveralBuilders(_)
            | Self::RunningUnknown
            | Self::NoKernels
            | Self::Sdbootutil
            | Self::Deployed(_)
            | Self::Unified { .. }
            | Self::DisksUnknown(_) => Subject::machine(),
        }
    }

    fn with_facts(&self, finding: Finding) -> Finding {
        match self {
            Self::NoBuilder => finding.with("known", names(&Builder::ALL, ", ")),
            Self::SeveralBuilders(builders) => finding.with("builders", names(builders, " and ")),
            Self::PresetUnclear { option, .. } => finding.with("option", option),
            Self::NoKernel { there, .. } => finding.with("installed", listed(there)),
            Self::NoImage { version, places } => finding.with("places", listed(places).replace("VERSION", version)),
            Self::SharedImage {
                versions: [one, other], ..
            } => finding.with("kernel", one).with("other", other),
            Self::NoSpace { needed, free, .. } => finding
                .with("free_mib", free >> 20)
                .with("needed_mib", needed.div_ceil(1 << 20)),
            Self::Unified { signs, .. } => finding.with("signs", all_signs(signs)),
            Self::Bound {
                binding: Binding::Registers(by, registers),
                ..
            } => {
                let registers: Vec<_> = registers.iter().map(ToString::to_string).collect();
                finding.with("registers", registers.join(", ")).with("by", by)
            }
            Self::BindingUnknown { cause, .. } => finding.with("cause", cause),
            Self::DisksUnknown(cause) => finding.with("cause", cause),
            _ => finding,
        }
    }

    fn remedy(&self) -> Option<Remedy> {
        Some(match self {
            Self::InvalidRules(finding) => finding.remedy.clone().unwrap_or(id::CORRECT_RULES_FIRST),
            Self::PeerInSystem(finding) => return finding.remedy.clone(),
            Self::NoProgram => id::INSTALL_ALL_FILES,
            Self::NoBuilder => id::USE_OTHER_BUILDER,
            Self::BuilderNotThere(_) => id::NAME_INSTALLED_BUILDER,
            Self::SeveralBuilders(_) => id::NAME_BUILDER,
            Self::Sdbootutil => id::BUILD_WITH_SDBOOTUTIL,
            Self::ReadOnly(_) => id::REMOUNT_WRITABLE,
            Self::NoDropIns(_) => id::EDIT_MKINITCPIO_HOOKS,
            Self::PresetUnclear { .. } => id::BUILD_WITH_MKINITCPIO,
            Self::RunningUnknown | Self::NoKernels => id::MOUNT_BOOT_OR_NAME_KERNEL,
            Self::NoKernel { .. } => id::REBOOT_OR_NAME_KERNEL,
            Self::SharedImage { .. } => id::REMOVE_OTHER_MODULES,
            Self::NoImage { .. } => id::FIND_IMAGE,
            Self::NoSpace { .. } => id::REMOVE_KERNELS,
            Self::Deployed(Deployed::Ostree) => id::BUILD_OSTREE,
            Self::Deployed(Deployed::Bootc) => id::BUILD_BOOTC,
            Self::Unified { .. } => id::BUILD_UNIFIED,
            Self::Bound { .. } => id::ENROLL_AGAIN,
            Self::BindingUnknown { .. } | Self::DisksUnknown(_) => id::READ_BINDING,
        })
    }
}

/// The signs of unified kernel images, as a fact.
#[must_use]
pub fn all_signs(signs: &[UnifiedSign]) -> String {
    let signs: Vec<_> = signs.iter().map(ToString::to_string).collect();
    signs.join("; ")
}

fn names(builders: &[Builder], between: &str) -> String {
    let names: Vec<_> = builders.iter().map(|builder| builder.name()).collect();
    names.join(between)
}

fn listed(names: &[String]) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}
