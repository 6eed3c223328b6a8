//! The child's side: which job it is started for, and its line to the supervisor.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{Reader, Writer};
use crate::linux::sysfs::root::Root;

/// The first argument of a child; behind it stand the job and the directory that stands for `/`. Nobody else uses it.
pub(super) const CHILD: &str = "--child";

/// A job that a child of this program can do.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub(super) name: &'static str,
    run: fn(&Root, &mut Line) -> io::Result<()>,
}

impl Job {
    pub(crate) const fn new(name: &'static str, run: fn(&Root, &mut Line) -> io::Result<()>) -> Self {
        Self { name, run }
    }
}

/// Does one of these jobs, if this process was started as a child: `arguments` are those behind the program's name.
pub fn serve(jobs: &[Job], arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    if arguments.next()? != CHILD {
        return None;
    }
    let (name, root) = (arguments.next()?, arguments.next()?);
    let job = jobs.iter().find(|job| name == job.name);
    // The supervisor learns of a failure from the status, and has the answers up to it.
    match job.map(|job| (job.run)(&Root::at(root), &mut Line::new())) {
        Some(Ok(())) => Some(ExitCode::SUCCESS),
        Some(Err(_)) | None => Some(ExitCode::FAILURE),
    }
}

/// A child's line to its supervisor: questions come on standard input, answers go to standard output.
#[derive(Debug)]
pub(crate) struct Line {
    questions: Reader,
    pub(crate) answers: Writer<Stdout>,
}

impl Line {
    fn new() -> Self {
        Self {
            questions: Reader::default(),
            answers: Writer::new(Stdout),
        }
    }

    /// Waits for the next question; `None` if no more will come.
    pub(crate) fn question<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        self.questions.wait(io::stdin().as_fd())
    }

    /// The only question of a job that has one.
    pub(crate) fn only_question<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        self.question()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    pub(crate) fn answer<T: Serialize>(&mut self, answer: T) -> io::Result<()> {
        self.answers.write(&mut vec![answer])
    }
}

/// Standard output without the buffer of Rust's own, which writes up to the last line feed first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
