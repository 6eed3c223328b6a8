//! Configuration spaces out of a file: the header and the capabilities of each function, for people and for programs.
//!
//! | module | content |
//! | --- | --- |
//! | [`hex`] | rows of hexadecimal bytes in a text, and the space that they make up |
//! | [`problem`] | defects of a file, as findings |
//! | [`function`] | one function, decoded |
//! | [`register`] | a register's fields, with their names |
//! | [`value`] | the value of a field |
//! | [`text`] | the same for people |
//!
//! Every register is parsed by reseat-core; here it only gets names. What could not be decoded stays in its place, with
//! the reason.

mod extended;
mod fault;
pub mod function;
pub mod hex;
mod input;
pub mod problem;
pub mod register;
mod standard;
pub mod text;
pub mod value;

use std::path::Path;

use reseat_core::address::FunctionAddress;

use self::function::DecodedFunction;
use self::hex::{Dump, DumpedFunction};
use self::input::Content;
pub use self::input::LONGEST;
use self::problem::{DecodeFault, DecodeProblem};

/// The version of the JSON form: fields may be added under the same name, anything else makes a new one.
pub const SCHEMA: &str = "reseat.decode/2";

/// Everything that a file holds.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The functions, in the order of the file.
    pub functions: Vec<DecodedFunction>,
    /// The defects of the file and of its functions, in the order of the lines.
    pub problems: Vec<DecodeProblem>,
}

/// Decodes every function in the bytes of `file`: a text, or a binary configuration space. `-` is standard input.
pub fn decode(file: &Path, bytes: &[u8]) -> Decoded {
    let (dump, is_text) = read(bytes);
    let text_problem = |problem: hex::DumpProblem| DecodeProblem {
        line: problem.line,
        fault: DecodeFault::Text(problem.fault),
    };
    let mut problems: Vec<_> = dump.problems.into_iter().map(text_problem).collect();
    let mut functions = Vec::new();
    let is_alone = dump.functions.len() == 1;
    for (number, mut dumped) in (1..).zip(dump.functions) {
        if is_alone && dumped.address.is_none() {
            dumped.address = address_in(file);
        }
        let name = name(file, &dumped, is_text.then_some(number));
        let (function, problem) = DecodedFunction::decode(dumped, file, name);
        problems.extend(problem);
        functions.push(function);
    }
    problems.sort_by_key(|problem| problem.line);
    Decoded { functions, problems }
}

/// The functions, and true if they are from a text. A log with a NUL in it is a text all the same.
fn read(bytes: &[u8]) -> (Dump, bool) {
    match input::content(bytes) {
        Content::Text(text) => (hex::read(&text), true),
        Content::Binary(bytes) => {
            let binary = hex::read_binary(bytes);
            if !binary.functions.is_empty() {
                return (binary, false);
            }
            let text = hex::read(&String::from_utf8_lossy(bytes));
            match text.functions.is_empty() {
                true => (binary, false),
                false => (text, true),
            }
        }
    }
}

/// The address that a path of sysfs has: `/sys/bus/pci/devices/0000:01:00.0/config`.
fn address_in(file: &Path) -> Option<FunctionAddress> {
    let names = [Some(file), file.parent()];
    let names = names
        .into_iter()
        .flatten()
        .filter_map(|path| path.file_name()?.to_str());
    names.filter_map(|name| name.parse().ok()).next()
}

/// The address, or the file and the number of the function in it.
fn name(file: &Path, dumped: &DumpedFunction, number: Option<usize>) -> String {
    let file = match file.to_str() {
        Some("-") => "standard input".into(),
        _ => file.to_string_lossy(),
    };
    match (dumped.address, number) {
        (Some(address), _) => address.to_string(),
        (None, Some(number)) => format!("function {number} of {file}"),
        (None, None) => file.into_owned(),
    }
}

#[cfg(test)]
mod tests;
