//! The claim in the initramfs: the facts about this machine, and what is done with its files.

mod build;
mod changes;
mod disks;
mod facts;
mod images;
mod install;
mod leftovers;
mod menu;
mod presets;
mod programs;
mod record_file;
mod remove;
mod status;

use std::io;
use std::path::{Path, PathBuf};

use crate::initramfs::archive::ArchiveError;
use crate::initramfs::contents::Shortfall;
use crate::initramfs::plan::Refusal;
use crate::linux::state::durable::DurableError;

pub use install::{
    InitramfsOptions, Installed, install as install_initramfs, install_files as install_initramfs_files,
};
pub use remove::{Removed, remove as remove_initramfs};
pub use status::{FileState, ImageStatus, InitramfsStatus, OwnFileStatus, status as initramfs_status};

/// What takes a while, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// This begins.
    Begins(String),
    /// This has come to its end.
    Done(String),
}

/// Why the initramfs is as it was before; or, in [`InitramfsError::NotUndone`], why it is not.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// It is not to be done.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Refusal>),
    /// A file.
    #[error("cannot {action} {path}: {cause}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's reason.
        cause: io::Error,
    },
    /// A file below /var/lib.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// What was written down of an installation.
    #[error(
        "{path} cannot be understood: {why}; use the version of reseat that wrote it, or move it away: `reseat initramfs \
         remove` then takes reseat out by building the images anew",
        path = path.display()
    )]
    Record {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A program that did not do it.
    #[error("{command}: {how}")]
    Program {
        /// Its command line.
        command: String,
        /// How it ended, and its last words.
        how: String,
    },
    /// An image that cannot be looked into.
    #[error("cannot look into {path}: {cause}", path = path.display())]
    Image {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: ArchiveError,
    },
    /// The new image is not as it has to be.
    #[error("the new image for kernel {kernel} is not as it has to be: {}", lacking(.shortfalls, .warnings))]
    Lacking {
        /// For which kernel.
        kernel: String,
        /// In what.
        shortfalls: Vec<Shortfall>,
        /// The lines in which its builder has warned.
        warnings: String,
    },
    /// An image that is to be without reseat has it all the same.
    #[error(
        "the new image for kernel {kernel} still has reseat-claim: something else than {builder}'s own files brings it"
    )]
    StillThere {
        /// For which kernel.
        kernel: String,
        /// By whom it was made.
        builder: String,
    },
    /// A file of ours that somebody has changed.
    #[error("{} was changed by somebody: look at it and remove it by hand, or run again with --force, which keeps a copy", .0.display())]
    Changed(PathBuf),
    /// There is nothing to take away.
    #[error("nothing of reseat is installed for the initramfs")]
    NothingThere,
    /// It went wrong, and could not be put back.
    #[error("{error}; and what had been done could not be undone: {}", .left.join("; "))]
    NotUndone {
        /// What went wrong.
        error: Box<InitramfsError>,
        /// What is left.
        left: Vec<String>,
    },
}

fn lacking(shortfalls: &[Shortfall], warnings: &str) -> String {
    let shortfalls: Vec<_> = shortfalls.iter().map(ToString::to_string).collect();
    match warnings.is_empty() {
        true => shortfalls.join("; "),
        false => format!("{}; its builder has warned:\n{warnings}", shortfalls.join("; ")),
    }
}

/// An [`InitramfsError::File`] for `map_err`.
fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> InitramfsError + use<> {
    let path = path.to_owned();
    move |cause| InitramfsError::File {
        action,
        path: path.clone(),
        cause,
    }
}

#[cfg(test)]
mod tests;
