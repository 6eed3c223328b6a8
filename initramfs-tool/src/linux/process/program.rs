//! Programs of the distribution's: modprobe, builders of images, decompressors.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child as Process, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::wait::wait;

/// The pause between two looks at a program where the kernel has no pidfd.
const PAUSE: Duration = Duration::from_millis(1);
/// The bytes of one look, which comes between two looks at the time.
const MOST_AT_ONCE: usize = 64 * 1024;

/// A program, before it is started.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    /// Whether a kill reaches the programs that it has started itself.
    with_descendants: bool,
}

/// The streams that are heard. The others go to /dev/null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hear {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
    /// Both, standard output first.
    Both,
}

/// The limits of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The time. A program without a limit is one whose user sits at a terminal.
    pub(crate) time: Option<Duration>,
    /// The bytes of its output that are kept. It may write more.
    pub(crate) bytes: usize,
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` if it did not end in time: it is killed then, and left behind.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) said: Vec<u8>,
}

impl Program {
    pub(crate) fn new(path: &Path) -> Self {
        let mut command = Command::new(path);
        command.stdin(Stdio::null());
        Self {
            command,
            with_descendants: false,
        }
    }

    pub(crate) fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.command.args(arguments);
        self
    }

    /// Its whole environment, instead of ours.
    pub(crate) fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        self.command.env_clear().envs(variables);
        self
    }

    pub(crate) fn variable(&mut self, name: &str, value: &str) -> &mut Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn input(&mut self, file: File) -> &mut Self {
        self.command.stdin(file);
        self
    }

    /// Puts it into a process group of its own, to be killed together with what it starts. The terminal's Ctrl-C does not
    /// reach it there.
    pub(crate) fn with_descendants(&mut self) -> &mut Self {
        self.command.process_group(0);
        self.with_descendants = true;
        self
    }

    /// Its command line.
    pub(crate) fn line(&self) -> String {
        let command_line = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        command_line.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end, or to the limit.
    pub(crate) fn run(&mut self, hear: Hear, limits: Limits) -> io::Result<Ran> {
        let mut pipes = Vec::new();
        let mut stream = |is_heard: bool| -> io::Result<Stdio> {
            if !is_heard {
                return Ok(Stdio::null());
            }
            let (ours, theirs) = io::pipe()?;
            pipes.push(ours);
            Ok(theirs.into())
        };
        let (output, errors) = (stream(hear != Hear::Errors)?, stream(hear != Hear::Output)?);
        let process = self.command.stdout(output).stderr(errors).spawn();
        // The command keeps the other ends of the pipes, which would never close.
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = process?;
        let ran = Listener::new(pipes, limits)?.hear(&mut process)?;
        if ran.status.is_none() {
            self.abandon(&mut process);
        }
        Ok(ran)
    }

    /// Runs it to its end, and has all of its output read by `read`. For a program that comes to its end by itself: there is no
    /// limit.
    pub(crate) fn read<T>(&mut self, read: impl FnOnce(&mut ChildStdout) -> T) -> io::Result<(T, ExitStatus)> {
        let mut process = self.command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut output = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let value = read(&mut output);
        // One whose output is not read to the end waits.
        let rest = io::copy(&mut output, &mut io::sink());
        let status = process.wait()?;
        rest?;
        Ok((value, status))
    }

    /// The kill takes effect once the kernel lets go of it. Nobody waits for that.
    fn abandon(&self, process: &mut Process) {
        match self.with_descendants {
            true => kill_process_group(Pid::from_child(process), Signal::KILL).ok(),
            false => process.kill().ok(),
        };
    }
}

/// Listens to a program.
struct Listener {
    streams: Vec<Stream>,
    deadline: Option<Instant>,
}

/// One of a program's streams.
struct Stream {
    /// The pipe, until it is closed.
    pipe: Option<File>,
    said: Vec<u8>,
    room: usize,
}

impl Listener {
    fn new(pipes: Vec<PipeReader>, limits: Limits) -> io::Result<Self> {
        let streams = pipes.into_iter().map(|pipe| {
            fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
            Ok(Stream {
                pipe: Some(OwnedFd::from(pipe).into()),
                said: Vec::new(),
                room: limits.bytes,
            })
        });
        Ok(Self {
            streams: streams.collect::<io::Result<_>>()?,
            deadline: limits.time.map(|time| Instant::now() + time),
        })
    }

    /// Hears a program until it has ended. What it has started itself may have a pipe longer than that, and is not waited for.
    fn hear(mut self, process: &mut Process) -> io::Result<Ran> {
        let end = pidfd_open(Pid::from_child(process), PidfdFlags::empty()).ok();
        loop {
            // In this order: what it said before its end has been heard then.
            let status = process.try_wait()?;
            self.streams.iter_mut().for_each(Stream::read_available);
            let left = self.left();
            if status.is_some() || left == Some(Duration::ZERO) {
                let said = self.streams.into_iter().flat_map(|stream| stream.said);
                return Ok(Ran {
                    status,
                    said: said.collect(),
                });
            }
            let pipes = self.streams.iter().filter_map(|stream| stream.pipe.as_ref());
            let descriptors = end.iter().map(AsFd::as_fd).chain(pipes.map(AsFd::as_fd));
            let mut polled: Vec<PollFd<'_>> = descriptors
                .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
                .collect();
            let limit = match end {
                Some(_) => left,
                None => Some(left.unwrap_or(PAUSE).min(PAUSE)),
            };
            wait(&mut polled, limit);
        }
    }

    /// The time left, if there is a limit.
    fn left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

impl Stream {
    /// Hears what is in the pipe.
    fn read_available(&mut self) {
        if self
            .pipe
            .as_mut()
            .is_some_and(|pipe| has_ended(pipe, &mut self.said, self.room))
        {
            self.pipe = None;
        }
    }
}

/// Reads what is in the pipe, and returns true if no more will come.
fn has_ended(pipe: &mut File, said: &mut Vec<u8>, room: usize) -> bool {
    let mut bytes = [0; 4096];
    for _ in 0..MOST_AT_ONCE / bytes.len() {
        match pipe.read(&mut bytes) {
            Ok(0) => return true,
            Ok(length) => {
                let room = room.saturating_sub(said.len());
                said.extend(bytes.iter().take(length.min(room)));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 64 * 1024;

    fn script(script: &str) -> Program {
        let mut program = Program::new(Path::new("/bin/sh"));
        program.args(["-c", script]);
        program
    }

    fn ran(text: &str, limit: Duration) -> Ran {
        let limits = Limits {
            time: Some(limit),
            bytes: ROOM,
        };
        script(text).run(Hear::Output, limits).unwrap()
    }

    #[test]
    fn what_it_says_and_how_it_ends() {
        let ran = ran("echo words; exit 3", Duration::from_secs(20));
        assert_eq!(ran.said, b"words\n");
        assert_eq!(ran.status.unwrap().code(), Some(3));
    }

    #[test]
    fn one_without_a_limit_is_heard_on_both_streams() {
        let limits = Limits {
            time: None,
            bytes: ROOM,
        };
        let text = "echo one; echo two >&2; echo three";
        let ran = script(text).run(Hear::Both, limits).unwrap();
        assert_eq!(ran.said, b"one\nthree\ntwo\n");
        let ran = script(text).run(Hear::Errors, limits).unwrap();
        assert_eq!(ran.said, b"two\n");
    }

    #[test]
    fn one_that_does_not_end_is_left_behind_with_what_it_has_said() {
        let begin = Instant::now();
        let ran = ran("echo words; exec sleep 60", Duration::from_millis(300));
        assert!(begin.elapsed() < Duration::from_secs(20));
        assert_eq!((ran.said.as_slice(), ran.status), (b"words\n".as_slice(), None));
    }

    #[test]
    fn one_that_is_left_behind_is_killed_with_what_it_has_started() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("pids");
        let text = format!("sleep 60 & echo $$ $! > {}; wait", file.display());
        let limits = Limits {
            time: Some(Duration::from_millis(500)),
            bytes: ROOM,
        };
        let ran = script(&text).with_descendants().run(Hear::Output, limits).unwrap();
        assert_eq!(ran.status, None);
        let pids = std::fs::read_to_string(file).unwrap();
        assert_eq!(pids.split_whitespace().count(), 2);
        for pid in pids.split_whitespace() {
            let is_over = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
                Ok(stat) => stat.contains(") Z "),
                Err(_) => true,
            };
            let begin = Instant::now();
            while !is_over() {
                assert!(begin.elapsed() < Duration::from_secs(20), "{pid} still runs");
                std::thread::sleep(PAUSE);
            }
        }
    }

    #[test]
    fn another_that_has_its_pipe_longer_is_not_waited_for() {
        let begin = Instant::now();
        let ran = ran("sleep 60 & echo words", Duration::from_secs(30));
        assert!(ran.status.unwrap().success());
        assert_eq!(ran.said, b"words\n");
        assert!(begin.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn one_that_says_too_much_comes_to_its_end_all_the_same() {
        let ran = ran("yes | head -c 1000000", Duration::from_secs(30));
        assert!(ran.status.is_some());
        assert_eq!(ran.said.len(), ROOM);
    }

    #[test]
    fn a_reader_that_stops_early_does_not_hold_it_up() {
        let (first, status) = script("yes | head -c 1000000")
            .read(|output| {
                let mut first = [0; 2];
                output.read_exact(&mut first).map(|()| first)
            })
            .unwrap();
        assert_eq!(&first.unwrap(), b"y\n");
        assert!(status.success());
    }
}
