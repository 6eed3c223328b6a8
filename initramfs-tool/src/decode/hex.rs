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

use reseat_core::address::FunctionAddress;
use reseat_core::config::{ConfigRead, Offset, ReadableSize, SPACE_SIZE};
use serde::Serialize;
use thiserror::Error;

/// What a text holds.
#[derive(Clone, Debug)]
pub struct Dump {
    /// The functions, in the order of the text.
    pub functions: Vec<DumpedFunction>,
    /// What is wrong with the text.
    pub problems: Vec<Problem>,
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
    pub space: Space,
}

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong.
    #[serde(serialize_with = "as_text")]
    pub cause: Cause,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Cause {
    /// A row goes on with something else than bytes. Those before it are kept.
    #[error("{0:?} is not a byte of two hexadecimal digits")]
    NotAByte(String),
    /// A row goes on beyond the space. The bytes before that are kept.
    #[error("offset {0:#x} is beyond the 4096 bytes of configuration space")]
    BeyondSpace(u64),
    /// A row gives another value to a byte than a row above it. The later one is kept.
    #[error("offset {0:#05x} has two values")]
    TwoValues(u16),
    /// A function has a title and nothing else.
    #[error("{0} has no hexadecimal rows")]
    NoRows(String),
    /// Not one row in the whole text.
    #[error("no hexadecimal rows such as `00: de 10 89 24`")]
    NoFunction,
    /// The bytes are there, and are no header.
    #[error("header: {0}")]
    Header(String),
}

fn as_text<S: serde::Serializer>(cause: &Cause, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cause)
}

/// The configuration space that a function's rows make up. Rows may be missing, and each may end anywhere.
#[derive(Clone, Debug, Default)]
pub struct Space {
    bytes: BTreeMap<u16, u8>,
}

impl Space {
    /// How many bytes the rows give.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }
}

impl ConfigRead for Space {
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
    problems: Vec<Problem>,
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
                space: Space::default(),
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
            space: Space::default(),
        });
        if let Err(cause) = store(&mut current.space, offset, bytes) {
            self.problems.push(Problem { line: number, cause });
        }
    }

    fn end_function(&mut self) {
        let Some(function) = self.current.take() else { return };
        if function.space.length() == 0 {
            let name = function
                .address
                .map_or_else(|| "the function".to_owned(), |address| address.to_string());
            let cause = Cause::NoRows(name);
            self.problems.push(Problem {
                line: function.line,
                cause,
            });
        }
        self.functions.push(function);
    }

    fn finish(mut self) -> Dump {
        self.end_function();
        if self.functions.is_empty() && self.problems.is_empty() {
            let cause = Cause::NoFunction;
            self.problems.push(Problem { line: 1, cause });
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
fn store(space: &mut Space, offset: u64, bytes: &str) -> Result<(), Cause> {
    let mut two_values = Ok(());
    for (at, token) in (offset..).zip(bytes.split_ascii_whitespace()) {
        let byte = byte(token).ok_or_else(|| Cause::NotAByte(token.to_owned()))?;
        let at = u16::try_from(at)
            .ok()
            .filter(|at| *at < SPACE_SIZE)
            .ok_or(Cause::BeyondSpace(at))?;
        let before = space.bytes.insert(at, byte);
        if two_values.is_ok() && before.is_some_and(|before| before != byte) {
            two_values = Err(Cause::TwoValues(at));
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
