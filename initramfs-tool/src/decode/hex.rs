//! Rows of hexadecimal bytes: `lspci -x`, `-xxx`, `-xxxx`, or rows alone.
//!
//! ```text
//! 01:00.0 VGA compatible controller: …      a title: begins with an address
//!     Subsystem: …                           anything else is passed over
//! 00: de 10 89 24 07 04 10 00 …             a row: the offset, two to eight digits, and bytes
//! ```
//!
//! Rows belong to the title above them; an empty line ends a titled function. Rows without a title make up a function of
//! their own, and the next one begins where an offset comes again. Bytes that no row gives are not zero: reading them
//! fails.

use std::collections::BTreeMap;
use std::path::Path;

use reseat_core::address::FunctionAddress;
use reseat_core::config::{ConfigRead, Offset, ReadableSize, RegisterError, SPACE_SIZE};
use thiserror::Error;

use crate::model::finding::{Finding, Subject, id};

/// The functions and the defects of a text.
#[derive(Clone, Debug)]
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
    /// A function has a title and nothing else.
    NoRows(Option<FunctionAddress>),
    /// Not one row in the whole text.
    NoFunction,
    /// The bytes are there, and are no header.
    Header(RegisterError<NotDumped>),
}

impl DumpProblem {
    /// The defect as a finding on this file.
    pub fn finding(&self, file: &Path) -> Finding {
        let finding = |id| Finding::error(id, Subject::file(file)).with("line", self.line);
        match &self.fault {
            DumpFault::NotAByte(text) => finding(id::DUMP_BYTE_INVALID).with("text", text),
            DumpFault::BeyondSpace(offset) => {
                finding(id::DUMP_OFFSET_BEYOND_SPACE).with("offset", format_args!("{offset:#x}"))
            }
            DumpFault::TwoValues(offset) => finding(id::DUMP_BYTE_TWICE).with("offset", format_args!("{offset:#05x}")),
            DumpFault::NoRows(Some(function)) => finding(id::DUMP_FUNCTION_EMPTY).with("function", function),
            DumpFault::NoRows(None) => finding(id::DUMP_FUNCTION_EMPTY).with("function", "the function"),
            DumpFault::NoFunction => finding(id::DUMP_EMPTY),
            DumpFault::Header(cause) => finding(id::DUMP_HEADER_UNREADABLE).with("cause", cause),
        }
    }
}

/// The configuration space that a function's rows make up. Rows may be missing, and each may end anywhere.
#[derive(Clone, Debug, Default)]
pub struct DumpedSpace {
    bytes: BTreeMap<u16, u8>,
}

impl DumpedSpace {
    /// The number of bytes that the rows give.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }
}

impl ConfigRead for DumpedSpace {
    type Error = NotDumped;

    /// The smallest size with room for all bytes: what is missing within it, each read finds out.
    fn size(&self) -> ReadableSize {
        let last = self.bytes.last_key_value().map_or(0, |(&offset, _)| offset);
        [ReadableSize::Header, ReadableSize::Standard]
            .into_iter()
            .find(|size| last < size.bytes())
            .unwrap_or(ReadableSize::Extended)
    }

    fn read(&mut self, offset: Offset) -> Result<u32, NotDumped> {
        let mut register = [0; Offset::WIDTH as usize];
        for (byte, at) in register.iter_mut().zip(offset.get()..) {
            *byte = *self.bytes.get(&at).ok_or(NotDumped)?;
        }
        Ok(u32::from_le_bytes(register))
    }
}

/// A register of which the rows do not give all bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not in the dump")]
pub struct NotDumped;

/// Reads all functions in `text`.
pub fn read(text: &str) -> Dump {
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(text.lines()) {
        reader.line(number, line);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    /// The function that rows belong to.
    current: Option<DumpedFunction>,
    functions: Vec<DumpedFunction>,
    problems: Vec<DumpProblem>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        let line = line.trim_end();
        if line.is_empty() {
            if self.current.as_ref().is_some_and(|current| current.title.is_some()) {
                self.end_function();
            }
        } else if let Some(address) = title(line) {
            self.end_function();
            self.current = Some(DumpedFunction {
                line: number,
                title: Some(line.to_owned()),
                address: Some(address),
                space: DumpedSpace::default(),
            });
        } else if let Some((offset, bytes)) = row(line) {
            self.row(number, offset, bytes);
        }
    }

    fn row(&mut self, number: usize, offset: u64, bytes: &str) {
        let begins_again = |current: &DumpedFunction| {
            current.title.is_none() && u16::try_from(offset).is_ok_and(|at| current.space.bytes.contains_key(&at))
        };
        if self.current.as_ref().is_some_and(begins_again) {
            self.end_function();
        }
        let current = self.current.get_or_insert_with(|| DumpedFunction {
            line: number,
            title: None,
            address: None,
            space: DumpedSpace::default(),
        });
        if let Err(fault) = store(&mut current.space, offset, bytes) {
            self.problems.push(DumpProblem { line: number, fault });
        }
    }

    fn end_function(&mut self) {
        let Some(function) = self.current.take() else { return };
        if function.space.length() == 0 {
            self.problems.push(DumpProblem {
                line: function.line,
                fault: DumpFault::NoRows(function.address),
            });
        }
        self.functions.push(function);
    }

    fn finish(mut self) -> Dump {
        self.end_function();
        if self.functions.is_empty() && self.problems.is_empty() {
            let fault = DumpFault::NoFunction;
            self.problems.push(DumpProblem { line: 1, fault });
        }
        Dump {
            functions: self.functions,
            problems: self.problems,
        }
    }
}

/// The address that a title begins with.
fn title(line: &str) -> Option<FunctionAddress> {
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    line.get(..end)?.parse().ok()
}

/// The offset and the rest of a line that begins as a row does.
fn row(line: &str) -> Option<(u64, &str)> {
    let (offset, bytes) = line.split_once(':')?;
    let is_offset = (2..=8).contains(&offset.len()) && offset.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_offset || !bytes.starts_with([' ', '\t']) {
        return None;
    }
    Some((u64::from_str_radix(offset, 16).ok()?, bytes))
}

/// Stores a row's bytes, up to the first that is none.
fn store(space: &mut DumpedSpace, offset: u64, bytes: &str) -> Result<(), DumpFault> {
    let mut two_values = Ok(());
    for (at, token) in (offset..).zip(bytes.split_ascii_whitespace()) {
        let byte = byte(token).ok_or_else(|| DumpFault::NotAByte(token.to_owned()))?;
        let at = u16::try_from(at)
            .ok()
            .filter(|at| *at < SPACE_SIZE)
            .ok_or(DumpFault::BeyondSpace(at))?;
        let before = space.bytes.insert(at, byte);
        if two_values.is_ok() && before.is_some_and(|before| before != byte) {
            two_values = Err(DumpFault::TwoValues(at));
        }
    }
    two_values
}

fn byte(token: &str) -> Option<u8> {
    let is_byte = token.len() == 2 && token.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(token, 16).ok().filter(|_| is_byte)
}

#[cfg(test)]
mod tests;
