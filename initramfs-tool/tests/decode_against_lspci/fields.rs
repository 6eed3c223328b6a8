//! What is compared: one row for each field.
//!
//! A row names the place in `lspci`'s text (the line by its beginning, a part of the line by the word before it, and
//! what stands right before the value) and the place in ours (register and field). A field that `lspci` does not print
//! is not compared; one that it prints and that ours lacks is a difference.

mod aer;
mod express;
mod extended;
mod header;
mod power;

use std::sync::LazyLock;

/// Where the rows of a table look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The header.
    Header,
    /// A standard capability with this ID.
    Standard(u16),
    /// An extended capability with this ID.
    Extended(u16),
}

/// How the two say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `+` or `-`, and a flag.
    Flag,
    /// `+` or `-`, and a text that is this one where theirs is `+`.
    Is(&'static str),
    /// A decimal number.
    Number,
    /// A hexadecimal number, and a number or a hexadecimal one.
    Hex,
    /// A hexadecimal code, and the text with this place in the list.
    Code(&'static [&'static str]),
    /// A word, and the text beside it.
    Named(&'static [(&'static str, &'static str)]),
    /// A size in bytes; of a reserved code, theirs is what the code would come to.
    Payload,
    /// `D3`, and `D3hot`.
    State,
    /// `8GT/s`, and `8 GT/s`; theirs is `unknown` of a reserved code.
    Speed,
    /// The same, with 2.5 GT/s for code 0.
    TargetSpeed,
    /// `2.5-8GT/s`, and a set of speeds.
    TopSpeed,
    /// The states before the next comma or semicolon, and a set of them.
    Aspm,
    /// The name after the version.
    PortType,
    /// Everything to the end of the line.
    Text,
    /// Lanes with errors; theirs knows only the lower 16.
    Lanes,
}

/// A field.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) place: Place,
    /// What theirs's line begins with; the capability's first line if empty.
    pub(crate) line: &'static str,
    /// The word that the field stands somewhere after.
    pub(crate) after: &'static str,
    /// What stands right before the value.
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) register: &'static str,
    pub(crate) field: &'static str,
}

type Field = (&'static str, Kind, &'static str);

/// Rows of one line and one register.
struct Rows(Place, &'static str, &'static str, &'static str, &'static [Field]);

/// The whole table.
pub(crate) static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let rows = |&Rows(place, line, after, register, fields): &Rows| {
        fields.iter().map(move |&(key, kind, field)| Row {
            place,
            line,
            after,
            key,
            kind,
            register,
            field,
        })
    };
    let tables = [header::ROWS, power::ROWS, express::ROWS, aer::ROWS, extended::ROWS];
    tables.into_iter().flatten().flat_map(rows).collect()
});
