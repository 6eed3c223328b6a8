//! A recovery from its begin to its end.

use std::time::{Duration, Instant};

use reseat_core::address::DeviceAddress;
use reseat_core::decision::{KERNEL_RESET_LIMIT, Preference, Rung, Tried, decide};
use reseat_core::recovery::{End, Recovery, Waits};

use super::bookkeeping::Bookkeeping;
use super::evidence::Recorder;
use super::ladder::Ladder;
use super::trouble::unreadable_record;
use super::worker::{SURVEY_LIMIT, WorkerError, Workers, no_answer, no_result};
use crate::linux::state::locks::{self, LockError};
use crate::linux::state::recovery_files;
use crate::linux::state::recovery_files::RecordError;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::Member;
use crate::recovery::{RecoveryEvent, Surveyed, Task, TaskAnswer, Waited, whole_milliseconds};
use crate::rules::Reboot;

/// The options of a recovery.
#[derive(Clone, Debug)]
pub struct RecoverOptions {
    /// Only plan, and do nothing.
    pub dry_run: bool,
    /// The highest rung allowed.
    pub highest: Rung,
    /// The only rung allowed, if one is asked for.
    pub only: Option<Rung>,
    /// What is preferred where the rule leaves a choice.
    pub preference: Preference,
    /// How long is waited.
    pub waits: Waits,
    /// Whether the machine may be rebooted for a GPU, if that is agreed on.
    pub reboot: Option<Reboot>,
    /// Reset a GPU in use. The history keeps it.
    pub force: bool,
    /// Resume a recovery that was interrupted.
    pub resume: bool,
    /// The GPU is out of service, and this is one of the resets by which it is to come back. Goes on with a recovery that
    /// was broken off, if there is one.
    pub trial: bool,
}

/// A recovery that was not begun, or did not come to an end.
#[derive(Debug)]
pub enum RecoverError {
    /// The lock of the reset domain cannot be had.
    Lock(LockError),
    /// The GPU cannot be surveyed.
    Survey {
        /// The GPU.
        device: DeviceAddress,
        /// The reasons.
        findings: Vec<Finding>,
    },
    /// A recovery was interrupted.
    Interrupted(DeviceAddress),
    /// There is none to resume.
    NothingToResume(DeviceAddress),
    /// The GPU is out of service, or it is not known if it is.
    OutOfService(Finding),
    /// A file of reseat's own.
    Record(RecordError),
    /// A signal stopped the recovery between two operations.
    Stopped {
        /// The GPU.
        device: DeviceAddress,
        /// The functions and their drivers are as they were before.
        is_put_back: bool,
    },
}

impl From<LockError> for RecoverError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

impl From<RecordError> for RecoverError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl RecoverError {
    /// The reasons as findings.
    pub fn findings(&self) -> Vec<Finding> {
        let refusal = |id, device| Finding::refusal(id, Subject::gpu(device));
        match self {
            Self::Lock(error) => vec![locked(error)],
            Self::Survey { findings, .. } => findings.clone(),
            Self::Interrupted(device) => vec![refusal(id::RECOVERY_INTERRUPTED, *device).remedy(id::RESUME)],
            Self::NothingToResume(device) => vec![Finding::error(id::NOTHING_TO_RESUME, Subject::gpu(*device))],
            Self::OutOfService(finding) => vec![finding.clone()],
            Self::Record(error) => vec![unreadable_record(error)],
            Self::Stopped { device, is_put_back } => vec![stopped(*device, *is_put_back)],
        }
    }
}

/// A recovery that a signal stopped.
pub(super) fn stopped(device: DeviceAddress, is_put_back: bool) -> Finding {
    match is_put_back {
        true => Finding::warning(id::STOPPED_BY_SIGNAL, Subject::gpu(device)),
        false => Finding::error(id::STOPPED_HALFWAY, Subject::gpu(device)).remedy(id::RESUME),
    }
}

/// A lock of a reset domain that is not held.
pub(super) fn locked(error: &LockError) -> Finding {
    match error {
        LockError::UnderWay(device) => Finding::error(id::RECOVERY_UNDER_WAY, Subject::gpu(*device)),
        LockError::File { path, .. } => Finding::error(id::LOCK_FAILED, Subject::file(path)).with("cause", error),
    }
}

/// Recovers the GPU at `device`, and reports every event to `listener`. With [`RecoverOptions::dry_run`] it ends with the plan,
/// and without an end.
///
/// # Errors
/// [`RecoverError`]: nothing was begun then, unless a signal has stopped it.
pub fn recover(
    root: &Root,
    device: DeviceAddress,
    options: &RecoverOptions,
    listener: &mut dyn FnMut(&RecoveryEvent),
) -> Result<Option<End>, RecoverError> {
    let mut workers = Workers::new(root);
    let journal = recovery_files::journal(root, device)?;
    match (&journal, options.resume) {
        (Some(_), false) if !options.dry_run && !options.trial => return Err(RecoverError::Interrupted(device)),
        (None, true) => return Err(RecoverError::NothingToResume(device)),
        _ => {}
    }
    let baseline = recovery_files::baseline(root, device)?;
    let known = match (&journal, &baseline) {
        (Some(journal), _) => journal.subject.members.clone(),
        (None, Some(baseline)) => baseline.members(),
        (None, None) => Vec::new(),
    };
    let mut surveyed = survey(&mut workers, device, known, listener)?;
    if let Some(journal) = &journal {
        // What was there before the first rung is what has to come back.
        surveyed.subject = journal.subject.clone();
    }
    let limit = match (options.resume, options.trial) {
        (true, _) => KERNEL_RESET_LIMIT,
        // The worker that isolated the GPU before holds the lock until it has ended.
        (false, true) => SURVEY_LIMIT,
        (false, false) => Duration::ZERO,
    };
    workers.hold(locks::of_domain(root, &surveyed, limit, listener)?);
    let mut climb = Ladder {
        root,
        workers,
        bookkeeping: Bookkeeping::open(root, &surveyed.subject, baseline.as_ref()),
        recorder: Recorder::new(root, &surveyed.subject),
        surveyed,
        listener,
        begin: Instant::now(),
        forced: false,
        reboot: options.reboot,
    };
    climb.bookkeeping.fabric_is(climb.surveyed.fabric_statement.clone());
    if let Some(refusal) = climb.bookkeeping.out_of_service().filter(|_| !options.trial) {
        return Err(RecoverError::OutOfService(refusal));
    }
    if !options.dry_run {
        climb.settle();
    }
    if !options.dry_run && !options.resume {
        let refused = |findings| RecoverError::Survey { device, findings };
        climb.bring_back().map_err(refused)?;
    }
    if options.resume && !options.dry_run {
        climb.restore(journal.is_some_and(|journal| journal.powered_off));
    }
    let known = climb.known(options);
    let facts = climb.surveyed.surroundings.facts(known);
    if options.dry_run {
        let decision = decide(&facts, &Tried::none());
        climb.report_decision(&decision);
        let planned = climb.plan(&facts);
        climb.report(&planned);
        return Ok(None);
    }
    let recovery = Recovery::new(Duration::ZERO, facts, Tried::none()).with_waits(options.waits);
    match climb.climb(recovery) {
        Some(end) => Ok(Some(end)),
        None => Err(climb.stop()),
    }
}

/// Surveys the machine; while another program's reset holds the GPU, again.
fn survey(
    workers: &mut Workers<'_>,
    device: DeviceAddress,
    known: Vec<Member>,
    listener: &mut dyn FnMut(&RecoveryEvent),
) -> Result<Surveyed, RecoverError> {
    let task = Task::Survey(device, known);
    let begin = Instant::now();
    loop {
        let findings = match workers.ask(&task, SURVEY_LIMIT) {
            Ok(TaskAnswer::Surveyed(surveyed)) => return Ok(*surveyed),
            Ok(other) => no_result(device, other),
            Err(WorkerError::Blocked) if begin.elapsed() < KERNEL_RESET_LIMIT => {
                listener(&RecoveryEvent::Waiting {
                    rung: None,
                    awaited: Waited::KernelReset,
                    limit_ms: whole_milliseconds(KERNEL_RESET_LIMIT.saturating_sub(begin.elapsed())),
                });
                continue;
            }
            Err(error) => vec![no_answer(device, &error)],
        };
        return Err(RecoverError::Survey { device, findings });
    }
}
