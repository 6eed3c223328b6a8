//! Defects of a dump, as findings.

use std::ops::RangeInclusive;
use std::path::Path;

use reseat_core::address::FunctionAddress;
use reseat_core::config::RegisterError;

use super::hex::space::NotDumped;
use super::hex::{DumpFault, MOST_FUNCTIONS};
use crate::model::finding::{Finding, Id, Subject, id};

/// A defect of a file or of one of its functions, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeProblem {
    /// The number of the line, from 1.
    pub line: usize,
    /// The defect.
    pub fault: DecodeFault,
}

/// A defect of a file or of one of its functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeFault {
    /// A defect of the text.
    Text(DumpFault),
    /// A defect of a function.
    Function {
        /// The name of the function.
        name: String,
        /// Its address, if the dump has it.
        address: Option<FunctionAddress>,
        /// The defect.
        fault: FunctionFault,
    },
}

/// A defect of a function's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionFault {
    /// All of these bytes are ff.
    NoAnswer {
        /// Their number.
        bytes: usize,
    },
    /// There are 64 bytes, and the capabilities are behind them.
    HeaderOnly,
    /// Bytes are missing that the decoder needs.
    Missing(Vec<RangeInclusive<u16>>),
    /// The header is none.
    Header(RegisterError<NotDumped>),
}

impl DecodeProblem {
    /// The defect as a finding on this file. Lines that are merely no function are notes beside functions that were decoded.
    pub fn finding(&self, file: &Path, has_functions: bool) -> Finding {
        let error = |id| Finding::error(id, Subject::file(file)).with("line", self.line);
        let aside = |id| match has_functions {
            true => Finding::note(id, Subject::file(file)).with("line", self.line),
            false => error(id).remedy(id::DUMP_AGAIN),
        };
        match &self.fault {
            DecodeFault::Text(fault) => text(fault, error, aside),
            DecodeFault::Function { name, address, fault } => {
                let finding = |id| error(id).with("function", name);
                let finding = fault.finding(finding);
                match address {
                    Some(address) => finding.with("address", address),
                    None => finding,
                }
            }
        }
    }
}

fn text(fault: &DumpFault, error: impl Fn(Id) -> Finding, aside: impl Fn(Id) -> Finding) -> Finding {
    match fault {
        DumpFault::NotAByte(text) => error(id::DUMP_BYTE_INVALID).with("text", text),
        DumpFault::BeyondSpace(at) => error(id::DUMP_OFFSET_BEYOND_SPACE).with("offset", format_args!("{at:#x}")),
        DumpFault::TwoValues(at) => error(id::DUMP_BYTE_TWICE).with("offset", format_args!("{at:#05x}")),
        DumpFault::NoRows { function, others } => {
            with_others(aside(id::DUMP_FUNCTION_EMPTY).with("function", function), *others)
        }
        DumpFault::NotConfigurationSpace { others } => with_others(aside(id::DUMP_ROWS_FOREIGN), *others),
        DumpFault::NotConfigurationFile { bytes } => error(id::DUMP_BINARY_FOREIGN).with("bytes", bytes),
        DumpFault::TooManyFunctions => error(id::DUMP_FUNCTIONS_LEFT_OUT).with("limit", MOST_FUNCTIONS),
        DumpFault::NoFunction => error(id::DUMP_EMPTY).remedy(id::DUMP_AGAIN),
    }
}

fn with_others(finding: Finding, others: usize) -> Finding {
    match others {
        0 => finding,
        others => finding.with("others", others),
    }
}

impl FunctionFault {
    fn finding(&self, finding: impl Fn(Id) -> Finding) -> Finding {
        match self {
            Self::NoAnswer { bytes } => finding(id::DUMP_NO_ANSWER)
                .with("bytes", bytes)
                .remedy(id::WAKE_OR_RESET),
            Self::HeaderOnly => finding(id::DUMP_HEADER_ONLY).remedy(id::DUMP_AGAIN),
            Self::Missing(missing) => finding(id::DUMP_BYTES_MISSING)
                .with("missing", listed(missing))
                .remedy(id::DUMP_AGAIN),
            Self::Header(cause) => finding(id::DUMP_HEADER_UNREADABLE).with("cause", cause),
        }
    }
}

/// `0x090 to 0x0ff, 0x104`; the first few of many.
fn listed(missing: &[RangeInclusive<u16>]) -> String {
    const MOST: usize = 4;
    let range = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
        (first, last) if first == last => format!("{first:#05x}"),
        (first, last) => format!("{first:#05x} to {last:#05x}"),
    };
    let mut ranges: Vec<String> = missing.iter().take(MOST).map(range).collect();
    if missing.len() > MOST {
        ranges.push(format!("and {} more ranges", missing.len() - MOST));
    }
    ranges.join(", ")
}
