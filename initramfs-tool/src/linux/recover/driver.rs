//! Driving the ladder: orders to workers, answers back, everything told as it happens.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use reseat_core::address::DeviceAddress;
use reseat_core::decision::{
    Attempt, Bmc, Decision, Exclusivity, Facts, KERNEL_RESET_LIMIT, Known, Preference, Reach, Rung, Sickness, Tried,
    Use, decide,
};
use reseat_core::recovery::{Action, Awaited, End, Observation, Operation, Order, Progress, Reason, Record, Recovery};

use super::super::Root;
use super::super::durable::DurableError;
use super::chronicle::Chronicle;
use super::files::{self, RecordError};
use super::lock;
use super::recorder::Recorder;
use super::worker::{WorkerError, Workers};
use crate::recovery::{Answer, Event, Member, Planned, Surveyed, Task, advice, whole_milliseconds};
use crate::rules::Reboot;

/// What is asked of a recovery.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only say what would be done.
    pub dry_run: bool,
    /// The highest rung allowed.
    pub highest: Rung,
    /// The only rung allowed, if one is asked for.
    pub only: Option<Rung>,
    /// What is preferred where the rule leaves a choice.
    pub preference: Preference,
    /// Whether the machine may be rebooted for a GPU, if that is agreed on.
    pub reboot: Option<Reboot>,
    /// Go on with a GPU that somebody uses. It is written down.
    pub force: bool,
    /// Go on with a recovery that was broken off.
    pub resume: bool,
    /// The GPU is out of service, and this is one of the resets by which it is to come back. Goes on with a recovery that
    /// was broken off, if there is one.
    pub trial: bool,
}

/// Why a recovery was not begun, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Somebody else recovers something in the same domain.
    #[error("another recovery is under way in the domain of {0}")]
    UnderWay(DeviceAddress),
    /// The lock cannot be had.
    #[error("cannot lock {path}: {cause}", path = path.display())]
    Lock {
        /// Of which file.
        path: std::path::PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The GPU cannot be looked at.
    #[error("cannot look at {device}: {problem}")]
    Look {
        /// Which.
        device: DeviceAddress,
        /// Why.
        problem: String,
    },
    /// A recovery was broken off.
    #[error("a recovery of {0} was broken off: go on with it by `reseat recover {0} --resume`")]
    BrokenOff(DeviceAddress),
    /// There is none to go on with.
    #[error("no recovery of {0} was broken off")]
    NothingToResume(DeviceAddress),
    /// The GPU is out of service, or nobody knows whether it is.
    #[error("{gpu} is out of service: {why}")]
    OutOfService {
        /// Which.
        gpu: DeviceAddress,
        /// What stands against it, and what to do.
        why: String,
    },
    /// A file of reseat's own.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file of reseat's own.
    #[error(transparent)]
    File(#[from] DurableError),
}

/// The first look at a GPU is given as much time as a reset may take that somebody else has begun.
pub(super) const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// Holding a GPU against its baseline before anything is done.
const EXAMINE_LIMIT: Duration = Duration::from_secs(5);
/// An answer that is there in the last moment still has to be heard.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// Recovers the GPU at `device`, and tells `listener` what happens. With [`Options::dry_run`] it ends with the plan, and
/// without an end.
///
/// # Errors
/// [`RecoverError`]: nothing was begun then.
pub fn recover(
    root: &Root,
    device: DeviceAddress,
    options: &Options,
    listener: &mut dyn FnMut(&Event),
) -> Result<Option<End>, RecoverError> {
    let mut workers = Workers::new(root);
    let journal = files::journal(root, device)?;
    match (&journal, options.resume) {
        (Some(_), false) if !options.dry_run && !options.trial => return Err(RecoverError::BrokenOff(device)),
        (None, true) => return Err(RecoverError::NothingToResume(device)),
        _ => {}
    }
    let baseline = files::baseline(root, device)?;
    let known = match (&journal, &baseline) {
        (Some(journal), _) => journal.subject.members.clone(),
        (None, Some(baseline)) => baseline.members(),
        (None, None) => Vec::new(),
    };
    let mut surveyed = look(&mut workers, device, known, listener)?;
    if let Some(journal) = &journal {
        // What was there before the first rung is what has to come back.
        surveyed.subject = journal.subject.clone();
    }
    let limit = if options.resume {
        KERNEL_RESET_LIMIT
    } else {
        Duration::ZERO
    };
    workers.hold(lock::of_domain(root, &surveyed, limit, listener)?);
    let mut climb = Ladder {
        root,
        workers,
        chronicle: Chronicle::open(root, &surveyed.subject),
        recorder: Recorder::new(root, &surveyed.subject),
        surveyed,
        listener,
        begin: Instant::now(),
        forced: false,
        reboot: options.reboot,
    };
    if let Some(why) = climb.chronicle.out_of_service().filter(|_| !options.trial) {
        return Err(RecoverError::OutOfService { gpu: device, why });
    }
    if options.resume && !options.dry_run {
        climb.put_back(journal.is_some_and(|journal| journal.powered_off));
    }
    let known = climb.known(options);
    let facts = climb.surveyed.surroundings.facts(known);
    if options.dry_run {
        let decision = decide(&facts, &Tried::none());
        climb.tell_decision(&decision);
        let planned = climb.plan(&facts);
        climb.tell(&planned);
        return Ok(None);
    }
    Ok(Some(climb.climb(Recovery::new(Duration::ZERO, facts, Tried::none()))))
}

/// Looks at the machine; while somebody else's reset holds the GPU, again.
fn look(
    workers: &mut Workers<'_>,
    device: DeviceAddress,
    known: Vec<Member>,
    listener: &mut dyn FnMut(&Event),
) -> Result<Surveyed, RecoverError> {
    let task = Task::Survey(device, known);
    let begin = Instant::now();
    let failed = |problem: String| RecoverError::Look { device, problem };
    loop {
        match workers.ask(&task, LOOK_LIMIT) {
            Ok(Answer::Surveyed(surveyed)) => return Ok(*surveyed),
            Ok(Answer::Failed(problem)) => return Err(failed(problem)),
            Ok(other) => return Err(failed(format!("an answer that nobody asked for: {other:?}"))),
            Err(WorkerError::Blocked) if begin.elapsed() < KERNEL_RESET_LIMIT => listener(&Event::Waiting {
                rung: None,
                what: "the kernel, which holds the GPU: a reset is in progress",
                limit_ms: whole_milliseconds(KERNEL_RESET_LIMIT.saturating_sub(begin.elapsed())),
            }),
            Err(error) => return Err(failed(error.to_string())),
        }
    }
}

struct Ladder<'a> {
    root: &'a Root,
    workers: Workers<'a>,
    chronicle: Chronicle<'a>,
    recorder: Recorder<'a>,
    surveyed: Surveyed,
    listener: &'a mut dyn FnMut(&Event),
    begin: Instant,
    /// Somebody's use is passed over.
    forced: bool,
    reboot: Option<Reboot>,
}

impl Ladder<'_> {
    fn tell(&mut self, event: &Event) {
        self.recorder.hear(event);
        (self.listener)(event);
    }

    fn tell_decision(&mut self, decision: &Decision) {
        self.tell(&Event::Decided {
            branch: decision.branch,
            rung: decision.next.rung(),
            skipped: decision.skipped.to_vec(),
        });
    }

    /// Puts back what the recovery that was broken off has taken away, as far as it comes back: the functions, for the
    /// ladder to begin anew with them. What fails here fails again on a rung, and counts there.
    fn put_back(&mut self, powered_off: bool) {
        let power = powered_off.then_some(Operation::PowerOn);
        let rest = [
            Operation::ReadLink,
            Operation::Rescan,
            Operation::RestoreBarSizes,
            Operation::RestoreOverride,
            Operation::Claim,
        ];
        for operation in power.into_iter().chain(rest) {
            let begin = self.begin.elapsed();
            let (observation, words) = self.operate(operation, operation.limit());
            let took = self.begin.elapsed().saturating_sub(begin);
            self.tell(&Event::Ended {
                operation,
                took_ms: whole_milliseconds(took),
                observation: in_words(observation),
                words,
            });
            let below_reach = matches!(observation, Observation::Link(link) if link.admit().is_err());
            if below_reach || observation == Observation::Blocked {
                return;
            }
        }
        // What the first look saw may have come back.
        let task = Task::Survey(self.surveyed.subject.device, self.surveyed.subject.members.clone());
        if let Ok(Answer::Surveyed(surveyed)) = self.workers.ask(&task, LOOK_LIMIT) {
            self.surveyed.surroundings = surveyed.surroundings;
            self.surveyed.bystanders = surveyed.bystanders;
            self.surveyed.words = surveyed.words;
        }
    }

    /// What the rule is told that no topology knows.
    fn known(&mut self, options: &Options) -> Known {
        let mut words = self.surveyed.words.clone();
        words.extend(self.surveyed.domain_in_words());
        let (usage, users) = self.usage(options);
        words.extend(users);
        let (sickness, findings) = self.sickness(usage, options);
        words.extend(findings);
        let (class, standing) = self.chronicle.class();
        words.extend(standing);
        if !words.is_empty() {
            self.tell(&Event::Found { words });
        }
        Known {
            usage,
            tdi: self.surveyed.tdi,
            bmc: Bmc::NotConfigured,
            class,
            sickness,
            preference: options.preference,
            highest: options.highest,
            only: options.only,
        }
    }

    fn usage(&mut self, options: &Options) -> (Use, Vec<String>) {
        let (observation, mut words) = self.operate(Operation::CheckUse, Operation::CheckUse.limit());
        let usage = match observation {
            Observation::Use(usage) => usage,
            _ => Use::Unknown,
        };
        if usage != Use::Free && options.force {
            words.push("to be reset all the same: --force".to_owned());
            self.chronicle.forced();
            self.forced = true;
            return (Use::Free, words);
        }
        (usage, words)
    }

    /// The rungs that would come if none of them helped, and whom each would hit.
    fn plan(&self, facts: &Facts) -> Event {
        let mut tried = Tried::none();
        let mut facts = *facts;
        let mut rungs = Vec::new();
        loop {
            let decision = decide(&facts, &tried);
            let Some(rung) = decision.next.rung() else {
                let skipped = decision.skipped.into_iter();
                return Event::Planned {
                    rungs,
                    skipped: skipped.filter(|skipped| !tried.contains(skipped.rung)).collect(),
                    then: decision.next,
                };
            };
            rungs.push(Planned {
                rung,
                hits: self.surveyed.hit_by(rung),
                limit_ms: rung.deadline().map(whole_milliseconds),
            });
            tried.note(Attempt {
                rung,
                reach: Reach::Reset,
            });
            facts.sickness.set_last_reset_failed(true);
        }
    }

    /// What is wrong with the GPU as it is found, and that its last reset failed.
    fn sickness(&mut self, usage: Use, options: &Options) -> (Sickness, Vec<String>) {
        let mut sickness = Sickness::new();
        let mut words = Vec::new();
        // What is in use is not looked at: nothing is going to be done to it.
        if usage == Use::Free {
            match self
                .workers
                .ask(&Task::Examine(self.surveyed.subject.clone()), EXAMINE_LIMIT)
            {
                Ok(Answer::Examined(examined)) => {
                    sickness = examined.verdict.sickness();
                    words = examined.words;
                }
                Ok(other) => words.push(format!("not examined: {other:?}")),
                Err(error) => words.push(format!("not examined: {error}")),
            }
        }
        if options.resume {
            sickness.set_last_reset_failed(true);
            words.push("its recovery was broken off".to_owned());
        }
        if self.chronicle.last_reset_failed() {
            sickness.set_last_reset_failed(true);
            words.push("its last reset was not verified".to_owned());
        }
        (sickness, words)
    }

    fn operate(&mut self, operation: Operation, limit: Duration) -> (Observation, Vec<String>) {
        let task = Task::Operate(operation, self.surveyed.subject.clone());
        self.perform(&task, limit)
    }

    fn perform(&mut self, task: &Task, limit: Duration) -> (Observation, Vec<String>) {
        match self.workers.ask(task, limit) {
            Ok(Answer::Operated(observation, words)) => (observation, words),
            Ok(Answer::Failed(problem)) => (failed(), vec![problem]),
            Ok(other) => (failed(), vec![format!("an answer that nobody asked for: {other:?}")]),
            Err(WorkerError::Blocked) => (Observation::Blocked, vec![WorkerError::Blocked.to_string()]),
            // It may have done what it was told, or not.
            Err(error @ WorkerError::Gone(_)) => (failed(), vec![error.to_string()]),
        }
    }

    fn climb(&mut self, mut recovery: Recovery) -> End {
        let mut decided: Option<Decision> = None;
        loop {
            // Before an order is handed out, whose time runs from then on.
            self.follow(&recovery, &mut decided);
            let progress = recovery.poll(self.begin.elapsed());
            self.follow(&recovery, &mut decided);
            match progress {
                Ok(Progress::Do(order)) => self.carry_out(&mut recovery, order),
                Ok(Progress::Ended(end)) => return self.end(end),
                Err(nb::Error::WouldBlock) => self.wait(&recovery),
                Err(nb::Error::Other(never)) => match never {},
            }
        }
    }

    /// Tells what the rule has said anew, and has the GPU looked at before the first rung.
    fn follow(&mut self, recovery: &Recovery, decided: &mut Option<Decision>) {
        if recovery.decision() == decided.as_ref() {
            return;
        }
        *decided = recovery.decision().cloned();
        if let Some(decision) = decided {
            self.tell_decision(decision);
            self.recorder.before(&mut self.workers, decision.next);
        }
    }

    fn wait(&mut self, recovery: &Recovery) {
        let Some(waiting) = recovery.waiting() else {
            return;
        };
        let now = self.begin.elapsed();
        let what = match waiting.awaited {
            Awaited::Time => "the time that the specification gives",
            Awaited::Again => "what is not there yet",
            Awaited::Answer(_) => "an answer",
        };
        self.tell(&Event::Waiting {
            rung: waiting.rung,
            what,
            limit_ms: whole_milliseconds(waiting.until.saturating_sub(now)),
        });
        thread::sleep(waiting.poll_at.saturating_sub(now));
    }

    fn carry_out(&mut self, recovery: &mut Recovery, order: Order) {
        let begin = self.begin.elapsed();
        let limit = order.deadline.saturating_sub(begin).saturating_sub(LAST_WORDS);
        let observation = match order.action {
            Action::Do(operation) => {
                let rung = recovery.waiting().and_then(|waiting| waiting.rung);
                let limit_ms = whole_milliseconds(limit);
                self.tell(&Event::Began {
                    rung,
                    operation,
                    limit_ms,
                });
                let (mut observation, words) = self.operate(operation, limit);
                if self.forced && operation == Operation::CheckUse {
                    observation = Observation::Use(Use::Free);
                }
                let took = self.begin.elapsed().saturating_sub(begin);
                self.tell(&Event::Ended {
                    operation,
                    took_ms: whole_milliseconds(took),
                    observation: in_words(observation),
                    words,
                });
                observation
            }
            Action::Record(record) => self.record(record),
            Action::Quarantine(reason) => self.quarantine(reason, limit),
        };
        recovery.tell(self.begin.elapsed(), order.ticket, observation);
    }

    fn record(&mut self, record: Record) -> Observation {
        self.tell(&Event::Recorded { record });
        let recorded = self.chronicle.record(record, self.begin.elapsed());
        self.recorder.after(&mut self.workers, record.rung);
        match recorded {
            Ok(()) => Observation::Done,
            Err(error) => {
                let words = vec![format!("the history was not written: {error}")];
                self.tell(&Event::Found { words });
                failed()
            }
        }
    }

    /// The note first: it outlives whatever becomes of the rest.
    fn quarantine(&mut self, reason: Reason, limit: Duration) -> Observation {
        let noted = self.chronicle.quarantine(&reason.to_string());
        let (mut observation, mut words) = match reason {
            // The kernel still works on the functions: whoever touches them hangs as well.
            Reason::Stuck(_) => (Observation::Blocked, vec!["the GPU is left alone".to_owned()]),
            Reason::Exhausted | Reason::Refused(_) => {
                let task = Task::Isolate(self.surveyed.subject.clone());
                self.perform(&task, limit.saturating_sub(LAST_WORDS))
            }
        };
        if let Err(error) = noted {
            words.push(format!("the quarantine was not written down: {error}"));
            observation = failed();
        }
        if !words.is_empty() {
            self.tell(&Event::Found { words });
        }
        observation
    }

    fn end(&mut self, end: End) -> End {
        // What is put back needs no journal; neither does what is out of service.
        if let Err(error) = files::remove_journal(self.root, self.surveyed.subject.device) {
            let words = vec![error.to_string()];
            self.tell(&Event::Found { words });
        }
        if let Some(written) = self.recorder.finish(&mut self.workers, end) {
            let words = match written {
                Ok(path) => format!("evidence: {}", path.display()),
                Err(error) => format!("the evidence was not written: {error}"),
            };
            self.tell(&Event::Found { words: vec![words] });
        }
        let took_ms = whole_milliseconds(self.begin.elapsed());
        let text = end.to_string();
        let advice = advice(end, self.reboot);
        self.tell(&Event::Done {
            end,
            text,
            advice,
            took_ms,
        });
        end
    }
}

/// What the ladder is told where all that is known is that something went wrong.
const fn failed() -> Observation {
    Observation::Failed(reseat_core::recovery::Failure::Other(0))
}

fn in_words(observation: Observation) -> String {
    match observation {
        Observation::Done => "done".to_owned(),
        Observation::Use(usage) => match usage {
            Use::Free => "nobody".to_owned(),
            Use::Used => "in use".to_owned(),
            Use::Unknown => "not known".to_owned(),
        },
        Observation::Link(link) => link.to_string(),
        Observation::Domain(domain) => match domain {
            Exclusivity::Exclusive => "nobody else".to_owned(),
            Exclusivity::Shared => "others as well".to_owned(),
            Exclusivity::Unknown => "not known".to_owned(),
        },
        Observation::Functions(readiness) => readiness.to_string(),
        Observation::Health(verdict) => verdict.to_string(),
        Observation::Blocked => "does not come back".to_owned(),
        Observation::Vanished => "vanished".to_owned(),
        Observation::Failed(failure) => failure.to_string(),
    }
}
