//! `reseat decode`.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use reseat::decode;

/// Arguments of `reseat decode`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A text with rows of hexadecimal bytes, as `lspci -xxxx` prints them; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    hex: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints every function in the file. Fails where the file or a function is not as it should be, after printing the
/// rest.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let bytes = read(&arguments.hex).with_context(|| arguments.hex.display().to_string())?;
    let decoded = decode::decode(&String::from_utf8_lossy(&bytes));
    let mut output = io::stdout().lock();
    if arguments.json {
        writeln!(output, "{}", serde_json::to_string_pretty(&decoded)?)?;
    } else {
        let functions: Vec<String> = decoded.functions.iter().map(ToString::to_string).collect();
        write!(output, "{}", functions.join("\n"))?;
    }
    for problem in &decoded.problems {
        eprintln!(
            "reseat: {}:{}: {}",
            arguments.hex.display(),
            problem.line,
            problem.cause
        );
    }
    Ok(match decoded.problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file == "-" {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes)?;
        Ok(bytes)
    } else {
        std::fs::read(file)
    }
}
