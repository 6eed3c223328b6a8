//! Programs that are waited for no longer than they are worth.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// More is heard of nobody. In bytes.
const EARFUL: usize = 64 * 1024;
/// How often a program is asked whether it has ended, where the kernel does not tell.
const PAUSE: Duration = Duration::from_millis(1);

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Heard {
    /// None if it has not come to its end in time. It still runs: it may be blocked in the kernel, and a wait for its end
    /// would be as well.
    pub status: Option<ExitStatus>,
    /// What it wrote into the pipe.
    pub said: Vec<u8>,
}

/// What this very program says in another process, which may be blocked in the kernel where this one may not. One that has
/// not come to its end within `limit` is killed, and not waited for: it ends when the kernel lets go of it.
///
/// # Errors
/// When it cannot be started or waited for.
pub(crate) fn ask_self(arguments: &[OsString], limit: Duration) -> io::Result<Heard> {
    let mut child = Command::new(env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let Some(output) = child.stdout.take() else {
        return Err(io::Error::other("it has no standard output"));
    };
    let heard = hear(&mut child, output.into(), limit)?;
    if heard.status.is_none() {
        child.kill().ok();
    }
    Ok(heard)
}

/// Waits for a program's end, for as long as `limit`, and hears what it says in `pipe`. What it has started itself may have
/// the pipe longer than that; it is not waited for.
///
/// # Errors
/// When it cannot be waited for.
pub(crate) fn hear(child: &mut Child, pipe: OwnedFd, limit: Duration) -> io::Result<Heard> {
    let deadline = Instant::now() + limit;
    fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
    let mut pipe = Some(File::from(pipe));
    let mut said = Vec::new();
    let end = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok();
    loop {
        // In this order: what it said before its end has been heard then.
        let status = child.try_wait()?;
        if pipe.as_mut().is_some_and(|pipe| has_ended(pipe, &mut said)) {
            pipe = None;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if status.is_some() || left.is_zero() {
            return Ok(Heard { status, said });
        }
        let descriptors = end.iter().map(AsFd::as_fd).chain(pipe.iter().map(AsFd::as_fd));
        let mut polled: Vec<PollFd<'_>> = descriptors
            .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
            .collect();
        let pause = if end.is_some() { left } else { left.min(PAUSE) };
        let waited = Timespec::try_from(pause).map(|pause| poll(&mut polled, Some(&pause)));
        // A wait that fails must not become a race.
        if !matches!(waited, Ok(Ok(_))) {
            thread::sleep(left.min(PAUSE));
        }
    }
}

/// Hears what is in the pipe, and tells whether nothing more will come.
fn has_ended(pipe: &mut File, said: &mut Vec<u8>) -> bool {
    let mut words = [0; 4096];
    // Whoever says more than that at once is heard after a look at the time.
    for _ in 0..EARFUL / words.len() {
        match pipe.read(&mut words) {
            Ok(0) => return true,
            Ok(length) => {
                let room = EARFUL.saturating_sub(said.len());
                said.extend(words.iter().take(length.min(room)));
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

    fn heard(script: &str, limit: Duration) -> (Heard, Child) {
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = child.stdout.take().unwrap().into();
        (hear(&mut child, pipe, limit).unwrap(), child)
    }

    #[test]
    fn what_it_says_and_how_it_ends() {
        let (heard, _) = heard("echo words; exit 3", Duration::from_secs(20));
        assert_eq!(heard.said, b"words\n");
        assert_eq!(heard.status.unwrap().code(), Some(3));
    }

    #[test]
    fn one_that_does_not_end_is_left_with_what_it_has_said() {
        let begin = Instant::now();
        let (heard, mut child) = heard("echo words; exec sleep 60", Duration::from_millis(300));
        assert!(begin.elapsed() < Duration::from_secs(20));
        assert_eq!((heard.said.as_slice(), heard.status), (b"words\n".as_slice(), None));
        child.kill().unwrap();
    }

    #[test]
    fn whoever_has_its_pipe_longer_is_not_waited_for() {
        let begin = Instant::now();
        let (heard, _) = heard("sleep 60 & echo words", Duration::from_secs(30));
        assert!(heard.status.unwrap().success());
        assert_eq!(heard.said, b"words\n");
        assert!(begin.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn one_that_says_too_much_comes_to_its_end_all_the_same() {
        let (heard, _) = heard("yes | head -c 1000000", Duration::from_secs(30));
        assert!(heard.status.is_some());
        assert_eq!(heard.said.len(), EARFUL);
    }
}
