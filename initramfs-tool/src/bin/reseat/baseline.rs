//! `reseat baseline`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;
use reseat::linux::{self, Root};
use reseat_core::address::DeviceAddress;

use crate::gpu::GpuName;

/// Arguments of `reseat baseline`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Record a GPU that is well: what it is held against after a reset.
    ///
    /// Reads configuration space and, where a register of the vendor's is known that tells a working GPU, that one. A
    /// GPU with which something is wrong is not recorded.
    Save {
        /// The GPUs, by address: 0000:65:00 or one of its functions, 0000:65:00.0.
        #[arg(value_name = "GPU", required_unless_present = "missing")]
        gpus: Vec<GpuName>,
        /// Every GPU that the boot has claimed and that has no baseline yet.
        #[arg(long)]
        missing: bool,
    },
}

/// Records baselines. One that fails does not keep the others from being recorded.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Command::Save { gpus, missing } = &arguments.command;
    let root = Root::system();
    let mut devices: Vec<DeviceAddress> = gpus.iter().map(|GpuName(device)| *device).collect();
    if *missing {
        devices.extend(linux::without_baseline(&root)?);
        devices.sort();
        devices.dedup();
    }
    let mut status = ExitCode::SUCCESS;
    let mut output = io::stdout().lock();
    for device in devices {
        match linux::save_baseline(&root, device) {
            Ok(baseline) => {
                let functions = baseline.functions.len();
                writeln!(output, "{device}: baseline recorded, {functions} functions")?;
                for (function, unknown) in baseline.unknown() {
                    writeln!(
                        output,
                        "{function}: cannot be read, so that after a reset it will be unverified: {unknown}"
                    )?;
                }
            }
            Err(error) => {
                eprintln!("reseat: {error}");
                status = ExitCode::FAILURE;
            }
        }
    }
    Ok(status)
}
