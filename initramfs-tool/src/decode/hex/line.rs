//! One line of a text: a title, a heading, a row, or prose.

use std::borrow::Cow;

use reseat_core::address::FunctionAddress;

use super::prefix;
use super::row::{self, Rest, Row, RowOffset};

/// The meaning of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Blank,
    /// A line that begins with an address, or the UEFI Shell's words for one: rows below it belong to that function.
    Title(FunctionAddress, &'a str),
    /// A line that has an address in it, such as the path of a `config` file: rows directly below it belong to that function.
    Heading(FunctionAddress, &'a str),
    Row(Row<'a>),
    /// `*`: the row above comes again, up to the next offset.
    Repeated,
    /// An offset alone, behind the last row of `hexdump` and `od`.
    End(RowOffset),
    /// Bytes alone: the rest of a row that a mail program wrapped.
    Continuation(Vec<u8>, Rest<'a>),
    Prose,
}

/// The lines of a text with their numbers, from 1: spaces of all kinds are plain ones, and lines that quoted-printable mails
/// break are whole again.
pub(super) fn logical(text: &str) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    let is_quoted_printable = contains_ignoring_case(text, "quoted-printable");
    let mut lines = (1..).zip(text.split('\n'));
    std::iter::from_fn(move || {
        let (number, first) = lines.next()?;
        let mut line = plain(first);
        while is_quoted_printable && is_broken(&line) {
            let Some((_, next)) = lines.next() else { break };
            let whole = line.to_mut();
            whole.pop();
            whole.push_str(&plain(next));
        }
        Some((number, line))
    })
}

/// A mail program breaks a line at 76 letters and ends it with `=`.
fn is_broken(line: &str) -> bool {
    const SHORTEST: usize = 60;
    const LONGEST: usize = 2000;
    (SHORTEST..LONGEST).contains(&line.len()) && line.ends_with('=')
}

/// The line with plain spaces, without carriage returns, terminals' escapes, marks of no width, and HTML's names.
fn plain(line: &str) -> Cow<'_, str> {
    let line = line.trim_end_matches(['\r', ' ', '\t']);
    let is_plain = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b'&' || byte == b'\t';
    if line.bytes().all(is_plain) {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' | '\r' | '\0' => {}
            // A terminal's escape: up to its letter.
            '\x1b' => letters
                .by_ref()
                .take_while(|letter| !letter.is_ascii_alphabetic())
                .for_each(drop),
            '\u{fffd}' => plain.push(' '),
            letter if letter.is_whitespace() => plain.push(if letter == '\t' { '\t' } else { ' ' }),
            letter => plain.push(letter),
        }
    }
    let plain = plain.replace("&gt;", ">").replace("&nbsp;", " ");
    Cow::Owned(plain.trim_end().to_owned())
}

/// Finds the meaning of a line.
pub(super) fn meaning(line: &str) -> Line<'_> {
    let text = prefix::stripped(line);
    if text.is_empty() {
        return Line::Blank;
    }
    if text == "*" {
        return Line::Repeated;
    }
    if let Some(address) = title(text) {
        return Line::Title(address, text);
    }
    if let Some(row) = row::row(text) {
        return Line::Row(row);
    }
    // Before a row within the line: bytes in front of it may be the end of the row above.
    let continuation = row::continuation(text);
    if let Some((bytes, rest @ Rest::Row(_))) = &continuation {
        return Line::Continuation(bytes.clone(), rest.clone());
    }
    if let Some(row) = row::whole_row_within(text) {
        return Line::Row(row);
    }
    if let Some(end) = row::end(text) {
        return Line::End(end);
    }
    if let Some(address) = heading(text) {
        return Line::Heading(address, text);
    }
    match continuation {
        Some((bytes, rest)) => Line::Continuation(bytes, rest),
        None => Line::Prose,
    }
}

/// The address of a title: `lspci` and the kernel begin with it.
fn title(text: &str) -> Option<FunctionAddress> {
    let mut words = text.split_whitespace();
    let first = words.next()?;
    // With a colon it is a line of a log about the function, unless it is alone.
    let first = match words.next() {
        None => first.trim_end_matches(':'),
        Some(_) => first,
    };
    first.parse().ok().or_else(|| spelled_out(text))
}

/// `PCI Segment 00 Bus 01 Device 00 Func 00`, as the UEFI Shell has it.
fn spelled_out(text: &str) -> Option<FunctionAddress> {
    let text = text
        .get(..4)
        .filter(|start| start.eq_ignore_ascii_case("pci "))
        .map(|_| text)?;
    let number = |name: &[&str]| {
        let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
        words.find(|word| name.iter().any(|name| name.eq_ignore_ascii_case(word)))?;
        u32::from_str_radix(words.find(|word| !word.is_empty())?, 16).ok()
    };
    let byte = |name| u8::try_from(number(name)?).ok();
    let segment = number(&["segment", "seg"]).unwrap_or(0);
    let (bus, device) = (byte(&["bus"])?, byte(&["device", "dev"])?);
    FunctionAddress::new(segment, bus, device, byte(&["func", "function"])?).ok()
}

/// The last address in a line about a configuration space, or in one of nothing else.
fn heading(text: &str) -> Option<FunctionAddress> {
    let is_part = |letter: char| letter.is_ascii_hexdigit() || letter == ':' || letter == '.';
    let parts = text.split(|letter| !is_part(letter));
    let address = |part: &str| part.trim_matches([':', '.']).parse::<FunctionAddress>().ok();
    let found = parts.filter_map(address).next_back()?;
    let only = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let is_only = only
        .clone()
        .all(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (is_only || contains_ignoring_case(text, "config")).then_some(found)
}

fn contains_ignoring_case(text: &str, part: &str) -> bool {
    let mut windows = text.as_bytes().windows(part.len());
    windows.any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}
