//! The worker: a process of its own that does the operations of a claim, and reports each before it begins it.
//!
//! It is the same program, started with `--worker`; the assignment comes on standard input, events go to standard
//! output, one JSON value a line.

use std::io::{self, BufWriter, Read, Write};
use std::thread;
use std::time::Instant;

use super::Root;
use super::effects::Effects;
use crate::claim::{Assignment, Claim, Event, Step};

/// Does the assignment on standard input.
///
/// # Errors
/// When the assignment cannot be read or an event cannot be written: nobody is listening then, and nothing more is
/// touched.
pub fn work(root: &Root) -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let assignment: Assignment = serde_json::from_str(&text)?;
    let mut report = BufWriter::new(io::stdout().lock());
    match assignment {
        Assignment::Claim(targets) => {
            for target in targets {
                carry_out(root, Claim::new(&target), &mut report)?;
            }
        }
        Assignment::Undo { changes, rollback } => carry_out(root, Claim::undo(&changes, rollback), &mut report)?,
    }
    Ok(())
}

fn carry_out(root: &Root, mut claim: Claim, report: &mut impl Write) -> io::Result<()> {
    let begin = Instant::now();
    let mut effects = Effects::new(root);
    loop {
        match claim.next(begin.elapsed()) {
            Step::Do(operation) => {
                // This line, and the changes before it, must be out before the operation can block.
                tell(report, &Event::Began(operation.clone()))?;
                report.flush()?;
                let answer = effects.perform(&operation);
                for change in claim.tell(begin.elapsed(), answer) {
                    tell(report, &Event::Changed(change))?;
                }
            }
            Step::WaitUntil(time) => thread::sleep(time.saturating_sub(begin.elapsed())),
            Step::Done(outcome) => {
                tell(report, &Event::Ended(outcome))?;
                return report.flush();
            }
        }
    }
}

fn tell(report: &mut impl Write, event: &Event) -> io::Result<()> {
    serde_json::to_writer(&mut *report, event)?;
    report.write_all(b"\n")
}
