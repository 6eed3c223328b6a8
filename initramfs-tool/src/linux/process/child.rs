//! A child of this very program, from the supervisor's side.
//!
//! Its answers lie in a pipe until the supervisor looks.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{self, FrameError, Heard, Reader};
use super::serve::{CHILD, Job};
use super::wait::wait;
use crate::linux::sysfs::root::Root;

/// The pause between two looks at a child that was killed.
const PAUSE: Duration = Duration::from_millis(1);

/// The reason why a child answers no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// There is no child.
    #[error("it could not be started: {0}")]
    NotStarted(#[source] io::Error),
    /// It did not answer in time, and was abandoned; whether it is done yet is not known.
    #[error("it does not come back from the kernel")]
    Blocked,
    /// It has ended.
    #[error("{0}")]
    Ended(ExitStatus),
    /// It has closed its output, and may still run.
    #[error("it closed its output")]
    Closed,
    /// It sent what is no answer.
    #[error("it sent a damaged frame: {0}")]
    Damaged(#[from] FrameError),
    /// Its pipes do not work.
    #[error("{0}")]
    Pipe(#[from] io::Error),
}

/// A child.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    /// The pipe for questions, of one that may get several.
    questions: Option<File>,
    /// The pipe of its answers, until that is closed.
    answers: Option<File>,
    heard: Reader,
}

/// The answers since the last look, and the reason if no more will come.
#[derive(Debug)]
pub(crate) struct News<T> {
    pub(crate) answers: Vec<T>,
    pub(crate) lost: Option<Lost>,
}

impl Child {
    /// Starts a child with the one question that it gets.
    pub(crate) fn start(job: &Job, root: &Root, question: &impl Serialize) -> io::Result<Self> {
        let mut bytes = Vec::new();
        frame::push(&mut bytes, question).map_err(io::Error::other)?;
        Self::start_with(job, root, &bytes)
    }

    fn start_with(job: &Job, root: &Root, bytes: &[u8]) -> io::Result<Self> {
        // A file in memory: a pipe that is full would have the supervisor wait for the child.
        let file = File::from(memfd_create(c"question", MemfdFlags::CLOEXEC)?);
        file.write_all_at(bytes, 0)?;
        Self::spawn(job, root, Stdio::from(file), Stdio::null())
    }

    /// Starts a child that is [asked](Self::ask) one question after the other. It keeps `held` open for as long as it lives.
    pub(crate) fn start_to_be_asked(job: &Job, root: &Root, held: Option<&File>) -> io::Result<Self> {
        // Standard error: a child has nothing to say there.
        let held = held.map_or_else(|| Ok(Stdio::null()), |held| held.try_clone().map(Stdio::from))?;
        Self::spawn(job, root, Stdio::piped(), held)
    }

    fn spawn(job: &Job, root: &Root, questions: Stdio, held: Stdio) -> io::Result<Self> {
        let process = Command::new(env::current_exe()?)
            .args([CHILD, job.name])
            .arg(root.as_path())
            .stdin(questions)
            .stdout(Stdio::piped())
            .stderr(held)
            .spawn()?;
        Self::of(process)
    }

    fn of(mut process: Process) -> io::Result<Self> {
        let questions = process.stdin.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let answers = process.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        for pipe in questions.iter().chain(&answers) {
            fcntl_setfl(pipe, OFlags::NONBLOCK)?;
        }
        Ok(Self {
            process,
            questions,
            answers,
            heard: Reader::default(),
        })
    }

    /// Takes the answers since the last look, as far as one look goes. Does not wait.
    pub(crate) fn listen<T: DeserializeOwned>(&mut self) -> News<T> {
        let mut news = News {
            answers: Vec::new(),
            lost: None,
        };
        let Some(answers) = &self.answers else { return news };
        let heard = self.heard.read_available(answers.as_fd());
        let damaged = loop {
            match self.heard.next() {
                Ok(Some(answer)) => news.answers.push(answer),
                Ok(None) => break None,
                Err(error) => break Some(Lost::Damaged(error)),
            }
        };
        news.lost = match (damaged, heard) {
            (None, Ok(Heard::Bytes | Heard::Nothing)) => return news,
            (None, Ok(Heard::End)) => Some(Lost::Closed),
            (None, Err(error)) => Some(Lost::Pipe(error)),
            (damaged, _) => damaged,
        };
        news.lost = news.lost.map(|lost| self.lost(lost));
        news
    }

    /// Asks the next question. A child that does not take it in time is abandoned.
    pub(crate) fn ask(&mut self, question: &impl Serialize, deadline: Instant) -> Result<(), Lost> {
        let mut bytes = Vec::new();
        frame::push(&mut bytes, question)?;
        self.send(&bytes, deadline)
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), Lost> {
        while !bytes.is_empty() {
            let Some(pipe) = &mut self.questions else {
                return Err(self.lost(Lost::Closed));
            };
            match pipe.write(bytes) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let Some(left) = left_until(deadline) else {
                        return Err(self.blocked());
                    };
                    wait(
                        &mut [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::OUT)],
                        Some(left),
                    );
                }
                Err(error) => return Err(self.lost(Lost::Pipe(error))),
            }
        }
        Ok(())
    }

    /// Waits for the next answer. A child that does not give it in time is abandoned.
    pub(crate) fn answer<T: DeserializeOwned>(&mut self, deadline: Instant) -> Result<T, Lost> {
        loop {
            match self.heard.next() {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => self.hear_more(deadline)?,
                Err(error) => return Err(self.lost(Lost::Damaged(error))),
            }
        }
    }

    /// Hands on the bytes of all answers, until the child has ended.
    fn hear_out(
        &mut self,
        deadline: Instant,
        hear: &mut dyn FnMut(&[u8]) -> Result<(), FrameError>,
    ) -> Result<(), Lost> {
        let lost = loop {
            let heard = match self.heard.next_bytes() {
                Ok(Some(answer)) => hear(answer).map_err(Lost::Damaged),
                Ok(None) => self.hear_more(deadline),
                Err(error) => Err(Lost::Damaged(error)),
            };
            if let Err(lost) = heard {
                break lost;
            }
        };
        // It closes its output a moment before it has ended.
        let lost = match lost {
            Lost::Closed if self.still_runs_at(deadline) => self.blocked(),
            Lost::Closed => self.lost(Lost::Closed),
            // Whatever its status says, an answer is missing.
            Lost::Damaged(error) => {
                self.abandon();
                Lost::Damaged(error)
            }
            lost => lost,
        };
        match lost {
            Lost::Ended(status) if status.success() => Ok(()),
            lost => Err(lost),
        }
    }

    fn hear_more(&mut self, deadline: Instant) -> Result<(), Lost> {
        let Some(pipe) = &self.answers else {
            return Err(self.lost(Lost::Closed));
        };
        // Once the time is over it counts, however much there is to be heard.
        let Some(left) = left_until(deadline) else {
            return Err(self.blocked());
        };
        match self.heard.read_available(pipe.as_fd()) {
            Ok(Heard::Bytes) => {}
            Ok(Heard::Nothing) => wait(&mut [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)], Some(left)),
            Ok(Heard::End) => self.answers = None,
            Err(error) => return Err(self.lost(Lost::Pipe(error))),
        }
        Ok(())
    }

    /// Kills it, and does not wait for it: one that is blocked in the kernel ends when the kernel lets go of it, and does nothing
    /// more until then.
    pub(crate) fn abandon(&mut self) {
        // One that cannot be killed has ended already.
        self.process.kill().ok();
    }

    /// Waits until it has ended, and returns true if it has not by `deadline`.
    pub(crate) fn still_runs_at(&mut self, deadline: Instant) -> bool {
        while matches!(self.process.try_wait(), Ok(None)) {
            match left_until(deadline) {
                Some(left) => thread::sleep(left.min(PAUSE)),
                None => return true,
            }
        }
        false
    }

    fn blocked(&mut self) -> Lost {
        self.answers = None;
        self.abandon();
        Lost::Blocked
    }

    /// Stops listening. The status says more than `why`, if it has ended.
    fn lost(&mut self, why: Lost) -> Lost {
        self.answers = None;
        match self.process.try_wait() {
            Ok(Some(status)) => Lost::Ended(status),
            Ok(None) | Err(_) => why,
        }
    }
}

fn left_until(deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}

/// Has a child do a job that has one question, hands on the answers as they come, and returns when it has ended. Abandons it
/// after `limit`.
pub(crate) fn consult<T: DeserializeOwned>(
    job: &Job,
    root: &Root,
    question: &impl Serialize,
    limit: Duration,
    hear: &mut dyn FnMut(T),
) -> Result<(), Lost> {
    let deadline = Instant::now() + limit;
    let mut child = Child::start(job, root, question).map_err(Lost::NotStarted)?;
    child.hear_out(deadline, &mut decoded(hear))
}

/// Decodes what it hands on.
fn decoded<T: DeserializeOwned>(hear: &mut dyn FnMut(T)) -> impl FnMut(&[u8]) -> Result<(), FrameError> {
    |bytes| {
        hear(postcard::from_bytes(bytes)?);
        Ok(())
    }
}

/// Waits until one of the children closes its output, at most for `limit`. Answers do not end the wait: a child that goes on
/// well costs its supervisor nothing.
pub(crate) fn wait_for_an_end<'a>(children: impl Iterator<Item = &'a Child>, limit: Duration) {
    let pipes = children.filter_map(|child| child.answers.as_ref());
    // A poll reports a pipe that hung up without being asked for it.
    let mut polled: Vec<PollFd<'_>> = pipes
        .map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::empty()))
        .collect();
    wait(&mut polled, Some(limit));
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A child that runs a shell script instead of this program.
    pub(crate) fn scripted(script: &str) -> Child {
        let process = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Child::of(process.unwrap()).unwrap()
    }

    /// The command that prints a part of the frames of these values.
    pub(crate) fn print<T: Serialize>(values: &[T], part: impl FnOnce(&[u8]) -> &[u8]) -> String {
        let mut bytes = Vec::new();
        for value in values {
            frame::push(&mut bytes, value).unwrap();
        }
        let octal: String = part(&bytes).iter().map(|byte| format!("\\{byte:03o}")).collect();
        format!("printf '{octal}'")
    }

    fn in_ms(limit: u64) -> Instant {
        Instant::now() + Duration::from_millis(limit)
    }

    const LONG: u64 = 20_000;

    fn heard(script: &str, limit: u64) -> (Vec<u32>, Result<(), Lost>) {
        let mut answers = Vec::new();
        let begin = Instant::now();
        let end = scripted(script).hear_out(in_ms(limit), &mut decoded(&mut |answer| answers.push(answer)));
        assert!(begin.elapsed() < Duration::from_millis(LONG));
        (answers, end)
    }

    #[test]
    fn all_answers_are_heard_to_the_end() {
        let (answers, end) = heard(&print(&[1_u32, 2, 3], |all| all), LONG);
        assert_eq!(answers, [1, 2, 3]);
        assert!(end.is_ok(), "{end:?}");
    }

    #[test]
    fn a_child_that_hangs_is_abandoned_at_its_limit_and_its_answers_are_kept() {
        let mut child = scripted(&format!("{}; exec sleep 60", print(&[1_u32], |all| all)));
        let begin = Instant::now();
        let mut answers: Vec<u32> = Vec::new();
        let end = child.hear_out(in_ms(300), &mut decoded(&mut |answer| answers.push(answer)));
        assert!(matches!(end, Err(Lost::Blocked)), "{end:?}");
        assert_eq!(answers, [1]);
        let took = begin.elapsed();
        assert!(
            took >= Duration::from_millis(300) && took < Duration::from_secs(20),
            "{took:?}"
        );
        // It is killed, and nobody waited for it.
        assert!(!child.still_runs_at(in_ms(LONG)));
    }

    #[test]
    fn a_child_that_floods_its_pipe_is_abandoned_at_its_limit() {
        let flood = print(&[7_u32; 100], |all| all);
        let begin = Instant::now();
        let (answers, end) = heard(&format!("while :; do {flood}; done"), 300);
        assert!(matches!(end, Err(Lost::Blocked)), "{end:?}");
        assert!(!answers.is_empty() && answers.iter().all(|answer| *answer == 7));
        assert!(begin.elapsed() < Duration::from_secs(20));
    }

    /// The supervisor keeps no more than the longest value.
    #[test]
    fn a_child_that_never_comes_to_the_end_of_a_value_is_lost() {
        let (answers, end) = heard("printf '\\377\\377\\377\\177'; exec cat /dev/zero", LONG);
        assert!(answers.is_empty());
        assert!(matches!(end, Err(Lost::Damaged(FrameError::TooLong(_)))), "{end:?}");
    }

    #[test]
    fn a_child_that_dies_in_the_middle_of_a_frame_is_lost_with_what_it_said_before() {
        let most = print(&[1_u32, 2], |all| &all[..all.len() - 1]);
        let (answers, end) = heard(&format!("{most}; kill -KILL $$"), LONG);
        assert_eq!(answers, [1]);
        let Err(Lost::Ended(status)) = end else {
            panic!("{end:?}")
        };
        assert!(status.to_string().contains("signal: 9"), "{status}");
    }

    #[test]
    fn a_damaged_frame_is_no_answer() {
        let mut child = scripted("printf '\\001\\000\\000\\000\\377'; exec sleep 60");
        let answer = child.answer::<u32>(in_ms(LONG));
        assert!(matches!(answer, Err(Lost::Damaged(_))), "{answer:?}");
        child.abandon();
    }

    #[test]
    fn a_damaged_frame_is_told_though_the_child_has_ended_well() {
        let mut child = scripted("printf '\\001\\000\\000\\000\\377'");
        assert!(!child.still_runs_at(in_ms(LONG)));
        let end = child.hear_out(in_ms(LONG), &mut decoded(&mut |_: u32| {}));
        assert!(matches!(end, Err(Lost::Damaged(_))), "{end:?}");
    }

    #[test]
    fn questions_are_answered_one_by_one() {
        let mut child = scripted("exec cat");
        for question in [7_u32, 8] {
            child.ask(&question, in_ms(LONG)).unwrap();
            assert_eq!(child.answer::<u32>(in_ms(LONG)).unwrap(), question);
        }
        child.abandon();
    }

    #[test]
    fn a_child_that_does_not_read_its_questions_is_abandoned() {
        let mut child = scripted("exec sleep 60");
        // More than a pipe holds.
        let asked = child.ask(&"x".repeat(100_000), in_ms(300));
        assert!(matches!(asked, Err(Lost::Blocked)), "{asked:?}");
        assert!(!child.still_runs_at(in_ms(LONG)));
    }

    #[test]
    fn a_child_that_has_ended_answers_with_its_status() {
        let mut child = scripted("exit 3");
        assert!(!child.still_runs_at(in_ms(LONG)));
        for lost in [child.ask(&1, in_ms(LONG)), child.answer::<u32>(in_ms(LONG)).map(drop)] {
            let Err(Lost::Ended(status)) = lost else {
                panic!("{lost:?}")
            };
            assert_eq!(status.code(), Some(3));
        }
    }

    #[test]
    fn a_look_takes_whole_answers_and_waits_for_the_rest() {
        let (first, last) = (
            print(&[5_u32], |all| &all[..all.len() - 1]),
            print(&[5_u32], |all| &all[all.len() - 1..]),
        );
        let mut child = scripted(&format!("{first}; sleep 0.3; {last}; exec sleep 60"));
        let begin = Instant::now();
        let answers = loop {
            let news = child.listen::<u32>();
            assert!(news.lost.is_none(), "{news:?}");
            if !news.answers.is_empty() {
                break news.answers;
            }
            assert!(begin.elapsed() < Duration::from_secs(20));
            thread::sleep(PAUSE);
        };
        assert_eq!(answers, [5]);
        child.abandon();
    }

    #[test]
    fn only_an_end_wakes_the_supervisor_of_many() {
        let talks = scripted("while :; do echo words; sleep 0.01; done");
        let begin = Instant::now();
        wait_for_an_end([&talks].into_iter(), Duration::from_millis(300));
        assert!(begin.elapsed() >= Duration::from_millis(300));
        let ends = scripted("exit 0");
        wait_for_an_end([&talks, &ends].into_iter(), Duration::from_secs(20));
        assert!(begin.elapsed() < Duration::from_secs(20));
        for mut child in [talks, ends] {
            child.abandon();
        }
    }
}
