//! `reseat claim`.

use std::io::{self, Write};

use reseat::linux::{self, HotClaim, HotOptions, Root};

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::gpu::{self, GpuName, gpu_help};
use crate::messages;

/// Arguments of `reseat claim`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, value_name = "GPU", help = gpu_help!())]
    function: GpuName,
    /// Only say what would be claimed.
    #[arg(long)]
    dry_run: bool,
    /// Leave it alone unless it has appeared, or come back, since the boot's claim or the last one of this GPU.
    #[arg(long)]
    if_new: bool,
}

/// Claims the GPU.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let function = gpu::function(root, arguments.function)?;
    let options = HotOptions {
        root: root.clone(),
        function,
        dry_run: arguments.dry_run,
        if_new: arguments.if_new,
    };
    let mut output = io::stdout().lock();
    let claimed = linux::hot_claim(&options, messages::report::log_details);
    match claimed.map_err(gpu::or_absent(root, function.device_address()))? {
        HotClaim::Left(why) => writeln!(output, "{}", messages::line(&why))?,
        HotClaim::Done(report) => {
            for (_, line) in messages::report::details(&report) {
                writeln!(output, "{line}")?;
            }
            return Ok(Exit::of_claim(&report));
        }
    }
    Ok(Exit::Done)
}
