//! `reseat decode`.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use reseat::decode;
use reseat::decode::function::DecodedFunction;
use reseat::model::finding::Finding;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::{self, Outcome};
use crate::{json, messages};

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
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let bytes = read(&arguments.hex).map_err(|cause| failure::unreadable(&arguments.hex, &cause))?;
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
        eprintln!("reseat: {}", messages::sentence(problem));
    }
    Ok(match (problems.is_empty(), decoded.functions.is_empty()) {
        (false, true) => Exit::Failed,
        (is_whole, _) => Exit::of_answer(is_whole),
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
