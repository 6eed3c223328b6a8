//! `reseat quarantine`.

use std::io::{self, Write};

use clap::Subcommand;
use reseat::linux::{self, Isolation, Root};
use reseat::model::identification::{Identification, Likeness};
use reseat::model::inventory;
use reseat::records::quarantine::{Entry, Ledger, Lost, Past, State};
use reseat_core::address::DeviceAddress;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::gpu::{self, GpuName, gpu_help};
use crate::json;
use crate::table::table;

/// What is to be said of the list in the initramfs.
pub(crate) const NEXT_BOOT: &str = "make the initramfs anew (`reseat initramfs install` looks into it, too) so that the next boot knows from its beginning";

/// Arguments of `reseat quarantine`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show which GPUs are out of service, since when and why, and who has them.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take a GPU out of service. That is written down first, and outlives a reboot.
    Add {
        #[arg(help = gpu_help!())]
        gpu: GpuName,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Put every GPU out of reach that is out of service, as reseat-quarantine.service does at boot.
    ///
    /// Where the list is damaged, those that the rules choose and those on vfio-pci.
    Apply,
    /// Strike off a GPU that is not in this machine any more, and in whose place another one stands. Nothing is done to either.
    ///
    /// One that was pulled out of a place that is empty: `reseat return-to-service GPU --force --reason TEXT`.
    Forget {
        /// The address that it had, as `reseat quarantine list` shows it: 0000:65:00.
        gpu: GpuName,
        /// Where it is, or what became of it. It is kept.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// After a damaged list, of which a copy was kept: let what is known count, and every other GPU be in service.
    AcceptLoss {
        /// Why that is well. It is kept.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// The schema of the list's JSON form: fields may be added under the same name.
const SCHEMA: &str = "reseat.quarantine-list/1";

#[derive(Serialize)]
struct Listing<'a> {
    schema: &'static str,
    /// Why nothing can be said; every GPU counts as out of service then.
    corrupt: Option<&'a str>,
    lost: Option<&'a Lost>,
    entries: Vec<Row<'a>>,
    past: &'a [Past],
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    now: Now,
    /// Where it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<DeviceAddress>,
    /// The other GPU that stands in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    replacement: Option<Identification>,
}

impl Row<'_> {
    /// Who has it, and where that is if it was moved.
    fn now(&self) -> String {
        let who = match &self.now {
            Now::NotThere => "not there".to_owned(),
            Now::Nobody => "nobody".to_owned(),
            Now::Drivers(drivers) => drivers.join(", "),
        };
        let moved = self.at.filter(|at| *at != self.entry.gpu.device);
        let moved = moved.map_or_else(String::new, |at| format!(", at {at}"));
        let replacement = self.replacement.as_ref();
        let replacement = replacement.map_or_else(String::new, |gpu| format!(", in its place {gpu}"));
        format!("{who}{moved}{replacement}")
    }
}

/// Who has a GPU that is out of service.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Now {
    NotThere,
    Nobody,
    Drivers(Vec<String>),
}

/// Does what is asked.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    match &arguments.command {
        Command::List { json } => list(root, *json),
        Command::Add { gpu, reason } => add(root, *gpu, reason),
        Command::Apply => apply(root),
        Command::Forget { gpu, reason } => forget(root, *gpu, reason),
        Command::AcceptLoss { reason } => accept_loss(root, reason),
    }
}

fn list(root: &Root, json: bool) -> Outcome {
    let state = linux::read_quarantine(root);
    let (ledger, corrupt) = match &state {
        State::Known(ledger) => (ledger, None),
        State::Corrupt { reason } => (&Ledger::default(), Some(reason.as_str())),
    };
    let listing = Listing {
        schema: SCHEMA,
        corrupt,
        lost: ledger.lost.as_ref(),
        entries: rows(root, &state),
        past: &ledger.past,
    };
    let mut output = io::stdout().lock();
    match (json, listing.entries.is_empty()) {
        (true, _) => json::document(&mut output, &listing)?,
        (false, true) if corrupt.is_none() && ledger.lost.is_none() => writeln!(output, "no GPU is out of service")?,
        (false, true) => {}
        (false, false) => writeln!(output, "{}", words(&listing.entries))?,
    }
    let damage = corrupt.or(ledger.lost.as_ref().map(|lost| lost.reason.as_str()));
    let Some(damage) = damage else {
        return Ok(Exit::Done);
    };
    eprintln!(
        "reseat: {damage}\nreseat: every GPU counts as out of service, until `reseat quarantine accept-loss --reason \
         TEXT` lets what is known count"
    );
    Ok(Exit::Unproven)
}

fn rows<'a>(root: &Root, state: &'a State) -> Vec<Row<'a>> {
    let State::Known(ledger) = state else {
        return Vec::new();
    };
    let gpus = inventory::gpus(&linux::list(root).functions);
    let known = linux::identify_all(root, &gpus, state);
    let rows = ledger.entries.iter().map(|entry| {
        let find = |likeness| known.iter().position(|gpu| entry.gpu.likeness(gpu) == likeness);
        let there = find(Likeness::Same).and_then(|index| gpus.get(index));
        let drivers = there.map(|gpu| gpu.functions.iter().filter_map(|function| function.driver.clone()));
        let replacement = find(Likeness::Replaced).and_then(|index| known.get(index));
        let now = match drivers.map(Iterator::collect::<Vec<_>>) {
            None => Now::NotThere,
            Some(drivers) if drivers.is_empty() => Now::Nobody,
            Some(drivers) => Now::Drivers(drivers),
        };
        Row {
            entry,
            now,
            at: there.map(|gpu| gpu.device),
            replacement: replacement.cloned(),
        }
    });
    rows.collect()
}

fn words(rows: &[Row<'_>]) -> String {
    let head = ["GPU", "SINCE", "NOW WITH", "WHY"];
    table(
        head,
        rows.iter().map(|row| {
            let entry = row.entry;
            let attempts = match entry.attempts.is_empty() {
                true => String::new(),
                false => format!(" ({})", entry.attempts.join("; ")),
            };
            [
                entry.gpu.to_string(),
                entry.since.to_string(),
                row.now(),
                format!("{}{attempts}", entry.reason),
            ]
        }),
    )
}

fn add(root: &Root, gpu: GpuName, reason: &str) -> Outcome {
    let device = gpu::device(root, gpu)?;
    let isolation = linux::quarantine(root, device, reason).map_err(gpu::or_absent(root, device))?;
    writeln!(io::stdout(), "{}; {NEXT_BOOT}", in_words(device, &isolation))?;
    Ok(match isolation {
        Isolation::Done | Isolation::NotThere => Exit::Done,
        Isolation::Failed(_) => Exit::NotMadeSafe,
    })
}

fn apply(root: &Root) -> Outcome {
    let applied = linux::apply_quarantine(root);
    let mut output = io::stdout().lock();
    for (device, isolation) in &applied.gpus {
        writeln!(output, "{}", in_words(*device, isolation))?;
    }
    for problem in &applied.problems {
        eprintln!("reseat: {problem}");
    }
    let is_failed = |isolation: &Isolation| matches!(isolation, Isolation::Failed(_));
    Ok(match applied.gpus.iter().any(|(_, isolation)| is_failed(isolation)) {
        true => Exit::NotMadeSafe,
        false if applied.problems.is_empty() => Exit::Done,
        false => Exit::Unproven,
    })
}

fn forget(root: &Root, gpu: GpuName, reason: &str) -> Outcome {
    let device = gpu::device(root, gpu)?;
    let mut output = io::stdout().lock();
    for gpu in linux::forget_quarantined(root, device, reason)? {
        writeln!(output, "{gpu}: struck off; {NEXT_BOOT}")?;
    }
    Ok(Exit::Done)
}

fn accept_loss(root: &Root, reason: &str) -> Outcome {
    let mut output = io::stdout().lock();
    match linux::accept_quarantine_loss(root, reason)? {
        Some(lost) => writeln!(
            output,
            "what is known counts again; lost was: {lost}\nGPUs that were isolated meanwhile come back by `reseat \
             return-to-service` or with the next boot"
        )?,
        None => writeln!(output, "nothing was lost")?,
    }
    Ok(Exit::Done)
}

fn in_words(device: DeviceAddress, isolation: &Isolation) -> String {
    match isolation {
        Isolation::Done => format!("{device}: out of service, and out of reach"),
        Isolation::NotThere => format!("{device}: out of service, and not there"),
        Isolation::Failed(words) => format!("{device}: out of service, and NOT out of reach: {}", words.join("; ")),
    }
}
