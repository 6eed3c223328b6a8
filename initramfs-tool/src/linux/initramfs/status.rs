//! The state of the claim in the initramfs.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::build::wanted;
use super::{InitramfsError, facts, images, menu, record_file};
use crate::initramfs::builder::Builder;
use crate::initramfs::contents::{Digest, Shortfall, shortfalls};
use crate::initramfs::machine::{RulesState, UnifiedSign};
use crate::initramfs::plan::{self, InstallRefusal, Request, Which, all_signs};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Severity, Subject, id};

/// The state of the claim in the initramfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitramfsStatus {
    /// The builder of the images.
    pub builder: Result<Builder, InstallRefusal>,
    /// True if an installation was cut off.
    pub cut_off: bool,
    /// The finding on a record that cannot be read.
    pub record_problem: Option<Finding>,
    /// The builder's files.
    pub files: Vec<OwnFileStatus>,
    /// The images of all kernels.
    pub images: Vec<ImageStatus>,
    /// The reason for which the image of the running kernel is not among them.
    pub running_problem: Option<InstallRefusal>,
    /// The rules.
    pub rules: RulesState,
    /// The signs of unified kernel images, which are not verified.
    pub unified: Vec<UnifiedSign>,
}

/// A file of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnFileStatus {
    /// Its path.
    pub path: PathBuf,
    /// Its state.
    pub state: FileState,
}

/// The state of a file of ours.
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

/// The state of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageStatus {
    /// Its kernel.
    pub kernel: String,
    /// True if that kernel runs.
    pub running: bool,
    /// Its path.
    pub path: PathBuf,
    /// Its shortfalls, or the finding on an image that cannot be read.
    pub shortfalls: Result<Vec<Shortfall>, Finding>,
    /// The copies that the boot loader boots in its place, if they are not the same.
    pub other_copies: Vec<PathBuf>,
    /// The image from before, if it is there.
    pub kept: Option<PathBuf>,
    /// The file with its entry in the boot menu, if that is there.
    pub entry: Option<PathBuf>,
}

impl InitramfsStatus {
    /// Returns true if there is nothing of reseat.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        let without = |image: &ImageStatus| matches!(image.shortfalls.as_deref(), Ok([Shortfall::NoClaim]));
        !self.cut_off
            && self.record_problem.is_none()
            && self.files.iter().all(|file| file.state == FileState::Missing)
            && self.images.iter().all(without)
    }

    /// Returns true if the files are there and the image of the running kernel, or where that is not known every image, has all that
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
        known && files && some && whole && !matches!(self.rules, RulesState::Invalid(_))
    }

    /// The findings on the machine, but for those on its images.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let builder = self.builder.as_ref().err().map(as_warning);
        let cut_off = Finding::warning(id::INSTALLATION_CUT_OFF, Subject::machine()).remedy(id::INSTALL_OR_REMOVE);
        let cut_off = self.cut_off.then_some(cut_off);
        let rules = match &self.rules {
            RulesState::Invalid(findings) => findings.as_slice(),
            RulesState::Valid | RulesState::Missing(_) => &[],
        };
        let mut findings: Vec<_> = builder.into_iter().chain(cut_off).collect();
        findings.extend(self.record_problem.clone());
        findings.extend(self.files.iter().filter_map(OwnFileStatus::finding));
        findings.extend(self.running_problem.as_ref().map(as_warning));
        findings.extend_from_slice(rules);
        findings.extend(self.unverified());
        findings
    }

    fn unverified(&self) -> Option<Finding> {
        let finding = || {
            Finding::warning(id::UNIFIED_IMAGES_UNVERIFIED, Subject::machine())
                .with("signs", all_signs(&self.unified))
                .remedy(id::SEE_REPORT)
        };
        (!self.unified.is_empty()).then(finding)
    }
}

/// Nothing was asked for that could be refused.
fn as_warning(refusal: &InstallRefusal) -> Finding {
    refusal.finding().severity(Severity::Warning)
}

impl OwnFileStatus {
    /// The finding on a file that is not as this version brings it.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let warning = |id| Finding::warning(id, Subject::file(&self.path));
        match self.state {
            FileState::Present => None,
            FileState::OtherVersion => Some(warning(id::BUILDER_FILE_OF_OTHER_VERSION).remedy(id::INSTALL_AGAIN)),
            FileState::Changed => Some(warning(id::BUILDER_FILE_CHANGED)),
            FileState::Missing => Some(warning(id::BUILDER_FILE_MISSING)),
        }
    }
}

impl ImageStatus {
    /// The findings on the image.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let copies = self.other_copies.iter();
        let copies = copies.map(|copy| menu::outdated_copy(copy, &self.kernel));
        match &self.shortfalls {
            Err(unreadable) => [unreadable.clone()].into_iter().chain(copies).collect(),
            Ok(shortfalls) => shortfalls.iter().map(|one| self.shortfall(one)).chain(copies).collect(),
        }
    }

    /// Without a kernel that is named, an installation is for the one that runs.
    fn shortfall(&self, shortfall: &Shortfall) -> Finding {
        let finding = shortfall.finding(&self.path, &self.kernel);
        match (shortfall, self.running) {
            (Shortfall::NoClaim, true) => finding.remedy(id::ADD_TO_IMAGE),
            (Shortfall::NoClaim, false) => finding.remedy(id::ADD_TO_IMAGE_OF_KERNEL),
            (stale, true) if stale.is_stale() => finding.remedy(id::REBUILD_IMAGE),
            (stale, false) if stale.is_stale() => finding.remedy(id::REBUILD_IMAGE_OF_KERNEL),
            _ => finding,
        }
    }
}

/// Gathers the state of everything.
///
/// # Errors
/// When the file with what was written down of an installation cannot be read.
pub fn status(root: &Root) -> Result<InitramfsStatus, InitramfsError> {
    let request = Request::default();
    let facts = facts::gather(root, &request);
    let (record, record_problem) = match record_file::read(root) {
        Ok(record) => (record, None),
        Err(error @ InitramfsError::Record { .. }) => (None, Some(error.finding())),
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
            shortfalls: lacks(root, builder.as_ref().ok().copied(), &kernel.version, &image.path)
                .map_err(|error| error.warning()),
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
        running_problem: not_found,
        builder,
        cut_off: record.is_some_and(|record| !record.complete),
        record_problem,
        files,
        images,
        rules: facts.rules,
        unified: facts.unified,
    })
}

fn lacks(root: &Root, builder: Option<Builder>, kernel: &str, image: &Path) -> Result<Vec<Shortfall>, InitramfsError> {
    let contents = images::look_into(root, &root.path(image))?;
    // Whoever made this one says how a claim runs in it.
    let builder = contents.made_by().or(builder);
    let builder = builder.ok_or_else(|| InitramfsError::BuilderUnknown { path: image.to_owned() })?;
    let wanted = wanted(root, builder, kernel)?;
    Ok(shortfalls(&contents, &wanted))
}
