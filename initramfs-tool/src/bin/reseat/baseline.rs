//! `reseat baseline`.

use std::io::{self, Write};

use clap::Subcommand;
use reseat::linux::{self, Recorded, Root};
use reseat::recovery::Baseline;
use reseat_core::address::DeviceAddress;

use crate::exit::{self, Exit};
use crate::failure::Outcome;
use crate::gpu::{self, GpuName, gpu_help};

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
    /// Reads configuration space, the ROM if nobody uses the GPU, and, where a register of the vendor's is known that tells
    /// a working GPU, that one. A GPU with which something is wrong is not recorded.
    ///
    /// To be repeated after an update of the VBIOS: what FLR does is remembered by its version.
    Save {
        #[arg(help = gpu_help!(), value_name = "GPU", required_unless_present = "missing")]
        gpus: Vec<GpuName>,
        /// Every GPU that the boot has claimed and that has no baseline yet, or one of another card that stood there.
        #[arg(long)]
        missing: bool,
    },
}

/// Records baselines. One that fails does not keep the others from being recorded.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let Command::Save { gpus, missing } = &arguments.command;
    let mut devices: Vec<DeviceAddress> = gpus
        .iter()
        .map(|name| gpu::device(root, *name))
        .collect::<Outcome<_>>()?;
    if *missing {
        devices.extend(linux::without_baseline(root)?);
        devices.sort();
        devices.dedup();
    }
    let mut failures = Vec::new();
    let mut output = io::stdout().lock();
    for device in devices {
        match linux::save_baseline(root, device) {
            Ok(Recorded { baseline, words }) => {
                writeln!(output, "{device}: baseline recorded, {}", in_words(&baseline))?;
                for words in words {
                    writeln!(output, "{device}: {words}")?;
                }
                for (function, unknown) in baseline.unknown() {
                    writeln!(
                        output,
                        "{function}: cannot be read, so that after a reset it will be unverified: {unknown}"
                    )?;
                }
            }
            Err(error) => {
                let failure = gpu::or_absent(root, device)(error);
                failures.push(failure.report());
            }
        }
    }
    Ok(match failures.is_empty() {
        true => Exit::Done,
        false => exit::worst(failures),
    })
}

fn in_words(baseline: &Baseline) -> String {
    let mut words = match baseline.functions.len() {
        1 => "1 function".to_owned(),
        several => format!("{several} functions"),
    };
    let serial = baseline.serial.iter().map(|serial| format!(", serial number {serial}"));
    let vbios = baseline.vbios.iter().map(|vbios| format!(", VBIOS {vbios}"));
    words.extend(serial.chain(vbios));
    words
}
