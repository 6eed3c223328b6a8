//! The ladder, driven: orders to workers, answers back, every event reported as it happens.

use std::thread;
use std::time::{Duration, Instant};

use reseat_core::decision::{Decision, Rung, Use};
use reseat_core::recovery::{Action, Awaited, End, Observation, Operation, Order, Progress, Reason, Record, Recovery};

use super::bookkeeping::Bookkeeping;
use super::evidence::Recorder;
use super::scan;
use super::worker::{WorkerError, Workers, no_answer, no_result};
use crate::linux::claim::flr_kept_out;
use crate::linux::process::signals::is_stop_requested;
use crate::linux::state::{not_isolated, recovery_files};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::recovery::{LadderStep, RecoveryEvent, Surveyed, Task, TaskAnswer, Waited, advice, whole_milliseconds};
use crate::rules::Reboot;

/// An answer that is there in the last moment still has to be read.
const ANSWER_MARGIN: Duration = Duration::from_millis(20);

/// A GPU on its ladder.
pub(super) struct Ladder<'a> {
    pub(super) root: &'a Root,
    pub(super) workers: Workers<'a>,
    pub(super) bookkeeping: Bookkeeping<'a>,
    pub(super) recorder: Recorder<'a>,
    pub(super) surveyed: Surveyed,
    pub(super) listener: &'a mut dyn FnMut(&RecoveryEvent),
    pub(super) begin: Instant,
    /// The GPU is reset although it is in use.
    pub(super) forced: bool,
    pub(super) reboot: Option<Reboot>,
}

impl Ladder<'_> {
    pub(super) fn report(&mut self, event: &RecoveryEvent) {
        self.recorder.keep(event);
        (self.listener)(event);
    }

    /// Reports findings, if there are any.
    pub(super) fn report_findings(&mut self, findings: Vec<Finding>) {
        if !findings.is_empty() {
            self.report(&RecoveryEvent::Found { findings });
        }
    }

    pub(super) fn report_decision(&mut self, decision: &Decision) {
        self.report(&RecoveryEvent::Decided {
            branch: decision.branch,
            rung: decision.next.rung(),
            skipped: decision.skipped.to_vec(),
        });
    }

    /// Takes one step, unreported.
    pub(super) fn take(&mut self, step: LadderStep, limit: Duration) -> (Observation, Vec<Finding>) {
        let task = Task::Operate(step, self.surveyed.subject.clone());
        self.perform(&task, limit)
    }

    /// Does an operation until `deadline`, step by step.
    pub(super) fn operate(&mut self, rung: Option<Rung>, operation: Operation, deadline: Duration) -> Observation {
        LadderStep::take_all(operation, |step| self.report_step(rung, step, deadline))
    }

    /// Takes a step, and reports that before it begins and when it has ended.
    fn report_step(&mut self, rung: Option<Rung>, step: LadderStep, deadline: Duration) -> Observation {
        let begin = self.begin.elapsed();
        let left = deadline.saturating_sub(begin).saturating_sub(ANSWER_MARGIN);
        let limit = step.limit().min(left);
        self.report(&RecoveryEvent::Began {
            rung,
            operation: step,
            limit_ms: whole_milliseconds(limit),
        });
        let (mut observation, mut findings) = self.take(step, limit);
        if self.forced && step == LadderStep::CheckUse && observation != Observation::Use(Use::Free) {
            match self.not_forced() {
                Some(refusal) => findings.push(refusal),
                None => observation = Observation::Use(Use::Free),
            }
        }
        let took = self.begin.elapsed().saturating_sub(begin);
        self.report(&RecoveryEvent::Ended {
            operation: step,
            took_ms: whole_milliseconds(took),
            observation,
            findings,
        });
        observation
    }

    fn perform(&mut self, task: &Task, limit: Duration) -> (Observation, Vec<Finding>) {
        let device = self.surveyed.subject.device;
        match self.workers.ask(task, limit) {
            Ok(TaskAnswer::Operated(observation, findings)) => (observation, findings),
            Ok(other) => (failed(), no_result(device, other)),
            Err(error @ WorkerError::Blocked) => {
                scan::release_drivers(self.root);
                (Observation::Blocked, vec![no_answer(device, &error)])
            }
            // It may have done what it was to do, or not.
            Err(error @ WorkerError::Gone(_)) => (failed(), vec![no_answer(device, &error)]),
        }
    }

    /// Climbs to the end; nothing is returned if a signal asked to stop before.
    pub(super) fn climb(&mut self, mut recovery: Recovery) -> Option<End> {
        let mut decided: Option<Decision> = None;
        loop {
            if is_stop_requested() {
                return None;
            }
            // Before an order is handed out, whose time runs from then on.
            self.follow(&recovery, &mut decided);
            let progress = recovery.poll(self.begin.elapsed());
            self.follow(&recovery, &mut decided);
            match progress {
                Ok(Progress::Do(order)) => self.carry_out(&mut recovery, order),
                Ok(Progress::Ended(end)) => return Some(self.end(end)),
                Err(nb::Error::WouldBlock) => self.wait(&recovery),
                Err(nb::Error::Other(never)) => match never {},
            }
        }
    }

    /// Reports a new decision of the rule, and has the evidence read before the first rung.
    fn follow(&mut self, recovery: &Recovery, decided: &mut Option<Decision>) {
        if recovery.decision() == decided.as_ref() {
            return;
        }
        *decided = recovery.decision().cloned();
        if let Some(decision) = decided {
            self.report_decision(decision);
            self.recorder.before(&mut self.workers, decision.next);
        }
    }

    fn wait(&mut self, recovery: &Recovery) {
        let Some(waiting) = recovery.waiting() else {
            return;
        };
        let now = self.begin.elapsed();
        let awaited = match waiting.awaited {
            Awaited::Time => Waited::SpecifiedTime,
            Awaited::Again => Waited::Appearance,
            Awaited::Answer(_) => Waited::Answer,
        };
        self.report(&RecoveryEvent::Waiting {
            rung: waiting.rung,
            awaited,
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
                self.quarantine(reason, left.saturating_sub(ANSWER_MARGIN))
            }
        };
        recovery.tell(self.begin.elapsed(), order.ticket, observation);
    }

    fn record(&mut self, record: Record) -> Observation {
        self.report(&RecoveryEvent::Recorded { record });
        let recorded = self.bookkeeping.record(record, self.begin.elapsed());
        self.recorder.after(&mut self.workers, record.rung);
        match recorded {
            Ok(()) => Observation::Done,
            Err(error) => {
                let finding = Finding::error(id::HISTORY_UNWRITTEN, self.subject());
                self.report_findings(vec![finding.with("cause", error)]);
                failed()
            }
        }
    }

    /// The record first: it outlives whatever becomes of the rest.
    fn quarantine(&mut self, reason: Reason, limit: Duration) -> Observation {
        let recorded = self.bookkeeping.quarantine(reason);
        let (mut observation, mut findings) = match reason {
            // The kernel still works on the functions: a process that touches them hangs as well.
            Reason::Stuck(_) => {
                let left = Finding::warning(id::LEFT_ALONE, self.subject());
                (Observation::Blocked, vec![left])
            }
            Reason::Exhausted | Reason::Refused(_) => {
                let task = Task::Isolate(self.surveyed.subject.clone());
                self.perform(&task, limit.saturating_sub(ANSWER_MARGIN))
            }
        };
        if observation != Observation::Done {
            not_isolated::note(self.root);
        }
        if let Err(error) = recorded {
            findings.push(Finding::error(id::QUARANTINE_UNWRITTEN, self.subject()).with("cause", error));
            observation = failed();
        }
        self.report_findings(findings);
        observation
    }

    fn end(&mut self, end: End) -> End {
        let device = self.surveyed.subject.device;
        let mut findings = self.keep_flr_out(end);
        // What is restored needs no journal; neither does what is out of service.
        if let Err(error) = recovery_files::remove_journal(self.root, device) {
            findings.push(Finding::error(id::RECORD_UNWRITTEN, self.subject()).with("cause", error));
        }
        if let Some(written) = self.recorder.finish(&mut self.workers, end) {
            findings.push(match written {
                Ok(path) => Finding::note(id::EVIDENCE_WRITTEN, Subject::file(path)),
                Err(error) => Finding::error(id::EVIDENCE_UNWRITTEN, self.subject()).with("cause", error),
            });
        }
        self.report_findings(findings);
        self.report(&RecoveryEvent::Done {
            end,
            findings: advice(device, end, self.ways_out()),
            took_ms: whole_milliseconds(self.begin.elapsed()),
        });
        end
    }

    /// Keeps FLR out of the kernel's own resets where it is known bad: the next VM's open would fire one.
    fn keep_flr_out(&self, end: End) -> Vec<Finding> {
        match end {
            // The kernel still works on the functions.
            End::OutOfService {
                why: Reason::Stuck(_), ..
            } => Vec::new(),
            _ => flr_kept_out::keep(self.root, self.surveyed.subject.device),
        }
    }

    pub(super) fn subject(&self) -> Subject {
        Subject::gpu(self.surveyed.subject.device)
    }
}

/// The observation where all that is known is that something went wrong.
const fn failed() -> Observation {
    Observation::Failed(reseat_core::recovery::Failure::Other(0))
}
