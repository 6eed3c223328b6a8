//! The guest's serial console: each line with the time it began to arrive.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::clock::monotonic;
use crate::files::FileError;

/// The lines that an error repeats.
const TAIL_LINES: usize = 40;

/// A line of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `CLOCK_MONOTONIC` of the host at the line's first byte.
    pub at: Duration,
    /// The line, without its end.
    pub text: String,
}

impl Line {
    /// The guest's clock at a line of its kernel's, which begins `[    2.551231] `; none on another line.
    pub fn stamp(&self) -> Option<Duration> {
        let (stamp, _) = self.text.split_once(']')?;
        let seconds = stamp.trim_start().strip_prefix('[')?.trim().parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.at.as_secs(), self.at.subsec_nanos());
        write!(f, "{seconds}.{nanos:09} {}", self.text)
    }
}

/// The end of a console, for errors.
#[derive(Debug, Clone)]
pub struct Tail {
    lines: Vec<Line>,
    log: PathBuf,
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the console's last lines (all of it: {}):", self.log.display())?;
        let first = self.lines.first().map_or(Duration::ZERO, |line| line.at);
        for line in &self.lines {
            let since = line.at.saturating_sub(first).as_secs_f64();
            writeln!(f, "  +{since:.3} {}", line.text)?;
        }
        Ok(())
    }
}

/// A line did not come.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// In time.
    #[error("no line with `{pattern}` within {timeout:?}; {tail}")]
    Timeout {
        /// What was waited for.
        pattern: String,
        /// How long.
        timeout: Duration,
        /// What came instead.
        tail: Tail,
    },
    /// And will not: the machine has ended.
    #[error("the machine ended before a line with `{pattern}`; {tail}")]
    Ended {
        /// What was waited for.
        pattern: String,
        /// What came instead.
        tail: Tail,
    },
}

/// A console that is read in the background.
#[derive(Debug, Clone)]
pub struct Console {
    shared: Arc<Shared>,
    log: PathBuf,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Line>,
    ended: bool,
}

impl Console {
    /// Reads `from` to its end in a thread of its own, into memory and into a log file.
    pub(crate) fn read(from: impl Read + Send + 'static, log: &Path) -> Result<Self, FileError> {
        let file = File::create(log).map_err(FileError::of("create", log))?;
        let shared = Arc::new(Shared::default());
        let reader = Arc::clone(&shared);
        thread::spawn(move || reader.fill(from, &file));
        Ok(Self {
            shared,
            log: log.to_owned(),
        })
    }

    /// All lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.shared.state().lines.clone()
    }

    /// The log file: a line per line, `seconds.nanoseconds text`.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The end of what came so far.
    #[must_use]
    pub fn tail(&self) -> Tail {
        let state = self.shared.state();
        let start = state.lines.len().saturating_sub(TAIL_LINES);
        Tail {
            lines: state.lines.get(start..).unwrap_or_default().to_vec(),
            log: self.log.clone(),
        }
    }

    /// Waits for a line that contains `pattern`; one that has already come counts.
    ///
    /// # Errors
    /// When none comes in time, or the machine ends.
    pub fn wait_for(&self, pattern: &str, timeout: Duration) -> Result<Line, ConsoleError> {
        self.wait_for_after(0, pattern, timeout)
    }

    /// As [`Console::wait_for`], from the line with this number on (see [`Console::lines`]).
    ///
    /// # Errors
    /// When none comes in time, or the machine ends.
    pub fn wait_for_after(&self, first: usize, pattern: &str, timeout: Duration) -> Result<Line, ConsoleError> {
        let deadline = Instant::now() + timeout;
        let mut seen = first;
        let mut state = self.shared.state();
        loop {
            let new = state.lines.get(seen..).unwrap_or_default();
            if let Some(line) = new.iter().find(|line| line.text.contains(pattern)) {
                return Ok(line.clone());
            }
            seen = seen.max(state.lines.len());
            let left = deadline.saturating_duration_since(Instant::now());
            let (ended, pattern) = (state.ended, pattern.to_owned());
            if ended || left.is_zero() {
                drop(state);
                let tail = self.tail();
                return Err(if ended {
                    ConsoleError::Ended { pattern, tail }
                } else {
                    ConsoleError::Timeout { pattern, timeout, tail }
                });
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, mut from: impl Read, mut log: &File) {
        let mut splitter = Splitter::default();
        let mut block = [0; 4096];
        // An error here is the end as well: the machine is gone.
        while let Ok(read @ 1..) = from.read(&mut block) {
            let new = splitter.feed(block.get(..read).unwrap_or_default(), monotonic());
            self.append(new, &mut log);
        }
        self.append(splitter.rest(), &mut log);
        self.state().ended = true;
        self.changed.notify_all();
    }

    fn append(&self, new: VecDeque<Line>, log: &mut &File) {
        for line in &new {
            // A full disk must not stop the machine; the lines are still in memory.
            writeln!(log, "{line}").ok();
        }
        self.state().lines.extend(new);
        self.changed.notify_all();
    }
}

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
struct Splitter {
    bytes: Vec<u8>,
    began: Option<Duration>,
}

impl Splitter {
    /// Takes what arrived `now` and gives the lines that it completes.
    fn feed(&mut self, bytes: &[u8], now: Duration) -> VecDeque<Line> {
        let mut lines = VecDeque::new();
        for byte in bytes {
            let at = *self.began.get_or_insert(now);
            if *byte == b'\n' {
                lines.push_back(self.take(at));
            } else {
                self.bytes.push(*byte);
            }
        }
        lines
    }

    /// The line that the end of the stream cut off.
    fn rest(&mut self) -> VecDeque<Line> {
        self.began.map(|at| self.take(at)).into_iter().collect()
    }

    fn take(&mut self, at: Duration) -> Line {
        let text = String::from_utf8_lossy(&self.bytes);
        let text = text.trim_end_matches('\r').to_owned();
        self.bytes.clear();
        self.began = None;
        Line { at, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Duration = Duration::from_secs(1);
    const TWO: Duration = Duration::from_secs(2);

    #[test]
    fn a_line_has_the_time_of_its_first_byte() {
        let mut splitter = Splitter::default();
        assert!(splitter.feed(b"hel", ONE).is_empty());
        let lines = splitter.feed(b"lo\r\nnext\r\nrest", TWO);
        let text: Vec<_> = lines.iter().map(|line| (line.at, line.text.as_str())).collect();
        assert_eq!(text, [(ONE, "hello"), (TWO, "next")]);
        let rest = splitter.rest();
        assert_eq!(rest[0].text, "rest");
        assert!(splitter.rest().is_empty());
    }

    #[test]
    fn the_log_has_seconds_and_nanoseconds() {
        let at = Duration::new(12, 34);
        let line = Line {
            at,
            text: "x y".to_owned(),
        };
        assert_eq!(line.to_string(), "12.000000034 x y");
    }

    #[test]
    fn waiting_ends_with_the_stream_and_tells_what_came() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let console = Console::read(&b"[ 0.1] one\n[ 0.2] two\n"[..], &log).unwrap();
        let line = console.wait_for("two", ONE).unwrap();
        assert_eq!(line.text, "[ 0.2] two");
        let error = console.wait_for("three", ONE).unwrap_err();
        assert!(matches!(error, ConsoleError::Ended { .. }));
        assert!(error.to_string().contains("[ 0.2] two"), "{error}");
        assert!(console.wait_for_after(2, "two", ONE).is_err());
    }
}
