//! `reseat claim`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::anyhow;
use reseat::linux::{self, HotClaim, HotOptions, Root};
use reseat_core::address::FunctionAddress;

use crate::words;

/// Arguments of `reseat claim`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A function of the GPU: 0000:65:00.0.
    #[arg(long, value_name = "ADDRESS")]
    function: FunctionAddress,
    /// Only say what would be claimed.
    #[arg(long)]
    dry_run: bool,
    /// Leave it alone unless it has appeared, or come back, since the boot's claim or the last one of this GPU.
    #[arg(long)]
    if_new: bool,
}

/// Claims the GPU.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let options = HotOptions {
        root: Root::system(),
        function: arguments.function,
        dry_run: arguments.dry_run,
        if_new: arguments.if_new,
    };
    let mut output = io::stdout().lock();
    let claimed = linux::hot_claim(&options, words::report::log_details);
    match claimed.map_err(|error| anyhow!(words::line(&error.finding())))? {
        HotClaim::Left(why) => writeln!(output, "{}", words::line(&why))?,
        HotClaim::Done(report) => {
            for (_, line) in words::report::details(&report) {
                writeln!(output, "{line}")?;
            }
            if !report.complete {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
