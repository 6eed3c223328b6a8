//! `reseat rules`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use reseat::linux::{self, Checked, Root};
use reseat::rules::Switch;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::json;

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
    ///
    /// Exit status: 0 if everything would be claimed as the rules say; 1 if a rule comes to nothing, a GPU would be refused,
    /// or something else is not in order, what the file says of recovery included; 2 if a rule cannot be understood, the file
    /// cannot be read, or the arguments make no sense.
    Check(Check),
}

#[derive(clap::Args)]
struct Check {
    /// The rules [default: /etc/reseat/reseat.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Print the report of a dry run, JSON of the schema reseat.claim/1.
    #[arg(long)]
    json: bool,
    /// The directory that stands for `/`.
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

/// Prints what the rules come to.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let Command::Check(check) = &arguments.command;
    let rules = check.rules.as_deref().map(std::path::absolute).transpose()?;
    let root = check.root.as_deref().map(std::path::absolute).transpose()?;
    let Checked {
        report,
        understood,
        switch,
        contract,
    } = linux::check_rules(&root.map_or_else(Root::system, Root::at), rules);
    let mut output = io::stdout().lock();
    if check.json {
        json::document(&mut output, &report)?;
    } else {
        for (_, line) in report.lines() {
            writeln!(output, "{line}")?;
        }
        if let Some(what) = in_words(switch) {
            writeln!(
                output,
                "note: by this boot's kernel command line reseat {what}: such a boot claims nothing"
            )?;
        }
    }
    if let Some(problem) = &contract {
        eprintln!(
            "reseat: {problem}: the claim does not mind, but `reseat recover` does nothing until that is corrected"
        );
    }
    Ok(match (understood, report.complete && contract.is_none()) {
        (false, _) => Exit::Usage,
        (true, false) => Exit::Unproven,
        (true, true) => Exit::Done,
    })
}

/// What keeps a boot from claiming, if anything does.
fn in_words(switch: Switch) -> Option<&'static str> {
    match switch {
        Switch::On => None,
        Switch::DryRun => Some("is a dry run"),
        Switch::Off => Some("is switched off"),
    }
}
