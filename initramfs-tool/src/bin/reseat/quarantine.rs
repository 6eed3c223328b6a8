//! `reseat quarantine`.

use std::io::{self, Write};

use clap::Subcommand;
use reseat::linux::{self, IsolationResult, Root};
use reseat::model::finding::{Finding, Subject, id};
use reseat::model::identification::{Identification, Likeness};
use reseat::records::quarantine::{Attempt, Ledger, Lost, Past, QuarantineEntry, State};
use reseat_core::address::DeviceAddress;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::{Outcome, in_one_line};
use crate::gpu::{self, GpuName, gpu_help};
use crate::recover::log;
use crate::table::table;
use crate::{json, messages};

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
const SCHEMA: &str = "reseat.quarantine-list/2";

#[derive(Serialize)]
struct Listing<'a> {
    schema: &'static str,
    /// What is damaged: every GPU counts as out of service then.
    findings: Vec<Finding>,
    lost: Option<&'a Lost>,
    entries: Vec<Row<'a>>,
    past: &'a [Past],
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    entry: &'a QuarantineEntry,
    now: Now,
    /// Where it is now.
    at: Option<DeviceAddress>,
    /// The other GPU that stands in its place.
    replacement: Option<Identification>,
}

impl Row<'_> {
    /// Its drivers, and where it is if it was moved.
    fn now(&self) -> String {
        let drivers = match self.now.kind {
            NowKind::NotThere => "not there".to_owned(),
            NowKind::NoDriver => "nobody".to_owned(),
            NowKind::Bound => self.now.drivers.join(", "),
        };
        let moved = self.at.filter(|at| *at != self.entry.gpu.device);
        let moved = moved.map_or_else(String::new, |at| format!(", at {at}"));
        let replacement = self.replacement.as_ref();
        let replacement = replacement.map_or_else(String::new, |gpu| format!(", in its place {gpu}"));
        format!("{drivers}{moved}{replacement}")
    }
}

/// The drivers of a GPU that is out of service.
#[derive(Serialize)]
struct Now {
    kind: NowKind,
    drivers: Vec<String>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum NowKind {
    NotThere,
    NoDriver,
    Bound,
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

fn list(root: &Root, is_json: bool) -> Outcome {
    let state = linux::read_quarantine(root);
    let (ledger, corrupt) = match &state {
        State::Known(ledger) => (ledger, None),
        State::Corrupt { reason } => (&Ledger::default(), Some(reason.as_str())),
    };
    let damage = corrupt.or(ledger.lost.as_ref().map(|lost| lost.reason.as_str()));
    let damaged = |cause| Finding::error(id::QUARANTINE_DAMAGED, Subject::machine()).with("cause", cause);
    let listing = Listing {
        schema: SCHEMA,
        findings: damage
            .map(|cause| damaged(cause).remedy(id::ACCEPT_LOSS))
            .into_iter()
            .collect(),
        lost: ledger.lost.as_ref(),
        entries: rows(root, &state),
        past: &ledger.past,
    };
    let mut output = io::stdout().lock();
    match (is_json, listing.entries.is_empty()) {
        (true, _) => json::document(&mut output, &listing)?,
        (false, true) if listing.findings.is_empty() => writeln!(output, "no GPU is out of service")?,
        (false, true) => {}
        (false, false) => writeln!(output, "{}", text(&listing.entries))?,
    }
    for finding in &listing.findings {
        eprintln!("reseat: {}", messages::line(finding));
    }
    Ok(Exit::of_answer(listing.findings.is_empty()))
}

fn rows<'a>(root: &Root, state: &'a State) -> Vec<Row<'a>> {
    let State::Known(ledger) = state else {
        return Vec::new();
    };
    let gpus = linux::gpus(root);
    let known = linux::identify_all(root, &gpus, state);
    let rows = ledger.entries.iter().map(|entry| {
        let find = |likeness| known.iter().position(|gpu| entry.gpu.likeness(gpu) == likeness);
        let there = find(Likeness::Same).and_then(|index| gpus.get(index));
        let drivers = there.map(|gpu| gpu.functions.iter().filter_map(|function| function.driver.clone()));
        let replacement = find(Likeness::Replaced).and_then(|index| known.get(index));
        let now = match drivers.map(Iterator::collect::<Vec<_>>) {
            None => (NowKind::NotThere, Vec::new()),
            Some(drivers) if drivers.is_empty() => (NowKind::NoDriver, drivers),
            Some(drivers) => (NowKind::Bound, drivers),
        };
        let (kind, drivers) = now;
        Row {
            entry,
            now: Now { kind, drivers },
            at: there.map(|gpu| gpu.device),
            replacement: replacement.cloned(),
        }
    });
    rows.collect()
}

fn text(rows: &[Row<'_>]) -> String {
    let head = ["GPU", "SINCE", "NOW WITH", "WHY"];
    table(
        head,
        rows.iter().map(|row| {
            let entry = row.entry;
            let attempts: Vec<String> = entry.attempts.iter().map(attempt).collect();
            let attempts = match attempts.is_empty() {
                true => String::new(),
                false => format!(" ({})", attempts.join("; ")),
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

fn attempt(attempt: &Attempt) -> String {
    match attempt {
        Attempt::Rung { record, forced } => {
            let forced = if *forced { " (forced: it was in use)" } else { "" };
            format!("{}: {}{forced}", record.rung, record.outcome)
        }
        Attempt::Text { text } => text.clone(),
    }
}

fn add(root: &Root, gpu: GpuName, reason: &str) -> Outcome {
    let device = gpu::device(root, gpu)?;
    let isolation = linux::quarantine(root, device, reason).map_err(gpu::or_absent(root, device))?;
    let quarantined = Finding::note(id::QUARANTINED, Subject::gpu(device)).with("reason", reason);
    log(&messages::line(&quarantined));
    writeln!(io::stdout(), "{}; {NEXT_BOOT}", as_text(device, &isolation))?;
    Ok(match isolation {
        IsolationResult::Done | IsolationResult::NotThere => Exit::Done,
        IsolationResult::Failed(_) => Exit::NotMadeSafe,
    })
}

fn apply(root: &Root) -> Outcome {
    let applied = linux::apply_quarantine(root);
    let mut output = io::stdout().lock();
    let mut is_safe = true;
    for (device, isolation) in &applied.gpus {
        writeln!(output, "{}", as_text(*device, isolation))?;
        if let IsolationResult::Failed(findings) = isolation {
            is_safe = false;
            // The timer tries every minute, and the kernel log is not to fill with one user.
            let is_known = |finding: &Finding| applied.is_another_try && finding.id == id::LEFT_WITH_USER;
            if findings.iter().any(is_known) {
                continue;
            }
            let not_isolated = Finding::error(id::NOT_ISOLATED, Subject::gpu(*device));
            log(&in_one_line(&[vec![not_isolated], findings.clone()].concat()));
        }
    }
    for finding in &applied.findings {
        eprintln!("reseat: {}", messages::line(finding));
    }
    Ok(match is_safe {
        false => Exit::NotMadeSafe,
        true if applied.findings.is_empty() => Exit::Done,
        true => Exit::Unproven,
    })
}

fn forget(root: &Root, gpu: GpuName, reason: &str) -> Outcome {
    let device = gpu::device(root, gpu)?;
    let mut output = io::stdout().lock();
    for gpu in linux::forget_quarantined(root, device, reason)? {
        let forgotten = Finding::note(id::FORGOTTEN, Subject::gpu(gpu.device));
        log(&messages::line(&forgotten.with("gpu", &gpu).with("reason", reason)));
        writeln!(output, "{gpu}: struck off; {NEXT_BOOT}")?;
    }
    Ok(Exit::Done)
}

fn accept_loss(root: &Root, reason: &str) -> Outcome {
    let mut output = io::stdout().lock();
    match linux::accept_quarantine_loss(root, reason)? {
        Some(lost) => {
            let accepted = Finding::note(id::LOSS_ACCEPTED, Subject::machine()).with("reason", reason);
            log(&messages::line(&accepted.with("lost", &lost.reason)));
            writeln!(
                output,
                "what is known counts again; lost was: {}\nGPUs that were isolated meanwhile come back by `reseat \
                 return-to-service` or with the next boot",
                lost.reason
            )?;
        }
        None => writeln!(output, "nothing was lost")?,
    }
    Ok(Exit::Done)
}

fn as_text(device: DeviceAddress, isolation: &IsolationResult) -> String {
    match isolation {
        IsolationResult::Done => format!("{device}: out of service, and out of reach"),
        IsolationResult::NotThere => format!("{device}: out of service, and not there"),
        IsolationResult::Failed(findings) => {
            format!(
                "{device}: out of service, and NOT out of reach: {}",
                in_one_line(findings)
            )
        }
    }
}
