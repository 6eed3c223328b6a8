//! The evidence of a recovery, kept until its end, and written then.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reseat_core::decision::{Next, Rung};
use reseat_core::recovery::End;

use super::worker::{WorkerError, Workers};
use crate::linux::state::bundles;
use crate::linux::state::durable::DurableError;
use crate::linux::state::kernel_log_reader::Reader;
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::RecoverySubject;
use crate::records::evidence::{Bundle, BundleEnd, Host, Moment, Part, TimedEvent, When, functions_of};
use crate::recovery::{RecoveryEvent, Task, TaskAnswer, whole_milliseconds};

/// What is not read by then is not read: a GPU is not kept waiting for its evidence.
const LIMIT: Duration = Duration::from_secs(2);
/// What one part may take of that.
const PART_LIMIT: Duration = Duration::from_secs(1);
/// The events that a bundle keeps: more than a ladder has.
const MOST_EVENTS: usize = 1000;

/// Has a task done in a limited time.
type Ask<'a> = dyn FnMut(&Task, Duration) -> Result<TaskAnswer, WorkerError> + 'a;

/// The bundle of a recovery that goes on.
pub(super) struct Recorder<'a> {
    root: &'a Root,
    begin: Instant,
    bundle: Bundle,
    log: io::Result<Reader>,
    /// Since the last moment, something was changed.
    changed: bool,
    /// Since the last moment, the GPU was reset.
    reset: bool,
    /// How many events are not in the bundle.
    dropped: usize,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(root: &'a Root, subject: &RecoverySubject) -> Self {
        Self {
            root,
            begin: Instant::now(),
            bundle: Bundle {
                device: subject.device,
                begun: Timestamp::now(),
                took_ms: 0,
                end: None,
                machine: machine(root),
                subject: subject.clone(),
                events: Vec::new(),
                moments: Vec::new(),
                left_out: Vec::new(),
            },
            log: Reader::open(root),
            changed: false,
            reset: false,
            dropped: 0,
        }
    }

    /// Keeps an event.
    pub(super) fn keep(&mut self, event: &RecoveryEvent) {
        if let RecoveryEvent::Began { operation, .. } = event {
            let operation = operation.operation();
            self.changed |= !operation.only_looks();
            self.reset |= operation.resets();
        }
        if self.bundle.events.len() >= MOST_EVENTS {
            self.dropped += 1;
            return;
        }
        self.bundle.events.push(TimedEvent {
            after_ms: whole_milliseconds(self.begin.elapsed()),
            event: serde_json::to_value(event).unwrap_or_default(),
            text: None,
        });
    }

    /// Reads before the first thing is done. Where nothing is going to be done, nothing is read.
    pub(super) fn before(&mut self, workers: &mut Workers<'_>, next: Next) {
        if self.bundle.moments.is_empty() && !matches!(next, Next::Refuse(_)) {
            self.read(&mut |task, limit| workers.ask(task, limit), When::Before);
        }
    }

    /// Reads after a rung, if it has reset anything.
    pub(super) fn after(&mut self, workers: &mut Workers<'_>, rung: Rung) {
        if self.reset {
            self.read(&mut |task, limit| workers.ask(task, limit), When::After(rung));
        }
    }

    /// Reads once more, if something was done since, and writes the bundle; none of a recovery that has done nothing.
    pub(super) fn finish(&mut self, workers: &mut Workers<'_>, end: End) -> Option<Result<PathBuf, DurableError>> {
        if self.bundle.moments.is_empty() {
            return None;
        }
        if self.changed || matches!(end, End::OutOfService { .. }) {
            self.read(&mut |task, limit| workers.ask(task, limit), When::End);
        }
        self.bundle.end = Some(BundleEnd::End(end));
        self.bundle.took_ms = whole_milliseconds(self.begin.elapsed());
        if self.dropped > 0 {
            let left_out = Finding::note(id::EVENTS_LEFT_OUT, Subject::gpu(self.bundle.device));
            self.bundle.left_out.push(left_out.with("count", self.dropped));
        }
        Some(bundles::write(self.root, self.bundle.clone()))
    }

    /// Reads, part by part, what can be read in time.
    fn read(&mut self, ask: &mut Ask<'_>, when: When) {
        let begin = Instant::now();
        (self.changed, self.reset) = (false, false);
        let after = begin.saturating_duration_since(self.begin);
        let mut moment = Moment::new(when, whole_milliseconds(after));
        // Before anything that could hang: it says why.
        match self.log.as_mut().map(Reader::read) {
            Ok(Ok(excerpt)) => moment.kernel_log = excerpt,
            Ok(Err(error)) => moment.not_read.push(log_not_read(error)),
            Err(error) => moment.not_read.push(log_not_read(error)),
        }
        let subject = &self.bundle.subject;
        let functions = functions_of(subject).into_iter().map(Part::Function);
        let parts = [Part::Remembered].into_iter().chain(functions).chain([Part::Users]);
        let mut blocked = false;
        for part in parts {
            let left = LIMIT.saturating_sub(begin.elapsed());
            let task = Task::Collect(part, subject.clone());
            let why = match part {
                _ if left.is_zero() => "out of time".to_owned(),
                // What holds one function may hold the next, and each costs a worker.
                Part::Function(_) if blocked => "another one was blocked".to_owned(),
                _ => match ask(&task, left.min(PART_LIMIT)) {
                    Ok(TaskAnswer::Collected(collected)) => {
                        moment.add(collected);
                        continue;
                    }
                    Ok(other) => format!("an answer to another task: {other:?}"),
                    Err(WorkerError::Blocked) => {
                        blocked |= matches!(part, Part::Function(_));
                        "blocked: a reset may be in progress".to_owned()
                    }
                    Err(error @ WorkerError::Gone(_)) => error.to_string(),
                },
            };
            moment.not_read.push(part_not_read(subject, part, why));
        }
        moment.took_ms = whole_milliseconds(begin.elapsed());
        self.bundle.moments.push(moment);
    }
}

fn log_not_read(cause: impl Display) -> Finding {
    let finding = Finding::warning(id::PART_NOT_READ, Subject::machine());
    finding.with("part", "the kernel log").with("cause", cause)
}

fn part_not_read(subject: &RecoverySubject, part: Part, cause: impl Display) -> Finding {
    let gpu = Subject::gpu(subject.device);
    let (about, name) = match part {
        Part::Remembered => (gpu, "what the kernel remembers".to_owned()),
        Part::Users => (gpu, "who uses it".to_owned()),
        Part::Function(function) => (Subject::function(function), function.to_string()),
    };
    let finding = Finding::warning(id::PART_NOT_READ, about);
    finding.with("part", name).with("cause", cause)
}

fn machine(root: &Root) -> Host {
    let read = |path| attributes::read(&root.path(path)).ok();
    Host {
        reseat: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: read("/proc/sys/kernel/osrelease"),
        command_line: read("/proc/cmdline"),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        uptime: read("/proc/uptime").and_then(|text| text.split(' ').next().map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use reseat_core::witness::Proof;

    use super::*;
    use crate::linux::process::child::Lost;
    use crate::model::usage::Usage;
    use crate::records::evidence::{Collected, Users, fixture};
    use crate::recovery::LadderStep;

    fn machine() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        fs::create_dir_all(root.path("/dev")).unwrap();
        fs::write(root.path("/dev/kmsg"), "6,0,1000000,-;why\n").unwrap();
        (directory, root)
    }

    fn answer(task: &Task, _: Duration) -> Result<TaskAnswer, WorkerError> {
        let Task::Collect(part, _) = task else {
            panic!("{task:?}")
        };
        let mut collected = Collected::default();
        if *part == Part::Users {
            collected.users = Some(Users::from(&Usage::Free));
        }
        Ok(TaskAnswer::Collected(collected))
    }

    fn causes(moment: &Moment) -> Vec<(&str, &str)> {
        let facts = moment.not_read.iter().map(|finding| {
            let fact = |name| finding.evidence.get(name).unwrap();
            (fact("part"), fact("cause"))
        });
        facts.collect()
    }

    fn begin(operation: LadderStep) -> RecoveryEvent {
        RecoveryEvent::Began {
            rung: None,
            operation,
            limit_ms: 0,
        }
    }

    #[test]
    fn what_is_blocked_takes_its_part_along_and_no_other() {
        let (_directory, root) = machine();
        let mut recorder = Recorder::new(&root, &fixture().subject);
        let mut asked = Vec::new();
        let mut ask = |task: &Task, limit| {
            if let Task::Collect(Part::Function(function), _) = task {
                asked.push(*function);
                return Err(WorkerError::Blocked);
            }
            answer(task, limit)
        };
        recorder.read(&mut ask, When::Before);
        let moment = &recorder.bundle.moments[0];
        assert_eq!(
            causes(moment),
            [
                ("0000:00:03.0", "blocked: a reset may be in progress"),
                ("0000:01:00.0", "another one was blocked")
            ]
        );
        assert_eq!(moment.users, Some(Users::from(&Usage::Free)));
        assert_eq!(moment.kernel_log.lines, ["[    1.000000] why"]);
        assert_eq!(asked.len(), 1);
    }

    #[test]
    fn what_is_out_of_time_is_named() {
        let (_directory, root) = machine();
        let mut recorder = Recorder::new(&root, &fixture().subject);
        let mut limits = Vec::new();
        let mut ask = |_: &Task, limit| {
            limits.push(limit);
            std::thread::sleep(limit);
            Err(WorkerError::Gone(Lost::Closed))
        };
        recorder.read(&mut ask, When::Before);
        let moment = &recorder.bundle.moments[0];
        assert_eq!(causes(moment).last(), Some(&("who uses it", "out of time")));
        assert!(limits.iter().sum::<Duration>() <= LIMIT, "{limits:?}");
    }

    #[test]
    fn a_moment_is_read_where_something_was_done_and_nothing_is_written_of_nothing() {
        let (_directory, root) = machine();
        let subject = fixture().subject;
        let mut workers = Workers::new(&root);
        let mut recorder = Recorder::new(&root, &subject);
        recorder.before(&mut workers, Next::Refuse(reseat_core::decision::Refusal::InUse));
        let end = End::Refused(reseat_core::decision::Refusal::InUse);
        assert!(recorder.finish(&mut workers, end).is_none());
        recorder.read(&mut answer, When::Before);
        recorder.keep(&begin(LadderStep::CheckUse));
        recorder.after(&mut workers, Rung::DetachSbr);
        assert_eq!(recorder.bundle.moments.len(), 1);
        assert!(!recorder.changed && !recorder.reset);
        recorder.keep(&begin(LadderStep::Journal));
        assert!(recorder.changed && !recorder.reset);
        recorder.keep(&begin(LadderStep::ResetEmptyBus));
        assert!(recorder.reset);
        recorder.read(&mut answer, When::After(Rung::DetachSbr));
        let end = End::Recovered {
            by: Rung::DetachSbr,
            proof: Proof::Configuration,
        };
        let path = recorder.finish(&mut workers, end).unwrap().unwrap();
        let bundle = bundles::read(&root, &path).unwrap();
        assert_eq!(bundle.end, Some(BundleEnd::End(end)));
        assert_eq!((bundle.moments.len(), bundle.events.len()), (2, 3));
    }

    #[test]
    fn events_without_end_are_not_all_kept() {
        let (_directory, root) = machine();
        let mut recorder = Recorder::new(&root, &fixture().subject);
        recorder.read(&mut answer, When::Before);
        (0..MOST_EVENTS + 5).for_each(|_| recorder.keep(&begin(LadderStep::ReadLink)));
        let end = End::Recovered {
            by: Rung::DetachSbr,
            proof: Proof::Configuration,
        };
        let path = recorder.finish(&mut Workers::new(&root), end).unwrap().unwrap();
        let bundle = bundles::read(&root, &path).unwrap();
        assert_eq!(
            (bundle.events.len(), bundle.left_out[0].evidence.get("count")),
            (MOST_EVENTS, Some("5"))
        );
    }
}
