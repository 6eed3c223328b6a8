//! Lines for the kernel log, where they stand beside what the drivers say.

use std::fs::OpenOptions;
use std::io::{self, Write};

use super::Root;
use crate::report::Tone;

/// What every line begins with.
pub const PREFIX: &str = "reseat: ";

/// The kernel cuts a record off at about a thousand bytes.
const LONGEST_LINE: usize = 900;

/// Writes a line. The kernel drops lines from one open file that come faster than 10 in 5 s, so each is written
/// through a file of its own: they are few, and the dropped one would be the one that matters.
///
/// # Errors
/// When there is no `/dev/kmsg`, or it takes nothing.
pub fn log(root: &Root, tone: Tone, line: &str) -> io::Result<()> {
    let priority = match tone {
        Tone::Notice => 5,
        Tone::Warning => 4,
    };
    let line: String = line
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let end = line.floor_char_boundary(LONGEST_LINE);
    let (shown, _) = line.split_at(end);
    OpenOptions::new()
        .append(true)
        .open(root.path("/dev/kmsg"))?
        .write_all(format!("<{priority}>{PREFIX}{shown}\n").as_bytes())
}
