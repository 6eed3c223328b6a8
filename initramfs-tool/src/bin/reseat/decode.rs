//! `reseat decode`.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use reseat::decode;
use reseat::decode::function::DecodedFunction;
use reseat::model::finding::Finding;
use serde::Serialize;

use crate::{json, words};

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

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    functions: &'a [DecodedFunction],
    problems: &'a [Finding],
}

/// Prints every function in the file. Fails where the file or a function is not as it should be, after printing the
/// rest.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let bytes = read(&arguments.hex).with_context(|| arguments.hex.display().to_string())?;
    let decoded = decode::decode(&String::from_utf8_lossy(&bytes));
    let problems = decoded.problems.iter().map(|problem| problem.finding(&arguments.hex));
    let problems: Vec<_> = problems.collect();
    let mut output = io::stdout().lock();
    if arguments.json {
        let document = Document {
            schema: decode::SCHEMA,
            functions: &decoded.functions,
            problems: &problems,
        };
        json::document(&mut output, &document)?;
    } else {
        let functions: Vec<String> = decoded.functions.iter().map(ToString::to_string).collect();
        write!(output, "{}", functions.join("\n"))?;
    }
    for problem in &problems {
        eprintln!("reseat: {}", words::sentence(problem));
    }
    Ok(match problems.is_empty() {
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
