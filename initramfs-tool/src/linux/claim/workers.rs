//! The supervisor's side of the workers: starts them, listens to them, abandons them.
//!
//! A worker's events lie in its pipe until the supervisor looks: only the end of a worker wakes it, and a pause that is far
//! shorter than any deadline.

use std::time::{Duration, Instant};

use reseat_core::address::FunctionAddress;

use super::worker::JOB;
use crate::claim::{Command, Finished, Limits, Supervision, Target, WorkerEvent as Event, WorkerId};
use crate::linux::process::child::{Child, Lost, wait_for_an_end};
use crate::linux::sysfs::root::Root;

/// The longest time that events lie in a pipe, which has room for hundreds of them.
const PAUSE: Duration = Duration::from_millis(50);

/// The time within which a worker ends that is killed and not held by the kernel.
const END_AFTER_KILL: Duration = Duration::from_millis(100);

struct Workers<'a> {
    root: &'a Root,
    workers: Vec<(WorkerId, Child)>,
}

/// What the workers came to.
pub(crate) struct Ended {
    /// The GPUs, in the order in which they ended.
    pub finished: Vec<Finished>,
    /// The functions that the kernel holds: whoever began something with one cannot even be killed.
    pub held: Vec<FunctionAddress>,
}

/// Claims `targets` through workers; `begin` is when the claim's time began to run.
pub(crate) fn claim(root: &Root, begin: Instant, limits: Limits, targets: Vec<Target>) -> Ended {
    let mut workers = Workers {
        root,
        workers: Vec::new(),
    };
    let mut supervision = Supervision::new(limits);
    let mut commands = supervision.begin(begin.elapsed(), targets);
    loop {
        let mut next = Vec::new();
        for command in commands {
            if let Err((id, lost)) = workers.carry_out(command) {
                next.extend(supervision.gone(begin.elapsed(), id, &lost.to_string()));
            }
        }
        next.extend(workers.hear(begin, &mut supervision));
        let Some(deadline) = supervision.deadline() else {
            let held = workers.held(supervision.unreturned());
            let finished = supervision.into_finished();
            return Ended { finished, held };
        };
        // Once it is over it counts, however much there is to be heard.
        let left = deadline.saturating_sub(begin.elapsed());
        if left.is_zero() {
            next.extend(supervision.tick(begin.elapsed()));
        } else if next.is_empty() {
            wait_for_an_end(workers.workers.iter().map(|(_, worker)| worker), left.min(PAUSE));
        }
        commands = next;
    }
}

impl Workers<'_> {
    fn carry_out(&mut self, command: Command) -> Result<(), (WorkerId, Lost)> {
        match command {
            Command::Start(id, assignment) => match Child::start(&JOB, self.root, &assignment) {
                Ok(worker) => self.workers.push((id, worker)),
                Err(error) => return Err((id, Lost::NotStarted(error))),
            },
            Command::Abandon(id) => {
                if let Some(worker) = self.worker(id) {
                    worker.abandon();
                }
            }
        }
        Ok(())
    }

    fn worker(&mut self, id: WorkerId) -> Option<&mut Child> {
        let mut workers = self.workers.iter_mut();
        workers.find(|(known, _)| *known == id).map(|(_, worker)| worker)
    }

    /// Those of the functions whose workers have not ended by their kill.
    fn held(&mut self, unreturned: &[(WorkerId, FunctionAddress)]) -> Vec<FunctionAddress> {
        let until = Instant::now() + END_AFTER_KILL;
        let mut held = Vec::new();
        for (id, function) in unreturned {
            let still_runs = self.worker(*id).is_some_and(|worker| worker.still_runs_at(until));
            if still_runs && !held.contains(function) {
                held.push(*function);
            }
        }
        held
    }

    /// Hands on what the workers have said.
    fn hear(&mut self, begin: Instant, supervision: &mut Supervision) -> Vec<Command> {
        let mut commands = Vec::new();
        for (id, worker) in &mut self.workers {
            let news = worker.listen::<Event>();
            for event in news.answers {
                supervision.event(begin.elapsed(), *id, event);
            }
            if let Some(lost) = news.lost {
                commands.extend(supervision.gone(begin.elapsed(), *id, &lost.to_string()));
            }
        }
        commands
    }
}
