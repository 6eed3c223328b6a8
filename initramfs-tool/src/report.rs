//! The claim's report, `/run/reseat/claim.json`.
//!
//! The `reseat` command and other tools read the file, after `switch_root` and long after the claim. [`SCHEMA`] names
//! its version: fields may be added within it; any other change makes a new one. It has no sentences: the programs
//! build them from its findings.

pub mod first_version;
mod gpu;

pub use gpu::{
    FailureReport, FunctionReport, GpuReport, GpuVerdict, Kept, PeerReport, QuarantineReport, VariantReport,
};
use std::time::Duration;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use serde::{Deserialize, Serialize};

use crate::claim::{Finished, Limits, VFIO_PCI};
use crate::model::finding::{Finding, Subject, id};
use crate::model::inventory::Gpu;
use crate::plan::{ClaimPlan, RuleOutcome};
use crate::rules::Source;

/// The version of the report's form.
pub const SCHEMA: &str = "reseat.claim/2";

/// A line for people or for the kernel log.
pub type Line = (Tone, String);

/// The tone of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Everything is in order.
    Notice,
    /// The operator should check it.
    Warning,
}

/// The report of one run of `reseat-claim`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of the program.
    pub version: String,
    /// The kernel's release, such as `6.1.0-50-amd64`.
    pub kernel: Option<String>,
    /// The kernel's ID of this boot.
    pub boot_id: Option<String>,
    /// The overall result.
    pub verdict: Verdict,
    /// True if everything that was requested is in order.
    pub complete: bool,
    /// The duration of the run, in milliseconds.
    pub duration_ms: f64,
    /// The time limit of the run, in milliseconds.
    pub limit_ms: u64,
    /// Problems other than rules and GPUs: an unreadable rules file, an unknown parameter.
    pub problems: Vec<Finding>,
    /// Each rule with its outcome.
    pub rules: Vec<RuleReport>,
    /// The state of vfio-pci; absent if there was nothing to claim.
    pub vfio_pci: Option<ModuleReport>,
    /// Each selected GPU and each GPU out of service, with its result.
    pub gpus: Vec<GpuReport>,
    /// The highest number that sysfs had given to a function's directory at the time of the run. Functions that
    /// appeared since, or again, have a higher one.
    pub newest_function: Option<u64>,
}

/// The overall result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// `reseat=off`: nothing was checked.
    Off,
    /// A crash kernel, which saves the memory of a crashed one: nothing was checked.
    CrashKernel,
    /// There are no rules, and no problems.
    NoRules,
    /// A dry run: nothing was touched.
    DryRun,
    /// Every rule had an effect, and every selected GPU is claimed.
    Claimed,
    /// A rule had no effect, a GPU was refused or its claim undone, or there was a problem.
    Incomplete,
}

/// A rule with its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// The place of the rule.
    pub source: Source,
    /// The selector as it was written.
    pub selector: String,
    /// The GPUs that it selected.
    pub gpus: Vec<DeviceAddress>,
    /// The reason why it selected none.
    pub problem: Option<Finding>,
}

/// The state of vfio-pci.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleReport {
    /// True if this run loaded it; otherwise it was there before.
    pub loaded: bool,
    /// Its parameter `disable_idle_d3`; absent if it could not be read. Without it the driver lets unused functions
    /// sleep, and only `power/control` keeps them in D0.
    pub disable_idle_d3: Option<bool>,
    /// The time to load it, in milliseconds.
    pub duration_ms: f64,
    /// A problem with it, although it is loaded.
    pub warning: Option<Finding>,
    /// The reason why it is not loaded.
    pub problem: Option<Finding>,
}

/// The result of a run, before it becomes a report.
#[derive(Debug)]
pub struct RunResult {
    /// The rules applied to the machine.
    pub plan: ClaimPlan,
    /// Other problems.
    pub problems: Vec<Finding>,
    /// The state of vfio-pci.
    pub vfio_pci: Option<ModuleReport>,
    /// The GPUs whose claim was started.
    pub finished: Vec<Finished>,
    /// The reason why no VM can open any of the claimed GPUs.
    pub no_backend: Option<Finding>,
    /// The GPUs that no VM could use after a claim because their memory is occupied, as far as a dry run can tell.
    pub occupied: Vec<(DeviceAddress, Finding)>,
    /// True if nothing was to be changed.
    pub dry_run: bool,
    /// The highest number that sysfs had given a function's directory.
    pub newest_function: Option<u64>,
}

/// The drivers at the end of a run.
pub trait DriversNow {
    /// The driver of a function.
    fn driver_of(&self, function: FunctionAddress) -> Option<String>;

    /// True if VFIO opens a group with a function bound to this driver: one of VFIO's own, or pci-stub.
    fn lets_vms_in(&self, driver: &str) -> bool;
}

/// The boot that a report belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The kernel's ID of this boot.
    pub boot_id: Option<String>,
}

impl Report {
    /// The report of a run that checked no GPU, with the reason. Problems make it incomplete.
    pub fn idle(verdict: Verdict, problems: Vec<Finding>, boot: Boot, took: Duration) -> Self {
        let complete = problems.is_empty();
        Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: boot.kernel,
            boot_id: boot.boot_id,
            verdict: match (verdict, complete) {
                (Verdict::NoRules, false) => Verdict::Incomplete,
                (verdict, _) => verdict,
            },
            complete,
            duration_ms: milliseconds(took),
            limit_ms: u64::try_from(Limits::BOOT.whole.as_millis()).unwrap_or(u64::MAX),
            problems,
            rules: Vec::new(),
            vfio_pci: None,
            gpus: Vec::new(),
            newest_function: None,
        }
    }

    /// The report of a run. `drivers` reads the driver of each function at the end: the report states that, whatever
    /// the claim saw before.
    pub fn new(findings: RunResult, boot: Boot, drivers: &impl DriversNow, took: Duration) -> Self {
        let mut gpus = gpu_reports(&findings);
        for gpu in &mut gpus {
            for function in &mut gpu.functions {
                function.driver = drivers.driver_of(function.address);
            }
            for peer in &mut gpu.peers {
                peer.driver = drivers.driver_of(peer.address);
            }
            gpu.check_drivers();
            let mut occupied = findings.occupied.iter().filter(|(device, _)| *device == gpu.device);
            let why = occupied.next().map(|(_, why)| why).or(findings.no_backend.as_ref());
            gpu.not_usable = why.filter(|_| gpu.is_claimed()).cloned();
            gpu.check_group(|driver| drivers.lets_vms_in(driver));
        }
        gpus.sort_unstable_by_key(|gpu| gpu.device);
        let rules: Vec<RuleReport> = findings.plan.rules.iter().map(RuleReport::from).collect();
        let complete = findings.problems.is_empty()
            && !module_failed(&findings)
            && rules.iter().all(|rule| rule.problem.is_none())
            && gpus.iter().all(GpuReport::is_as_asked);
        let verdict = match (complete, findings.dry_run) {
            (_, true) => Verdict::DryRun,
            (false, false) => Verdict::Incomplete,
            (true, false) => Verdict::Claimed,
        };
        Self {
            complete,
            rules,
            vfio_pci: findings.vfio_pci,
            gpus,
            newest_function: findings.newest_function,
            ..Self::idle(verdict, findings.problems, boot, took)
        }
    }
}

impl Report {
    /// Adds a problem that appeared after the run.
    pub fn add_problem(&mut self, problem: Finding) {
        self.problems.push(problem);
        self.complete = false;
    }

    /// Returns true if every GPU was claimed, and had been before.
    pub fn found_it_claimed(&self) -> bool {
        let mut functions = self.gpus.iter().flat_map(|gpu| &gpu.functions);
        self.verdict == Verdict::Claimed
            && functions.all(|function| function.driver_before.as_deref() == Some(function.vfio_driver()))
    }
}

impl From<&(crate::rules::Rule, RuleOutcome)> for RuleReport {
    fn from((rule, outcome): &(crate::rules::Rule, RuleOutcome)) -> Self {
        let (gpus, problem) = match outcome {
            RuleOutcome::Chose(devices) => (devices.clone(), None),
            RuleOutcome::Nothing(nothing) => (Vec::new(), Some(nothing.finding(&rule.choice))),
        };
        Self {
            source: rule.choice.source.clone(),
            selector: rule.choice.text.clone(),
            gpus,
            problem,
        }
    }
}

fn module_failed(findings: &RunResult) -> bool {
    let module = findings.vfio_pci.as_ref();
    module.is_some_and(|module| module.problem.is_some())
}

fn gpu_reports(findings: &RunResult) -> Vec<GpuReport> {
    let plan = &findings.plan;
    let finished = |gpu: &Gpu| findings.finished.iter().find(|finished| finished.device == gpu.device);
    let mut reports = Vec::new();
    for gpu in &plan.claim {
        let mut report = match finished(gpu) {
            Some(finished) => GpuReport::finished(gpu, finished),
            None if findings.dry_run && !module_failed(findings) => GpuReport::new(gpu, GpuVerdict::WouldClaim, None),
            None => {
                let missing = Finding::refusal(id::VFIO_PCI_MISSING, Subject::gpu(gpu.device)).with("driver", VFIO_PCI);
                GpuReport::new(gpu, GpuVerdict::Refused, Some(missing))
            }
        };
        report.add(plan);
        reports.push(report);
    }
    for (gpu, refusal) in &plan.refused {
        let refusal = refusal.finding(gpu.device);
        reports.push(GpuReport::new(gpu, GpuVerdict::Refused, Some(refusal)));
    }
    for (gpu, reason) in &plan.out_of_service {
        reports.push(GpuReport::out_of_service(gpu, reason, finished(gpu)));
    }
    reports
}

/// Converts a duration to milliseconds, with microsecond precision.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
