//! Putting the claim into the initramfs.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::build::{build, options_of_preset, tell_again, tell_others, wanted};
use super::changes::{Changes, OLD, with_suffix};
use super::{InitramfsError, Progress, facts, images, leftovers, menu, record_file};
use crate::initramfs::builder::{Builder, OwnFile};
use crate::initramfs::contents::{Digest, shortfalls};
use crate::initramfs::plan::{self, KEPT_SUFFIX, Plan, Request, UNFINISHED_SUFFIX};
use crate::initramfs::record::{Record, SwitchedImage, WrittenFile};
use crate::linux::state::durable::Locked;
use crate::linux::state::rules;
use crate::linux::state::rules::RULES_FILE;
use crate::linux::sysfs::root::Root;

/// How to install.
#[derive(Clone, Debug, Default)]
pub struct InitramfsOptions {
    /// What is asked for.
    pub request: Request,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What has been done.
#[derive(Clone, Debug)]
pub struct Installed {
    /// What was to be done.
    pub plan: Plan,
    /// What is there now; of a dry run nothing.
    pub record: Option<Record>,
    /// The images of which the boot loader boots copies.
    pub copied: Vec<PathBuf>,
    /// What is to be known all the same.
    pub notes: Vec<String>,
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
    let mut notes = plan.notes.clone();
    notes.extend(about_rules(root));
    let images = plan.kernels.iter().map(|(_, image)| image);
    let copied = images.filter(|image| menu::is_copied(root, image)).cloned().collect();
    let installed = |record, notes| Installed {
        plan: plan.clone(),
        record,
        copied,
        notes,
    };
    if options.dry_run {
        return Ok(installed(None, notes));
    }
    let locked = record_file::lock(root)?;
    let mut installation = Installation::begin(root, &locked, plan.builder)?;
    installation.forget_kernels(&facts);
    let done = installation.install(&plan, progress);
    let (record, more) = installation.end(done)?;
    notes.extend(more);
    Ok(installed(Some(record), notes))
}

/// What is to be known of the rules that go into the image.
fn about_rules(root: &Root) -> Vec<String> {
    if root.path(RULES_FILE).exists() {
        return rules::invalid(root).iter().map(ToString::to_string).collect();
    }
    let missing = format!("there is no {RULES_FILE}: only what the kernel command line names will be claimed");
    vec![missing]
}

/// Only writes the builder's files, for who has images built otherwise. Gives what is to be known beside.
///
/// # Errors
/// When it is not to be done, or could not be.
pub fn install_files(root: &Root, request: &Request) -> Result<(Record, Vec<String>), InitramfsError> {
    let facts = facts::gather(root, request);
    let refused = |refusal| InitramfsError::Refused(vec![refusal]);
    if let Some(deployed) = facts.deployed {
        return Err(refused(plan::Refusal::Deployed(deployed)));
    }
    let builder = plan::builder(&facts, request).map_err(refused)?;
    let locked = record_file::lock(root)?;
    let mut installation = Installation::begin(root, &locked, builder)?;
    let done = installation.write_files();
    installation.end(done)
}

/// An installation under way.
struct Installation<'a> {
    root: &'a Root,
    locked: &'a Locked,
    /// What was written down before it.
    before: Option<Record>,
    record: Record,
    changes: Changes,
    /// The images of which others have been told.
    told: Vec<(String, PathBuf)>,
    /// What is to be known.
    notes: Vec<String>,
}

/// An image that has been built and looked into.
struct Built {
    kernel: String,
    image: PathBuf,
    new: PathBuf,
    /// Where the present one goes, if that is the one to keep.
    keep: Option<PathBuf>,
}

impl<'a> Installation<'a> {
    fn begin(root: &'a Root, locked: &'a Locked, builder: Builder) -> Result<Self, InitramfsError> {
        let before = record_file::read(root)?;
        let mut record = Record::begin(builder, Timestamp::now());
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
            told: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// What was kept for kernels that have been removed since is of no use any more.
    fn forget_kernels(&mut self, facts: &plan::Facts) {
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

    fn install(&mut self, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<(), InitramfsError> {
        self.write_files()?;
        let mut built = Vec::new();
        for (kernel, image) in &plan.kernels {
            progress(Progress::Begins(format!(
                "building the image for kernel {kernel} with {}",
                plan.builder
            )));
            built.push(self.build(kernel, image)?);
            progress(Progress::Done(format!(
                "kernel {kernel}: built, and everything is in it"
            )));
        }
        let keeps: Vec<_> = built.iter().filter_map(|image| image.keep.clone()).collect();
        let menu = menu::with_entries(self.root, &mut self.record, &keeps)?;
        // Before anything is switched, so that a removal knows after whatever may happen.
        record_file::write(self.locked, &self.record)?;
        let mut linked = Vec::new();
        for kept in &keeps {
            self.make_way(kept)?;
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
            self.told.push((image.kernel.clone(), image.image.clone()));
            tell_others(self.root, plan.builder, &image.kernel, &image.image)?;
        }
        for image in &built {
            let copies = menu::other_copies(self.root, &image.image);
            self.notes
                .extend(copies.iter().map(|copy| not_yet_copied(copy, &image.kernel)));
        }
        Ok(())
    }

    /// What has the name of an image that is to be kept: an older one of ours goes in the end, one of somebody else's stays.
    fn make_way(&mut self, kept: &Path) -> Result<(), InitramfsError> {
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
            self.notes.push(format!(
                "{} was there already; it is {} now",
                kept.display(),
                name.display()
            ));
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
            let (path, copy) = (file.path, copy.display());
            self.notes.push(format!("{path} was another one; a copy is {copy}"));
        }
        for file in files {
            self.changes
                .write(&self.root.path(file.path), file.content.as_bytes(), file.mode)?;
        }
        Ok(())
    }

    /// Whether a file is there, and neither as this version brings it nor as one before has.
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
            let kernel = kernel.to_owned();
            return Err(InitramfsError::Lacking {
                kernel,
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

    /// What is there when the image holds `content`, and where the present one goes, if that is the one to keep.
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

    /// It stays if it was done, or else is undone; with what is to be known.
    fn end(mut self, done: Result<(), InitramfsError>) -> Result<(Record, Vec<String>), InitramfsError> {
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
                self.notes.extend(self.changes.finish(&kept));
                return Ok((self.record, self.notes));
            }
            Err(error) => error,
        };
        let mut left = self.changes.undo();
        left.extend(tell_again(self.root, self.record.builder, &self.told));
        let forgotten = match &self.before {
            Some(before) => record_file::write(self.locked, before),
            None => record_file::forget(self.locked),
        };
        left.extend(forgotten.err().map(|error| error.to_string()));
        Err(match left.is_empty() {
            true => error,
            false => {
                let error = Box::new(error);
                InitramfsError::NotUndone { error, left }
            }
        })
    }
}

/// Of a boot loader that has copies of its own.
fn not_yet_copied(copy: &Path, kernel: &str) -> String {
    format!(
        "the boot loader boots {}, which is not the image of kernel {kernel}: have it copied as your distribution does \
         (`kernel-install add {kernel} /boot/vmlinuz-{kernel}`)",
        copy.display()
    )
}
