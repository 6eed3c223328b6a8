//! Configuration spaces in a text: rows of hexadecimal bytes, in the forms that people have.
//!
//! | module | content |
//! | --- | --- |
//! | [`space`] | the bytes of one function |
//! | `prefix` | text before a line's own: quote marks, list markers, time stamps, the name of a host |
//! | `row` | a row: an offset, and bytes or words |
//! | `line` | one line: a title, a row, a heading, or prose |
//! | `reader` | lines to functions |
//! | `plausible` | the test that rows without a title have to pass |
//!
//! ```text
//! 01:00.0 VGA compatible controller: …      a title: begins with an address
//!     Subsystem: …                           prose: anything else
//! 00: de 10 89 24 07 04 10 00 …             a row
//! ```
//!
//! A title without rows is no function, and neither are rows that make up no header. Bytes that no row gives are not zero:
//! reading them fails.
//!
//! Nothing here depends on the rest of the crate: the fuzz target includes this folder as it is.

mod line;
mod plausible;
mod prefix;
mod reader;
mod row;
pub mod space;

use reseat_core::address::FunctionAddress;
use reseat_core::config::SPACE_SIZE;

use self::reader::Reader;
use self::space::DumpedSpace;

/// The most functions of one text.
pub const MOST_FUNCTIONS: usize = 8192;
/// The most defects of one text that are kept.
pub const MOST_PROBLEMS: usize = 1000;

/// The functions and the defects of a text.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// The functions, in the order of the text.
    pub functions: Vec<DumpedFunction>,
    /// The defects of the text.
    pub problems: Vec<DumpProblem>,
}

/// One function of a text.
#[derive(Clone, Debug)]
pub struct DumpedFunction {
    /// The number of its first line, from 1.
    pub line: usize,
    /// The line that names it.
    pub title: Option<String>,
    /// The address in the title.
    pub address: Option<FunctionAddress>,
    /// Its bytes.
    pub space: DumpedSpace,
}

/// A defect of a text, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpProblem {
    /// The number of the line, from 1.
    pub line: usize,
    /// The defect.
    pub fault: DumpFault,
}

/// A defect of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DumpFault {
    /// A row goes on with something else than bytes. Those before it are kept.
    NotAByte(String),
    /// A row goes on beyond the space. The bytes before that are kept.
    BeyondSpace(u64),
    /// A row gives another value to a byte than a row above it. The later one is kept.
    TwoValues(u16),
    /// Titles without rows.
    NoRows {
        /// The function that the first of them names.
        function: FunctionAddress,
        /// The number of the others.
        others: usize,
    },
    /// Rows without a title that make up no header, such as those of an EDID.
    NotConfigurationSpace {
        /// The number of other such places.
        others: usize,
    },
    /// Binary data that is no configuration space.
    NotConfigurationFile {
        /// Its length.
        bytes: usize,
    },
    /// More functions than [`MOST_FUNCTIONS`]. The first ones are kept.
    TooManyFunctions,
    /// Not one row in the whole text.
    NoFunction,
}

/// Reads all functions in `text`.
pub fn read(text: &str) -> Dump {
    let mut reader = Reader::default();
    for (number, line) in line::logical(text) {
        reader.line(number, &line);
    }
    reader.finish()
}

/// Reads a binary file, such as sysfs' `config`: one function, from its first byte on.
pub fn read_binary(bytes: &[u8]) -> Dump {
    let space = DumpedSpace::of_bytes(bytes);
    if bytes.len() > SPACE_SIZE.into() || !plausible::is_configuration_file(&space) {
        let bytes = bytes.len();
        let fault = DumpFault::NotConfigurationFile { bytes };
        return Dump {
            functions: Vec::new(),
            problems: vec![DumpProblem { line: 1, fault }],
        };
    }
    let function = DumpedFunction {
        line: 1,
        title: None,
        address: None,
        space,
    };
    Dump {
        functions: vec![function],
        problems: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
