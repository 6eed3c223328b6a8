//! `reseat recover`.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use reseat::linux::{self, RecoverError, RecoverOptions, Root};
use reseat::model::finding::{Finding, id};
use reseat::recovery::{EVENT_SCHEMA, LadderStep, RecoveryEvent};
use reseat::report::Tone;
use reseat::rules::Unproven;
use reseat_core::decision::{self, Rung};
use reseat_core::recovery::{End, Observation};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::gpu::{self, GpuName, gpu_help};
use crate::{json, messages};

/// Arguments of `reseat recover`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(help = gpu_help!())]
    gpu: GpuName,
    /// Only say what would be done, why, and whom each rung would hit.
    #[arg(long)]
    dry_run: bool,
    /// The highest rung allowed [default: as /etc/reseat/reseat.toml says, else bmc-power].
    #[arg(long, value_parser = rungs())]
    highest: Option<Rung>,
    /// Only this rung, if it may be done at all.
    #[arg(long, value_parser = rungs())]
    rung: Option<Rung>,
    /// The reset that is preferred, where the rule leaves a choice.
    #[arg(long, value_enum)]
    prefer: Option<Preference>,
    /// Reset a GPU that somebody uses. The history keeps that it was forced.
    #[arg(long)]
    force: bool,
    /// Go on with a recovery that was broken off.
    #[arg(long)]
    resume: bool,
    /// Print JSON, one event a line.
    #[arg(long)]
    json: bool,
}

/// The rungs as values of an option, from the least destructive to the most.
fn rungs() -> impl TypedValueParser<Value = Rung> {
    let values = Rung::ALL.map(|rung| {
        let row = rung.row();
        PossibleValue::new(rung.name()).help(row.about).aliases(row.short)
    });
    PossibleValuesParser::new(values).try_map(|name| name.parse())
}

#[derive(Clone, Copy, ValueEnum)]
enum Preference {
    /// Function level reset first.
    Flr,
    /// Secondary bus reset first.
    Sbr,
}

/// Recovers a GPU.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let device = gpu::device(root, arguments.gpu)?;
    let contract = linux::contract(root)?;
    let highest = arguments.highest.or(contract.highest);
    let options = RecoverOptions {
        dry_run: arguments.dry_run,
        highest: highest.unwrap_or(Rung::HIGHEST),
        reboot: contract.reboot,
        waits: contract.waits,
        only: arguments.rung,
        preference: match arguments.prefer {
            None => contract.preference.unwrap_or(decision::Preference::Rule),
            Some(Preference::Flr) => decision::Preference::Flr,
            Some(Preference::Sbr) => decision::Preference::Sbr,
        },
        force: arguments.force,
        resume: arguments.resume,
        trial: false,
    };
    if !options.dry_run {
        linux::heed_signals()?;
    }
    let mut reporter = Reporter::new(arguments.json);
    let mut rung_comes = false;
    let end = linux::recover(root, device, &options, &mut |event| {
        if let RecoveryEvent::Decided { rung, .. } = event {
            rung_comes = rung.is_some();
        }
        reporter.report(event);
    });
    reporter.finish();
    if let Err(RecoverError::Stopped { is_put_back, .. }) = end {
        return Ok(Exit::of_stop(is_put_back));
    }
    Ok(match end.map_err(gpu::or_absent(root, device))? {
        Some(End::Unproven { .. }) if contract.unproven == Unproven::Accept => Exit::Done,
        Some(end) => end.into(),
        None if rung_comes => Exit::Done,
        None => Exit::Refused,
    })
}

/// A line of the event stream.
#[derive(Serialize)]
struct Line<'a, E> {
    schema: &'static str,
    #[serde(flatten)]
    event: &'a E,
}

/// Reports events to people or programs.
pub(crate) struct Reporter {
    json: bool,
    bar: ProgressBar,
    /// Of each step of this rung, the last observation: one that is repeated is reported once.
    reported: HashMap<LadderStep, Observation>,
    /// The first error of the output.
    failed: io::Result<()>,
}

impl Reporter {
    pub(crate) fn new(json: bool) -> Self {
        let live = !json && io::stderr().is_terminal();
        let bar = if live {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            json,
            bar,
            reported: HashMap::new(),
            failed: Ok(()),
        }
    }

    pub(crate) fn report(&mut self, event: &RecoveryEvent) {
        log_refusals(event);
        let reported = match (self.json, event) {
            (true, _) => self.line_of(event),
            (false, RecoveryEvent::Began { .. } | RecoveryEvent::Waiting { .. }) => {
                self.bar.reset_elapsed();
                self.bar.set_message(messages::events::event(event).trim().to_owned());
                Ok(())
            }
            (false, _) if self.is_repeated(event) => Ok(()),
            (false, _) => self.bar.suspend(|| print(&messages::events::event(event))),
        };
        self.keep_error(reported);
    }

    /// Adds a line to the event stream that is no event of a recovery, if the output is for programs.
    pub(crate) fn add(&mut self, event: &impl Serialize) {
        if self.json {
            let added = self.line_of(event);
            self.keep_error(added);
        }
    }

    fn line_of(&self, event: &impl Serialize) -> io::Result<()> {
        let schema = EVENT_SCHEMA;
        let mut output = io::stdout().lock();
        json::line(&mut output, &Line { schema, event })?;
        output.flush()
    }

    fn keep_error(&mut self, reported: io::Result<()>) {
        if self.failed.is_ok() {
            self.failed = reported;
        }
    }

    fn is_repeated(&mut self, event: &RecoveryEvent) -> bool {
        match event {
            RecoveryEvent::Ended {
                operation, observation, ..
            } => self.reported.insert(*operation, *observation) == Some(*observation),
            RecoveryEvent::Decided { .. } => {
                self.reported.clear();
                false
            }
            _ => false,
        }
    }

    /// Ends the output. The exit status shows the end of the recovery even where the output has failed.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
        if let Err(error) = self.failed {
            tell(format_args!("reseat: cannot print: {error}"));
        }
    }
}

/// A reader that has gone is no reason to leave a GPU half recovered: the error is reported at the end.
fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()
}

/// Writes a line to standard error. The terminal may have gone, which is no reason to end otherwise.
pub(crate) fn tell(line: fmt::Arguments<'_>) {
    writeln!(io::stderr(), "{line}").ok();
}

/// Writes to the kernel log that a GPU held through VFIO is not reset, with its holder.
fn log_refusals(event: &RecoveryEvent) {
    let (RecoveryEvent::Found { findings } | RecoveryEvent::Ended { findings, .. }) = event else {
        return;
    };
    let is_refusal = |finding: &&Finding| finding.id == id::NOT_FORCED || finding.id == id::HOLDERS_UNKNOWN;
    for refusal in findings.iter().filter(is_refusal) {
        log(&format!("{}: {}", refusal.subject.name, messages::line(refusal)));
    }
}

/// Writes to the kernel log. Without one, nothing is lost: the operator gets the same.
pub(crate) fn log(line: &str) {
    linux::log(&Root::system(), Tone::Warning, line).ok();
}
