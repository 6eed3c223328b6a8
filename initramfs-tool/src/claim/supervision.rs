//! Watching the workers.
//!
//! Any operation of a claim can block in the kernel for ever, and a process that is blocked there cannot be killed. So
//! operations are done by workers, processes of their own that report each operation before they begin it; the supervisor
//! touches no device, abandons a worker that gives no sign of life, and knows from its reports what there is to take back.
//! One worker serves all GPUs while all goes well. When it blocks, its GPU is set aside, and each of the others gets a
//! worker of its own, so that they do not wait for each other. A GPU that only answers slowly, and of which nothing is changed
//! yet, gives up its turn: the others go on in another worker. It begins again when they have ended, and not beside them: a
//! register is read by one processor at a time, so that each of their reads would wait for one of its own.

use std::collections::VecDeque;
use std::time::Duration;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use serde::{Deserialize, Serialize};

use super::change::{self, Change};
use super::failure::{Failure, FailureKind};
use super::operation::{Operation, Verb};
use super::outcome::{Outcome, Rollback};
use super::{Limits, Target};
use crate::model::finding::{Finding, Subject, id};

/// What a worker is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Assignment {
    /// Claim these, one after the other.
    Claim(Vec<Target>),
    /// Take back what an abandoned worker did.
    Undo {
        /// What to take back, in the order in which it was done.
        changes: Vec<Change>,
        /// Why.
        rollback: Box<Rollback>,
    },
}

/// What a worker reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerEvent {
    /// It is about to do this.
    Began(Operation),
    /// It has changed this.
    Changed(Change),
    /// It takes back what it did, for this reason; again whenever more could not be taken back.
    TurnedBack(Rollback),
    /// It has done this part of taking back, or could not.
    Undone(Operation),
    /// It has come to the end of a GPU, after so long.
    Ended(Outcome, Duration),
}

/// Tells workers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(u32);

/// What the shell is to do with workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start one.
    Start(WorkerId, Assignment),
    /// Kill one without waiting for it: if it is blocked, the kill takes effect when the kernel lets go of it, so that it
    /// does nothing more.
    Abandon(WorkerId),
}

/// A GPU whose claim has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Which.
    pub device: DeviceAddress,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// The state of all workers. Times are durations since the start of the claim.
#[derive(Debug)]
pub struct Supervision {
    limits: Limits,
    workers: Vec<Worker>,
    /// Those that gave up their turn.
    postponed: VecDeque<Target>,
    finished: Vec<Finished>,
    /// Of each worker that was abandoned within an operation, the function.
    unreturned: Vec<(WorkerId, FunctionAddress)>,
    started: u32,
}

#[derive(Debug)]
struct Worker {
    id: WorkerId,
    purpose: Purpose,
    /// The GPU it is at.
    attempt: Attempt,
    /// That GPU, as long as it is to be claimed.
    target: Option<Target>,
    /// Those that it has not come to.
    waiting: VecDeque<Target>,
    last_sign: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Claim,
    Undo,
}

/// The claim of one GPU, as far as it came.
#[derive(Debug)]
struct Attempt {
    device: DeviceAddress,
    since: Duration,
    /// The operation that was begun last and has not come back.
    in_flight: Option<Operation>,
    /// What was changed and is not taken back.
    changes: Vec<Change>,
    /// Why it is being taken back.
    rollback: Option<Rollback>,
}

impl Supervision {
    /// Nothing to watch yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            workers: Vec::new(),
            postponed: VecDeque::new(),
            finished: Vec::new(),
            unreturned: Vec::new(),
            started: 0,
        }
    }

    /// Begins with `targets` at `now`.
    pub fn begin(&mut self, now: Duration, targets: Vec<Target>) -> Vec<Command> {
        self.claim(now, targets).into_iter().collect()
    }

    /// Takes a worker's report. Nothing has to be done about one.
    pub fn event(&mut self, now: Duration, id: WorkerId, event: WorkerEvent) {
        // One that is not found was abandoned: what it still says is too late.
        let Some(position) = self.workers.iter().position(|worker| worker.id == id) else {
            return;
        };
        let Some(worker) = self.workers.get_mut(position) else {
            return;
        };
        worker.last_sign = now;
        let attempt = &mut worker.attempt;
        // Whatever it says, it has come back from what it began before.
        attempt.in_flight = None;
        match event {
            WorkerEvent::Began(operation) => attempt.in_flight = Some(operation),
            WorkerEvent::Changed(change) => attempt.changes.push(change),
            WorkerEvent::TurnedBack(rollback) => attempt.rollback = Some(rollback),
            WorkerEvent::Undone(operation) => attempt.changes.retain(|change| !change.is_undone_by(&operation)),
            WorkerEvent::Ended(outcome, took) => {
                self.finished.push(Finished {
                    device: attempt.device,
                    outcome,
                    took: match worker.purpose {
                        Purpose::Claim => took,
                        // All of it, and not the way back alone.
                        Purpose::Undo => now.saturating_sub(attempt.since),
                    },
                });
                match worker.waiting.pop_front() {
                    Some(target) => {
                        worker.attempt = Attempt::new(target.device, now);
                        worker.target = Some(target);
                    }
                    None => drop(self.workers.remove(position)),
                }
            }
        }
    }

    /// Takes the news that a worker has ended, or cannot be understood. Of one that has done its work this is no news.
    pub fn gone(&mut self, now: Duration, id: WorkerId, why: &str) -> Vec<Command> {
        let failure = Failure::other(Finding::error(id::WORKER_LOST, Subject::machine()).with("cause", why));
        match self.workers.iter().position(|worker| worker.id == id) {
            Some(position) => self.set_aside(now, position, &failure),
            None => Vec::new(),
        }
    }

    /// Takes note of the time.
    pub fn tick(&mut self, now: Duration) -> Vec<Command> {
        let mut commands = Vec::new();
        while let Some(position) = self.position(|worker, limits| worker.deadline(limits) <= now) {
            let Some(worker) = self.workers.get(position) else {
                break;
            };
            let silent = now.saturating_sub(worker.last_sign);
            let failure = if silent >= self.limits.stall {
                let seconds = format!("{:.1}", silent.as_secs_f64());
                Failure {
                    kind: FailureKind::Blocked,
                    finding: Finding::error(id::OPERATION_BLOCKED, Subject::machine()).with("seconds", seconds),
                }
            } else {
                out_of_time()
            };
            commands.extend(self.set_aside(now, position, &failure));
        }
        while let Some(position) =
            self.position(|worker, limits| worker.turn_ends(limits).is_some_and(|end| end <= now))
        {
            commands.extend(self.let_others_first(now, position));
        }
        while self.is_their_turn() {
            let target = self.postponed.pop_front();
            commands.extend(target.and_then(|target| self.claim_alone(now, target)));
        }
        commands
    }

    /// Returns true if there are GPUs that gave up their turn, and nobody is left that they would hold up.
    fn is_their_turn(&self) -> bool {
        self.workers.is_empty() && !self.postponed.is_empty()
    }

    fn position(&self, is_it: impl Fn(&Worker, Limits) -> bool) -> Option<usize> {
        self.workers.iter().position(|worker| is_it(worker, self.limits))
    }

    /// Takes its turn from a worker whose GPU is slow: those that wait go on in another one.
    fn let_others_first(&mut self, now: Duration, position: usize) -> Vec<Command> {
        let worker = self.workers.remove(position);
        let mut commands = vec![Command::Abandon(worker.id)];
        commands.extend(self.claim(now, worker.waiting.into()));
        self.postponed.extend(worker.target);
        commands
    }

    /// When to [`Supervision::tick`] next; none when all is done.
    pub fn deadline(&self) -> Option<Duration> {
        if self.is_their_turn() {
            return Some(Duration::ZERO);
        }
        let of_worker = |worker: &Worker| {
            let end = worker.deadline(self.limits);
            worker.turn_ends(self.limits).map_or(end, |turn| turn.min(end))
        };
        self.workers.iter().map(of_worker).min()
    }

    /// Of each worker that was abandoned within an operation, on the way there or back, the function. If it cannot be killed
    /// either, the kernel holds that function.
    pub fn unreturned(&self) -> &[(WorkerId, FunctionAddress)] {
        &self.unreturned
    }

    /// The GPUs that have ended, in the order in which they did.
    pub fn into_finished(self) -> Vec<Finished> {
        self.finished
    }

    /// A worker that claims `targets`, if there are any.
    fn claim(&mut self, now: Duration, targets: Vec<Target>) -> Option<Command> {
        let assignment = Assignment::Claim(targets.clone());
        let mut waiting = VecDeque::from(targets);
        let target = waiting.pop_front()?;
        let attempt = Attempt::new(target.device, now);
        let command = self.start(now, Purpose::Claim, attempt, assignment);
        if let Some(worker) = self.workers.last_mut() {
            (worker.target, worker.waiting) = (Some(target), waiting);
        }
        Some(command)
    }

    fn start(&mut self, now: Duration, purpose: Purpose, attempt: Attempt, assignment: Assignment) -> Command {
        self.started = self.started.saturating_add(1);
        let id = WorkerId(self.started);
        self.workers.push(Worker {
            id,
            purpose,
            attempt,
            target: None,
            waiting: VecDeque::new(),
            last_sign: now,
        });
        Command::Start(id, assignment)
    }

    /// Ends a worker's work: its GPU is taken back as far as it can be, the others go on without it.
    fn set_aside(&mut self, now: Duration, position: usize, failure: &Failure) -> Vec<Command> {
        let worker = self.workers.remove(position);
        let in_flight = worker.attempt.in_flight.iter();
        self.unreturned
            .extend(in_flight.map(|operation| (worker.id, operation.function)));
        let mut commands = vec![Command::Abandon(worker.id)];
        commands.extend(self.take_back(now, worker.purpose, &worker.attempt, failure));
        for target in worker.waiting {
            commands.extend(self.claim_alone(now, target));
        }
        commands
    }

    /// A worker that claims `target`, if there is time.
    fn claim_alone(&mut self, now: Duration, target: Target) -> Option<Command> {
        if now < self.limits.claiming_ends {
            return self.claim(now, vec![target]);
        }
        let attempt = Attempt::new(target.device, now);
        let rollback = attempt.reason(&out_of_time());
        self.finish(now, &attempt, rollback);
        None
    }

    /// Takes back what an attempt did. What the kernel holds is left alone: whatever touches it would block as well.
    fn take_back(&mut self, now: Duration, purpose: Purpose, attempt: &Attempt, failure: &Failure) -> Option<Command> {
        let mut rollback = attempt.reason(failure);
        let pending = attempt
            .in_flight
            .clone()
            .filter(|operation| operation.verb.has_an_effect());
        if let Some(operation) = &pending {
            rollback.leave_pending(operation);
        }
        let is_pending = |change: &Change| pending.as_ref().is_some_and(|operation| change.is_undone_by(operation));
        let held = attempt
            .in_flight
            .as_ref()
            .filter(|_| failure.kind == FailureKind::Blocked);
        let is_held = |change: &Change| held.is_some_and(|held| held.function == change.function);
        let (lost, changes): (Vec<Change>, Vec<Change>) = attempt
            .changes
            .iter()
            .filter(|change| !is_pending(change))
            .cloned()
            .partition(is_held);
        for operation in change::undo_script(&lost, None) {
            rollback.leave_untried(&operation);
        }
        if changes.is_empty() || purpose == Purpose::Undo {
            for operation in change::undo_script(&changes, None) {
                rollback.leave(&operation, failure);
            }
            self.finish(now, attempt, rollback);
            return None;
        }
        let assignment = Assignment::Undo {
            changes: changes.clone(),
            rollback: Box::new(rollback.clone()),
        };
        let attempt = Attempt {
            device: attempt.device,
            since: attempt.since,
            in_flight: None,
            changes,
            rollback: Some(rollback),
        };
        Some(self.start(now, Purpose::Undo, attempt, assignment))
    }

    fn finish(&mut self, now: Duration, attempt: &Attempt, rollback: Rollback) {
        self.finished.push(Finished {
            device: attempt.device,
            outcome: Outcome {
                begun: attempt.in_flight.is_some() || attempt.rollback.is_some(),
                power: Vec::new(),
                rollback: Some(rollback),
            },
            took: now.saturating_sub(attempt.since),
        });
    }
}

impl Worker {
    /// The end of its GPU's turn, if others wait for it and nothing of it is changed: it can begin again, later.
    fn turn_ends(&self, limits: Limits) -> Option<Duration> {
        let may_yield = self.purpose == Purpose::Claim && !self.waiting.is_empty() && self.attempt.is_untouched();
        may_yield.then(|| self.attempt.since.saturating_add(limits.turn))
    }

    fn deadline(&self, limits: Limits) -> Duration {
        let end = match self.purpose {
            Purpose::Claim => limits.claiming_ends,
            Purpose::Undo => limits.undoing_ends,
        };
        end.min(self.last_sign.saturating_add(limits.stall))
    }
}

impl Attempt {
    fn new(device: DeviceAddress, since: Duration) -> Self {
        Self {
            device,
            since,
            in_flight: None,
            changes: Vec::new(),
            rollback: None,
        }
    }

    /// Returns true if nothing of the GPU is changed, nor about to be.
    fn is_untouched(&self) -> bool {
        let in_flight = self.in_flight.as_ref();
        self.changes.is_empty()
            && self.rollback.is_none()
            && in_flight.is_none_or(|operation| !operation.verb.has_an_effect())
    }

    /// The failure, said of the function or the GPU that the attempt was at.
    fn about(&self, failure: &Failure) -> Failure {
        let function = self.in_flight.as_ref().map(|operation| operation.function);
        let mut failure = failure.clone();
        failure.finding.subject = function.map_or_else(|| Subject::gpu(self.device), Subject::function);
        failure
    }

    /// Why the attempt is taken back: what turned it round, or else this failure.
    fn reason(&self, failure: &Failure) -> Rollback {
        self.rollback.clone().unwrap_or_else(|| Rollback {
            function: self.in_flight.as_ref().map(|operation| operation.function),
            during: self.in_flight.clone(),
            failure: self.about(failure),
            leftovers: Vec::new(),
        })
    }
}

impl Verb {
    /// Whether an operation of this kind changes anything.
    fn has_an_effect(&self) -> bool {
        match self {
            Self::Write { .. }
            | Self::Bind { .. }
            | Self::Unbind { .. }
            | Self::ReleaseFramebuffer(_)
            | Self::RestoreFramebuffer(_) => true,
            Self::Probe | Self::ReadDriver | Self::ReadIommu | Self::ReadMemory | Self::ReadPower => false,
        }
    }
}

fn out_of_time() -> Failure {
    Failure {
        kind: FailureKind::OutOfTime,
        finding: Finding::error(id::CLAIM_OUT_OF_TIME, Subject::machine()),
    }
}

#[cfg(test)]
mod tests;
