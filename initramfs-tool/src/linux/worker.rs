//! The worker: a process of its own that does the operations of a claim, and reports each before it begins it.
//!
//! It is the same program, started with `--worker`; the assignment comes on standard input, events go to standard output,
//! each in a frame.

use std::io::{self, Read, Write};
use std::thread;
use std::time::Instant;

use super::effects::Effects;
use super::{Root, frame};
use crate::claim::{Assignment, Claim, Event, Outcome, Step, Target};

/// Does the assignment on standard input.
///
/// # Errors
/// When the assignment cannot be read. Once it is begun it is brought to its end, listened to or not: a supervisor that
/// was killed is no reason to leave a GPU half claimed.
pub fn work(root: &Root) -> io::Result<()> {
    let mut words = Vec::new();
    io::stdin().read_to_end(&mut words)?;
    let assignment = frame::take(&mut words.as_slice()).map_err(io::Error::other)?;
    let assignment: Assignment = assignment.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut reporter = Reporter::new(io::stdout().lock());
    match assignment {
        Assignment::Claim(targets) => {
            for target in targets {
                carry_out(root, Claim::new(&target), &mut reporter);
            }
        }
        Assignment::Undo { changes, rollback } => {
            carry_out(root, Claim::undo(&changes, rollback), &mut reporter);
        }
    }
    Ok(())
}

/// Claims a GPU in this very process.
pub(super) fn claim_here(root: &Root, target: &Target) -> Outcome {
    carry_out(root, Claim::new(target), &mut Reporter::<io::Sink>::silent())
}

fn carry_out(root: &Root, mut claim: Claim, reporter: &mut Reporter<impl Write>) -> Outcome {
    let begin = Instant::now();
    let mut effects = Effects::new(root);
    let mut turned_back = claim.rollback().cloned();
    // What is still to be told goes along with the next operation's begin.
    let mut events = Vec::new();
    loop {
        match claim.next(begin.elapsed()) {
            Step::Do(operation) => {
                let goes_back = turned_back.is_some();
                if operation.verb.may_block() {
                    events.push(Event::Began(operation.clone()));
                    reporter.tell(&mut events);
                }
                let answer = effects.perform(&operation);
                let changes = claim.tell(begin.elapsed(), answer);
                events.extend(changes.into_iter().map(Event::Changed));
                if goes_back {
                    events.push(Event::Undone(operation));
                }
                if claim.rollback() != turned_back.as_ref() {
                    turned_back = claim.rollback().cloned();
                    events.extend(turned_back.clone().map(Event::TurnedBack));
                }
            }
            Step::WaitUntil(time) => {
                reporter.tell(&mut events);
                thread::sleep(time.saturating_sub(begin.elapsed()));
            }
            Step::Done(outcome) => {
                events.push(Event::Ended(outcome.clone(), begin.elapsed()));
                reporter.tell(&mut events);
                return outcome;
            }
        }
    }
}

/// Tells the supervisor, for as long as it listens.
struct Reporter<W> {
    output: Option<W>,
    /// What is told, kept for its room.
    words: Vec<u8>,
}

impl<W: Write> Reporter<W> {
    fn new(output: W) -> Self {
        Self {
            output: Some(output),
            words: Vec::new(),
        }
    }

    /// One that nobody listens to.
    fn silent() -> Self {
        Self {
            output: None,
            words: Vec::new(),
        }
    }

    /// Tells all of it in one write, and at once: the next operation may block.
    fn tell(&mut self, events: &mut Vec<Event>) {
        let words = &mut self.words;
        words.clear();
        let mut events = events.drain(..);
        let put = events.try_for_each(|event| frame::push(words, &event).map_err(io::Error::other));
        let heard = match &mut self.output {
            Some(output) if !words.is_empty() => {
                put.and_then(|()| output.write_all(words)).and_then(|()| output.flush())
            }
            _ => Ok(()),
        };
        if heard.is_err() {
            self.output = None;
        }
    }
}
