//! `reseat initramfs`.

mod document;
mod text;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use reseat::initramfs::builder;
use reseat::initramfs::plan::{Request, Which};
use reseat::linux::{self, CLAIM_REPORT, InitramfsError, InitramfsOptions, Progress, Root};

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::json;

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

/// Parses a directory that is there: nothing is to be made below a misspelt one.
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

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let root = Root::at(std::path::absolute(&arguments.root)?);
    match &arguments.command {
        Command::Install(install) => self::install(&root, install),
        Command::Status { json } => status(&root, *json),
        Command::Remove { force, json } => remove(&root, *force, *json),
    }
}

fn install(root: &Root, arguments: &Install) -> Outcome {
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
        let (record, findings) = linux::install_initramfs_files(root, &request)?;
        match arguments.json {
            true => json::document(&mut output, &document::Installation::done(&record, &findings))?,
            false => write!(output, "{}", text::files_written(&record, &findings))?,
        }
        return Ok(Exit::Done);
    }
    let options = InitramfsOptions {
        request,
        dry_run: arguments.dry_run,
    };
    let installed = with_progress(arguments.json, |progress| {
        linux::install_initramfs(root, &options, progress)
    })?;
    match (arguments.json, &installed.record) {
        (false, _) => write!(output, "{}", text::installed(&installed))?,
        (true, Some(record)) => {
            json::document(&mut output, &document::Installation::done(record, &installed.findings))?;
        }
        (true, None) => {
            json::document(
                &mut output,
                &document::Installation::planned(&installed.plan, &installed.findings),
            )?;
        }
    }
    Ok(Exit::Done)
}

fn remove(root: &Root, force: bool, as_json: bool) -> Outcome {
    let removed = with_progress(as_json, |progress| linux::remove_initramfs(root, force, progress))?;
    let mut output = io::stdout().lock();
    match as_json {
        true => json::document(&mut output, &document::Removal::of(&removed))?,
        false => write!(output, "{}", text::removed(&removed))?,
    }
    Ok(Exit::Done)
}

/// Acts, and shows meanwhile what takes long.
fn with_progress<T>(
    as_json: bool,
    act: impl FnOnce(&mut dyn FnMut(Progress)) -> Result<T, InitramfsError>,
) -> Outcome<T> {
    let bar = match !as_json && io::stderr().is_terminal() {
        true => ProgressBar::new_spinner(),
        false => ProgressBar::hidden(),
    };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let done = act(&mut |progress| match &progress {
        Progress::Building { .. } => {
            bar.reset_elapsed();
            bar.set_message(text::progress(&progress));
        }
        Progress::Built { .. } if !as_json => bar.suspend(|| eprintln!("{}", text::progress(&progress))),
        Progress::Built { .. } => {}
    });
    bar.finish_and_clear();
    Ok(done?)
}

fn status(root: &Root, as_json: bool) -> Outcome {
    let status = linux::initramfs_status(root)?;
    let report = linux::read_report(root, CLAIM_REPORT.as_ref());
    // The last of its lines is the sum.
    let last_boot = report
        .as_ref()
        .ok()
        .and_then(|report| Some(crate::messages::report::lines(report).pop()?.1));
    let mut output = io::stdout().lock();
    match as_json {
        true => json::document(&mut output, &document::Status::of(&status, last_boot.as_deref()))?,
        false => {
            write!(output, "{}", text::status(&status))?;
            match &last_boot {
                Some(line) => writeln!(output, "last boot: {line}")?,
                None => writeln!(output, "last boot: no report ({CLAIM_REPORT})")?,
            }
        }
    }
    Ok(Exit::of_answer(!status.is_absent() && status.is_in_order()))
}
