//! The history in /var/lib.

use super::durable;
use super::durable::{DurableError, Locked};
use crate::linux::sysfs::root::Root;
use crate::records::checked_lines::{self, CheckedLines};
use crate::records::history::HistoryEntry;

/// Where what outlives a boot is.
pub(crate) const STATE_DIRECTORY: &str = "/var/lib/reseat";
const NAME: &str = "history.jsonl";

/// All entries, oldest first, and the lines that are none. A machine without a history has an empty one.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(root: &Root) -> Result<CheckedLines<HistoryEntry>, DurableError> {
    let bytes = durable::read(&root.path(STATE_DIRECTORY).join(NAME))?;
    Ok(checked_lines::decode(&bytes.unwrap_or_default()))
}

/// Adds an entry, and comes back when it is on the disk.
///
/// # Errors
/// When it is not.
pub fn append(root: &Root, entry: &HistoryEntry) -> Result<(), DurableError> {
    Locked::wait(&root.path(STATE_DIRECTORY))?.append(NAME, entry)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ENTRY: &str = include_str!("../../records/history/entry-1.json");

    fn entry(milliseconds: u64) -> HistoryEntry {
        let mut entry: HistoryEntry = serde_json::from_str(ENTRY).unwrap();
        entry.duration_ms = milliseconds;
        entry
    }

    fn durations(content: &CheckedLines<HistoryEntry>) -> Vec<u64> {
        content.records.iter().map(|entry| entry.duration_ms).collect()
    }

    #[test]
    fn a_torn_last_entry_is_reported_and_the_next_one_counts() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        assert_eq!(durations(&read(&root).unwrap()), [0; 0]);
        append(&root, &entry(1)).unwrap();
        append(&root, &entry(2)).unwrap();
        let path = root.path("/var/lib/reseat/history.jsonl");
        let (whole, begin) = (
            fs::read(&path).unwrap(),
            fs::read_to_string(&path).unwrap().find('\n').unwrap() + 1,
        );
        for end in begin + 1..whole.len() - 1 {
            fs::write(&path, &whole[..end]).unwrap();
            append(&root, &entry(3)).unwrap();
            let content = read(&root).unwrap();
            assert_eq!(durations(&content), [1, 3], "{end}");
            assert_eq!(content.damaged.len(), 1, "{end}");
            assert_eq!(content.damaged[0].text.as_bytes(), &whole[begin..end]);
        }
    }

    #[test]
    fn a_damaged_entry_in_the_middle_is_reported_and_the_others_count() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        for milliseconds in 1..=3 {
            append(&root, &entry(milliseconds)).unwrap();
        }
        let path = root.path("/var/lib/reseat/history.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"duration_ms\":2", "\"duration_ms\":7")).unwrap();
        let content = read(&root).unwrap();
        assert_eq!(durations(&content), [1, 3]);
        assert_eq!(content.damaged[0].line, 2);
    }
}
