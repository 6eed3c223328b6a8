//! Configuration spaces out of a text: what each function's header and capabilities say, for people and for programs.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`hex`] | rows of hexadecimal bytes, as `lspci -xxxx` prints them, and the space that they make up |
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
pub mod register;
mod standard;
pub mod text;
pub mod value;

use self::function::DecodedFunction;
use self::hex::DumpProblem;

/// The version of the JSON form: fields may be added under the same name, anything else makes a new one.
pub const SCHEMA: &str = "reseat.decode/2";

/// Everything that a text holds.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The functions, in the order of the text.
    pub functions: Vec<DecodedFunction>,
    /// The defects of the text and of its functions, in the order of the lines.
    pub problems: Vec<DumpProblem>,
}

/// Decodes every function in `text`.
pub fn decode(text: &str) -> Decoded {
    let mut dump = hex::read(text);
    let mut functions = Vec::new();
    for dumped in dump.functions {
        let (function, problem) = DecodedFunction::decode(dumped);
        dump.problems.extend(problem);
        functions.push(function);
    }
    dump.problems.sort_by_key(|problem| problem.line);
    Decoded {
        functions,
        problems: dump.problems,
    }
}
