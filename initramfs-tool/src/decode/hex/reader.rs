//! Lines to functions.
//!
//! A function begins with a row at offset 0, or with the first row below a title. A row that follows the last one belongs to
//! it, whatever stands between them; any other row only where nothing stands between them.

use reseat_core::address::FunctionAddress;
use reseat_core::config::SPACE_SIZE;

use super::line::{self, Line};
use super::plausible::{self, Likelihood};
use super::row::{self, Rest, Row, RowOffset, WHOLE};
use super::space::DumpedSpace;
use super::{Dump, DumpFault, DumpProblem, DumpedFunction, MOST_FUNCTIONS, MOST_PROBLEMS};

/// Fewer bytes at offset 0 begin no function without a title.
const FEWEST: usize = 4;
/// The same of a row that goes on with something else.
const FEWEST_IF_DAMAGED: usize = 8;

#[derive(Default)]
pub(super) struct Reader {
    /// The function that rows belong to.
    current: Option<Current>,
    /// The title or heading that the next function gets.
    title: Option<Title>,
    dump: Dump,
    /// The first title without rows, and the number of the others.
    unused: Option<(usize, FunctionAddress, usize)>,
    /// The first rows that are no configuration space, and the number of the others.
    foreign: Option<(usize, usize)>,
    has_too_many: bool,
}

struct Title {
    line: usize,
    address: FunctionAddress,
    text: String,
    /// Rows have to follow directly.
    is_heading: bool,
    /// It stands directly below another title: a list.
    is_listed: bool,
    /// Prose is directly below it.
    has_details: bool,
    /// An empty line is below it.
    is_spaced: bool,
}

struct Current {
    function: DumpedFunction,
    problems: Vec<DumpProblem>,
    /// The offset that the next row has.
    next: u64,
    /// The address of the first byte, of a dump of memory.
    base: u64,
    order: Order,
    /// `od` writes octal offsets: known from the second row on.
    is_octal: Option<bool>,
    /// The last row, for `*`.
    last: Vec<u8>,
    is_repeated: bool,
    /// Something else than a row is below the last row.
    is_interrupted: bool,
    is_beyond: bool,
}

/// The order of the bytes in a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    AsWritten,
    /// Each word is a number.
    Reversed,
}

impl Reader {
    pub(super) fn line(&mut self, number: usize, line: &str) {
        match line::meaning(line) {
            Line::Blank => self.blank(),
            Line::Title(address, text) => self.title(number, address, text),
            Line::Heading(address, text) => self.heading(number, address, text),
            Line::Row(row) => self.rows(number, row),
            Line::Continuation(bytes, rest) => self.continuation(number, &bytes, &rest),
            Line::Repeated => {
                if let Some(current) = &mut self.current {
                    current.is_repeated = !current.is_interrupted;
                }
            }
            Line::End(offset) => {
                if let Some(current) = &mut self.current {
                    current.end(offset);
                }
            }
            Line::Prose => self.prose(),
        }
    }

    fn blank(&mut self) {
        if let Some(title) = &mut self.title {
            title.is_spaced = true;
        }
        self.interrupt();
    }

    fn interrupt(&mut self) {
        if let Some(current) = &mut self.current {
            current.is_interrupted = true;
        }
    }

    fn prose(&mut self) {
        match &mut self.title {
            Some(title) if title.is_spaced || title.is_heading => self.drop_title(),
            Some(title) => title.has_details = true,
            None => {}
        }
        self.interrupt();
    }

    fn title(&mut self, line: usize, address: FunctionAddress, text: &str) {
        self.end_function();
        let is_listed = self.title.as_ref().is_some_and(|above| above.line + 1 == line);
        self.drop_title();
        self.title = Some(Title {
            line,
            address,
            text: text.to_owned(),
            is_heading: false,
            is_listed,
            has_details: false,
            is_spaced: false,
        });
    }

    /// A heading gives way to a title, whose details may have an address and the word too.
    fn heading(&mut self, line: usize, address: FunctionAddress, text: &str) {
        self.prose();
        if self.title.is_none() {
            self.title = Some(Title {
                line,
                address,
                text: text.to_owned(),
                is_heading: true,
                is_listed: false,
                has_details: false,
                is_spaced: false,
            });
        }
    }

    fn drop_title(&mut self) {
        let Some(title) = self.title.take().filter(|title| !title.is_heading) else {
            return;
        };
        match &mut self.unused {
            Some((_, _, others)) => *others = others.saturating_add(1),
            None => self.unused = Some((title.line, title.address, 0)),
        }
    }

    fn rows(&mut self, line: usize, first: Row<'_>) {
        let mut next = Some(first);
        while let Some(row) = next {
            next = match row.rest {
                Rest::Row(rest) => row::row(rest),
                Rest::Ignored | Rest::NotAByte(_) => None,
            };
            self.row(line, &row);
        }
    }

    fn row(&mut self, line: usize, row: &Row<'_>) {
        let belongs = self.current.as_ref().and_then(|current| current.place(row));
        if let Some(at) = belongs {
            self.title = None;
            self.store(line, at, row);
        } else if let Some(base) = self.start(row) {
            self.begin(line, row, base);
            self.store(line, row.offset.value.saturating_sub(base), row);
        } else {
            self.prose();
        }
    }

    /// The base of the function that a row begins, if it begins one.
    fn start(&self, row: &Row<'_>) -> Option<u64> {
        /// The digits of an address in memory.
        const ADDRESS: usize = 8;
        let value = row.offset.value;
        let is_below_title = |title: &Title| !title.has_details && !title.is_spaced;
        let is_memory = row.offset.digits >= ADDRESS && value.is_multiple_of(SPACE_SIZE.into()) && row.is_whole();
        let fewest = if row.is_damaged() { FEWEST_IF_DAMAGED } else { FEWEST };
        let is_enough = row.bytes.len() >= fewest || self.title.as_ref().is_some_and(is_below_title);
        match value {
            0 => is_enough.then_some(0),
            _ if is_memory => Some(value),
            // The first rows are missing.
            _ if value < SPACE_SIZE.into() && row.is_whole() => Some(0),
            _ => None,
        }
    }

    fn begin(&mut self, line: usize, row: &Row<'_>, base: u64) {
        self.end_function();
        let is_of_a_list = |title: &Title| title.is_spaced && (title.is_listed || title.has_details);
        if self.title.as_ref().is_some_and(is_of_a_list) {
            self.drop_title();
        }
        let title = self.title.take();
        let function = DumpedFunction {
            line: title.as_ref().map_or(line, |title| title.line),
            address: title.as_ref().map(|title| title.address),
            title: title.map(|title| title.text),
            space: DumpedSpace::default(),
        };
        self.current = Some(Current {
            function,
            problems: Vec::new(),
            next: 0,
            base,
            order: Order::of(row),
            is_octal: None,
            last: Vec::new(),
            is_repeated: false,
            is_interrupted: false,
            is_beyond: false,
        });
    }

    fn store(&mut self, line: usize, at: u64, row: &Row<'_>) {
        let Some(current) = &mut self.current else { return };
        if at > 0 {
            let is_octal = at != row.offset.value.saturating_sub(current.base);
            current.is_octal.get_or_insert(is_octal);
        }
        current.repeat_to(at);
        let bytes = current.order.bytes(row);
        let stored = current.store(at, &bytes);
        current.last = bytes;
        current.note(line, stored);
        if let Rest::NotAByte(text) = row.rest {
            current.note(line, Err(DumpFault::NotAByte(text.to_owned())));
        }
    }

    /// Bytes alone: those that the row above lacks.
    fn continuation(&mut self, line: usize, bytes: &[u8], rest: &Rest<'_>) {
        if !self.current.as_ref().is_some_and(|current| current.lacks(bytes)) {
            self.prose();
        } else if let Some(current) = &mut self.current {
            current.is_interrupted = false;
            current.last.extend(bytes);
            let stored = current.append(bytes);
            current.note(line, stored);
        }
        if let Rest::Row(rest) = rest {
            row::row(rest).into_iter().for_each(|row| self.rows(line, row));
        }
    }

    fn problem(&mut self, line: usize, fault: DumpFault) {
        if self.dump.problems.len() < MOST_PROBLEMS {
            self.dump.problems.push(DumpProblem { line, fault });
        }
    }

    fn end_function(&mut self) {
        let Some(Current { function, problems, .. }) = self.current.take() else {
            return;
        };
        let (line, is_titled) = (function.line, function.title.is_some());
        if !is_titled && !plausible::is_configuration_space(&function.space) {
            let (line, others) = self.foreign.map_or((line, 0), |(line, others)| (line, others + 1));
            self.foreign = Some((line, others));
        } else if self.dump.functions.len() < MOST_FUNCTIONS {
            self.dump.functions.push(function);
            problems
                .into_iter()
                .for_each(|problem| self.problem(problem.line, problem.fault));
        } else if !std::mem::replace(&mut self.has_too_many, true) {
            self.problem(line, DumpFault::TooManyFunctions);
        }
    }

    pub(super) fn finish(mut self) -> Dump {
        self.end_function();
        self.drop_title();
        if let Some((line, function, others)) = self.unused {
            self.problem(line, DumpFault::NoRows { function, others });
        }
        if let Some((line, others)) = self.foreign {
            self.problem(line, DumpFault::NotConfigurationSpace { others });
        }
        if self.dump.functions.is_empty() && self.dump.problems.is_empty() {
            self.problem(1, DumpFault::NoFunction);
        }
        self.dump.problems.sort_by_key(|problem| problem.line);
        self.dump
    }
}

impl Current {
    /// The place of a row in this function; none if it is not one of this function.
    fn place(&self, row: &Row<'_>) -> Option<u64> {
        if let Some(octal) = row.offset.octal.filter(|octal| self.reads_octal(row.offset, *octal)) {
            return Some(octal);
        }
        let at = row.offset.value.checked_sub(self.base)?;
        let is_next = at == self.next && !(self.is_interrupted && row.is_damaged());
        let is_first_again = at == 0 && self.function.space.get(0).is_some();
        let belongs = match self.is_interrupted {
            _ if is_first_again => self.takes_another_start(row),
            _ if is_next || self.is_repeated => true,
            false => row.is_whole() || !row.is_damaged(),
            true => row.is_whole() && at < SPACE_SIZE.into() && (at > self.next || self.agrees(at, row)),
        };
        belongs.then_some(at)
    }

    /// True if the last row has room for these bytes. Behind a reply to one half of a row they have to complete it.
    fn lacks(&self, bytes: &[u8]) -> bool {
        /// Fewer are a number in a sentence.
        const FEWEST: usize = 2;
        let room = WHOLE.saturating_sub(self.last.len());
        match self.is_interrupted {
            false => bytes.len() <= room,
            true => bytes.len() == room && room >= FEWEST,
        }
    }

    /// `od`'s offsets are octal: the row after the first one shows it.
    fn reads_octal(&self, offset: RowOffset, octal: u64) -> bool {
        self.is_octal
            .unwrap_or(offset.value != self.next && octal == self.next && self.next > 0)
    }

    /// A second row at offset 0 begins another function, except below a title whose rows have just begun.
    fn takes_another_start(&self, row: &Row<'_>) -> bool {
        let is_begun = self.function.title.is_some() && self.function.space.length() < 2 * WHOLE;
        is_begun && !self.is_interrupted || self.agrees(0, row) && row.bytes.len() < WHOLE
    }

    /// True if the row gives bytes that are known already.
    fn agrees(&self, at: u64, row: &Row<'_>) -> bool {
        let bytes = self.order.bytes(row);
        let known = |at| self.function.space.get(u16::try_from(at).ok()?);
        (at..).zip(bytes).all(|(at, byte)| known(at) == Some(byte))
    }

    fn note(&mut self, line: usize, stored: Result<(), DumpFault>) {
        if let Err(fault) = stored
            && self.problems.len() < MOST_PROBLEMS
        {
            self.problems.push(DumpProblem { line, fault });
        }
    }

    /// Stores a row's bytes, up to the end of the space.
    fn store(&mut self, at: u64, bytes: &[u8]) -> Result<(), DumpFault> {
        self.next = at;
        self.is_repeated = false;
        self.is_interrupted = false;
        self.append(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DumpFault> {
        let mut stored = Ok(());
        for byte in bytes {
            let Some(at) = u16::try_from(self.next).ok().filter(|at| *at < SPACE_SIZE) else {
                let is_new = !std::mem::replace(&mut self.is_beyond, true);
                return if is_new {
                    Err(DumpFault::BeyondSpace(self.next))
                } else {
                    stored
                };
            };
            let before = self.function.space.insert(at, *byte);
            if stored.is_ok() && before.is_some_and(|before| before != *byte) {
                stored = Err(DumpFault::TwoValues(at));
            }
            self.next = self.next.saturating_add(1);
        }
        stored
    }

    /// Repeats the last row up to an offset, where `*` stands for its copies.
    fn repeat_to(&mut self, end: u64) {
        let end = end.min(SPACE_SIZE.into());
        let last = self.last.clone();
        while self.is_repeated && self.next < end && !last.is_empty() {
            if self.append(&last).is_err() {
                break;
            }
        }
    }

    /// The offset behind the last row.
    fn end(&mut self, offset: RowOffset) {
        const SIZES: [u64; 4] = [64, 128, 256, 4096];
        let hexadecimal = offset.value.saturating_sub(self.base);
        let octal = offset.octal.filter(|octal| match self.is_octal {
            Some(is_octal) => is_octal,
            None => !SIZES.contains(&hexadecimal) && SIZES.contains(octal),
        });
        self.repeat_to(octal.unwrap_or(hexadecimal));
        self.is_repeated = false;
    }
}

impl Order {
    /// The order in the first row: `xxd` writes bytes as they are, `hexdump` and the kernel write numbers.
    fn of(row: &Row<'_>) -> Self {
        let likelihood = |order: Self| {
            let space = DumpedSpace::of_bytes(&order.bytes(row));
            plausible::likelihood(&space)
        };
        let (written, reversed) = (likelihood(Self::AsWritten), likelihood(Self::Reversed));
        let prefers_written = row.offset.has_colon || reversed == Likelihood::Not;
        match written > reversed || (written == reversed && prefers_written) {
            true => Self::AsWritten,
            false => Self::Reversed,
        }
    }

    fn bytes(self, row: &Row<'_>) -> Vec<u8> {
        let mut bytes = row.bytes.clone();
        if self == Self::Reversed {
            bytes.chunks_mut(row.width).for_each(<[u8]>::reverse);
        }
        bytes
    }
}
