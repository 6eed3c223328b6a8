//! `reseat initramfs`.

mod words;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use reseat::initramfs::builder;
use reseat::initramfs::plan::{Plan, Request, Which};
use reseat::initramfs::record::Record;
use reseat::linux::{self, CLAIM_REPORT, InitramfsError, InitramfsOptions, InitramfsStatus, Installed, Progress, Root};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Outcome;

/// Arguments of `reseat initramfs`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The directory that stands for `/`. The builder is run from there as it is: for a system that is mounted somewhere, use
    /// `chroot`.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        global = true,
        hide_default_value = true,
        value_parser = directory
    )]
    root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put the claim into the initramfs.
    ///
    /// Writes the builder's files, has the image built beside the present one, looks into it, keeps the present one with an
    /// entry in the boot menu, and puts the new one in its place. Whatever goes wrong leaves it all as it was.
    Install(Install),
    /// Show whether the claim is in the initramfs, and whether what is in there is what is on this machine.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take the claim out of the initramfs.
    ///
    /// The image from before comes back, byte for byte. Where an image has been built anew since, that from before may be
    /// too old, and one is built without reseat.
    Remove {
        /// Remove files that somebody has changed, too; a copy is kept.
        #[arg(long)]
        force: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A directory that is there: nothing is to be made below a misspelt one.
fn directory(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.is_dir() {
        true => Ok(path),
        false => Err("it is no directory".to_owned()),
    }
}

#[derive(clap::Args)]
struct Install {
    /// For this kernel, as `uname -r` has it [default: the one that runs].
    #[arg(long, value_name = "VERSION", conflicts_with = "all")]
    kernel: Vec<String>,
    /// For every kernel that has an image.
    #[arg(long)]
    all: bool,
    /// Who makes the image [default: who is installed; of several, who made the present one].
    #[arg(long, value_enum)]
    builder: Option<Builder>,
    /// Go on where an encrypted disk may not open by itself any more, or where unified kernel images are found.
    #[arg(long)]
    force: bool,
    /// Only write the builder's files; images are built otherwise.
    #[arg(long, conflicts_with_all = ["kernel", "all", "force", "dry_run"])]
    files_only: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Builder {
    /// Debian, Ubuntu, Proxmox.
    InitramfsTools,
    /// Fedora, RHEL, openSUSE.
    Dracut,
    /// Arch.
    Mkinitcpio,
}

impl From<Builder> for builder::Builder {
    fn from(builder: Builder) -> Self {
        match builder {
            Builder::InitramfsTools => Self::InitramfsTools,
            Builder::Dracut => Self::Dracut,
            Builder::Mkinitcpio => Self::Mkinitcpio,
        }
    }
}

/// The schema of the status' JSON form: fields may be added under the same name.
const STATUS_SCHEMA: &str = "reseat.initramfs-status/1";

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let root = Root::at(std::path::absolute(&arguments.root)?);
    let done = match &arguments.command {
        Command::Install(install) => self::install(&root, install),
        Command::Status { json } => return status(&root, *json),
        Command::Remove { force, json } => remove(&root, *force, *json),
    };
    done.map(|()| Exit::Done)
}

fn install(root: &Root, arguments: &Install) -> Outcome<()> {
    let request = Request {
        builder: arguments.builder.map(Into::into),
        kernels: match (arguments.all, arguments.kernel.as_slice()) {
            (true, _) => Which::All,
            (false, []) => Which::Running,
            (false, named) => Which::Named(named.to_vec()),
        },
        force: arguments.force,
    };
    let mut output = io::stdout().lock();
    if arguments.files_only {
        let (record, notes) = linux::install_initramfs_files(root, &request)?;
        return match arguments.json {
            true => json(&mut output, &Done::new(&record, &notes)),
            false => {
                for file in &record.files {
                    writeln!(output, "wrote {}", file.path.display())?;
                }
                for note in notes {
                    writeln!(output, "note: {note}")?;
                }
                Ok(writeln!(
                    output,
                    "have the images built now; `reseat initramfs status` looks into them"
                )?)
            }
        };
    }
    let options = InitramfsOptions {
        request,
        dry_run: arguments.dry_run,
    };
    let installed = told(arguments.json, |progress| {
        linux::install_initramfs(root, &options, progress)
    })?;
    if let (Some(record), true) = (&installed.record, arguments.json) {
        return json(&mut output, &Done::new(record, &installed.notes));
    }
    let plan = &installed.plan;
    if arguments.json {
        return json(&mut output, &Planned::new(plan, &installed.notes));
    }
    let (write, build) = match installed.record {
        Some(_) => ("wrote", "switched to a new image:"),
        None => ("would write", "would build with it and switch to a new image:"),
    };
    for file in plan.builder.files() {
        writeln!(output, "{write} {} (for {})", file.path, plan.builder)?;
    }
    for (kernel, image) in &plan.kernels {
        writeln!(output, "kernel {kernel}: {build} {}", image.display())?;
    }
    for kept in installed.record.iter().flat_map(|record| kept(record, &installed)) {
        writeln!(output, "{kept}")?;
    }
    for note in &installed.notes {
        writeln!(output, "note: {note}")?;
    }
    Ok(())
}

/// What was done, for programs.
#[derive(Serialize)]
struct Done<'a> {
    #[serde(flatten)]
    record: &'a Record,
    notes: &'a [String],
}

impl<'a> Done<'a> {
    fn new(record: &'a Record, notes: &'a [String]) -> Self {
        Self { record, notes }
    }
}

/// What a dry run comes to, for programs.
#[derive(Serialize)]
struct Planned<'a> {
    builder: builder::Builder,
    files: Vec<&'static str>,
    kernels: Vec<PlannedKernel<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct PlannedKernel<'a> {
    kernel: &'a str,
    image: &'a Path,
}

impl<'a> Planned<'a> {
    fn new(plan: &'a Plan, notes: &'a [String]) -> Self {
        let kernels = plan
            .kernels
            .iter()
            .map(|(kernel, image)| PlannedKernel { kernel, image });
        Self {
            builder: plan.builder,
            files: plan.builder.files().iter().map(|file| file.path).collect(),
            kernels: kernels.collect(),
            notes,
        }
    }
}

/// Where the images from before are, and how they boot.
fn kept(record: &Record, installed: &Installed) -> Vec<String> {
    let done = record
        .images
        .iter()
        .filter(|image| installed.plan.kernels.iter().any(|(kernel, _)| *kernel == image.kernel));
    let words = done.map(|image| {
        let menu = match &image.entry {
            Some(entry) => format!("it is in the boot menu as \"… (before reseat)\" ({})", entry.display()),
            None if installed.copied.contains(&image.image) => "the boot loader boots copies of images, and has none of \
                     this one: to go back, boot with `reseat=off`, which does nothing"
                .to_owned(),
            None => "the boot menu has no entry that could be copied for it: to boot it, edit an entry in the boot loader \
                     so that it loads this file as the initrd; or boot the new one with `reseat=off`, which does nothing"
                .to_owned(),
        };
        let has_claim = match image.kept_has_claim {
            true => "; reseat was in that one already, so boot it with `reseat=off`",
            false => "",
        };
        format!(
            "kernel {}: the image from before is {}; {menu}{has_claim}",
            image.kernel,
            image.kept.display()
        )
    });
    words.collect()
}

fn remove(root: &Root, force: bool, as_json: bool) -> Outcome<()> {
    let removed = told(as_json, |progress| linux::remove_initramfs(root, force, progress))?;
    let mut output = io::stdout().lock();
    if as_json {
        return json(&mut output, &removed);
    }
    for file in &removed.files {
        writeln!(output, "removed {}", file.display())?;
    }
    for kernel in &removed.restored {
        writeln!(output, "kernel {kernel}: the image from before is back")?;
    }
    for kernel in &removed.rebuilt {
        writeln!(output, "kernel {kernel}: built a new image, without reseat")?;
    }
    for note in &removed.notes {
        writeln!(output, "note: {note}")?;
    }
    Ok(())
}

/// Does it, and tells meanwhile what takes long.
fn told<T>(as_json: bool, act: impl FnOnce(&mut dyn FnMut(Progress)) -> Result<T, InitramfsError>) -> Outcome<T> {
    let bar = match !as_json && io::stderr().is_terminal() {
        true => ProgressBar::new_spinner(),
        false => ProgressBar::hidden(),
    };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let done = act(&mut |progress| match progress {
        Progress::Begins(what) => {
            bar.reset_elapsed();
            bar.set_message(what);
        }
        Progress::Done(what) if !as_json => bar.suspend(|| eprintln!("{what}")),
        Progress::Done(_) => {}
    });
    bar.finish_and_clear();
    Ok(done?)
}

fn json(output: &mut impl Write, value: &impl Serialize) -> Outcome<()> {
    Ok(crate::json::document(output, value)?)
}

#[derive(Serialize)]
struct Status<'a> {
    schema: &'static str,
    #[serde(flatten)]
    status: &'a InitramfsStatus,
    /// What the claim said at the last boot; nothing if it said nothing.
    last_boot: Option<&'a str>,
}

fn status(root: &Root, as_json: bool) -> Outcome {
    let status = linux::initramfs_status(root)?;
    let report = linux::read_report(root, CLAIM_REPORT.as_ref());
    // The last of its lines is the sum.
    let last_boot = report
        .as_ref()
        .ok()
        .and_then(|report| Some(crate::words::report::lines(report).pop()?.1));
    let mut output = io::stdout().lock();
    match as_json {
        true => {
            let (schema, last_boot) = (STATUS_SCHEMA, last_boot.as_deref());
            let status = &status;
            json(
                &mut output,
                &Status {
                    schema,
                    status,
                    last_boot,
                },
            )?;
        }
        false => {
            write!(output, "{}", words::of(&status))?;
            match &last_boot {
                Some(line) => writeln!(output, "last boot: {line}")?,
                None => writeln!(output, "last boot: no report ({CLAIM_REPORT})")?,
            }
        }
    }
    Ok(Exit::of_answer(!status.is_absent() && status.is_in_order()))
}
