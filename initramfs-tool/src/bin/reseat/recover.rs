//! `reseat recover`.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use reseat::linux::{self, RecoverOptions, Root};
use reseat::recovery::{Event, Step};
use reseat_core::decision::{self, Rung};

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::gpu::{self, GpuName, gpu_help};
use crate::json;

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
    let mut teller = Teller::new(arguments.json);
    let mut rung_comes = false;
    let end = linux::recover(root, device, &options, &mut |event| {
        if let Event::Decided { rung, .. } = event {
            rung_comes = rung.is_some();
        }
        teller.tell(event);
    });
    let end = end.map_err(gpu::or_absent(root, device))?;
    if let Err(error) = teller.finish() {
        // How it ended is told by the exit status, whoever has stopped reading.
        eprintln!("reseat: cannot print: {error}");
    }
    let status = match end {
        Some(end) => Exit::from(end),
        None if rung_comes => Exit::Done,
        None => Exit::Refused,
    };
    Ok(status)
}

/// Tells people or programs what happens.
pub(crate) struct Teller {
    json: bool,
    bar: ProgressBar,
    /// Of each step of this rung, what was said last: what is looked at again and again is said once.
    said: HashMap<Step, String>,
    /// The first thing that went wrong in telling.
    failed: io::Result<()>,
}

impl Teller {
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
            said: HashMap::new(),
            failed: Ok(()),
        }
    }

    pub(crate) fn tell(&mut self, event: &Event) {
        let told = match (self.json, event) {
            (true, _) => json::line(&mut io::stdout(), event),
            (false, Event::Began { .. } | Event::Waiting { .. }) => {
                self.bar.reset_elapsed();
                self.bar.set_message(event.to_string().trim().to_owned());
                Ok(())
            }
            (false, _) if self.was_said(event) => Ok(()),
            (false, _) => self.bar.suspend(|| Self::line(&event.to_string())),
        };
        if self.failed.is_ok() {
            self.failed = told;
        }
    }

    fn was_said(&mut self, event: &Event) -> bool {
        match event {
            Event::Ended {
                operation, observation, ..
            } => {
                let before = self.said.insert(*operation, observation.clone());
                before.as_ref() == Some(observation)
            }
            Event::Decided { .. } => {
                self.said.clear();
                false
            }
            _ => false,
        }
    }

    /// A reader that has gone is no reason to leave a GPU half recovered: it is told of at the end.
    fn line(text: &str) -> io::Result<()> {
        let mut output = io::stdout().lock();
        writeln!(output, "{text}")?;
        output.flush()
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        self.bar.finish_and_clear();
        self.failed
    }
}
