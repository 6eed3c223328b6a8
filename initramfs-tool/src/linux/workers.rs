//! The supervisor's side of the workers: starts them, listens to them, abandons them.

use std::collections::HashMap;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command as Program, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::claim::{Assignment, Command, Event, Finished, Supervision, Target, WorkerId};

/// What a worker is started with, and nobody else.
pub const WORKER_ARGUMENT: &str = "--worker";

const LAST_WORDS: Duration = Duration::from_millis(20);

enum News {
    Event(Event),
    /// The worker has closed its output, or said something that is no event.
    Gone(String),
}

struct Workers {
    children: HashMap<WorkerId, Child>,
    sender: Sender<(WorkerId, News)>,
}

/// Claims `targets` through workers; `begin` is when the claim's time began to run.
pub(super) fn claim(begin: Instant, targets: Vec<Target>) -> Vec<Finished> {
    let (sender, receiver) = mpsc::channel();
    let mut workers = Workers {
        children: HashMap::new(),
        sender,
    };
    let mut supervision = Supervision::default();
    let mut commands = supervision.begin(begin.elapsed(), targets);
    loop {
        for command in commands {
            workers.carry_out(command);
        }
        let Some(deadline) = supervision.deadline() else {
            return supervision.into_finished();
        };
        commands = match wait(&receiver, deadline.saturating_sub(begin.elapsed())) {
            Some((id, News::Event(event))) => supervision.event(begin.elapsed(), id, event),
            Some((id, News::Gone(why))) => supervision.gone(begin.elapsed(), id, &why),
            None => supervision.tick(begin.elapsed()),
        };
    }
}

/// News, or none before the deadline. When a machine that stood still goes on, the deadline may be over before a worker's
/// words, said long ago, have come through: they get a moment to arrive.
fn wait(receiver: &Receiver<(WorkerId, News)>, at_most: Duration) -> Option<(WorkerId, News)> {
    // We hold a sender ourselves, so the channel is never closed: an error is a time-out.
    receiver
        .recv_timeout(at_most)
        .or_else(|_| receiver.recv_timeout(LAST_WORDS))
        .ok()
}

impl Workers {
    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Start(id, assignment) => match start(&assignment) {
                Ok(mut child) => {
                    if let Some(output) = child.stdout.take() {
                        let sender = self.sender.clone();
                        thread::spawn(move || listen(id, output, &sender));
                    }
                    self.children.insert(id, child);
                }
                Err(error) => self.news(id, News::Gone(format!("it could not be started: {error}"))),
            },
            Command::Abandon(id) => {
                // A worker that cannot be killed is one that has ended.
                if let Some(Err(error)) = self.children.get_mut(&id).map(Child::kill) {
                    self.news(id, News::Gone(error.to_string()));
                }
            }
        }
    }

    fn news(&self, id: WorkerId, news: News) {
        // The receiver lives as long as the claim.
        let _unheard = self.sender.send((id, news));
    }
}

fn start(assignment: &Assignment) -> io::Result<Child> {
    let text = serde_json::to_vec(assignment)?;
    let mut child = Program::new(env::current_exe()?)
        .arg(WORKER_ARGUMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&text)?;
    }
    Ok(child)
}

fn listen(id: WorkerId, output: impl io::Read, sender: &Sender<(WorkerId, News)>) {
    let mut why = "it closed its output".to_owned();
    for line in BufReader::new(output).lines() {
        let event = line.map_err(|error| error.to_string()).and_then(|line| {
            serde_json::from_str(&line).map_err(|error| format!("it said `{line}`, which is no event: {error}"))
        });
        match event {
            Ok(event) => {
                if sender.send((id, News::Event(event))).is_err() {
                    return;
                }
            }
            Err(problem) => {
                why = problem;
                break;
            }
        }
    }
    // After the last GPU this is no news, and nobody may be there to hear it.
    let _unheard = sender.send((id, News::Gone(why)));
}
