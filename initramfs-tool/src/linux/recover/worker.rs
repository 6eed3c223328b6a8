//! The worker, and its supervisor.
//!
//! A worker does one task after the other. One that blocks in the kernel is left behind, and the next task gets another
//! worker.
//!
//! In the frames, tasks and answers are text in JSON: they hold parts of baselines and evidence, whose JSON has attributes that
//! postcard cannot read back.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use reseat_core::address::DeviceAddress;
use reseat_core::recovery::Observation;

use super::trouble::Stop;
use super::{collect, examine, isolate, operate, scan, survey, users, vfio_registers};
use crate::linux::process::child::{Child, Lost};
use crate::linux::process::serve::{Job, Line};
use crate::linux::process::signals::heed_signals;
use crate::linux::survey::vbios;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::recovery::{Task, TaskAnswer};

/// The limit of the survey of a GPU: as much time as a reset may take that another program has begun.
pub(super) const SURVEY_LIMIT: Duration = Duration::from_secs(5);

/// Gets [`Task`]s, and has an [`TaskAnswer`] to each.
pub(crate) const JOB: Job = Job::new("recover", serve);

fn serve(root: &Root, line: &mut Line) -> io::Result<()> {
    // It ends when its supervisor does, between two tasks.
    heed_signals()?;
    while let Some(task) = line.question::<String>()? {
        let answer = perform(root, &serde_json::from_str(&task)?);
        line.answer(serde_json::to_string(&answer)?)?;
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
        Task::FindHolders(subject) => TaskAnswer::Holders(users::holders(root, subject)),
        Task::Isolate(subject) => {
            let (observation, findings) = isolate::isolate(root, subject);
            TaskAnswer::Operated(observation, findings)
        }
        Task::Rescan(subject) => {
            let mut findings = Vec::new();
            match scan::scan(root, subject, &mut findings) {
                Ok(()) => TaskAnswer::Operated(Observation::Done, findings),
                Err(stop) => TaskAnswer::Failed(findings.into_iter().chain(stop.findings).collect()),
            }
        }
        Task::Release(subject, drivers) => done(isolate::release(root, subject, drivers)),
        Task::Collect(part, subject) => TaskAnswer::Collected(collect::collect(root, *part, subject)),
    }
}

/// The reason why a task has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    /// It was not done in time; whether it is done yet is not known.
    #[error("{}", Lost::Blocked)]
    Blocked,
    /// The worker could not be started, or has ended.
    #[error("its worker: {0}")]
    Gone(Lost),
}

impl From<Lost> for WorkerError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Blocked => Self::Blocked,
            lost => Self::Gone(lost),
        }
    }
}

/// Has tasks done by workers.
pub(super) struct Workers<'a> {
    root: &'a Root,
    worker: Option<Child>,
    /// The lock of the reset domain, which every worker holds as well: one that outlives us still works in it.
    lock: Option<File>,
}

impl<'a> Workers<'a> {
    pub(super) const fn new(root: &'a Root) -> Self {
        Self {
            root,
            worker: None,
            lock: None,
        }
    }

    /// From now on, workers hold this lock. It is released when none of them is left.
    pub(super) fn hold(&mut self, lock: File) {
        self.lock = Some(lock);
        self.worker = None;
    }

    /// Has a task done, in a limited time.
    pub(super) fn ask(&mut self, task: &Task, limit: Duration) -> Result<TaskAnswer, WorkerError> {
        let deadline = Instant::now() + limit;
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => Child::start_to_be_asked(&JOB, self.root, self.lock.as_ref()).map_err(Lost::NotStarted)?,
        };
        let task = serde_json::to_string(task).map_err(unreadable)?;
        worker.ask(&task, deadline)?;
        let answer: String = worker.answer(deadline)?;
        let answer = serde_json::from_str(&answer).map_err(unreadable)?;
        self.worker = Some(worker);
        Ok(answer)
    }
}

fn unreadable(error: serde_json::Error) -> Lost {
    Lost::Damaged(error.into())
}

/// A task without an answer.
pub(super) fn no_answer(device: DeviceAddress, error: &WorkerError) -> Finding {
    match error {
        WorkerError::Blocked => Finding::error(id::RECOVERY_WORKER_BLOCKED, Subject::gpu(device)),
        WorkerError::Gone(cause) => Finding::error(id::RECOVERY_WORKER_LOST, Subject::gpu(device)).with("cause", cause),
    }
}

/// The findings of an answer that says that the task failed, or that is one to another task.
pub(super) fn no_result(device: DeviceAddress, answer: TaskAnswer) -> Vec<Finding> {
    match answer {
        TaskAnswer::Failed(findings) => findings,
        other => vec![Finding::error(id::WRONG_ANSWER, Subject::gpu(device)).with("answer", format!("{other:?}"))],
    }
}
