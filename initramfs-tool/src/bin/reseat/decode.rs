//! `reseat decode`.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use reseat::decode::function::DecodedFunction;
use reseat::decode::{self, LONGEST};
use reseat::model::finding::{Finding, Severity, Subject, id};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::{self, Failure, Outcome};
use crate::json;

const STANDARD_INPUT: &str = "-";

/// Arguments of `reseat decode`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Texts with rows of hexadecimal bytes, or `config` files of sysfs. `-`, or no FILE, is standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The same as FILE, which may be left out before it.
    #[arg(long, value_name = "FILE", hide = true)]
    hex: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Default)]
struct All {
    functions: Vec<DecodedFunction>,
    problems: Vec<Finding>,
    /// A file cannot be read, or has no function.
    has_failed: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    functions: &'a [DecodedFunction],
    problems: &'a [Finding],
}

/// Prints every function in the files. Fails where a file or a function is not as it should be, after printing the rest.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let files = arguments.files()?;
    let mut all = All::default();
    for file in &files {
        match read(file) {
            Ok(bytes) => all.add(file, &bytes),
            Err(unreadable) if files.len() == 1 => return Err(unreadable.into()),
            Err(unreadable) => {
                all.has_failed = true;
                all.problems.push(unreadable);
            }
        }
    }
    let mut output = io::stdout().lock();
    match arguments.json {
        true => json::document(
            &mut output,
            &Document {
                schema: decode::SCHEMA,
                functions: &all.functions,
                problems: &all.problems,
            },
        )?,
        false => write!(output, "{}", all.text(files.len() > 1))?,
    }
    failure::print_for_people(&all.problems);
    Ok(all.exit())
}

impl Arguments {
    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let files: Vec<_> = self.files.iter().chain(&self.hex).cloned().collect();
        match files.is_empty() {
            false => Ok(files),
            true if io::stdin().is_terminal() => {
                let nothing = Finding::error(id::DUMP_NOT_NAMED, Subject::machine()).remedy(id::NAME_A_DUMP);
                Err(Failure::Because(Exit::Usage, vec![nothing]))
            }
            true => Ok(vec![STANDARD_INPUT.into()]),
        }
    }
}

impl All {
    fn add(&mut self, file: &Path, bytes: &[u8]) {
        let decoded = decode::decode(file, bytes);
        let has_functions = !decoded.functions.is_empty();
        let problems = decoded.problems.iter();
        self.problems
            .extend(problems.map(|problem| problem.finding(file, has_functions)));
        self.has_failed |= !has_functions;
        self.functions.extend(decoded.functions);
    }

    /// The functions for people; of several files each below the name of its file.
    fn text(&self, has_file_names: bool) -> String {
        let mut file = None;
        let functions = self.functions.iter().map(|function| {
            let is_new = file.replace(&function.file) != Some(&function.file);
            match has_file_names && is_new {
                true => format!("{}:\n{function}", function.file),
                false => function.to_string(),
            }
        });
        functions.collect::<Vec<_>>().join("\n")
    }

    fn exit(&self) -> Exit {
        let is_whole = self.problems.iter().all(|problem| problem.severity == Severity::Note);
        match self.has_failed {
            true => Exit::Failed,
            false => Exit::of_answer(is_whole),
        }
    }
}

/// Reads a file, or standard input, up to the length that a dump can have.
fn read(file: &Path) -> Result<Vec<u8>, Finding> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
    let read = match file.to_str() {
        Some(STANDARD_INPUT) => io::stdin().lock().take(limit).read_to_end(&mut bytes),
        _ => File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    read.map_err(|cause| failure::unreadable(file, &cause))?;
    match bytes.len() > LONGEST {
        true => Err(Finding::error(id::DUMP_TOO_LONG, Subject::file(file)).with("limit", LONGEST)),
        false => Ok(bytes),
    }
}
