//! The claim's report, `/run/reseat/claim.json`.
//!
//! The file is read by the `reseat` command and by other tools, after `switch_root` and long after the claim. [`SCHEMA`] names
//! its version: fields may be added under the same name, anything else makes a new one. It has no sentences: the programs make
//! them of its findings.

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

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Notice,
    /// Somebody should look.
    Warning,
}

/// What one run of `reseat-claim` did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of the program.
    pub version: String,
    /// The kernel's release, such as `6.1.0-50-amd64`.
    pub kernel: Option<String>,
    /// The kernel's name for this boot.
    pub boot_id: Option<String>,
    /// The whole in one word.
    pub verdict: Verdict,
    /// Whether everything that was asked for was found in order.
    pub complete: bool,
    /// How long the run took, in milliseconds.
    pub duration_ms: f64,
    /// The time that the run had, in milliseconds.
    pub limit_ms: u64,
    /// What was found wrong apart from rules and GPUs: a rules file that cannot be read, an unknown parameter.
    pub problems: Vec<Finding>,
    /// Each rule and what it came to.
    pub rules: Vec<RuleReport>,
    /// How vfio-pci came to be there; absent where nothing was to be claimed.
    pub vfio_pci: Option<ModuleReport>,
    /// Each chosen GPU and each that is out of service, and what became of it.
    pub gpus: Vec<GpuReport>,
    /// The highest number that sysfs had given a function's directory when the run looked. What has appeared since, or
    /// again, has a higher one.
    pub newest_function: Option<u64>,
}

/// A run in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// `reseat=off`: nothing was looked at.
    Off,
    /// This kernel is there to save the memory of one that has crashed: nothing was looked at.
    CrashKernel,
    /// There are no rules, and nothing was wrong.
    NoRules,
    /// A dry run: nothing was touched.
    DryRun,
    /// Every rule was met, every chosen GPU is claimed.
    Claimed,
    /// A rule came to nothing, a GPU was refused or given back, or something was found wrong.
    Incomplete,
}

/// A rule and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// Where it was written.
    pub source: Source,
    /// The selector as it was written.
    pub selector: String,
    /// The GPUs that it chose.
    pub gpus: Vec<DeviceAddress>,
    /// Why it chose none.
    pub problem: Option<Finding>,
}

/// How vfio-pci came to be there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleReport {
    /// Whether this run loaded it; otherwise it was there before.
    pub loaded: bool,
    /// Its parameter `disable_idle_d3`; absent where it could not be read. Without it the driver lets unused functions
    /// sleep, and only the pin keeps them awake.
    pub disable_idle_d3: Option<bool>,
    /// How long loading took, in milliseconds.
    pub duration_ms: f64,
    /// What is wrong with it, though it is there.
    pub warning: Option<Finding>,
    /// Why it is not there.
    pub problem: Option<Finding>,
}

/// What a run found out, before it is put into the report's form.
#[derive(Debug)]
pub struct RunResult {
    /// Rules held against the machine.
    pub plan: ClaimPlan,
    /// What was found wrong apart from them.
    pub problems: Vec<Finding>,
    /// How vfio-pci came to be there.
    pub vfio_pci: Option<ModuleReport>,
    /// The GPUs whose claim was begun.
    pub finished: Vec<Finished>,
    /// The reason for which no VM can open any of the claimed GPUs.
    pub no_backend: Option<Finding>,
    /// GPUs that no VM could use after a claim, since something else lies in their memory, as far as a dry run sees that.
    pub occupied: Vec<(DeviceAddress, Finding)>,
    /// Whether nothing was to be touched.
    pub dry_run: bool,
    /// The highest number that sysfs had given a function's directory.
    pub newest_function: Option<u64>,
}

/// The drivers at the end of a run.
pub trait DriversNow {
    /// The driver of a function.
    fn driver_of(&self, function: FunctionAddress) -> Option<String>;

    /// True if VFIO opens a group of which this driver has a function: one of VFIO's own, or pci-stub.
    fn lets_vms_in(&self, driver: &str) -> bool;
}

/// The boot that a report belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The kernel's name for this boot.
    pub boot_id: Option<String>,
}

impl Report {
    /// The report of a run that looked at no GPU, and why. Where there are problems, that is no quiet end.
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

    /// The report of a run. `drivers` reads the driver that a function has at the end: whatever the claim saw, this is
    /// what the report says.
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
    /// Adds something that was found wrong when the run was over.
    pub fn add_problem(&mut self, problem: Finding) {
        self.problems.push(problem);
        self.complete = false;
    }

    /// Whether every GPU was claimed, and had been before.
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

/// A duration in milliseconds, to the microsecond.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
