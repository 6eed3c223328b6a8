//! `reseat baseline`.

use std::io::{self, Write};

use clap::Subcommand;
use reseat::linux::{self, Recorded, Root};
use reseat::model::finding::{Finding, SubjectKind};
use reseat::recovery::Baseline;
use reseat_core::address::DeviceAddress;
use serde::Serialize;

use crate::exit::{self, Exit};
use crate::failure::{self, Outcome, in_one_line};
use crate::gpu::{self, GpuName, gpu_help};
use crate::messages;

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
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// The schema of the JSON form: fields may be added under the same name.
const SCHEMA: &str = "reseat.baselines/2";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    gpus: &'a [Row],
}

/// A GPU whose baseline was to be recorded.
#[derive(Serialize)]
struct Row {
    device: DeviceAddress,
    /// Nothing if it was not recorded.
    baseline: Option<Baseline>,
    /// What is not in it, or why there is none.
    findings: Vec<Finding>,
}

impl Row {
    fn record(root: &Root, device: DeviceAddress) -> Self {
        match linux::save_baseline(root, device) {
            Ok(Recorded { baseline, mut findings }) => {
                findings.extend(baseline.unknown());
                Self {
                    device,
                    baseline: Some(baseline),
                    findings,
                }
            }
            Err(error) => Self {
                device,
                baseline: None,
                findings: gpu::with_absent(root, device, error.findings()),
            },
        }
    }

    fn print(&self, output: &mut impl Write) -> io::Result<()> {
        match &self.baseline {
            Some(baseline) => {
                writeln!(output, "{}: baseline recorded, {}", self.device, as_text(baseline))?;
                for finding in &self.findings {
                    match finding.subject.kind {
                        SubjectKind::Function => writeln!(output, "{}", messages::line(finding))?,
                        _ => writeln!(output, "{}: {}", self.device, messages::line(finding))?,
                    }
                }
            }
            None => eprintln!("reseat: {}", in_one_line(&self.findings)),
        }
        Ok(())
    }
}

/// Records baselines. One that fails does not keep the others from being recorded.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let Command::Save { gpus, missing, json } = &arguments.command;
    let mut devices: Vec<DeviceAddress> = gpus
        .iter()
        .map(|name| gpu::device(root, *name))
        .collect::<Outcome<_>>()?;
    if *missing {
        devices.extend(linux::without_baseline(root)?);
        devices.sort();
        devices.dedup();
    }
    let mut rows = Vec::new();
    let mut output = io::stdout().lock();
    for device in devices {
        let row = Row::record(root, device);
        if !json {
            row.print(&mut output)?;
        }
        rows.push(row);
    }
    if *json {
        let document = Document {
            schema: SCHEMA,
            gpus: &rows,
        };
        crate::json::document(&mut output, &document)?;
    }
    let failed: Vec<&Row> = rows.iter().filter(|row| row.baseline.is_none()).collect();
    Ok(match failed.is_empty() {
        true => Exit::Done,
        false => exit::worst(failed.iter().map(|row| failure::exit_of(&row.findings))),
    })
}

fn as_text(baseline: &Baseline) -> String {
    let mut lines = match baseline.functions.len() {
        1 => "1 function".to_owned(),
        several => format!("{several} functions"),
    };
    let serial = baseline.serial.iter().map(|serial| format!(", serial number {serial}"));
    let vbios = baseline.vbios.iter().map(|vbios| format!(", VBIOS {vbios}"));
    lines.extend(serial.chain(vbios));
    lines
}
