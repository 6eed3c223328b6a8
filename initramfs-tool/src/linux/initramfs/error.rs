//! Errors of an installation, of a removal and of the status.

use std::io;
use std::path::{Path, PathBuf};

use crate::initramfs::archive::ArchiveError;
use crate::initramfs::builder::Builder;
use crate::initramfs::contents::Shortfall;
use crate::initramfs::plan::InstallRefusal;
use crate::initramfs::record::InstallationRecordError;
use crate::linux::state::durable::DurableError;
use crate::model::finding::{Finding, Severity, Subject, SubjectKind, id};

/// A reason for which the initramfs is as it was before; or, in [`InitramfsError::NotUndone`], for which it is not.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// It is not to be done.
    #[error("refused")]
    Refused(Vec<InstallRefusal>),
    /// A file.
    #[error("cannot {action} {path}: {cause}", path = path.display())]
    File {
        /// The operation.
        action: &'static str,
        /// Its file or directory.
        path: PathBuf,
        /// The kernel's reason.
        cause: io::Error,
    },
    /// A file below /var/lib.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The record of an installation.
    #[error("{path} cannot be understood: {cause}", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The defect.
        cause: InstallationRecordError,
    },
    /// A program that failed.
    #[error("{command}: {how}")]
    Program {
        /// Its command line.
        command: String,
        /// Its end, and the last lines of its output.
        how: String,
    },
    /// An image that cannot be read.
    #[error("cannot look into {path}: {cause}", path = path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// The defect.
        cause: ArchiveError,
    },
    /// An image that shows no trace of its builder, where no builder is known.
    #[error("cannot look into {path}: its builder is not known", path = path.display())]
    BuilderUnknown {
        /// The image.
        path: PathBuf,
    },
    /// The new image is not as it has to be.
    #[error("the new image for kernel {kernel} is not as it has to be")]
    Lacking {
        /// The kernel.
        kernel: String,
        /// The image.
        image: PathBuf,
        /// The builder.
        builder: Builder,
        /// The shortfalls.
        shortfalls: Vec<Shortfall>,
        /// The lines in which its builder has warned.
        warnings: String,
    },
    /// An image that is to be without reseat has it all the same.
    #[error("the new image for kernel {kernel} still has reseat-claim")]
    StillThere {
        /// The kernel.
        kernel: String,
        /// The builder.
        builder: Builder,
    },
    /// A file of ours that somebody has changed.
    #[error("{} was changed by somebody", .0.display())]
    Changed(PathBuf),
    /// There is nothing to remove.
    #[error("nothing of reseat is installed for the initramfs")]
    NothingThere,
    /// It went wrong, and could not be undone.
    #[error("{error}, and {} changes could not be undone", left.len())]
    NotUndone {
        /// The error.
        error: Box<InitramfsError>,
        /// The errors of undoing it.
        left: Vec<InitramfsError>,
    },
}

impl InitramfsError {
    /// The error as findings.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Refused(refusals) => refusals.iter().map(InstallRefusal::finding).collect(),
            Self::Lacking {
                kernel,
                image,
                builder,
                shortfalls,
                warnings,
            } => lacking(
                kernel,
                shortfalls.iter().map(|one| one.finding(image, kernel)),
                (*builder, warnings),
            ),
            Self::NotUndone { error, left } => {
                let heading = Finding::error(id::INITRAMFS_NOT_UNDONE, Subject::machine());
                let left = left.iter().flat_map(Self::findings);
                error.findings().into_iter().chain([heading]).chain(left).collect()
            }
            _ => vec![self.finding()],
        }
    }

    /// The error as a warning, where it does not stop the command.
    #[must_use]
    pub fn warning(&self) -> Finding {
        self.finding().severity(Severity::Warning)
    }

    /// The error as one finding. Of several, the first.
    #[must_use]
    pub fn finding(&self) -> Finding {
        match self {
            Self::File { action, path, cause } => Finding::error(id::INITRAMFS_FILE_FAILED, Subject::file(path))
                .with("action", action)
                .with("cause", cause),
            Self::Durable(cause) => {
                Finding::error(id::INITRAMFS_STATE_FAILED, Subject::file(path_of(cause))).with("cause", cause)
            }
            Self::Record { path, cause } => Finding::error(id::INITRAMFS_RECORD_UNREADABLE, Subject::file(path))
                .with("cause", cause)
                .remedy(id::MOVE_RECORD_AWAY),
            Self::Program { command, how } => {
                let subject = Subject::named(SubjectKind::Program, command);
                Finding::error(id::INITRAMFS_PROGRAM_FAILED, subject).with("cause", how)
            }
            Self::Image { path, cause } => {
                Finding::error(id::IMAGE_UNREADABLE, Subject::file(path)).with("cause", cause)
            }
            Self::BuilderUnknown { path } => Finding::error(id::IMAGE_BUILDER_UNKNOWN, Subject::file(path)),
            Self::StillThere { kernel, builder } => {
                let subject = Subject::named(SubjectKind::Kernel, kernel);
                Finding::error(id::NEW_IMAGE_HAS_CLAIM, subject).with("builder", builder)
            }
            Self::Changed(path) => {
                Finding::error(id::BUILDER_FILE_CHANGED, Subject::file(path)).remedy(id::REMOVE_CHANGED_FILE)
            }
            Self::NothingThere => Finding::error(id::INITRAMFS_NOT_INSTALLED, Subject::machine()),
            Self::Refused(_) | Self::Lacking { .. } | Self::NotUndone { .. } => self.findings().swap_remove(0),
        }
    }
}

fn path_of(error: &DurableError) -> &Path {
    match error {
        DurableError::File { path, .. } | DurableError::Locked { path } | DurableError::Content { path, .. } => path,
    }
}

/// The kernel, then the shortfalls, then what the builder has warned of.
fn lacking(
    kernel: &str,
    shortfalls: impl Iterator<Item = Finding>,
    (builder, warnings): (Builder, &str),
) -> Vec<Finding> {
    let heading = Finding::error(id::NEW_IMAGE_INCOMPLETE, Subject::named(SubjectKind::Kernel, kernel));
    let errors = shortfalls.map(|finding| finding.severity(Severity::Error));
    let warned = (!warnings.is_empty()).then(|| {
        let subject = Subject::named(SubjectKind::Program, builder.name());
        Finding::warning(id::INITRAMFS_BUILDER_WARNED, subject).with("output", warnings)
    });
    [heading].into_iter().chain(errors).chain(warned).collect()
}
