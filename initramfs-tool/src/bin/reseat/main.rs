//! The operator's command.

#![allow(clippy::print_stderr, reason = "the program's own edge: its errors")]

mod baseline;
mod claim;
mod decode;
mod evidence;
mod exit;
mod failure;
mod gpu;
mod history;
mod initramfs;
mod inventory;
mod json;
mod keep_flr_out;
#[path = "../messages/mod.rs"]
mod messages;
mod quarantine;
mod recover;
mod report;
mod return_to_service;
mod rules;
mod table;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use reseat::linux::{self, Root};

use crate::exit::Exit;
use crate::failure::Outcome;

/// Hands GPUs from one virtual machine to the next.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// The directory that stands for `/`.
    #[arg(long, value_name = "DIR", global = true, hide = true)]
    root: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the GPUs of this machine, each with all its functions.
    ///
    /// Reads only what the kernel remembers: no function is touched or woken.
    Inventory(inventory::Arguments),
    /// Claim one GPU on the running machine, as the boot would: what udev runs for one that has appeared.
    ///
    /// All functions of the GPU, or none. It has to be chosen by the rules; one that is out of service is isolated instead.
    /// The report is written beside the boot's, as /run/reseat/claim-GPU.json.
    Claim(claim::Arguments),
    /// Show what the boot claim did.
    Report(report::Arguments),
    /// Look at the rules for the boot claim.
    Rules(rules::Arguments),
    /// Decode configuration spaces: from lspci, hexdump, xxd, od, the UEFI Shell, a kernel log, a mail, or sysfs.
    ///
    /// Quote marks, indentation, list markers and time stamps before a row do not matter, and neither does the text around
    /// the rows. `sudo lspci -xxxx` prints all bytes of every function; without root there are 64 of each.
    Decode(decode::Arguments),
    /// Bring a GPU back, by the reset with the fewest bystanders, and count only what is verified.
    ///
    /// Nothing is done to a GPU that somebody uses, and nothing to a domain that holds somebody else's device. What
    /// cannot be brought back goes out of service.
    Recover(recover::Arguments),
    /// Take GPUs out of service, and see which are.
    ///
    /// A GPU that is out of service is on no driver and can get none, so that no virtual machine can open it: in this boot
    /// and in the next ones, until `reseat return-to-service`.
    Quarantine(quarantine::Arguments),
    /// Take a GPU back into service, after resets each of which is verified.
    ///
    /// It stays out of everybody's reach meanwhile. Then vfio-pci has it if the rules choose it, else the driver that the
    /// kernel finds. Whatever goes wrong before leaves it out of service.
    ReturnToService(return_to_service::Arguments),
    /// Keep FLR out of the kernel's own resets of each GPU on vfio-pci for which it is known bad.
    ///
    /// The kernel resets a GPU when a virtual machine opens or closes it, by FLR if it can. `recover` and the claim of a GPU that
    /// appears do the same; reseat-keep-flr-out.service does it at boot.
    KeepFlrOut,
    /// What a GPU is held against after a reset.
    Baseline(baseline::Arguments),
    /// Show what came of each reset, newest last, and what that says about FLR in each class: model, VBIOS and kernel.
    History(history::Arguments),
    /// Show what was seen in recoveries: what happened, and the GPU and its path before, between and after.
    Evidence(evidence::Arguments),
    /// Put the boot claim into the initramfs, see whether it is there and up to date, and take it out again.
    Initramfs(initramfs::Arguments),
    /// Write the manual pages, out of these very definitions.
    #[command(hide = true)]
    ManualPages {
        /// The directory, which has to be there.
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    // What may block is done by a child that runs this very program.
    if let Some(status) = linux::serve(linux::OPERATOR_JOBS, env::args_os().skip(1)) {
        return status;
    }
    let parsed = command()
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    match parsed {
        Ok(arguments) => match run(&arguments) {
            Ok(exit) => exit.into(),
            Err(failure) => failure.report().into(),
        },
        Err(error) => failure::usage(&error).into(),
    }
}

/// The command line, with the exit statuses at the end of every command's help.
fn command() -> clap::Command {
    fn with_exit_statuses(command: clap::Command) -> clap::Command {
        command.mut_subcommands(with_exit_statuses).after_help(exit::HELP)
    }
    with_exit_statuses(Arguments::command())
}

fn run(arguments: &Arguments) -> Outcome {
    let root = arguments.root.as_deref().map(std::path::absolute).transpose()?;
    let root = &root.map_or_else(Root::system, Root::at);
    match &arguments.command {
        Command::Inventory(arguments) => inventory::run(root, arguments),
        Command::Claim(arguments) => claim::run(root, arguments),
        Command::Report(arguments) => report::run(root, arguments),
        Command::Rules(arguments) => rules::run(root, arguments),
        Command::Decode(arguments) => decode::run(arguments),
        Command::History(arguments) => history::run(root, arguments),
        Command::Recover(arguments) => recover::run(root, arguments),
        Command::Evidence(arguments) => evidence::run(root, arguments),
        Command::KeepFlrOut => keep_flr_out::run(root),
        Command::Baseline(arguments) => baseline::run(root, arguments),
        Command::Quarantine(arguments) => quarantine::run(root, arguments),
        Command::ReturnToService(arguments) => return_to_service::run(root, arguments),
        Command::Initramfs(arguments) => initramfs::run(arguments),
        Command::ManualPages { directory } => clap_mangen::generate_to(command(), directory)
            .map(|()| Exit::Done)
            .map_err(Into::into),
    }
}
