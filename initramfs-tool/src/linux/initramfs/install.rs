//! Putting the claim into the initramfs.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::changes::{Changes, remove_if_there, with_suffix};
use super::{InitramfsError, Progress, facts, images, leftovers, menu, presets, programs, record_file};
use crate::initramfs::builder::{Builder, OwnFile};
use crate::initramfs::contents::{Contents, Digest, Wanted, shortfalls};
use crate::initramfs::plan::{self, KEPT_SUFFIX, Plan, Request, UNFINISHED_SUFFIX};
use crate::initramfs::record::{Record, SwitchedImage, WrittenFile};
use crate::linux::boot_claim::RULES_FILE;
use crate::linux::durable::Locked;
use crate::linux::{Root, variants};

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
    if !root.path(RULES_FILE).exists() {
        notes.push(format!(
            "there is no {RULES_FILE}: only what the kernel command line names will be claimed"
        ));
    }
    if options.dry_run {
        let record = None;
        return Ok(Installed { plan, record, notes });
    }
    let locked = record_file::lock(root)?;
    let mut installation = Installation::begin(root, &locked, plan.builder)?;
    installation.forget_kernels(&facts);
    let done = installation.install(&plan, progress);
    let (record, more) = installation.end(done)?;
    notes.extend(more);
    let record = Some(record);
    Ok(Installed { plan, record, notes })
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
        let contents = build(self.root, builder, (kernel, image), &new)?;
        let shortfalls = shortfalls(&contents, &wanted(self.root, builder, kernel)?);
        if !shortfalls.is_empty() {
            let kernel = kernel.to_owned();
            return Err(InitramfsError::Lacking { kernel, shortfalls });
        }
        // One that cannot be looked into is kept as it is: it is what boots.
        let has_claim = images::look_into(self.root, &self.root.path(image)).is_ok_and(|contents| contents.has_claim());
        let known = self
            .record
            .image(kernel)
            .filter(|known| self.root.path(&known.kept).is_file())
            .cloned();
        let content = images::digest(&self.root.path(&new))?;
        let (switched, keep) = match known {
            // What is kept has no claim in it, and so is worth more than one that has.
            Some(known) if has_claim => (SwitchedImage { content, ..known }, None),
            _ => {
                let kept = with_suffix(image, KEPT_SUFFIX);
                let switched = SwitchedImage {
                    kernel: kernel.to_owned(),
                    image: image.to_owned(),
                    content,
                    kept: kept.clone(),
                    kept_content: images::digest(&self.root.path(image))?,
                    kept_has_claim: has_claim,
                    entry: None,
                };
                (switched, Some(kept))
            }
        };
        self.record.put(switched);
        let (kernel, image) = (kernel.to_owned(), image.to_owned());
        Ok(Built {
            kernel,
            image,
            new,
            keep,
        })
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

/// What the distribution tells the builder beside, when it makes this image.
fn options_of_preset(root: &Root, builder: Builder, kernel: &str, image: &Path) -> Result<Vec<String>, InitramfsError> {
    match builder {
        Builder::Mkinitcpio => presets::options(root, kernel, image)
            .map_err(|why| InitramfsError::Refused(vec![plan::Refusal::PresetUnclear(why)])),
        Builder::InitramfsTools | Builder::Dracut => Ok(Vec::new()),
    }
}

/// Has a kernel's image built in a new file, and says what is in it.
pub(super) fn build(
    root: &Root,
    builder: Builder,
    (kernel, image): (&str, &Path),
    new: &Path,
) -> Result<Contents, InitramfsError> {
    let refused = |refusal| InitramfsError::Refused(vec![refusal]);
    let program = facts::program(root, builder).ok_or_else(|| refused(plan::Refusal::BuilderNotThere(builder)))?;
    let new = root.path(new);
    remove_if_there(&new)?;
    let mut command = programs::command(&program);
    command.args(builder.arguments(kernel, &new));
    command.args(options_of_preset(root, builder, kernel, image)?);
    let said = programs::run(&mut command)?;
    if !new.is_file() {
        let how = format!("it made no image:\n{}", programs::last_lines(&said));
        let command = program.display().to_string();
        return Err(InitramfsError::Program { command, how });
    }
    images::look_into(root, &new)
}

/// What an image made now is to have.
pub(super) fn wanted(root: &Root, builder: Builder, kernel: &str) -> Result<Wanted, InitramfsError> {
    let digest = |path: &str| {
        let path = root.path(path);
        path.exists().then(|| images::digest(&path)).transpose()
    };
    let built_in = |directory: &str| {
        let list = fs::read_to_string(root.path(directory).join(kernel).join("modules.builtin"));
        list.is_ok_and(|list| list.lines().any(|line| line.ends_with("/vfio-pci.ko")))
    };
    Ok(Wanted {
        builder,
        kernel: kernel.to_owned(),
        program: digest(facts::PROGRAM)?,
        rules: digest(RULES_FILE)?,
        quarantine: digest("/var/lib/reseat/quarantine.json")?,
        vfio_built_in: built_in("/lib/modules") || built_in("/usr/lib/modules"),
        variants: variants::of_this_machine(root, kernel),
    })
}

/// Runs what the distribution runs after it has built an image: some boot loaders want a copy of it.
pub(super) fn tell_others(root: &Root, builder: Builder, kernel: &str, image: &Path) -> Result<(), InitramfsError> {
    let Some(directory) = builder
        .after_build()
        .map(|directory| root.path(directory))
        .filter(|path| path.is_dir())
    else {
        return Ok(());
    };
    let entries = fs::read_dir(&directory).map_err(super::failed("list", &directory))?;
    let mut programs: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_run_part(path))
        .collect();
    programs.sort();
    for program in programs {
        let mut command = programs::command(&program);
        command.arg(kernel).arg(root.path(image));
        programs::run(&mut command)?;
    }
    Ok(())
}

/// Tells them that the images from before are back. Gives what went wrong.
pub(super) fn tell_again(root: &Root, builder: Builder, told: &[(String, PathBuf)]) -> Vec<String> {
    let told = told
        .iter()
        .map(|(kernel, image)| tell_others(root, builder, kernel, image));
    told.filter_map(|told| told.err().map(|error| error.to_string()))
        .collect()
}

/// As `run-parts` has it: an executable whose name is made of letters, digits, `_` and `-`.
fn is_run_part(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let named = path.file_name().and_then(|name| name.to_str());
    let plain = named.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
    let executable = fs::metadata(path).is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0);
    plain && executable
}
