//! The claim in the initramfs: the facts about this machine, and what is done with its files.

mod build;
mod changes;
mod disks;
mod error;
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
use std::path::Path;

use crate::initramfs::builder::Builder;

pub use error::InitramfsError;
pub use install::{
    InitramfsOptions, Installed, install as install_initramfs, install_files as install_initramfs_files,
};
pub use remove::{Removed, remove as remove_initramfs};
pub use status::{FileState, ImageStatus, InitramfsStatus, OwnFileStatus, status as initramfs_status};

/// The progress of what takes a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The builder begins with the image of a kernel.
    Building {
        /// The kernel.
        kernel: String,
        /// The builder.
        builder: Builder,
    },
    /// The image is built and verified: with the claim, or without reseat.
    Built {
        /// The kernel.
        kernel: String,
        /// The content that it was verified for.
        content: BuiltContent,
    },
}

/// The content that a new image was verified for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltContent {
    /// Everything of the claim is in it.
    Claim,
    /// Nothing of reseat is in it.
    NoClaim,
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
