//! Lines for the kernel log, where they stand beside what the drivers say.

use std::fs::OpenOptions;
use std::io::{self, Write};

use crate::linux::sysfs::root::Root;
use crate::report::Tone;

/// What every line begins with.
pub const PREFIX: &str = "reseat: ";

/// The kernel cuts a record off at about a thousand bytes.
pub(super) const LONGEST_LINE: usize = 900;

/// The kernel drops lines from one open file that come faster than 10 in 5 s, without `printk.devkmsg=on`: the dropped one
/// would be the one that matters.
const LINES_A_FILE: usize = 10;

/// Writes a line.
///
/// # Errors
/// When there is no `/dev/kmsg`, or it takes nothing.
pub fn log(root: &Root, tone: Tone, line: &str) -> io::Result<()> {
    log_all(root, &[(tone, line)])
}

/// Writes lines, each in one write. A file serves for as many of them as the kernel takes through it at once: to open one
/// costs more than to write a line, since the kernel then looks for the oldest line that it still has.
///
/// # Errors
/// When there is no `/dev/kmsg`, or it takes nothing.
pub(crate) fn log_all(root: &Root, lines: &[(Tone, impl AsRef<str>)]) -> io::Result<()> {
    for lines in lines.chunks(LINES_A_FILE) {
        let mut file = OpenOptions::new().append(true).open(root.path("/dev/kmsg"))?;
        for (tone, line) in lines {
            file.write_all(record(*tone, line.as_ref()).as_bytes())?;
        }
    }
    Ok(())
}

/// A line as the kernel takes it, with its priority.
fn record(tone: Tone, line: &str) -> String {
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
    format!("<{priority}>{PREFIX}{shown}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;

    #[test]
    fn more_lines_than_one_open_file_may_take_are_all_written_in_order() {
        let machine = TestRoot::new();
        machine.write("/dev/kmsg", "");
        let lines: Vec<(Tone, String)> = (0..25).map(|number| (Tone::Notice, format!("line {number}"))).collect();
        log_all(&machine.root(), &lines).unwrap();
        let written = machine.read("/dev/kmsg");
        let expected: String = (0..25).map(|number| format!("<5>reseat: line {number}\n")).collect();
        assert_eq!(written, expected);
    }
}
