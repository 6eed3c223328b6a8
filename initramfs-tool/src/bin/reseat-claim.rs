//! The boot claim: runs once in the initramfs, before another driver loads.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the program's own edge: help, version and errors of its arguments"
)]

use std::process::ExitCode;

use lexopt::prelude::{Long, Short};
use reseat::linux::{self, Options, Root, WORKER_ARGUMENT};
use reseat::report::Verdict;

const HELP: &str = "\
Puts every function of the chosen GPUs on vfio-pci, in D0 and pinned. Made for the initramfs: runs once, within 15 s
whatever hangs, and never stops a boot.

Usage: reseat-claim [OPTIONS]

Options:
      --rules FILE    the rules [default: /etc/reseat/reseat.toml, if it is there]
      --report FILE   where the report goes [default: /run/reseat/claim.json]
      --dry-run       say what would be claimed, touch nothing
  -h, --help          print this
  -V, --version       print the version

Kernel command line:
  reseat.claim=SELECTOR[,SELECTOR...]   claim these too
  reseat.dry-run                        as --dry-run
  reseat=off                            do nothing

Selectors:
  0000:65:00.0             the GPU with a function at this address
  0000:65:00.0@10de:2231   the same, if that function is a 10de:2231
  10de:2231                every GPU with such a function
  gpu                      every GPU

Exit status: 0 if all rules were met or there was nothing to do, 1 if not, 2 if the arguments make no sense.
";

enum Request {
    Claim(Options),
    Work,
    Print(String),
}

fn main() -> ExitCode {
    match arguments() {
        Ok(Request::Claim(options)) => claim(&options),
        Ok(Request::Work) => match linux::work(&Root::system()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Ok(Request::Print(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("reseat-claim: {error} (--help tells more)");
            ExitCode::from(2)
        }
    }
}

fn claim(options: &Options) -> ExitCode {
    let report = linux::boot_claim(options);
    for problem in &report.problems {
        eprintln!("reseat-claim: {problem}");
    }
    match report.verdict {
        Verdict::Incomplete => ExitCode::FAILURE,
        Verdict::Claimed | Verdict::DryRun | Verdict::NoRules | Verdict::Off if report.problems.is_empty() => {
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

fn arguments() -> Result<Request, lexopt::Error> {
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("rules") => options.rules = Some(parser.value()?.into()),
            Long("report") => options.report = parser.value()?.into(),
            Long("dry-run") => options.dry_run = true,
            Long(name) if WORKER_ARGUMENT.strip_prefix("--") == Some(name) => return Ok(Request::Work),
            Short('h') | Long("help") => return Ok(Request::Print(HELP.to_owned())),
            Short('V') | Long("version") => {
                return Ok(Request::Print(
                    concat!("reseat-claim ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
                ));
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Request::Claim(options))
}
