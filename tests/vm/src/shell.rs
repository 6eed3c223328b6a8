//! A shell in the guest, over its second serial port.
//!
//! Each command is wrapped in two markers that no command prints, so that output of an earlier
//! one that ran too long is not taken for the answer of the next.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::console::Tail;

/// What the root's init writes when its shell reads commands.
const READY: &[u8] = b"bed: ready\n";

/// The guest's terminal holds 4096 bytes; more would be lost without a word.
const LONGEST_COMMAND: usize = 3500;

/// A command that ran in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status.
    pub status: i32,
    /// Its standard output and standard error.
    pub stdout: String,
}

/// A command that did not run to its end, as far as the host can tell.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// It did not answer.
    #[error("`{command}` did not end within {timeout:?}; {tail}")]
    Timeout {
        /// The command.
        command: String,
        /// How long was waited.
        timeout: Duration,
        /// The guest's console.
        tail: Tail,
    },
    /// The machine ended.
    #[error("the machine ended during `{command}` ({cause}); {tail}")]
    Ended {
        /// The command.
        command: String,
        /// What the socket said.
        cause: io::Error,
        /// The guest's console.
        tail: Tail,
    },
    /// It ran and failed.
    #[error("`{command}` ended with status {}: {}", output.status, output.stdout)]
    Failed {
        /// The command.
        command: String,
        /// What it said.
        output: Output,
    },
    /// It does not fit into the guest's terminal.
    #[error("a command of {0} bytes is too long; put it into the root as a file")]
    TooLong(usize),
}

/// Why reading up to something stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    Timeout,
    Ended(io::Error),
}

/// The host's end of the shell.
#[derive(Debug)]
pub(crate) struct Shell {
    stream: UnixStream,
    received: Vec<u8>,
    commands: u64,
}

impl Shell {
    pub(crate) const fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            received: Vec::new(),
            commands: 0,
        }
    }

    /// Waits until the guest's init has started the shell.
    pub(crate) fn wait_ready(&mut self, deadline: Instant) -> Result<(), Stop> {
        self.read_until(deadline, |received| {
            let at = find(received, READY)?;
            Some(((), at + READY.len()))
        })
    }

    /// Runs a command of any number of lines in a shell of its own.
    pub(crate) fn run(&mut self, command: &str, deadline: Instant) -> Result<Output, Stop> {
        self.commands += 1;
        let markers = Markers::new(self.commands);
        let script = markers.wrap(command);
        self.stream.write_all(script.as_bytes()).map_err(Stop::Ended)?;
        self.read_until(deadline, |received| markers.parse(received))
    }

    fn read_until<T>(&mut self, deadline: Instant, parse: impl Fn(&[u8]) -> Option<(T, usize)>) -> Result<T, Stop> {
        let mut block = [0; 4096];
        loop {
            if let Some((parsed, length)) = parse(&self.received) {
                self.received.drain(..length);
                return Ok(parsed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Stop::Timeout);
            }
            self.stream.set_read_timeout(Some(left)).map_err(Stop::Ended)?;
            match self.stream.read(&mut block) {
                Ok(0) => return Err(Stop::Ended(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => {
                    let new = block.get(..read).unwrap_or_default();
                    self.received.extend_from_slice(new);
                }
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(Stop::Ended(cause)),
            }
        }
    }
}

/// Checks a command's length before it is sent.
pub(crate) fn check(command: &str) -> Result<(), ShellError> {
    let length = Markers::new(u64::MAX).wrap(command).len();
    if length > LONGEST_COMMAND {
        return Err(ShellError::TooLong(length));
    }
    Ok(())
}

/// What stands around a command's output.
struct Markers {
    begin: String,
    end: String,
}

impl Markers {
    fn new(number: u64) -> Self {
        Self {
            begin: format!("<bed {number} begin>\n"),
            end: format!("<bed {number} end "),
        }
    }

    /// The line for the guest's shell. Nothing in it reads as a marker, should it be echoed.
    fn wrap(&self, command: &str) -> String {
        let split = |marker: &str| marker.trim_end().replacen('<', "<%s", 1);
        let (begin, end) = (split(&self.begin), split(&self.end));
        let quoted = command.replace('\'', r"'\''");
        format!("printf '{begin}\\n' ''; sh -c '{quoted}' </dev/null; printf '{end} %d>\\n' '' $?\n")
    }

    /// The output between the markers, and how many bytes it and they take.
    fn parse(&self, received: &[u8]) -> Option<(Output, usize)> {
        let start = find(received, self.begin.as_bytes())? + self.begin.len();
        let body = received.get(start..)?;
        let end = find(body, self.end.as_bytes())?;
        let behind = body.get(end + self.end.len()..)?;
        let close = find(behind, b">\n")?;
        let status = std::str::from_utf8(behind.get(..close)?).ok()?.parse().ok()?;
        let output = Output {
            status,
            stdout: String::from_utf8_lossy(body.get(..end)?).into_owned(),
        };
        Some((output, start + end + self.end.len() + close + 2))
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn output_is_what_stands_between_the_markers() {
        let markers = Markers::new(7);
        let received = b"late\n<bed 6 end 0>\n<bed 7 begin>\none\ntwo<bed 7 end 3>\nmore";
        let (output, length) = markers.parse(received).unwrap();
        assert_eq!(output.status, 3);
        assert_eq!(output.stdout, "one\ntwo");
        assert_eq!(&received[length..], b"more");
    }

    #[test]
    fn half_a_marker_is_not_the_end() {
        let markers = Markers::new(1);
        assert!(markers.parse(b"<bed 1 begin>\nx<bed 1 en").is_none());
        assert!(markers.parse(b"<bed 1 begin>\nx<bed 1 end 0").is_none());
        assert!(markers.parse(b"x<bed 1 end 0>\n").is_none());
    }

    #[test]
    fn an_echo_of_the_command_is_no_marker() {
        let markers = Markers::new(1);
        let echoed = markers.wrap("true");
        assert!(find(echoed.as_bytes(), b"<bed 1").is_none(), "{echoed}");
    }

    #[test]
    fn a_shell_runs_what_is_wrapped() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let input: OwnedFd = theirs.try_clone().unwrap().into();
        let output: OwnedFd = theirs.into();
        let mut child = Command::new("sh");
        let mut child = child.stdin(input).stdout(output).stderr(Stdio::null()).spawn().unwrap();
        let mut shell = Shell::new(ours);
        let soon = Instant::now() + Duration::from_secs(10);
        let quoted = shell.run("printf '%s' \"it's\"\nexit 4", soon).unwrap();
        assert_eq!((quoted.status, quoted.stdout.as_str()), (4, "it's"));
        let broken = shell.run("echo 'unclosed", soon).unwrap();
        assert_ne!(broken.status, 0);
        let late = shell.run("sleep 0.3; echo late", Instant::now());
        assert!(matches!(late, Err(Stop::Timeout)));
        assert_eq!(shell.run("echo next", soon).unwrap().stdout, "next\n");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_long_command_is_refused() {
        assert!(check("true").is_ok());
        assert!(matches!(check(&"x".repeat(5000)), Err(ShellError::TooLong(_))));
    }
}
