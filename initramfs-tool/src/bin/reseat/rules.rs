//! `reseat rules`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use reseat::linux::{self, Checked, Root};
use reseat::rules::Switch;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::json;
use crate::messages;

/// Arguments of `reseat rules`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what each rule would claim on this machine, as it is now. Nothing is touched.
    ///
    /// The rules are those of the file and those of this boot's kernel command line, as in a boot; a switch that stands there
    /// (`reseat=off`) is named. A user who is not root sees the same, but for serial numbers, which only root may read.
    Check(Check),
}

#[derive(clap::Args)]
struct Check {
    /// The rules [default: /etc/reseat/reseat.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Print the report of a dry run, JSON of the schema reseat.claim/2.
    #[arg(long)]
    json: bool,
}

/// Prints what the rules come to.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let Command::Check(check) = &arguments.command;
    let rules = check.rules.as_deref().map(std::path::absolute).transpose()?;
    let Checked {
        report,
        understood,
        switch,
        recovery_policy,
    } = linux::check_rules(root, rules);
    let mut output = io::stdout().lock();
    if check.json {
        json::document(&mut output, &report)?;
    } else {
        for (_, line) in messages::report::lines(&report) {
            writeln!(output, "{line}")?;
        }
        if let Some(what) = as_text(switch) {
            writeln!(
                output,
                "note: by this boot's kernel command line reseat {what}: such a boot claims nothing"
            )?;
        }
    }
    if let Some(problem) = &recovery_policy {
        eprintln!("reseat: {}", messages::line(problem));
    }
    Ok(match (understood, Exit::of_check(&report)) {
        (false, _) => Exit::Usage,
        (true, Exit::Done) => Exit::of_answer(recovery_policy.is_none()),
        (true, exit) => exit,
    })
}

/// What keeps a boot from claiming, if anything does.
fn as_text(switch: Switch) -> Option<&'static str> {
    match switch {
        Switch::On => None,
        Switch::DryRun => Some("is a dry run"),
        Switch::Off => Some("is switched off"),
    }
}
