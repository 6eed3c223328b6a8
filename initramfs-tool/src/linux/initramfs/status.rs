//! How the claim stands in the initramfs.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::build::wanted;
use super::{InitramfsError, facts, images, menu, record_file};
use crate::initramfs::builder::Builder;
use crate::initramfs::contents::{Digest, Shortfall, shortfalls};
use crate::initramfs::plan::{self, Request, Which};
use crate::linux::state::rules;
use crate::linux::sysfs::root::Root;
use crate::model::finding::Finding;

/// How the claim stands in the initramfs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InitramfsStatus {
    /// Who makes the images, or why that cannot be said.
    pub builder: Result<Builder, String>,
    /// Whether an installation was cut off.
    pub cut_off: bool,
    /// Why what was written down of an installation cannot be read, if that is so.
    pub record_problem: Option<String>,
    /// The builder's files.
    pub files: Vec<OwnFileStatus>,
    /// The images of all kernels.
    pub images: Vec<ImageStatus>,
    /// Why the image of the kernel that runs is not among them.
    pub running_problem: Option<String>,
    /// What in the rules means nothing, and so claims nothing from any image.
    pub rules_problems: Vec<Finding>,
    /// What speaks for unified kernel images, which are not looked into.
    pub unified: Vec<String>,
}

/// How a file of ours is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnFileStatus {
    /// Which.
    pub path: PathBuf,
    /// How.
    pub state: FileState,
}

/// How a file of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// As this version brings it.
    Present,
    /// As another version brought it.
    OtherVersion,
    /// Somebody has changed it.
    Changed,
    /// Not there.
    Missing,
}

/// How an image is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageStatus {
    /// For which kernel.
    pub kernel: String,
    /// Whether that kernel runs.
    pub running: bool,
    /// Where it is.
    pub path: PathBuf,
    /// What it lacks, or why it cannot be looked into.
    pub shortfalls: Result<Vec<Shortfall>, String>,
    /// What the boot loader boots in its place, if somebody copies it for that and it is another one.
    pub other_copies: Vec<PathBuf>,
    /// The image from before, if it is there.
    pub kept: Option<PathBuf>,
    /// The file with its entry in the boot menu, if that is there.
    pub entry: Option<PathBuf>,
}

impl InitramfsStatus {
    /// Whether there is nothing of reseat.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        let without = |image: &ImageStatus| matches!(image.shortfalls.as_deref(), Ok([Shortfall::NoClaim]));
        !self.cut_off
            && self.record_problem.is_none()
            && self.files.iter().all(|file| file.state == FileState::Missing)
            && self.images.iter().all(without)
    }

    /// Whether the files are there and the image of the running kernel, or where that is not known every image, has all that
    /// it is to have, and all rules say something.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        let one_runs = self.images.iter().any(|image| image.running);
        let mut counting = self.images.iter().filter(|image| image.running || !one_runs).peekable();
        let some = counting.peek().is_some();
        let whole =
            counting.all(|image| image.shortfalls.as_ref().is_ok_and(Vec::is_empty) && image.other_copies.is_empty());
        let files = self.files.iter().all(|file| file.state == FileState::Present);
        let known = self.builder.is_ok() && !self.cut_off && self.record_problem.is_none();
        known && files && some && whole && self.rules_problems.is_empty()
    }
}

/// Looks at everything.
///
/// # Errors
/// When the file with what was written down of an installation cannot be read.
pub fn status(root: &Root) -> Result<InitramfsStatus, InitramfsError> {
    let request = Request::default();
    let facts = facts::gather(root, &request);
    let (record, record_problem) = match record_file::read(root) {
        Ok(record) => (record, None),
        Err(error @ InitramfsError::Record { .. }) => (None, Some(error.to_string())),
        Err(error) => return Err(error),
    };
    let builder = record.as_ref().map(|record| record.builder);
    let builder = builder.map_or_else(|| plan::builder(&facts, &request), Ok);
    let files = builder.iter().flat_map(|builder| builder.files()).map(|file| {
        let path = PathBuf::from(file.path);
        let written = record
            .as_ref()
            .and_then(|record| record.files.iter().find(|written| written.path == path));
        let state = match images::digest(&root.path(&path)) {
            Err(_) => FileState::Missing,
            Ok(found) if found == Digest::of(file.content.as_bytes()) => FileState::Present,
            Ok(found) if written.is_some_and(|written| written.content == found) => FileState::OtherVersion,
            Ok(_) => FileState::Changed,
        };
        OwnFileStatus { path, state }
    });
    let files = files.collect();
    let mut images = Vec::new();
    for kernel in &facts.kernels {
        let Some(image) = &kernel.image else { continue };
        let known = record.as_ref().and_then(|record| record.image(&image.path));
        let there = |path: &Path| root.path(path).is_file().then(|| path.to_owned());
        images.push(ImageStatus {
            kernel: kernel.version.clone(),
            running: facts.running.as_deref() == Some(kernel.version.as_str()),
            path: image.path.clone(),
            shortfalls: lacks(root, builder.as_ref().ok().copied(), &kernel.version, &image.path),
            other_copies: menu::other_copies(root, &image.path),
            kept: known.and_then(|known| there(&known.kept)),
            entry: known.and_then(|known| there(known.entry.as_ref()?)),
        });
    }
    // Where kernel and image are one file, or are deployed together, or nobody knows who makes them, it is nowhere to be
    // expected.
    let is_elsewhere = facts.deployed.is_some() || !facts.unified.is_empty() || builder.is_err();
    let not_found = plan::choose(&facts, &Which::Running).err().filter(|_| !is_elsewhere);
    Ok(InitramfsStatus {
        rules_problems: rules::invalid(root),
        running_problem: not_found.map(|refusal| refusal.to_string()),
        builder: builder.map_err(|refusal| refusal.to_string()),
        cut_off: record.is_some_and(|record| !record.complete),
        record_problem,
        files,
        images,
        unified: facts.unified,
    })
}

fn lacks(root: &Root, builder: Option<Builder>, kernel: &str, image: &Path) -> Result<Vec<Shortfall>, String> {
    let contents = images::look_into(root, &root.path(image)).map_err(|error| error.to_string())?;
    // Whoever made this one says how a claim runs in it.
    let Some(builder) = contents.made_by().or(builder) else {
        return Err("it is not known who has made it".to_owned());
    };
    let wanted = wanted(root, builder, kernel).map_err(|error| error.to_string())?;
    Ok(shortfalls(&contents, &wanted))
}
