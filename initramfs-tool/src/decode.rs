//! Configuration spaces out of a text: what each function's header and capabilities say, for people and for programs.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`hex`] | rows of hexadecimal bytes, as `lspci -xxxx` prints them, and the space that they make up |
//! | [`function`] | one function, decoded |
//! | [`register`] | a register's fields, with their names |
//! | [`text`] | the same for people |
//!
//! Every register is parsed by reseat-core; here it only gets names. What could not be decoded stays in its place, with
//! the reason.

mod extended;
pub mod function;
pub mod hex;
pub mod register;
mod standard;
pub mod text;

use serde::Serialize;

use self::function::Function;
use self::hex::Problem;

/// The version of the JSON form: fields may be added under the same name, anything else makes a new one.
pub const SCHEMA: &str = "reseat.decode/1";

/// Everything that a text holds.
#[derive(Clone, Debug, Serialize)]
pub struct Decoded {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The functions, in the order of the text.
    pub functions: Vec<Function>,
    /// What is wrong with the text or with a function, in the order of the lines.
    pub problems: Vec<Problem>,
}

/// Decodes every function in `text`.
pub fn decode(text: &str) -> Decoded {
    let mut dump = hex::read(text);
    let mut functions = Vec::new();
    for dumped in dump.functions {
        let (function, problem) = Function::decode(dumped);
        dump.problems.extend(problem);
        functions.push(function);
    }
    dump.problems.sort_by_key(|problem| problem.line);
    Decoded {
        schema: SCHEMA,
        functions,
        problems: dump.problems,
    }
}
