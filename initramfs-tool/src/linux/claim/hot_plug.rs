//! The claim of a GPU that has appeared on a running machine: put in, or back from a power cycle.
//!
//! udev tells of every function by itself, and of the first one before the kernel has listed the next. But the kernel lists
//! all functions of a slot before it adds the first of them to the bus, and only what was added can get a driver. So each
//! event waits until every function that is listed was added, and claims all of the GPU; whoever comes second finds
//! nothing left to do. What a recovery has removed, it claims itself when it is back.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use reseat_core::address::{DeviceAddress, FunctionAddress};

use super::boot;
use super::flr_kept_out::warnings_of_keeping_flr_out;
use super::run::{Extent, Run};
use crate::claim::{FailureKind, Finished, Limits};
use crate::linux::FileError;
use crate::linux::state::recovery_files::{self, RecordError};
use crate::linux::state::{boot_quarantine, locks, report, rules};
use crate::linux::survey::gpus;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{functions, slots};
use crate::model::finding::{Finding, Subject, id};
use crate::model::inventory::Gpu;
use crate::report::{Line, Report, RunResult};
use crate::rules::{CommandLine, Switch};

/// How long the kernel may take to add what it has found: it gives each function of the same scan a minute to answer.
const ADDING_LIMIT: Duration = Duration::from_secs(60);
/// How long the claim for a sibling is waited for, which has all functions of the GPU. With what follows it is less than the
/// three minutes that udev gives a program.
const LOCK_LIMIT: Duration = Duration::from_secs(30);
const ADDING_PAUSE: Duration = Duration::from_millis(5);

/// A driver that is given the function just when it is claimed is faster; the next attempt takes it from that one.
const ATTEMPTS: u32 = 3;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(200);

/// What a claim of one GPU works on.
#[derive(Clone, Debug)]
pub struct HotOptions {
    /// The directory that stands for `/`.
    pub root: Root,
    /// A function of the GPU.
    pub function: FunctionAddress,
    /// Whether to touch nothing.
    pub dry_run: bool,
    /// Whether to leave alone a function that was there when the boot's claim looked, or the last one of its GPU.
    pub if_new: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum HotClaim {
    /// What was done, which is also written down.
    Done(Box<Report>),
    /// Nothing was to be done, and why.
    Left(Finding),
}

/// Why nothing could be done.
#[derive(Debug, thiserror::Error)]
pub enum HotClaimError {
    /// The off switch might stand in it.
    #[error("cannot read /proc/cmdline, so nothing is claimed: {0}")]
    CommandLine(#[source] io::Error),
    /// It is not there, or no longer.
    #[error("no function at {0}")]
    NoFunction(FunctionAddress),
    /// The kernel is still at it.
    #[error("the kernel has not added {0} to its bus after {limit} s", limit = ADDING_LIMIT.as_secs())]
    NotAdded(FunctionAddress),
    /// Another claim of the same GPU does not end.
    #[error("another claim of {0} is under way, and does not end")]
    UnderWay(DeviceAddress),
    /// A recovery has to be gone on with first.
    #[error("a recovery of {0} was broken off: `reseat recover {0} --resume` goes on with it, and claims it")]
    BrokenOff(DeviceAddress),
    /// A lock cannot be had.
    #[error("cannot lock the GPU: {0}")]
    Lock(#[source] io::Error),
    /// Where the function is.
    #[error(transparent)]
    File(#[from] FileError),
    /// What a recovery has left.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl HotClaimError {
    /// The error as a finding.
    pub fn finding(&self) -> Finding {
        let function = |id, function: &FunctionAddress| Finding::error(id, Subject::function(*function));
        let gpu = |id, device: &DeviceAddress| Finding::error(id, Subject::gpu(*device));
        match self {
            Self::CommandLine(cause) => {
                Finding::error(id::COMMAND_LINE_UNREADABLE, Subject::file("/proc/cmdline")).with("cause", cause)
            }
            Self::NoFunction(address) => function(id::FUNCTION_NOT_THERE, address),
            Self::NotAdded(address) => {
                function(id::FUNCTION_NOT_ADDED, address).with("seconds", ADDING_LIMIT.as_secs())
            }
            Self::UnderWay(device) => gpu(id::CLAIM_UNDER_WAY, device),
            Self::BrokenOff(device) => gpu(id::RECOVERY_INTERRUPTED, device).remedy(id::RESUME),
            Self::Lock(cause) => Finding::error(id::GPU_NOT_LOCKED, Subject::machine()).with("cause", cause),
            Self::File(error) => error.finding(),
            Self::Record(error) => {
                Finding::error(id::RECOVERY_RECORD_UNREADABLE, Subject::machine()).with("cause", error)
            }
        }
    }
}

/// Where the report of the claim of a GPU that has appeared is: beside the boot's. The last one that found something to do
/// counts.
pub fn report_of(device: DeviceAddress) -> PathBuf {
    PathBuf::from(format!("/run/reseat/claim-{device}.json"))
}

/// Claims the GPU that `options.function` belongs to if the rules choose it, all of it or nothing; writes a report and lines
/// for the kernel log, which `lines` makes of it. One that is out of service is isolated.
///
/// # Errors
/// [`HotClaimError`]: nothing was touched then.
pub fn run(options: &HotOptions, lines: fn(&Report) -> Vec<Line>) -> Result<HotClaim, HotClaimError> {
    let begin = Instant::now();
    let (root, device) = (&options.root, options.function.device_address());
    let note = |id| Finding::note(id, Subject::gpu(device));
    let left = |id| Ok(HotClaim::Left(note(id)));
    let bytes = fs::read(root.path("/proc/cmdline")).map_err(HotClaimError::CommandLine)?;
    let command_line = String::from_utf8_lossy(&bytes).into_owned();
    let parameters = CommandLine::parse(&command_line);
    if parameters.switch == Switch::Off {
        return left(id::LEFT_SWITCHED_OFF);
    }
    if boot::is_crash_kernel(root) {
        return left(id::LEFT_CRASH_KERNEL);
    }
    if options.if_new
        && let Some(why) = is_not_new(root, options.function)
    {
        return Ok(HotClaim::Left(why));
    }
    if gpu_at(options).is_none() {
        if !root.function(options.function).exists() {
            return Err(HotClaimError::NoFunction(options.function));
        }
        return left(id::LEFT_NO_GPU);
    }
    let _claim = match locks::of_claim(root, device, LOCK_LIMIT) {
        Ok(Some(lock)) => lock,
        Ok(None) => return Err(HotClaimError::UnderWay(device)),
        Err(error) => return Err(HotClaimError::Lock(error)),
    };
    let gpu = wait_until_added(options)?;
    let mut path = slots::path_to(root, options.function)?;
    path.retain(|function| function.device_address() != device);
    path.extend(gpu.functions.iter().map(|function| function.address));
    let Some(_domain) = locks::of_possible_domains(root, &path).map_err(HotClaimError::Lock)? else {
        return left(id::LEFT_TO_RECOVERY);
    };
    if recovery_files::is_interrupted(root, device)? {
        return Err(HotClaimError::BrokenOff(device));
    }
    let claim = HotRun {
        options,
        device,
        command_line: &command_line,
        dry_run: options.dry_run || parameters.switch == Switch::DryRun,
        begin: Instant::now(),
    };
    match claim.attempts(&parameters) {
        None => left(id::LEFT_NOT_CHOSEN),
        Some(result) => Ok(HotClaim::Done(Box::new(claim.report(result, begin, lines)))),
    }
}

/// Why a function is not one that has appeared since the last claim, or cannot be told from one that was there.
fn is_not_new(root: &Root, function: FunctionAddress) -> Option<Finding> {
    let note = |id| Finding::note(id, Subject::gpu(function.device_address()));
    let reports = [
        PathBuf::from(report::CLAIM_REPORT),
        report_of(function.device_address()),
    ];
    let reports = reports.iter().filter_map(|at| report::read(root, at).ok());
    let Some(newest) = reports.filter_map(|report| report.newest_function).max() else {
        return Some(note(id::LEFT_NO_BOOT_REPORT));
    };
    let is_new = functions::instance(root, function).is_some_and(|instance| instance > newest);
    (!is_new).then(|| note(id::LEFT_NOT_NEW).with("function", function))
}

fn gpu_at(options: &HotOptions) -> Option<Gpu> {
    let gpus = gpus::gpus(&options.root);
    gpus.into_iter().find(|gpu| gpu.function(options.function).is_some())
}

/// The GPU, once each of its functions may be given a driver.
fn wait_until_added(options: &HotOptions) -> Result<Gpu, HotClaimError> {
    let begin = Instant::now();
    loop {
        let Some(gpu) = gpu_at(options) else {
            return Err(HotClaimError::NoFunction(options.function));
        };
        let missing = gpu.functions.iter().map(|function| function.address);
        match missing.clone().find(|function| !is_added(&options.root, *function)) {
            None => return Ok(gpu),
            Some(function) if begin.elapsed() > ADDING_LIMIT => return Err(HotClaimError::NotAdded(function)),
            Some(_) => thread::sleep(ADDING_PAUSE),
        }
    }
}

/// Whether the kernel has added a function to its bus: the last that it makes before it looks for a driver is the entry in
/// /proc, which bears the segment's number only on some architectures.
fn is_added(root: &Root, function: FunctionAddress) -> bool {
    let (segment, bus) = (function.segment(), function.bus());
    let entry = format!("{:02x}.{:x}", function.device(), function.function());
    let with_segment = root.path(format!("/proc/bus/pci/{segment:04x}:{bus:02x}/{entry}"));
    let without = root.path(format!("/proc/bus/pci/{bus:02x}/{entry}"));
    with_segment.exists() || (segment == 0 && without.exists())
}

struct HotRun<'a> {
    options: &'a HotOptions,
    device: DeviceAddress,
    command_line: &'a str,
    dry_run: bool,
    /// When the claim's time began to run.
    begin: Instant,
}

impl HotRun<'_> {
    /// What was found and done; nothing if nothing is asked for.
    fn attempts(&self, parameters: &CommandLine) -> Option<RunResult> {
        for _ in 1..ATTEMPTS {
            let result = self.attempt(parameters)?;
            if !result.finished.iter().any(was_too_late) {
                return Some(result);
            }
            thread::sleep(ATTEMPT_PAUSE);
        }
        self.attempt(parameters)
    }

    fn attempt(&self, parameters: &CommandLine) -> Option<RunResult> {
        let root = &self.options.root;
        let mut problems = Vec::new();
        let rules = rules::rules_from_file(root, None).unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        });
        let run = Run {
            root,
            command_line: self.command_line.to_owned(),
            rules: parameters.join(rules),
            quarantine: boot_quarantine::read(root),
            extent: Extent::Gpu(self.device),
            limits: Limits::RUNNING,
            begin: self.begin,
            dry_run: self.dry_run,
            before_claim: warnings_of_keeping_flr_out,
            problems,
            system_uses: Vec::new(),
        };
        let mut result = run.carry_out();
        if result.plan.is_empty() && result.problems.is_empty() {
            return None;
        }
        // Whoever has misspelt a parameter is to know why this is a dry run. Others were told at boot.
        if parameters.switch == Switch::DryRun {
            result.problems.extend(parameters.findings());
        }
        Some(result)
    }

    /// Puts it into the report's form, and writes that down.
    fn report(&self, result: RunResult, begin: Instant, lines: fn(&Report) -> Vec<Line>) -> Report {
        let root = &self.options.root;
        let mut report = Report::new(result, boot::boot(root), root, begin.elapsed());
        report.limit_ms = u64::try_from(Limits::RUNNING.whole.as_millis()).unwrap_or(u64::MAX);
        let to = report_of(self.device);
        // A GPU has as many events as functions: what the first one did is not to be lost.
        let was_done = report.found_it_claimed() && root.path(&to).exists();
        if self.dry_run || was_done {
            return report;
        }
        if let Err(error) = report::write(root, &to, &report) {
            report.add_problem(error.finding());
        }
        boot::log_report(root, &mut report, lines);
        report
    }
}

/// Whether a driver had a function just before the claim would have: that one can be unbound.
fn was_too_late(finished: &Finished) -> bool {
    let rollback = finished.outcome.rollback.as_ref();
    rollback.is_some_and(|rollback| rollback.failure.kind == FailureKind::Busy && rollback.leftovers.is_empty())
}

#[cfg(test)]
mod tests;
