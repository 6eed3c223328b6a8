//! A recovery from its begin to its end: what it is begun with, or why it is not.

use std::time::{Duration, Instant};

use reseat_core::address::DeviceAddress;
use reseat_core::decision::{KERNEL_RESET_LIMIT, Preference, Rung, Tried, decide};
use reseat_core::recovery::{End, Recovery, Waits};

use super::bookkeeping::Chronicle;
use super::evidence::Recorder;
use super::ladder::Ladder;
use super::worker::{WorkerError, Workers};
use crate::linux::state::durable::DurableError;
use crate::linux::state::locks::{self, LockError};
use crate::linux::state::recovery_files;
use crate::linux::state::recovery_files::RecordError;
use crate::linux::sysfs::root::Root;
use crate::recovery::{Answer, Event, Member, Surveyed, Task, whole_milliseconds};
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
    /// How long is waited.
    pub waits: Waits,
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
    /// The lock of the reset domain cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
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
    let journal = recovery_files::journal(root, device)?;
    match (&journal, options.resume) {
        (Some(_), false) if !options.dry_run && !options.trial => return Err(RecoverError::BrokenOff(device)),
        (None, true) => return Err(RecoverError::NothingToResume(device)),
        _ => {}
    }
    let baseline = recovery_files::baseline(root, device)?;
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
    workers.hold(locks::of_domain(root, &surveyed, limit, listener)?);
    let mut climb = Ladder {
        root,
        workers,
        chronicle: Chronicle::open(root, &surveyed.subject, baseline.as_ref()),
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
    if !options.dry_run {
        climb.settle();
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
    let recovery = Recovery::new(Duration::ZERO, facts, Tried::none()).with_waits(options.waits);
    Ok(Some(climb.climb(recovery)))
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
