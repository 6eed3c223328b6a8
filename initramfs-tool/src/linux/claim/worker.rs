//! The worker: a process of its own that does the operations of a claim, and reports each before it begins it.

use std::io::{self, Write};
use std::thread;
use std::time::Instant;

use super::effects::Effects;
use crate::claim::{Assignment, Claim, Outcome, Step, Target, WorkerEvent as Event};
use crate::linux::process::frame::Writer;
use crate::linux::process::serve::{Job, Line};
use crate::linux::sysfs::root::Root;

/// Gets an [`Assignment`], and answers with [`Event`]s.
pub(crate) const JOB: Job = Job::new("claim", work);

/// Does the assignment. Once it is begun it is brought to its end, listened to or not: a supervisor that was killed is no
/// reason to leave a GPU half claimed.
fn work(root: &Root, line: &mut Line) -> io::Result<()> {
    let assignment: Assignment = line.only_question()?;
    let mut reporter = Reporter::new(&mut line.answers);
    match assignment {
        Assignment::Claim(targets) => {
            for target in targets {
                carry_out(root, Claim::new(&target), &mut reporter);
            }
        }
        Assignment::Undo { changes, rollback } => {
            carry_out(root, Claim::undo(&changes, *rollback), &mut reporter);
        }
    }
    Ok(())
}

/// Claims a GPU in this very process.
pub(crate) fn claim_here(root: &Root, target: &Target) -> Outcome {
    carry_out(root, Claim::new(target), &mut Reporter::<io::Sink>::silent())
}

fn carry_out(root: &Root, mut claim: Claim, reporter: &mut Reporter<'_, impl Write>) -> Outcome {
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
struct Reporter<'a, W> {
    output: Option<&'a mut Writer<W>>,
}

impl<'a, W: Write> Reporter<'a, W> {
    const fn new(output: &'a mut Writer<W>) -> Self {
        Self { output: Some(output) }
    }

    /// One that nobody listens to.
    const fn silent() -> Self {
        Self { output: None }
    }

    /// Tells all of it in one write, and at once: the next operation may block.
    fn tell(&mut self, events: &mut Vec<Event>) {
        let heard = self.output.as_mut().map(|output| output.write(events));
        if !matches!(heard, Some(Ok(()))) {
            events.clear();
            self.output = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek;
    use std::os::fd::AsFd;

    use super::*;
    use crate::claim::{Aim, TargetFunction, VFIO_PCI};
    use crate::linux::fixtures::{IN_D0, config_space};
    use crate::linux::process::frame::Reader;
    use crate::linux::test_root::TestRoot;

    /// Each write by itself.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl Write for &mut Writes {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            self.0.push(lines.to_vec());
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn events(lines: &[u8]) -> Vec<Event> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(lines).unwrap();
        file.rewind().unwrap();
        let mut reader = Reader::default();
        reader.read_available(file.as_fd()).unwrap();
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    /// Whoever blocks says nothing more: what may block is the last word before it is begun, and all that was changed until then
    /// stands before that. A look at a link is worth no word.
    #[test]
    fn what_may_block_is_announced_with_all_before_it_and_a_look_at_a_link_is_not() {
        let machine = TestRoot::new();
        let directory = "/sys/bus/pci/devices/0000:01:00.0";
        for (file, content) in [
            ("driver_override", "(null)\n"),
            ("d3cold_allowed", "1\n"),
            ("power/control", "on\n"),
        ] {
            machine.write(&format!("{directory}/{file}"), content);
        }
        let root = machine.root();
        std::fs::write(root.path(directory).join("config"), config_space(IN_D0)).unwrap();
        machine.write("/sys/bus/pci/drivers/vfio-pci/bind", "");
        machine.link(&format!("{directory}/driver"), "../../drivers/vfio-pci");
        let target = Target {
            aim: Aim::Claim,
            device: "0000:01:00".parse().unwrap(),
            functions: vec![TargetFunction::new(
                "0000:01:00.0".parse().unwrap(),
                "10de:2489".parse().unwrap(),
            )],
        };
        let mut writes = Writes::default();
        carry_out(
            &root,
            Claim::new(&target),
            &mut Reporter::new(&mut Writer::new(&mut writes)),
        );
        let mut last = Vec::new();
        for lines in &writes.0 {
            let mut events = events(lines);
            last.push(match events.pop().unwrap() {
                Event::Began(operation) => operation.to_string(),
                Event::Ended(outcome, _) => format!("ended: {:?}", outcome.rollback),
                other => panic!("{other:?}"),
            });
            assert!(
                events.iter().all(|event| matches!(event, Event::Changed(_))),
                "{events:?}"
            );
        }
        let of = |what: &str| format!("{what} of 0000:01:00.0");
        let expected = [
            of("read config"),
            of(&format!("write {VFIO_PCI} to driver_override")),
            of("write 0 to d3cold_allowed"),
            of("write on to power/control"),
            of("read the power state"),
            "ended: None".to_owned(),
        ];
        assert_eq!(last, expected);
    }
}
