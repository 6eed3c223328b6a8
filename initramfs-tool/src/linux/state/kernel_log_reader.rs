//! The lines that stand in the kernel log.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::kernel_log::LONGEST_LINE;
use crate::linux::sysfs::root::Root;
use crate::records::evidence::Excerpt;

/// At most so many lines are kept of what is read, the last ones.
const MOST_LINES: usize = 256;
/// And at most so many bytes of text.
const MOST_BYTES: usize = 64 * 1024;
/// More than the largest record, which the kernel refuses to hand out in parts.
const RECORD: usize = 8 * 1024;
/// A log that grows faster than it is read is not read for ever.
const MOST_RECORDS: usize = 200_000;

/// The log, open at the first line that was not read yet.
#[derive(Debug)]
pub(crate) struct Reader {
    file: File,
    /// The number of that line, if none is missing.
    next: u64,
}

impl Reader {
    /// Opens the log at its oldest line.
    ///
    /// # Errors
    /// When there is no `/dev/kmsg`, or it cannot be read.
    pub(crate) fn open(root: &Root) -> io::Result<Self> {
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(nonblocking);
        let file = options.open(root.path("/dev/kmsg"))?;
        Ok(Self { file, next: 0 })
    }

    /// Reads what has come since, as far as it is there now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(&mut self) -> io::Result<Excerpt> {
        let mut tail = Tail::default();
        let mut buffer = vec![0; RECORD];
        for _ in 0..MOST_RECORDS {
            let length = match self.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // What came next was overwritten meanwhile; the numbers of the lines tell how much.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::PIPE) => continue,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            for record in text.lines().filter_map(Record::parse) {
                tail.dropped += record.number.saturating_sub(self.next);
                self.next = record.number.saturating_add(1);
                tail.push(record.to_string());
            }
        }
        Ok(Excerpt {
            lines: tail.lines.into(),
            dropped: tail.dropped,
        })
    }
}

/// The last lines of those that were pushed.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: u64,
}

impl Tail {
    fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= oldest.len();
            self.dropped += 1;
        }
    }
}

/// A record as `/dev/kmsg` has it: `priority,number,microseconds,flags;text`. Lines that begin with a space are the
/// record's dictionary.
struct Record<'a> {
    number: u64,
    microseconds: u64,
    text: &'a str,
}

impl<'a> Record<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (head, text) = line.split_once(';')?;
        let mut fields = head.split(',').skip(1);
        Some(Self {
            number: fields.next()?.parse().ok()?,
            microseconds: fields.next()?.parse().ok()?,
            text: text.get(..text.floor_char_boundary(LONGEST_LINE)).unwrap_or(text),
        })
    }
}

/// As `dmesg` prints it.
impl std::fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, microseconds) = (self.microseconds / 1_000_000, self.microseconds % 1_000_000);
        write!(f, "[{seconds:>5}.{microseconds:06}] {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn machine(records: impl IntoIterator<Item = u64>) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        fs::create_dir_all(root.path("/dev")).unwrap();
        let records = records.into_iter().map(|number| {
            format!("6,{number},{number}00000,-;line {number}\n SUBSYSTEM=pci\n DEVICE=+pci:0000:01:00.0\n")
        });
        fs::write(root.path("/dev/kmsg"), records.collect::<String>()).unwrap();
        (directory, root)
    }

    fn all(root: &Root) -> Excerpt {
        Reader::open(root).unwrap().read().unwrap()
    }

    #[test]
    fn lines_are_read_once_and_look_as_dmesg_has_them() {
        let (_directory, root) = machine(0..=1);
        let mut reader = Reader::open(&root).unwrap();
        let excerpt = reader.read().unwrap();
        assert_eq!(excerpt.lines, ["[    0.000000] line 0", "[    0.100000] line 1"]);
        assert_eq!(excerpt.dropped, 0);
        assert_eq!(reader.read().unwrap(), Excerpt::default());
        let mut file = OpenOptions::new().append(true).open(root.path("/dev/kmsg")).unwrap();
        file.write_all(b"4,3,61000000,-,caller=T7;late\n").unwrap();
        let excerpt = reader.read().unwrap();
        assert_eq!(
            (excerpt.lines, excerpt.dropped),
            (vec!["[   61.000000] late".to_owned()], 1)
        );
    }

    #[test]
    fn what_is_too_much_or_overwritten_is_counted() {
        let (_directory, root) = machine([2, 5, 6]);
        let excerpt = all(&root);
        assert_eq!((excerpt.lines.len(), excerpt.dropped), (3, 4));
        let mut tail = Tail::default();
        (0..300).for_each(|number| tail.push(format!("{number}")));
        assert_eq!((tail.lines.len(), tail.dropped), (MOST_LINES, 44));
        (0..100).for_each(|_| tail.push("x".repeat(LONGEST_LINE)));
        assert!(tail.bytes <= MOST_BYTES);
        assert_eq!(tail.lines.len() as u64 + tail.dropped, 400);
    }

    #[test]
    fn without_a_log_it_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Reader::open(&Root::at(directory.path())).is_err());
    }
}
