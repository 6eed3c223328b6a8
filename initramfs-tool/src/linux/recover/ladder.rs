//! The ladder, driven: orders to workers, answers back, everything told as it happens.

use std::thread;
use std::time::{Duration, Instant};

use reseat_core::decision::{Decision, Exclusivity, Rung, Use};
use reseat_core::recovery::{Action, Awaited, End, Observation, Operation, Order, Progress, Reason, Record, Recovery};

use super::bookkeeping::Chronicle;
use super::evidence::Recorder;
use super::worker::{WorkerError, Workers};
use crate::linux::state::recovery_files;
use crate::linux::sysfs::root::Root;
use crate::recovery::{Answer, Event, Step, Surveyed, Task, advice, whole_milliseconds};
use crate::rules::Reboot;

/// An answer that is there in the last moment still has to be heard.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// A GPU on its ladder.
pub(super) struct Ladder<'a> {
    pub(super) root: &'a Root,
    pub(super) workers: Workers<'a>,
    pub(super) chronicle: Chronicle<'a>,
    pub(super) recorder: Recorder<'a>,
    pub(super) surveyed: Surveyed,
    pub(super) listener: &'a mut dyn FnMut(&Event),
    pub(super) begin: Instant,
    /// Somebody's use is passed over.
    pub(super) forced: bool,
    pub(super) reboot: Option<Reboot>,
}

impl Ladder<'_> {
    pub(super) fn tell(&mut self, event: &Event) {
        self.recorder.hear(event);
        (self.listener)(event);
    }

    pub(super) fn tell_decision(&mut self, decision: &Decision) {
        self.tell(&Event::Decided {
            branch: decision.branch,
            rung: decision.next.rung(),
            skipped: decision.skipped.to_vec(),
        });
    }

    /// Takes one step, unreported.
    pub(super) fn take(&mut self, step: Step, limit: Duration) -> (Observation, Vec<String>) {
        let task = Task::Operate(step, self.surveyed.subject.clone());
        self.perform(&task, limit)
    }

    /// Does an operation until `deadline`, step by step.
    pub(super) fn operate(&mut self, rung: Option<Rung>, operation: Operation, deadline: Duration) -> Observation {
        Step::take_all(operation, |step| self.report_step(rung, step, deadline))
    }

    /// Takes a step, and reports that before it begins and when it has ended.
    fn report_step(&mut self, rung: Option<Rung>, step: Step, deadline: Duration) -> Observation {
        let begin = self.begin.elapsed();
        let left = deadline.saturating_sub(begin).saturating_sub(LAST_WORDS);
        let limit = step.limit().min(left);
        self.tell(&Event::Began {
            rung,
            operation: step,
            limit_ms: whole_milliseconds(limit),
        });
        let (mut observation, mut words) = self.take(step, limit);
        if self.forced && step == Step::CheckUse && observation != Observation::Use(Use::Free) {
            match self.not_forced() {
                Some(obstacle) => words.push(obstacle),
                None => observation = Observation::Use(Use::Free),
            }
        }
        let took = self.begin.elapsed().saturating_sub(begin);
        self.tell(&Event::Ended {
            operation: step,
            took_ms: whole_milliseconds(took),
            observation: in_words(observation),
            words,
        });
        observation
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

    pub(super) fn climb(&mut self, mut recovery: Recovery) -> End {
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
        let observation = match order.action {
            Action::Do(operation) => {
                let rung = recovery.waiting().and_then(|waiting| waiting.rung);
                self.operate(rung, operation, order.deadline)
            }
            Action::Record(record) => self.record(record),
            Action::Quarantine(reason) => {
                let left = order.deadline.saturating_sub(self.begin.elapsed());
                self.quarantine(reason, left.saturating_sub(LAST_WORDS))
            }
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
        if let Err(error) = recovery_files::remove_journal(self.root, self.surveyed.subject.device) {
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

pub(super) fn in_words(observation: Observation) -> String {
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
