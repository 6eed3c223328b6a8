//! The way back.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::build::{build, run_after_build, run_after_restore};
use super::changes::{Changes, with_suffix};
use super::{BuiltContent, InitramfsError, Progress, facts, images, leftovers, menu, presets, record_file};
use crate::initramfs::builder::Builder;
use crate::initramfs::contents::Digest;
use crate::initramfs::machine::{Facts, Kernel};
use crate::initramfs::plan::{self, InstallRefusal, KEPT_SUFFIX, Request, UNFINISHED_SUFFIX, all_signs};
use crate::initramfs::record::{InstallationRecord, SwitchedImage};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};

/// The changes of a removal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files that are gone.
    pub files: Vec<PathBuf>,
    /// Kernels whose image from before is back, byte for byte.
    pub restored: Vec<String>,
    /// Kernels whose image was built anew, since it had been built anew after the installation.
    pub rebuilt: Vec<String>,
    /// Warnings and notes.
    pub findings: Vec<Finding>,
}

/// The directory of dracut's module.
const OWN_DIRECTORY: &str = "52reseat";

/// The next step for a kernel's image.
enum ImageStep {
    /// The kept one takes its place.
    Restore(SwitchedImage),
    /// A new one is built.
    Rebuild(PathBuf),
    /// There is nothing of ours in it.
    Leave,
}

/// Removes the builder's files, and puts the images from before in the place of those with a claim. Where an image has been
/// built anew meanwhile, that from before may be too old, and a new one is built without the claim. Whatever goes wrong
/// leaves it all as it was.
///
/// # Errors
/// When it could not be done.
pub fn remove(root: &Root, force: bool, progress: &mut dyn FnMut(Progress)) -> Result<Removed, InitramfsError> {
    let facts = facts::gather(root, &Request::default());
    let locked = record_file::lock(root)?;
    let known = record_file::read(root)?;
    let nothing_known = known.is_none();
    let mut record = known.unwrap_or_else(|| {
        // Laid out by hand or by a package.
        let builder = facts.made_by.or_else(|| facts.builders.first().copied());
        InstallationRecord::begin(builder.unwrap_or(Builder::InitramfsTools), Timestamp::now())
    });
    let there = own_files(root, &record);
    if nothing_known && there.is_empty() && !is_in_an_image(root, &images_of(root, &record, &facts)) {
        return Err(InitramfsError::NothingThere);
    }
    if let Some(deployed) = facts.deployed {
        return Err(InitramfsError::Refused(vec![InstallRefusal::Deployed(deployed)]));
    }
    if !facts.builders.contains(&record.builder) {
        // The machine has been given another one since.
        record.builder = plan::builder(&facts, &Request::default()).unwrap_or(record.builder);
    }
    leftovers::name_kept(root, &record)?;
    let kernels = images_of(root, &record, &facts);
    let mut removal = Removal {
        root,
        record,
        changes: Changes::default(),
        removed: Removed::default(),
        installed: facts.kernels.iter().map(|kernel| kernel.version.clone()).collect(),
        announced: Vec::new(),
    };
    if !facts.unified.is_empty() {
        let unverified = Finding::warning(id::UNIFIED_IMAGES_UNVERIFIED, Subject::machine())
            .with("signs", all_signs(&facts.unified))
            .remedy(id::REBUILD_UNIFIED);
        removal.removed.findings.push(unverified);
    }
    let done = removal
        .remove_files(&there, force)
        .and_then(|()| removal.images(&kernels, progress))
        .and_then(|()| record_file::forget(&locked));
    removal.end(done)
}

/// Every image that reseat may be in, with its kernel.
fn images_of(root: &Root, record: &InstallationRecord, facts: &Facts) -> Vec<(String, PathBuf)> {
    let mut images: Vec<(String, PathBuf)> = record
        .images
        .iter()
        .map(|known| {
            // After an upgrade, the same name may be another kernel's.
            let is_its = |kernel: &&Kernel| kernel.image.as_ref().is_some_and(|image| image.path == known.image);
            let kernel = facts
                .kernels
                .iter()
                .find(is_its)
                .map_or(&known.kernel, |kernel| &kernel.version);
            (kernel.clone(), known.image.clone())
        })
        .collect();
    for kernel in &facts.kernels {
        let others = match (record.builder, &kernel.image) {
            (Builder::Mkinitcpio, Some(_)) => presets::other_images(root, &kernel.version),
            _ => Vec::new(),
        };
        let found = kernel.image.iter().map(|image| image.path.clone()).chain(others);
        for image in found {
            if !images.iter().any(|(_, other)| *other == image) {
                images.push((kernel.version.clone(), image));
            }
        }
    }
    images
}

/// Returns true if an image has the claim. One that cannot be read counts as one without.
fn is_in_an_image(root: &Root, images: &[(String, PathBuf)]) -> bool {
    let mut images = images
        .iter()
        .map(|(_, image)| images::look_into(root, &root.path(image)));
    images.any(|contents| contents.is_ok_and(|contents| contents.has_claim()))
}

/// Our files that are there, each with whether it is as it was written.
fn own_files(root: &Root, record: &InstallationRecord) -> Vec<(PathBuf, bool)> {
    let brought = Builder::ALL.iter().flat_map(|builder| builder.files());
    let mut files: Vec<_> = brought
        .map(|file| (PathBuf::from(file.path), Digest::of(file.content.as_bytes())))
        .collect();
    files.extend(
        record
            .files
            .iter()
            .map(|file| (file.path.clone(), file.content.clone())),
    );
    files.sort_by(|one, other| one.0.cmp(&other.0));
    let mut there: Vec<(PathBuf, bool)> = Vec::new();
    for (path, content) in files {
        let Ok(found) = images::digest(&root.path(&path)) else {
            continue;
        };
        match there.last_mut() {
            Some((last, ours)) if *last == path => *ours |= found == content,
            _ => there.push((path, found == content)),
        }
    }
    there
}

struct Removal<'a> {
    root: &'a Root,
    record: InstallationRecord,
    changes: Changes,
    removed: Removed,
    /// The kernels that are installed.
    installed: Vec<String>,
    /// The images after whose build those programs were run.
    announced: Vec<(String, PathBuf)>,
}

impl Removal<'_> {
    fn remove_files(&mut self, there: &[(PathBuf, bool)], force: bool) -> Result<(), InitramfsError> {
        for (path, ours) in there {
            if !ours {
                if !force {
                    return Err(InitramfsError::Changed(path.clone()));
                }
                let copy = record_file::copy_aside(self.root, path)?;
                self.removed.findings.push(record_file::copied(path, &copy));
            }
            self.changes.remove(&self.root.path(path))?;
            self.removed.files.push(path.clone());
        }
        Ok(())
    }

    fn images(
        &mut self,
        kernels: &[(String, PathBuf)],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), InitramfsError> {
        let mut switches = Vec::new();
        for (kernel, image) in kernels {
            match self.step_for(image)? {
                ImageStep::Leave => {}
                ImageStep::Restore(known) => {
                    switches.push((kernel, image, known.kept));
                    self.removed.restored.push(kernel.clone());
                }
                ImageStep::Rebuild(new) => {
                    let builder = self.record.builder;
                    progress(Progress::Building {
                        kernel: kernel.clone(),
                        builder,
                    });
                    self.changes.makes_image(&self.root.path(&new));
                    let (contents, _) = build(self.root, builder, (kernel, image), &new)?;
                    if contents.has_claim() {
                        let kernel = kernel.clone();
                        return Err(InitramfsError::StillThere { kernel, builder });
                    }
                    progress(Progress::Built {
                        kernel: kernel.clone(),
                        content: BuiltContent::NoClaim,
                    });
                    switches.push((kernel, image, new));
                    match self.removed.rebuilt.contains(kernel) || self.removed.restored.contains(kernel) {
                        true => self
                            .removed
                            .findings
                            .push(Finding::note(id::IMAGE_REBUILT_TOO, Subject::file(image))),
                        false => self.removed.rebuilt.push(kernel.clone()),
                    }
                }
            }
        }
        let menu = menu::without_entries(self.root)?;
        menu::write(self.root, &menu, &mut self.changes)?;
        for (_, image, new) in &switches {
            self.changes.switch(&self.root.path(image), &self.root.path(new))?;
        }
        for (kernel, image, _) in &switches {
            self.announced.push(((*kernel).clone(), (*image).clone()));
            run_after_build(self.root, self.record.builder, kernel, image)?;
        }
        self.forget_kept();
        let images: Vec<&PathBuf> = kernels.iter().map(|(_, image)| image).collect();
        self.forget_leftovers(&images, menu.into_keys());
        Ok(())
    }

    /// The images that were kept have done their duty, but for those that are all there is.
    fn forget_kept(&mut self) {
        for SwitchedImage {
            kernel, image, kept, ..
        } in &self.record.images
        {
            let is_installed = self.installed.contains(kernel);
            // Somebody has lost it: then the kept one is all there is.
            if is_installed && !self.root.path(image).exists() && self.root.path(kept).exists() {
                let lost = Finding::warning(id::IMAGE_LOST, Subject::file(image)).with("kept", kept.display());
                self.removed.findings.push(lost);
            } else {
                self.changes.is_obsolete(&self.root.path(kept));
            }
        }
    }

    /// Forgets the leftovers of an installation or a removal that was cut off.
    fn forget_leftovers(&mut self, images: &[&PathBuf], menu: impl Iterator<Item = PathBuf>) {
        for image in images {
            for leftover in leftovers::beside_image(image) {
                self.changes.is_obsolete(&self.root.path(leftover));
            }
            let kept = with_suffix(image, KEPT_SUFFIX);
            let known = self.record.images.iter().any(|image| image.kept == kept);
            if !known && self.root.path(&kept).exists() {
                let unknown = Finding::note(id::KEPT_IMAGE_UNKNOWN, Subject::file(kept));
                self.removed.findings.push(unknown);
            }
        }
        let brought = Builder::ALL.iter().flat_map(|builder| builder.files());
        for file in brought.map(|file| PathBuf::from(file.path)).chain(menu) {
            self.changes.is_obsolete(&self.root.path(leftovers::beside_file(&file)));
        }
    }

    fn step_for(&mut self, image: &Path) -> Result<ImageStep, InitramfsError> {
        let path = self.root.path(image);
        // The kernel was removed since.
        if !path.is_file() {
            return Ok(ImageStep::Leave);
        }
        let known = self.record.image(image);
        if let Some(known) = known {
            let content = images::digest(&path)?;
            if content == known.kept_content && !known.kept_has_claim {
                return Ok(ImageStep::Leave);
            }
            let kept = self.root.path(&known.kept);
            let kept_is_whole = kept.is_file() && images::digest(&kept)? == known.kept_content;
            if content == known.content && kept_is_whole && !known.kept_has_claim && !known.kept_is_older {
                return Ok(ImageStep::Restore(known.clone()));
            }
        }
        match images::look_into(self.root, &path) {
            Ok(contents) if contents.has_claim() => Ok(ImageStep::Rebuild(with_suffix(image, UNFINISHED_SUFFIX))),
            Ok(_) => Ok(ImageStep::Leave),
            // One that nobody has installed into is no reason to leave the others.
            Err(error) if known.is_none() => {
                let left = Finding::warning(id::IMAGE_LEFT_UNREAD, Subject::file(image)).with("cause", error);
                self.removed.findings.push(left);
                Ok(ImageStep::Leave)
            }
            Err(error) => Err(error),
        }
    }

    fn end(mut self, done: Result<(), InitramfsError>) -> Result<Removed, InitramfsError> {
        match done {
            Ok(()) => {
                let left = self.changes.finish(&[]);
                self.removed.findings.extend(left.iter().map(InitramfsError::warning));
                // Directories that held nothing but our files; with somebody else's in it, one stays.
                for directory in self.removed.files.iter().filter_map(|file| file.parent()) {
                    if directory.file_name().is_some_and(|name| name == OWN_DIRECTORY) {
                        fs::remove_dir(self.root.path(directory)).ok();
                    }
                }
                Ok(self.removed)
            }
            Err(error) => {
                let mut left = self.changes.undo();
                left.extend(run_after_restore(self.root, self.record.builder, &self.announced));
                Err(match left.is_empty() {
                    true => error,
                    false => {
                        let error = Box::new(error);
                        InitramfsError::NotUndone { error, left }
                    }
                })
            }
        }
    }
}
