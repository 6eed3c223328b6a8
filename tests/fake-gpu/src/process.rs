//! A test's handle on a fake: starts it, scripts it, reads what it logged, ends it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command as Process, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::control::{Command, Reply, Request};
use crate::files;
use crate::log::{Entry, EntryError};
use crate::profile::BoardDesign;

/// The line on standard output that says that all sockets are bound.
pub const READY: &str = "ready";

/// How long a fake may take to be ready: it only binds sockets.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a fake may take to answer a command.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);

/// A running fake. Dropping it kills it.
#[derive(Debug)]
pub struct FakeGpu {
    child: Child,
    directory: PathBuf,
}

impl FakeGpu {
    /// Starts the binary `program` on `directory`, which exists, and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not start, ends early (it says why on standard error) or is not ready in time.
    pub fn start(program: &Path, directory: &Path, design: &BoardDesign) -> Result<Self, FakeError> {
        let child = Process::new(program)
            .args(arguments(directory, design))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|cause| FakeError::Start {
                program: program.to_owned(),
                cause,
            })?;
        // Owned from here on, so that every early return kills it.
        let mut fake = Self {
            child,
            directory: directory.to_owned(),
        };
        let stdout = fake.child.stdout.take().ok_or(FakeError::EndedEarly)?;
        wait_until_ready(stdout)?;
        Ok(fake)
    }

    /// The socket that serves a function.
    #[must_use]
    pub fn socket(&self, function: u8) -> PathBuf {
        files::function_socket(&self.directory, function)
    }

    /// Has all functions, or the board, do something.
    ///
    /// # Errors
    /// Where the fake refuses or does not answer.
    pub fn control(&self, command: &Command) -> Result<Reply, FakeError> {
        self.request(&Request {
            command: command.clone(),
            function: None,
        })
    }

    /// Has one function do something.
    ///
    /// # Errors
    /// Where the fake refuses or does not answer.
    pub fn control_function(&self, function: u8, command: &Command) -> Result<Reply, FakeError> {
        self.request(&Request {
            command: command.clone(),
            function: Some(function),
        })
    }

    fn request(&self, request: &Request) -> Result<Reply, FakeError> {
        let line = serde_json::to_string(request)?;
        let reply: Reply = serde_json::from_str(&self.exchange(&line)?)?;
        match reply {
            Reply { ok: true, .. } => Ok(reply),
            Reply { error, .. } => Err(FakeError::Refused(error.unwrap_or_default())),
        }
    }

    /// Sends one line to the control socket and returns the line that answers it.
    ///
    /// # Errors
    /// Where the socket cannot be reached or does not answer in time.
    pub fn exchange(&self, line: &str) -> Result<String, FakeError> {
        let mut connection = UnixStream::connect(files::control_socket(&self.directory))?;
        connection.set_read_timeout(Some(CONTROL_TIMEOUT))?;
        connection.write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(connection).read_line(&mut answer)?;
        Ok(answer)
    }

    /// What was logged so far, in the order of time.
    ///
    /// # Errors
    /// Where the log cannot be read or a line of it is none.
    pub fn entries(&self) -> Result<Vec<Entry>, FakeError> {
        let text = fs::read_to_string(files::access_log(&self.directory))?;
        // Without the last line's end the fake is still writing it.
        let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        (1..).zip(whole).map(entry).collect()
    }

    /// Kills the fake as a crash would, and waits for its end.
    ///
    /// # Errors
    /// Where it cannot be killed.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for FakeGpu {
    fn drop(&mut self) {
        // It may have ended already, and a destructor has nobody to tell.
        self.kill().ok();
    }
}

fn entry((number, line): (usize, &str)) -> Result<Entry, FakeError> {
    line.parse().map_err(|cause| FakeError::Entry {
        number,
        line: line.to_owned(),
        cause,
    })
}

/// The command line that serves this design.
fn arguments(directory: &Path, design: &BoardDesign) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--directory".into(), directory.into()];
    let mut option = |name: &str, value: String| {
        arguments.push(name.into());
        arguments.push(value.into());
    };
    option("--profile", design.vendor.to_string());
    option("--functions", design.functions.to_string());
    for change in &design.identities {
        option("--identity", change.to_string());
    }
    for change in &design.classes {
        option("--class", change.to_string());
    }
    for function in &design.soft_resets {
        option("--soft-reset", function.to_string());
    }
    if let Some(number) = design.serial_number {
        option("--serial-number", number.to_string());
    }
    if let Some(version) = design.vbios {
        option("--vbios", version.to_string());
    }
    arguments
}

fn wait_until_ready(stdout: ChildStdout) -> Result<(), FakeError> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let outcome = BufReader::new(stdout).read_line(&mut line).map(|_| line);
        // The waiter may have given up.
        sender.send(outcome).ok();
    });
    let line = lines.recv_timeout(READY_TIMEOUT).map_err(|_| FakeError::NotReady)??;
    if line.trim_end() == READY {
        Ok(())
    } else {
        Err(FakeError::EndedEarly)
    }
}

/// A fake that does not do what the test wants of it.
#[derive(Debug, thiserror::Error)]
pub enum FakeError {
    /// The binary cannot be started.
    #[error("cannot start {}: {cause}", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It ended before it was ready.
    #[error("the fake ended before it was ready; standard error says why")]
    EndedEarly,
    /// It is not ready in time.
    #[error("the fake was not ready after {READY_TIMEOUT:?}")]
    NotReady,
    /// It refused a command.
    #[error("the fake refused: {0}")]
    Refused(String),
    /// Its control socket or its log cannot be read.
    #[error("cannot reach the fake")]
    Io(#[from] io::Error),
    /// Its answer is no reply.
    #[error("the fake answered with something that is no reply")]
    Protocol(#[from] serde_json::Error),
    /// A line of its log is no entry.
    #[error("access log line {number} `{line}`: {cause}")]
    Entry {
        /// The line's number, from 1.
        number: usize,
        /// The line.
        line: String,
        /// Why.
        cause: EntryError,
    },
}
