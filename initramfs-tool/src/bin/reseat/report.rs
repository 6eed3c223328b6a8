//! `reseat report`.

use std::io::{self, Write};
use std::path::PathBuf;

use reseat::linux::{self, CLAIM_REPORT, Root};
use reseat::report::Report;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::json;
use crate::messages;
use crate::table::{or_dash, table};

/// Arguments of `reseat report`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The report.
    #[arg(default_value = CLAIM_REPORT)]
    file: PathBuf,
    /// Print the report's JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the report.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let report = linux::read_report(root, &std::path::absolute(&arguments.file)?)?;
    let mut output = io::stdout().lock();
    if arguments.json {
        json::document(&mut output, &report)?;
        return Ok(Exit::of_answer(report.complete));
    }
    for (_, line) in messages::report::lines(&report) {
        writeln!(output, "{line}")?;
    }
    if !report.gpus.is_empty() {
        writeln!(output, "\n{}", functions(&report))?;
    }
    Ok(Exit::of_answer(report.complete))
}

fn functions(report: &Report) -> String {
    let head = [
        "FUNCTION",
        "IDENTITY",
        "IOMMU GROUP",
        "DRIVER BEFORE",
        "DRIVER",
        "POWER",
    ];
    let functions = report.gpus.iter().flat_map(|gpu| &gpu.functions);
    table(
        head,
        functions.map(|function| {
            let power = function.power.as_ref().map(ToString::to_string);
            [
                function.address.to_string(),
                function.identity.to_string(),
                or_dash(function.iommu_group.as_deref()),
                or_dash(function.driver_before.as_deref()),
                or_dash(function.driver.as_deref()),
                or_dash(power.as_deref()),
            ]
        }),
    )
}
