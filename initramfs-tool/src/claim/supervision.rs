//! Watching the workers.
//!
//! Any operation of a claim can block in the kernel for ever, and a process that is blocked there cannot be killed. So
//! operations are done by workers, processes of their own that report each operation before they begin it; the
//! supervisor touches no device, abandons a worker that gives no sign of life, and knows from its reports what there
//! is to take back. One worker serves all GPUs while all goes well. When it blocks, its GPU is set aside, and each of
//! the others gets a worker of its own, so that they do not wait for each other.

use std::collections::VecDeque;
use std::time::Duration;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use serde::{Deserialize, Serialize};

use super::Target;
use super::operation::{self, Change, Failure, FailureKind, Operation};
use super::outcome::{Outcome, Rollback};

/// An operation that takes longer than this counts as blocked.
const STALL_LIMIT: Duration = Duration::from_secs(5);
/// No claim goes on after this time; what is then unfinished is taken back. What is left of
/// [`super::CLAIM_LIMIT`] is for taking back and for the report.
const CLAIMING_ENDS: Duration = Duration::from_secs(11);
/// Nothing is waited for after this time.
const UNDOING_ENDS: Duration = Duration::from_secs(14);

/// What a worker is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Assignment {
    /// Claim these, one after the other.
    Claim(Vec<Target>),
    /// Take back what an abandoned worker did to this one.
    Undo {
        /// What to take back, in the order in which it was done.
        changes: Vec<Change>,
        /// Why.
        rollback: Rollback,
    },
}

/// What a worker reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It is about to do this.
    Began(Operation),
    /// It has changed this.
    Changed(Change),
    /// It has come to the end of a GPU.
    Ended(Outcome),
}

/// Tells workers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(u32);

/// What the shell is to do with workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start one.
    Start(WorkerId, Assignment),
    /// Kill one without waiting for it: if it is blocked, the kill takes effect when the kernel lets go of it, so
    /// that it does nothing more.
    Abandon(WorkerId),
}

/// The state of all workers. Times are durations since the start of the claim.
#[derive(Debug, Default)]
pub struct Supervision {
    workers: Vec<Worker>,
    finished: Vec<Finished>,
    started: u32,
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

#[derive(Debug)]
struct Worker {
    id: WorkerId,
    job: Job,
    /// The operation that it began last and has not come back from.
    in_flight: Option<Operation>,
    last_sign: Duration,
}

/// The claim of one GPU, as far as it came.
#[derive(Debug)]
struct Attempt {
    target: Target,
    /// What was changed.
    changes: Vec<Change>,
    /// What did not come back.
    in_flight: Option<Operation>,
    since: Duration,
}

impl Attempt {
    /// Whether the kernel holds the function, so that whatever touches it would block as well.
    fn holds(&self, address: FunctionAddress, failure: &Failure) -> bool {
        let blocked_in = self.in_flight.as_ref().map(|operation| operation.function);
        failure.kind == FailureKind::Blocked && blocked_in == Some(address)
    }

    fn rollback(&self, failure: &Failure) -> Option<Rollback> {
        let (function, during) = match (&self.in_flight, self.target.functions.first()) {
            (Some(operation), _) => (operation.function, operation.to_string()),
            (None, first) => (first?.address, "start of the claim".to_owned()),
        };
        Some(Rollback {
            function,
            during,
            failure: failure.clone(),
            leftovers: Vec::new(),
        })
    }
}

#[derive(Debug)]
enum Job {
    Claiming {
        /// The first is the one being claimed.
        targets: VecDeque<Target>,
        /// What was changed on the first.
        changes: Vec<Change>,
        /// When the first was begun.
        since: Duration,
    },
    Undoing {
        device: DeviceAddress,
        changes: Vec<Change>,
        rollback: Rollback,
        since: Duration,
    },
}

impl Supervision {
    /// Begins with `targets` at `now`.
    pub fn begin(&mut self, now: Duration, targets: Vec<Target>) -> Vec<Command> {
        if targets.is_empty() {
            return Vec::new();
        }
        vec![self.claim(now, targets)]
    }

    /// Takes a worker's report.
    pub fn event(&mut self, now: Duration, id: WorkerId, event: Event) -> Vec<Command> {
        let Some(position) = self.workers.iter().position(|worker| worker.id == id) else {
            // It was abandoned: what it still says is too late.
            return Vec::new();
        };
        let Some(worker) = self.workers.get_mut(position) else {
            return Vec::new();
        };
        worker.last_sign = now;
        match (event, &mut worker.job) {
            (Event::Began(operation), _) => worker.in_flight = Some(operation),
            (Event::Changed(change), Job::Claiming { changes, .. }) => changes.push(change),
            (Event::Changed(_), Job::Undoing { .. }) => {}
            (
                Event::Ended(outcome),
                Job::Claiming {
                    targets,
                    changes,
                    since,
                },
            ) => {
                worker.in_flight = None;
                changes.clear();
                if let Some(target) = targets.pop_front() {
                    self.finished.push(Finished {
                        device: target.device,
                        outcome,
                        took: now.saturating_sub(*since),
                    });
                }
                *since = now;
                if targets.is_empty() {
                    self.workers.remove(position);
                }
            }
            (Event::Ended(outcome), Job::Undoing { device, since, .. }) => {
                self.finished.push(Finished {
                    device: *device,
                    outcome,
                    took: now.saturating_sub(*since),
                });
                self.workers.remove(position);
            }
        }
        Vec::new()
    }

    /// Takes the news that a worker has ended, or could not be started. Of one that has done its work this is no news.
    pub fn gone(&mut self, now: Duration, id: WorkerId, why: &str) -> Vec<Command> {
        let failure = Failure {
            kind: FailureKind::Other,
            message: format!("the worker ended before its work was done: {why}"),
        };
        match self.workers.iter().position(|worker| worker.id == id) {
            Some(position) => self.set_aside(now, position, &failure),
            None => Vec::new(),
        }
    }

    /// Takes note of the time.
    pub fn tick(&mut self, now: Duration) -> Vec<Command> {
        let mut commands = Vec::new();
        while let Some(position) = self.workers.iter().position(|worker| worker.deadline() <= now) {
            let Some(worker) = self.workers.get(position) else {
                break;
            };
            commands.push(Command::Abandon(worker.id));
            let waited = now.saturating_sub(worker.last_sign).as_secs_f64();
            let failure = Failure {
                kind: FailureKind::Blocked,
                message: format!("it has not come back after {waited:.1} s"),
            };
            commands.extend(self.set_aside(now, position, &failure));
        }
        commands
    }

    /// When to [`Supervision::tick`] next; none when all is done.
    pub fn deadline(&self) -> Option<Duration> {
        self.workers.iter().map(Worker::deadline).min()
    }

    /// The GPUs that have ended, in the order in which they did.
    pub fn into_finished(self) -> Vec<Finished> {
        self.finished
    }

    fn claim(&mut self, now: Duration, targets: Vec<Target>) -> Command {
        let assignment = Assignment::Claim(targets.clone());
        let job = Job::Claiming {
            targets: targets.into(),
            changes: Vec::new(),
            since: now,
        };
        self.start(now, job, assignment)
    }

    fn start(&mut self, now: Duration, job: Job, assignment: Assignment) -> Command {
        self.started = self.started.saturating_add(1);
        let id = WorkerId(self.started);
        self.workers.push(Worker {
            id,
            job,
            in_flight: None,
            last_sign: now,
        });
        Command::Start(id, assignment)
    }

    /// Ends a worker's work: its GPU is taken back as far as it can be, the others go on without it.
    fn set_aside(&mut self, now: Duration, position: usize, failure: &Failure) -> Vec<Command> {
        let worker = self.workers.remove(position);
        match worker.job {
            Job::Claiming {
                mut targets,
                changes,
                since,
            } => {
                let mut commands = Vec::new();
                if let Some(target) = targets.pop_front() {
                    let in_flight = worker.in_flight;
                    let attempt = Attempt {
                        target,
                        changes,
                        in_flight,
                        since,
                    };
                    commands.extend(self.take_back(now, attempt, failure));
                }
                for target in targets {
                    if now < CLAIMING_ENDS {
                        commands.push(self.claim(now, vec![target]));
                    } else {
                        let late = Failure {
                            kind: FailureKind::Blocked,
                            message: "the time for the claim was over before it was begun".to_owned(),
                        };
                        let attempt = Attempt {
                            target,
                            changes: Vec::new(),
                            in_flight: None,
                            since: now,
                        };
                        commands.extend(self.take_back(now, attempt, &late));
                    }
                }
                commands
            }
            Job::Undoing {
                device,
                changes,
                mut rollback,
                since,
            } => {
                let unfinished = operation::undo_script(&changes)
                    .into_iter()
                    .skip_while(|operation| worker.in_flight.as_ref().is_some_and(|began| began != operation));
                for operation in unfinished {
                    rollback.leave(&operation, failure);
                }
                self.finish(now, since, device, rollback);
                Vec::new()
            }
        }
    }

    /// Takes back what an attempt did, but for the function that the kernel holds.
    fn take_back(&mut self, now: Duration, mut attempt: Attempt, failure: &Failure) -> Option<Command> {
        let mut rollback = attempt.rollback(failure)?;
        let changes = std::mem::take(&mut attempt.changes);
        let (lost, changes): (Vec<Change>, Vec<Change>) = changes
            .into_iter()
            .partition(|change| attempt.holds(change.function, failure));
        for operation in operation::undo_script(&lost) {
            rollback.leave_untried(&operation);
        }
        let (device, since) = (attempt.target.device, attempt.since);
        if changes.is_empty() {
            self.finish(now, since, device, rollback);
            return None;
        }
        let assignment = Assignment::Undo {
            changes: changes.clone(),
            rollback: rollback.clone(),
        };
        let job = Job::Undoing {
            device,
            changes,
            rollback,
            since,
        };
        Some(self.start(now, job, assignment))
    }

    fn finish(&mut self, now: Duration, since: Duration, device: DeviceAddress, rollback: Rollback) {
        self.finished.push(Finished {
            device,
            outcome: Outcome {
                power: Vec::new(),
                rollback: Some(rollback),
            },
            took: now.saturating_sub(since),
        });
    }
}

impl Worker {
    fn deadline(&self) -> Duration {
        let end = match self.job {
            Job::Claiming { .. } => CLAIMING_ENDS,
            Job::Undoing { .. } => UNDOING_ENDS,
        };
        end.min(self.last_sign.saturating_add(STALL_LIMIT))
    }
}

#[cfg(test)]
mod tests;
