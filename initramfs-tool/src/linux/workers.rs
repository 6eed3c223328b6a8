//! The supervisor's side of the workers: starts them, listens to them, abandons them.

use std::collections::HashMap;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command as Program, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::Root;
use crate::claim::{Assignment, Command, Event, Finished, Limits, Supervision, Target, WorkerId};

/// What a worker is started with, before its root, and nobody else.
pub const WORKER_ARGUMENT: &str = "--worker";

/// When a machine that stood still goes on, a deadline may be over before a worker's words, said long ago, have come
/// through: so long they get to arrive.
const LAST_WORDS: Duration = Duration::from_millis(20);

enum News {
    Event(Event),
    /// The worker has closed its output, or said something that is no event.
    Gone(String),
}

struct Workers<'a> {
    root: &'a Root,
    children: HashMap<WorkerId, Child>,
    sender: Sender<(WorkerId, News)>,
}

/// Claims `targets` through workers; `begin` is when the claim's time began to run.
pub(super) fn claim(root: &Root, begin: Instant, limits: Limits, targets: Vec<Target>) -> Vec<Finished> {
    let (sender, receiver) = mpsc::channel();
    let mut workers = Workers {
        root,
        children: HashMap::new(),
        sender,
    };
    let mut supervision = Supervision::new(limits);
    let mut commands = supervision.begin(begin.elapsed(), targets);
    loop {
        for command in commands {
            workers.carry_out(command);
        }
        let Some(deadline) = supervision.deadline() else {
            return supervision.into_finished();
        };
        commands = match wait(&receiver, begin, deadline) {
            Some((id, News::Event(event))) => {
                supervision.event(begin.elapsed(), id, event);
                Vec::new()
            }
            Some((id, News::Gone(why))) => {
                let why = workers.last_of(id).unwrap_or(why);
                supervision.gone(begin.elapsed(), id, &why)
            }
            None => supervision.tick(begin.elapsed()),
        };
    }
}

/// News, or none if the deadline is over, however much there is to be heard then.
fn wait(receiver: &Receiver<(WorkerId, News)>, begin: Instant, deadline: Duration) -> Option<(WorkerId, News)> {
    let left = deadline.saturating_add(LAST_WORDS).checked_sub(begin.elapsed())?;
    // We hold a sender ourselves, so the channel is never closed: an error is a time-out.
    receiver.recv_timeout(left).ok()
}

impl Workers<'_> {
    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Start(id, assignment) => {
                if let Err(error) = self.start(id, &assignment) {
                    // The receiver lives as long as the claim.
                    let _unheard = self
                        .sender
                        .send((id, News::Gone(format!("it could not be started: {error}"))));
                }
            }
            Command::Abandon(id) => {
                // One that cannot be killed has ended already.
                self.children.get_mut(&id).map(Child::kill).transpose().ok();
            }
        }
    }

    fn start(&mut self, id: WorkerId, assignment: &Assignment) -> io::Result<()> {
        let text = serde_json::to_vec(assignment)?;
        let mut child = Program::new(env::current_exe()?)
            .arg(WORKER_ARGUMENT)
            .arg(self.root.as_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        // Its own thread, so that neither a slow reader nor a slow writer holds up the supervisor.
        let sender = self.sender.clone();
        let listening = thread::Builder::new().spawn(move || {
            let why = match pipes {
                Some((input, output)) => talk(id, &text, input, output, &sender),
                None => "it has no pipes".to_owned(),
            };
            // After the last GPU this is no news, and nobody may be there to hear it.
            let _unheard = sender.send((id, News::Gone(why)));
        });
        self.children.insert(id, child);
        listening.map(drop)
    }

    /// How a worker ended, if it has.
    fn last_of(&mut self, id: WorkerId) -> Option<String> {
        match self.children.get_mut(&id)?.try_wait() {
            Ok(Some(status)) => Some(status.to_string()),
            Ok(None) | Err(_) => None,
        }
    }
}

/// Gives a worker its assignment and hands on what it says, until it ends or makes no sense; returns why.
fn talk(
    id: WorkerId,
    assignment: &[u8],
    mut input: ChildStdin,
    output: ChildStdout,
    sender: &Sender<(WorkerId, News)>,
) -> String {
    if let Err(error) = input.write_all(assignment) {
        return format!("it did not take its assignment: {error}");
    }
    drop(input);
    for line in BufReader::new(output).lines() {
        let event = line.map_err(|error| error.to_string()).and_then(|line| {
            serde_json::from_str(&line).map_err(|error| format!("it said `{line}`, which is no event: {error}"))
        });
        match event {
            Ok(event) => {
                if sender.send((id, News::Event(event))).is_err() {
                    break;
                }
            }
            Err(problem) => return problem,
        }
    }
    "it closed its output".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Aim;

    #[test]
    fn a_deadline_is_over_however_much_there_is_to_be_heard() {
        let (sender, receiver) = mpsc::channel();
        let mut supervision = Supervision::new(Limits::BOOT);
        let commands = supervision.begin(Duration::ZERO, vec![target()]);
        let [Command::Start(id, _)] = commands.as_slice() else {
            panic!("{commands:?}");
        };
        for _ in 0..2 {
            sender.send((*id, News::Gone("news".to_owned()))).unwrap();
        }
        let begin = Instant::now();
        assert!(wait(&receiver, begin, Duration::from_secs(60)).is_some());
        thread::sleep(LAST_WORDS * 2);
        assert!(wait(&receiver, begin, Duration::ZERO).is_none());
    }

    fn target() -> Target {
        Target {
            aim: Aim::Claim,
            device: "0000:01:00".parse().unwrap(),
            functions: Vec::new(),
        }
    }
}
