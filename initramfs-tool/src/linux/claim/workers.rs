//! The supervisor's side of the workers: starts them, listens to them, abandons them.
//!
//! What a worker says lies in its pipe until the supervisor looks: it is not woken by every word of a worker that goes on
//! well, only by its end, and now and then, long before any deadline.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use reseat_core::address::FunctionAddress;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};

use crate::claim::{Assignment, Command, Finished, Limits, Supervision, Target, WorkerEvent as Event, WorkerId};
use crate::linux::process::frame;
use crate::linux::sysfs::root::Root;

/// What a worker is started with, before its root, and nobody else.
pub const WORKER_ARGUMENT: &str = "--worker";

/// How long a worker's words may lie in its pipe, which has room for some hundreds of them.
const PAUSE: Duration = Duration::from_millis(50);
/// As much is heard of a worker before it is another's turn, or a deadline's.
const EARFUL: u64 = 64 * 1024;

/// One that is killed and not held by the kernel has ended within this time.
const FAREWELL: Duration = Duration::from_millis(100);
const FAREWELL_PAUSE: Duration = Duration::from_millis(1);

/// What a worker that claims a handful of GPUs says, in bytes: room for it that need not grow bit by bit.
const TALK: usize = 16 * 1024;

struct Workers<'a> {
    root: &'a Root,
    workers: BTreeMap<WorkerId, Worker>,
}

/// A worker's process.
struct Worker {
    child: Child,
    /// Its output, until that is closed.
    output: Option<File>,
    /// What it has said of an event that is not whole.
    heard: Vec<u8>,
}

/// What a worker has said since the last time, and why it says no more, if so.
#[derive(Default)]
struct News {
    events: Vec<Event>,
    gone: Option<String>,
}

/// What the workers came to.
pub(crate) struct Ended {
    /// The GPUs, in the order in which they ended.
    pub finished: Vec<Finished>,
    /// The functions that the kernel holds: whoever began something with one cannot even be killed.
    pub held: Vec<FunctionAddress>,
}

/// Claims `targets` through workers; `begin` is when the claim's time began to run.
pub(crate) fn claim(root: &Root, begin: Instant, limits: Limits, targets: Vec<Target>) -> Ended {
    let mut workers = Workers {
        root,
        workers: BTreeMap::new(),
    };
    let mut supervision = Supervision::new(limits);
    let mut commands = supervision.begin(begin.elapsed(), targets);
    loop {
        let mut next = Vec::new();
        for command in commands {
            if let Err((id, why)) = workers.carry_out(command) {
                next.extend(supervision.gone(begin.elapsed(), id, &why));
            }
        }
        next.extend(workers.hear(begin, &mut supervision));
        let Some(deadline) = supervision.deadline() else {
            let held = workers.held(supervision.unreturned());
            let finished = supervision.into_finished();
            return Ended { finished, held };
        };
        // Once it is over it counts, however much there is to be heard.
        let left = deadline.saturating_sub(begin.elapsed());
        if left.is_zero() {
            next.extend(supervision.tick(begin.elapsed()));
        } else if next.is_empty() {
            workers.wait(left.min(PAUSE));
        }
        commands = next;
    }
}

impl Workers<'_> {
    fn carry_out(&mut self, command: Command) -> Result<(), (WorkerId, String)> {
        match command {
            Command::Start(id, assignment) => match self.start(&assignment) {
                Ok(worker) => drop(self.workers.insert(id, worker)),
                Err(error) => return Err((id, format!("it could not be started: {error}"))),
            },
            Command::Abandon(id) => {
                // One that cannot be killed has ended already.
                self.workers
                    .get_mut(&id)
                    .map(|worker| worker.child.kill())
                    .transpose()
                    .ok();
            }
        }
        Ok(())
    }

    /// Those of the functions whose workers have not ended by their kill.
    fn held(&mut self, unreturned: &[(WorkerId, FunctionAddress)]) -> Vec<FunctionAddress> {
        let begin = Instant::now();
        let mut held = Vec::new();
        for (id, function) in unreturned {
            let Some(worker) = self.workers.get_mut(id) else {
                continue;
            };
            let mut still_runs = || matches!(worker.child.try_wait(), Ok(None));
            while still_runs() && begin.elapsed() < FAREWELL {
                thread::sleep(FAREWELL_PAUSE);
            }
            if still_runs() && !held.contains(function) {
                held.push(*function);
            }
        }
        held
    }

    fn start(&self, assignment: &Assignment) -> io::Result<Worker> {
        // A file in memory: a pipe that is full would have the supervisor wait for the worker.
        let mut file = File::from(memfd_create(c"assignment", MemfdFlags::CLOEXEC)?);
        let mut words = Vec::new();
        frame::push(&mut words, assignment).map_err(io::Error::other)?;
        file.write_all(&words)?;
        file.rewind()?;
        let mut child = Program::new(env::current_exe()?)
            .arg(WORKER_ARGUMENT)
            .arg(self.root.as_path())
            .stdin(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = child.stdout.take().map(std::os::fd::OwnedFd::from).map(File::from);
        output
            .as_ref()
            .map_or(Ok(()), |output| fcntl_setfl(output, OFlags::NONBLOCK))?;
        Ok(Worker {
            child,
            output,
            heard: Vec::with_capacity(TALK),
        })
    }

    /// Hands on what the workers have said.
    fn hear(&mut self, begin: Instant, supervision: &mut Supervision) -> Vec<Command> {
        let mut commands = Vec::new();
        for (id, worker) in &mut self.workers {
            let news = worker.listen();
            for event in news.events {
                supervision.event(begin.elapsed(), *id, event);
            }
            if let Some(why) = news.gone {
                commands.extend(supervision.gone(begin.elapsed(), *id, &why));
            }
        }
        commands
    }

    /// Waits until a worker closes its output, or until the time is over.
    fn wait(&self, time: Duration) {
        let outputs = self.workers.values().filter_map(|worker| worker.output.as_ref());
        // That one has hung up is told without being asked for.
        let mut polled: Vec<PollFd<'_>> = outputs
            .map(|output| PollFd::from_borrowed_fd(output.as_fd(), PollFlags::empty()))
            .collect();
        let waited = Timespec::try_from(time).map(|time| poll(&mut polled, Some(&time)));
        // A poll that was interrupted has waited, if less; one that fails must not turn the wait into a race.
        if !matches!(waited, Ok(Ok(_) | Err(rustix::io::Errno::INTR))) {
            thread::sleep(time);
        }
    }
}

impl Worker {
    /// What it has said since the last time, as far as that goes.
    fn listen(&mut self) -> News {
        let mut news = News::default();
        let Some(output) = &self.output else { return news };
        match output.take(EARFUL).read_to_end(&mut self.heard) {
            // There may be more.
            Ok(length) if length as u64 == EARFUL => {}
            Ok(_) => news.gone = Some("it closed its output".to_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => news.gone = Some(error.to_string()),
        }
        let mut words = self.heard.as_slice();
        loop {
            match frame::take(&mut words) {
                Ok(Some(event)) => news.events.push(event),
                Ok(None) => break,
                Err(error) => {
                    news.gone = Some(format!("it said what is no event: {error}"));
                    break;
                }
            }
        }
        let rest = words.len();
        self.heard.drain(..self.heard.len().saturating_sub(rest));
        if news.gone.is_some() {
            self.output = None;
            // How it ended tells more, if it has.
            if let Ok(Some(status)) = self.child.try_wait() {
                news.gone = Some(status.to_string());
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::{Operation, Verb};

    fn worker(script: &str) -> Worker {
        let mut child = Program::new("/bin/sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = File::from(std::os::fd::OwnedFd::from(child.stdout.take().unwrap()));
        fcntl_setfl(&output, OFlags::NONBLOCK).unwrap();
        Worker {
            child,
            output: Some(output),
            heard: Vec::new(),
        }
    }

    fn news_of(worker: &mut Worker) -> News {
        let begin = Instant::now();
        loop {
            let news = worker.listen();
            if news.gone.is_some() || !news.events.is_empty() {
                return news;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "no news");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn one_that_never_stops_talking_does_not_hold_up_the_others() {
        // A file, which always has more to say at once, as a pipe has only while its writer is the faster one.
        let earful = usize::try_from(EARFUL).unwrap();
        let mut talk = tempfile::tempfile().unwrap();
        let mut words = vec![0; 3 * earful];
        // An event that would be longer than all of it.
        words[..4].copy_from_slice(&(4 * u32::try_from(earful).unwrap()).to_le_bytes());
        talk.write_all(&words).unwrap();
        talk.rewind().unwrap();
        let mut worker = worker("exec sleep 60");
        worker.output = Some(talk);
        for heard in 1..=2 {
            assert!(worker.listen().gone.is_none());
            assert_eq!(worker.heard.len(), heard * earful);
        }
        worker.child.kill().unwrap();
    }

    #[test]
    fn who_says_what_is_no_event_is_not_listened_to_any_more() {
        let mut worker = worker("echo nonsense; exec sleep 60");
        let why = news_of(&mut worker).gone.unwrap();
        assert!(why.starts_with("it said what is no event: "), "{why}");
        assert!(worker.output.is_none());
        worker.child.kill().unwrap();
    }

    #[test]
    fn an_event_that_is_not_whole_is_waited_for() {
        let mut words = Vec::new();
        let event = Event::Undone(Operation {
            function: "0000:01:00.0".parse().unwrap(),
            verb: Verb::Probe,
        });
        frame::push(&mut words, &event).unwrap();
        let octal: String = words.iter().map(|byte| format!("\\{byte:03o}")).collect();
        let (first, last) = octal.split_at(octal.len() - 4);
        let mut worker = worker(&format!("printf '{first}'; sleep 0.2; printf '{last}'; exec sleep 60"));
        thread::sleep(Duration::from_millis(100));
        let news = worker.listen();
        assert!(news.gone.is_none() && news.events.is_empty());
        assert_eq!(news_of(&mut worker).events, [event]);
        worker.child.kill().unwrap();
    }
}
