//! A row: an offset, and bytes or words.
//!
//! | form | written by |
//! | --- | --- |
//! | `00: de 10 89 24 …` | `lspci -x`, the kernel, programs of firmware |
//! | `00000000: DE 10 89 24 …-A1 …  *…*` | UEFI Shell: `pci -i`, `dmem` |
//! | `00000000  de 10 89 24 …  \|…\|` | `hexdump -C`, `od -A x -t x1` |
//! | `0000000 10de 2489 …` | `hexdump`, `od -x`: words of 16 bits, offsets also octal |
//! | `00000000: de10 8924 …  ..` | `xxd` |

/// The bytes of a whole row.
pub(super) const WHOLE: usize = 16;
/// The longest row.
const LONGEST: usize = 64;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) offset: RowOffset,
    pub(super) bytes: Vec<u8>,
    /// The bytes of each word, in the order of the text.
    pub(super) width: usize,
    pub(super) rest: Rest<'a>,
}

/// The offset of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowOffset {
    pub(super) value: u64,
    /// The same digits as an octal number, where `od` may have written them.
    pub(super) octal: Option<u64>,
    /// The number of digits.
    pub(super) digits: usize,
    /// A colon stands behind it.
    pub(super) has_colon: bool,
}

/// The rest of a row's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest<'a> {
    /// Nothing, or a column of characters, or a remark.
    Ignored,
    /// A word that should be a byte.
    NotAByte(&'a str),
    /// The next row, on the same line.
    Row(&'a str),
}

impl Row<'_> {
    pub(super) fn is_whole(&self) -> bool {
        self.bytes.len() >= WHOLE
    }

    pub(super) fn is_damaged(&self) -> bool {
        matches!(self.rest, Rest::NotAByte(_))
    }
}

/// A word of a line, and the number of letters of white space before it.
#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    gap: usize,
    text: &'a str,
    /// The rest of the line, from this word on.
    from: &'a str,
}

struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let from = self.0.trim_start();
        let gap = self.0.len() - from.len();
        let end = from.find(char::is_whitespace).unwrap_or(from.len());
        let (text, rest) = from.split_at_checked(end)?;
        self.0 = rest;
        (!text.is_empty()).then_some(Word { gap, text, from })
    }
}

/// The row at the start of `text`.
pub(super) fn row(text: &str) -> Option<Row<'_>> {
    let mut words = Words(text);
    let offset = offset(words.next()?.text)?;
    let Body { bytes, width, rest } = body(words.0);
    (!bytes.is_empty()).then_some(Row {
        offset,
        bytes,
        width,
        rest,
    })
}

/// The first whole row in `text`, behind any prefix.
pub(super) fn whole_row_within(text: &str) -> Option<Row<'_>> {
    let starts = Words(text).filter(|word| offset(word.text).is_some());
    starts.filter_map(|word| row(word.from)).find(Row::is_whole)
}

/// The bytes that continue a row of the line above, and what is behind them.
pub(super) fn continuation(text: &str) -> Option<(Vec<u8>, Rest<'_>)> {
    let Body { bytes, width, rest } = body(text);
    let is_alone = matches!(rest, Rest::Row(_)) || Words(text).count() == bytes.len();
    (width == 1 && !bytes.is_empty() && is_alone).then_some((bytes, rest))
}

/// The offset that a line consists of: the end of a dump of `hexdump` or `od`.
pub(super) fn end(text: &str) -> Option<RowOffset> {
    offset(text).filter(|offset| !offset.has_colon)
}

/// An offset: 2 to 16 digits and a colon, or 6 to 16 digits.
fn offset(word: &str) -> Option<RowOffset> {
    let (digits, has_colon) = match word.strip_suffix(':') {
        Some(digits) => (digits, true),
        None => (word, false),
    };
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let shortest = if has_colon { 2 } else { 6 };
    if !(shortest..=16).contains(&digits.len()) || !is_hexadecimal(digits) {
        return None;
    }
    Some(RowOffset {
        value: u64::from_str_radix(digits, 16).ok()?,
        octal: u64::from_str_radix(digits, 8).ok().filter(|_| !has_colon),
        digits: digits.len(),
        has_colon,
    })
}

struct Body<'a> {
    bytes: Vec<u8>,
    width: usize,
    rest: Rest<'a>,
}

fn body(text: &str) -> Body<'_> {
    let first = Words(text).next().map_or("", |word| word.text);
    match first.len() {
        4 | 8 if is_hexadecimal(first) => words_of(text, first.len() / 2),
        _ => bytes_of(text),
    }
}

/// Words of two or four bytes, as they stand. What follows them is a column of characters.
fn words_of(text: &str, width: usize) -> Body<'_> {
    let mut bytes = Vec::new();
    for word in Words(text) {
        let is_column = bytes.len() >= WHOLE && word.gap > 1;
        if is_column || bytes.len() >= LONGEST || word.text.len() != 2 * width || !is_hexadecimal(word.text) {
            break;
        }
        let digits = word.text.as_bytes().chunks(2);
        bytes.extend(digits.filter_map(|digits| byte(std::str::from_utf8(digits).ok()?)));
    }
    let rest = Rest::Ignored;
    cut(&mut bytes);
    Body { bytes, width, rest }
}

fn bytes_of(text: &str) -> Body<'_> {
    let mut bytes = Vec::new();
    let mut words = Words(text);
    let mut rest = Rest::Ignored;
    while bytes.len() < LONGEST {
        let Some(word) = words.next() else { break };
        let is_column = match bytes.len() {
            0 => false,
            WHOLE.. => word.gap > 1,
            _ => word.gap > 2,
        };
        match bytes_in(word.text).filter(|_| !is_column) {
            Some(more) => bytes.extend(more.into_iter().flatten()),
            None => {
                rest = rest_of(word, bytes.len());
                break;
            }
        }
    }
    cut(&mut bytes);
    Body { bytes, width: 1, rest }
}

/// Longer rows are of 32 or 64 bytes: a column of characters can begin like a byte.
fn cut(bytes: &mut Vec<u8>) {
    if bytes.len() > WHOLE && !bytes.len().is_multiple_of(2 * WHOLE) {
        bytes.truncate(WHOLE);
    }
}

/// One byte, or two with a hyphen, as the UEFI Shell has in the middle of a row.
fn bytes_in(word: &str) -> Option<[Option<u8>; 2]> {
    match word.split_once('-') {
        Some((first, second)) if !first.is_empty() => Some([Some(byte(first)?), Some(byte(second)?)]),
        _ => Some([Some(byte(marked(word))?), None]),
    }
}

/// The byte in `[00]`, `*00*`, `_00_` or `(00)`: so people mark what changed.
fn marked(word: &str) -> &str {
    word.trim_start_matches(['[', '(', '*', '_'])
        .trim_end_matches([']', ')', '*', '_', ','])
}

fn rest_of(word: Word<'_>, bytes: usize) -> Rest<'_> {
    let is_column = word.gap > 1 || word.text.starts_with(['|', '*', '>', '<', '#', ';', '/', '(', '.']);
    match offset(word.text).is_some_and(|offset| offset.has_colon) {
        true => Rest::Row(word.from),
        false if bytes == 0 || bytes >= WHOLE || is_column => Rest::Ignored,
        false => Rest::NotAByte(word.text),
    }
}

fn byte(digits: &str) -> Option<u8> {
    let is_byte = digits.len() == 2 && is_hexadecimal(digits);
    u8::from_str_radix(digits, 16).ok().filter(|_| is_byte)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}
