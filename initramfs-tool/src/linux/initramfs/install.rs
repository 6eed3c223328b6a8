//! Putting the claim into the initramfs.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::build::{build, options_of_preset, run_after_build, run_after_restore, wanted};
use super::changes::{Changes, OLD, with_suffix};
use super::{BuiltContent, InitramfsError, Progress, facts, images, leftovers, menu, record_file};
use crate::initramfs::builder::{Builder, OwnFile};
use crate::initramfs::contents::{Digest, shortfalls};
use crate::initramfs::machine::Facts;
use crate::initramfs::plan::{self, InstallPlan, KEPT_SUFFIX, Request, UNFINISHED_SUFFIX};
use crate::initramfs::record::{InstallationRecord, SwitchedImage, WrittenFile};
use crate::linux::state::durable::Locked;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};

/// The options of an installation.
#[derive(Clone, Debug, Default)]
pub struct InitramfsOptions {
    /// The request.
    pub request: Request,
    /// Only plan.
    pub dry_run: bool,
}

/// The result of an installation.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The plan.
    pub plan: InstallPlan,
    /// The record of what is there now; `None` of a dry run.
    pub record: Option<InstallationRecord>,
    /// The images of which the boot loader boots copies.
    pub copied: Vec<PathBuf>,
    /// Warnings and notes.
    pub findings: Vec<Finding>,
}

/// Writes the builder's files, has the images built anew, looks into them, keeps those from before and puts the new ones in
/// their place. Whatever goes wrong leaves it all as it was.
///
/// # Errors
/// When it is not to be done, or could not be.
pub fn install(
    root: &Root,
    options: &InitramfsOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, InitramfsError> {
    let facts = facts::gather(root, &options.request);
    let plan = plan::install(&facts, &options.request).map_err(InitramfsError::Refused)?;
    for (kernel, image) in &plan.kernels {
        options_of_preset(root, plan.builder, kernel, image)?;
    }
    let mut findings = plan.findings.clone();
    let images = plan.kernels.iter().map(|(_, image)| image);
    let copied = images.filter(|image| menu::is_copied(root, image)).cloned().collect();
    let installed = |record, findings| Installed {
        plan: plan.clone(),
        record,
        copied,
        findings,
    };
    if options.dry_run {
        return Ok(installed(None, findings));
    }
    let locked = record_file::lock(root)?;
    let mut installation = Installation::begin(root, &locked, plan.builder)?;
    installation.forget_kernels(&facts);
    let done = installation.install(&plan, progress);
    let (record, more) = installation.end(done)?;
    findings.extend(more);
    Ok(installed(Some(record), findings))
}

/// Only writes the builder's files, for images that are built otherwise. Returns warnings and notes as well.
///
/// # Errors
/// When it is not to be done, or could not be.
pub fn install_files(root: &Root, request: &Request) -> Result<(InstallationRecord, Vec<Finding>), InitramfsError> {
    let facts = facts::gather(root, request);
    let builder = plan::install_files(&facts, request).map_err(InitramfsError::Refused)?;
    let locked = record_file::lock(root)?;
    let mut installation = Installation::begin(root, &locked, builder)?;
    let done = installation.write_files();
    installation.end(done)
}

/// An installation under way.
struct Installation<'a> {
    root: &'a Root,
    locked: &'a Locked,
    /// The record before it.
    before: Option<InstallationRecord>,
    record: InstallationRecord,
    changes: Changes,
    /// The images after whose build those programs were run.
    announced: Vec<(String, PathBuf)>,
    /// Warnings and notes.
    findings: Vec<Finding>,
}

/// An image that has been built and looked into.
struct Built {
    kernel: String,
    image: PathBuf,
    new: PathBuf,
    /// The path to which the present one goes, if that is the one to keep.
    keep: Option<PathBuf>,
}

impl<'a> Installation<'a> {
    fn begin(root: &'a Root, locked: &'a Locked, builder: Builder) -> Result<Self, InitramfsError> {
        let before = record_file::read(root)?;
        let mut record = InstallationRecord::begin(builder, Timestamp::now());
        if let Some(before) = &before {
            leftovers::name_kept(root, before)?;
            record.images.clone_from(&before.images);
            record.files.clone_from(&before.files);
        }
        Ok(Self {
            root,
            locked,
            before,
            record,
            changes: Changes::default(),
            announced: Vec::new(),
            findings: Vec::new(),
        })
    }

    /// Forgets the images that were kept for kernels that have been removed since.
    fn forget_kernels(&mut self, facts: &Facts) {
        let is_there = |kernel: &str| facts.kernels.iter().any(|there| there.version == kernel);
        let images = std::mem::take(&mut self.record.images);
        for image in images {
            if is_there(&image.kernel) || self.root.path(&image.image).exists() {
                self.record.images.push(image);
            } else {
                self.changes.is_obsolete(&self.root.path(&image.kept));
            }
        }
    }

    fn install(&mut self, plan: &InstallPlan, progress: &mut dyn FnMut(Progress)) -> Result<(), InitramfsError> {
        self.write_files()?;
        let mut built = Vec::new();
        for (kernel, image) in &plan.kernels {
            progress(Progress::Building {
                kernel: kernel.clone(),
                builder: plan.builder,
            });
            built.push(self.build(kernel, image)?);
            progress(Progress::Built {
                kernel: kernel.clone(),
                content: BuiltContent::Claim,
            });
        }
        let keeps: Vec<_> = built.iter().filter_map(|image| image.keep.clone()).collect();
        let menu = menu::with_entries(self.root, &mut self.record, &keeps)?;
        // Before anything is switched, so that a removal knows after whatever may happen.
        record_file::write(self.locked, &self.record)?;
        let mut linked = Vec::new();
        for kept in &keeps {
            self.free_name_of(kept)?;
        }
        for image in &built {
            if let Some(kept) = &image.keep
                && self
                    .changes
                    .keep(&self.root.path(&image.image), &self.root.path(kept))?
            {
                linked.push(kept.clone());
            }
        }
        menu::write(self.root, &menu, &mut self.changes)?;
        for image in &built {
            let before = self
                .changes
                .switch(&self.root.path(&image.image), &self.root.path(&image.new))?;
            match &image.keep {
                Some(kept) if !linked.contains(kept) => self.changes.moved(&before, &self.root.path(kept))?,
                _ => {}
            }
        }
        for image in &built {
            self.announced.push((image.kernel.clone(), image.image.clone()));
            run_after_build(self.root, plan.builder, &image.kernel, &image.image)?;
        }
        for image in &built {
            let copies = menu::other_copies(self.root, &image.image);
            self.findings
                .extend(copies.iter().map(|copy| menu::outdated_copy(copy, &image.kernel)));
        }
        Ok(())
    }

    /// Frees the name of an image that is to be kept: an older one of ours goes in the end, another's stays.
    fn free_name_of(&mut self, kept: &Path) -> Result<(), InitramfsError> {
        let path = self.root.path(kept);
        if !path.exists() {
            return Ok(());
        }
        let mut before = self.before.iter().flat_map(|before| &before.images);
        if before.any(|known| known.kept == kept) {
            let old = with_suffix(&path, OLD);
            self.changes.set_aside(&path, &old)?;
            self.changes.is_obsolete(&old);
        } else {
            let name = leftovers::free_name(self.root, kept);
            self.changes.set_aside(&path, &self.root.path(&name))?;
            let taken = Finding::note(id::KEPT_NAME_TAKEN, Subject::file(kept)).with("new_name", name.display());
            self.findings.push(taken);
        }
        Ok(())
    }

    fn write_files(&mut self) -> Result<(), InitramfsError> {
        let files = self.record.builder.files();
        let changed: Vec<_> = files.iter().filter(|file| self.is_changed(file)).collect();
        for file in files {
            let path = PathBuf::from(file.path);
            self.record.files.retain(|other| other.path != path);
            let content = Digest::of(file.content.as_bytes());
            self.record.files.push(WrittenFile { path, content });
        }
        record_file::write(self.locked, &self.record)?;
        for file in changed {
            let copy = record_file::copy_aside(self.root, Path::new(file.path))?;
            self.findings.push(record_file::copied(Path::new(file.path), &copy));
        }
        for file in files {
            self.changes
                .write(&self.root.path(file.path), file.content.as_bytes(), file.mode)?;
        }
        Ok(())
    }

    /// Returns true if a file is there, and neither as this version brings it nor as one before did.
    fn is_changed(&self, file: &OwnFile) -> bool {
        let written = self
            .record
            .files
            .iter()
            .find(|written| written.path == Path::new(file.path));
        let found = images::digest(&self.root.path(file.path));
        found.is_ok_and(|found| {
            found != Digest::of(file.content.as_bytes()) && written.is_none_or(|written| written.content != found)
        })
    }

    /// Builds an image beside the present one and looks into it.
    fn build(&mut self, kernel: &str, image: &Path) -> Result<Built, InitramfsError> {
        let builder = self.record.builder;
        let new = with_suffix(image, UNFINISHED_SUFFIX);
        self.changes.makes_image(&self.root.path(&new));
        let (contents, warnings) = build(self.root, builder, (kernel, image), &new)?;
        let shortfalls = shortfalls(&contents, &wanted(self.root, builder, kernel)?);
        if !shortfalls.is_empty() {
            return Err(InitramfsError::Lacking {
                kernel: kernel.to_owned(),
                image: new,
                builder,
                shortfalls,
                warnings,
            });
        }
        let content = images::digest(&self.root.path(&new))?;
        let (switched, keep) = self.with_kept(kernel, image, content)?;
        self.record.put(switched);
        let (kernel, image) = (kernel.to_owned(), image.to_owned());
        Ok(Built {
            kernel,
            image,
            new,
            keep,
        })
    }

    /// The record for an image that holds `content`, and the path to which the present one goes, if that is the one to keep.
    fn with_kept(
        &self,
        kernel: &str,
        image: &Path,
        content: Digest,
    ) -> Result<(SwitchedImage, Option<PathBuf>), InitramfsError> {
        let present = images::digest(&self.root.path(image))?;
        // One that cannot be looked into is kept as it is: it is what boots.
        let contents = images::look_into(self.root, &self.root.path(image));
        let has_claim = contents.is_ok_and(|contents| contents.has_claim());
        let kept = with_suffix(image, KEPT_SUFFIX);
        let switched = SwitchedImage {
            kernel: kernel.to_owned(),
            image: image.to_owned(),
            content,
            kept: kept.clone(),
            kept_content: present.clone(),
            kept_has_claim: has_claim,
            kept_is_older: false,
            entry: None,
        };
        let known = self
            .record
            .image(image)
            .filter(|known| self.root.path(&known.kept).is_file());
        if !has_claim || known.is_some_and(|known| known.kernel != kernel) {
            return Ok((switched, Some(kept)));
        }
        // What is kept has no claim in it, and so is worth more than one that has; if the user has kept it, too.
        if let Some(known) = known {
            let switched = SwitchedImage {
                content: switched.content,
                kept_is_older: known.kept_is_older || present != known.content,
                ..known.clone()
            };
            return Ok((switched, None));
        }
        if self.has_no_claim(&kept) {
            let switched = SwitchedImage {
                kept_content: images::digest(&self.root.path(&kept))?,
                kept_has_claim: false,
                kept_is_older: true,
                ..switched
            };
            return Ok((switched, None));
        }
        Ok((switched, Some(kept)))
    }

    fn has_no_claim(&self, image: &Path) -> bool {
        images::look_into(self.root, &self.root.path(image)).is_ok_and(|contents| !contents.has_claim())
    }

    /// It stays if it was done, or else is undone. Returns warnings and notes as well.
    fn end(mut self, done: Result<(), InitramfsError>) -> Result<(InstallationRecord, Vec<Finding>), InitramfsError> {
        self.record.complete = true;
        let error = match done.and_then(|()| record_file::write(self.locked, &self.record)) {
            Ok(()) => {
                let kept: Vec<_> = self
                    .record
                    .images
                    .iter()
                    .map(|image| self.root.path(&image.kept))
                    .collect();
                let kept: Vec<_> = kept.iter().map(PathBuf::as_path).collect();
                let left = self.changes.finish(&kept);
                self.findings.extend(left.iter().map(InitramfsError::warning));
                return Ok((self.record, self.findings));
            }
            Err(error) => error,
        };
        let mut left = self.changes.undo();
        left.extend(run_after_restore(self.root, self.record.builder, &self.announced));
        let forgotten = match &self.before {
            Some(before) => record_file::write(self.locked, before),
            None => record_file::forget(self.locked),
        };
        left.extend(forgotten.err());
        Err(match left.is_empty() {
            true => error,
            false => {
                let error = Box::new(error);
                InitramfsError::NotUndone { error, left }
            }
        })
    }
}
