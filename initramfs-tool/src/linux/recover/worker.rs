//! The worker, and whoever waits for it.
//!
//! A worker is the same program in a process of its own: it reads a task a line, and answers each with a line. What
//! blocks in the kernel blocks the worker; it is left behind then, and the next task gets another one.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{env, thread};

use reseat_core::recovery::Observation;

use super::remove::CardRoot;
use super::trouble::Stop;
use super::{collect, examine, isolate, operate, survey, vfio_registers};
use crate::linux::survey::vbios;
use crate::linux::sysfs::root::Root;
use crate::recovery::{Task, TaskAnswer};

/// Does the tasks on standard input, one after the other, until there are no more.
///
/// # Errors
/// When a task cannot be read, or nobody takes an answer.
pub fn serve(root: &Root) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line?)?;
        let mut answer = serde_json::to_vec(&perform(root, &task))?;
        answer.push(b'\n');
        output.write_all(&answer)?;
        output.flush()?;
    }
    Ok(())
}

fn perform(root: &Root, task: &Task) -> TaskAnswer {
    let done = |result: Result<(), Stop>| match result {
        Ok(()) => TaskAnswer::Operated(Observation::Done, Vec::new()),
        Err(stop) => TaskAnswer::Failed(stop.findings),
    };
    match task {
        Task::Survey(device, known) => match survey::of(root, *device, known) {
            Ok(surveyed) => TaskAnswer::Surveyed(Box::new(surveyed)),
            Err(problem) => TaskAnswer::Failed(vec![problem]),
        },
        Task::Observe(subject, means) => {
            let (functions, findings) = examine::observe(root, subject, *means);
            TaskAnswer::Observed(functions, findings)
        }
        Task::Settle(subject) => {
            let mut findings = Vec::new();
            match vfio_registers::settle(root, subject, &mut findings) {
                Ok(()) => TaskAnswer::Operated(Observation::Done, findings),
                Err(stop) => TaskAnswer::Failed(stop.findings),
            }
        }
        Task::Examine(subject, means) => match examine::examine(root, subject, *means) {
            Ok(examined) => TaskAnswer::Examined(examined),
            Err(stop) => TaskAnswer::Failed(stop.findings),
        },
        Task::Operate(step, subject) => {
            let (observation, findings) = operate::operate(root, *step, subject);
            TaskAnswer::Operated(observation, findings)
        }
        Task::ReadVbios(subject) => TaskAnswer::Vbios(vbios::of(root, subject)),
        Task::FindHolders(subject) => TaskAnswer::Holders(operate::holders(root, subject)),
        Task::Isolate(subject) => {
            let (observation, findings) = isolate::isolate(root, subject);
            TaskAnswer::Operated(observation, findings)
        }
        Task::Rescan(subject) => done(CardRoot::of(root, subject).and_then(|card| card.rescan(root))),
        Task::Release(subject) => done(isolate::release(root, subject)),
        Task::Collect(part, subject) => TaskAnswer::Collected(collect::collect(root, *part, subject)),
    }
}

/// Why a task has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    /// It was not done in time; whether it is done yet is not known.
    #[error("it does not come back from the kernel")]
    Blocked,
    /// The worker could not be started, or has ended.
    #[error("its worker: {0}")]
    Gone(String),
}

/// Has tasks done by workers.
pub(super) struct Workers<'a> {
    root: &'a Root,
    worker: Option<Worker>,
    /// The lock of the reset domain, which every worker holds as well: one that outlives us still works in it.
    lock: Option<File>,
}

struct Worker {
    child: Child,
    input: ChildStdin,
    answers: Receiver<io::Result<String>>,
}

impl<'a> Workers<'a> {
    pub(super) const fn new(root: &'a Root) -> Self {
        Self {
            root,
            worker: None,
            lock: None,
        }
    }

    /// From now on, workers hold this lock. It is released when nobody of them is left.
    pub(super) fn hold(&mut self, lock: File) {
        self.lock = Some(lock);
        self.worker = None;
    }

    /// Has a task done, in a limited time.
    pub(super) fn ask(&mut self, task: &Task, limit: Duration) -> Result<TaskAnswer, WorkerError> {
        let deadline = Instant::now() + limit;
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => {
                Worker::start(self.root, self.lock.as_ref()).map_err(|error| WorkerError::Gone(error.to_string()))?
            }
        };
        let gone = |error: io::Error| WorkerError::Gone(error.to_string());
        let mut line = serde_json::to_vec(task).map_err(|error| WorkerError::Gone(error.to_string()))?;
        line.push(b'\n');
        worker.input.write_all(&line).map_err(gone)?;
        let left = deadline.saturating_duration_since(Instant::now());
        match worker.answers.recv_timeout(left) {
            Ok(line) => {
                let answer = serde_json::from_str(&line.map_err(gone)?);
                let answer =
                    answer.map_err(|error| WorkerError::Gone(format!("it answered what makes no sense: {error}")))?;
                self.worker = Some(worker);
                Ok(answer)
            }
            Err(RecvTimeoutError::Timeout) => {
                // It takes effect when the kernel lets go of it, and there is nobody to wait for that.
                worker.child.kill().ok();
                Err(WorkerError::Blocked)
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = worker.child.try_wait().ok().flatten();
                let how = status.map_or_else(|| "it has ended".to_owned(), |status| status.to_string());
                Err(WorkerError::Gone(how))
            }
        }
    }
}

impl Worker {
    fn start(root: &Root, lock: Option<&File>) -> io::Result<Self> {
        // It has nothing to say there, and what is open is held.
        let held = match lock {
            Some(lock) => Stdio::from(lock.try_clone()?),
            None => Stdio::null(),
        };
        let mut child = Command::new(env::current_exe()?)
            .arg(super::WORKER_COMMAND)
            .arg(root.as_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(held)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no pipes"));
        };
        let (sender, answers) = mpsc::channel();
        thread::Builder::new().spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { child, input, answers })
    }
}
