//! The claim's report, `/run/reseat/claim.json`, and the same in short lines for the kernel log.
//!
//! The file is read by people, by the `reseat` command and by other tools, after `switch_root` and long after the claim.
//! [`SCHEMA`] names its version: fields may be added under the same name, anything else makes a new one.

mod words;

pub use words::Tone;

use std::time::Duration;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity};
use serde::{Deserialize, Serialize};

use crate::claim::{CLAIM_LIMIT, FailureKind, Finished, PowerReading, Rollback, VFIO_PCI};
use crate::inventory::{Function, Gpu};
use crate::plan::{Plan, RuleOutcome};

/// The version of the report's form.
pub const SCHEMA: &str = "reseat.claim/1";

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
    pub problems: Vec<String>,
    /// Each rule and what it came to.
    pub rules: Vec<RuleReport>,
    /// How vfio-pci came to be there; absent where nothing was to be claimed.
    pub vfio_pci: Option<ModuleReport>,
    /// Each chosen GPU and each that is out of service, and what became of it.
    pub gpus: Vec<GpuReport>,
}

/// A run in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// `reseat=off`: nothing was looked at.
    Off,
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
    /// Where it was written: a file and a line, or the kernel command line.
    pub source: String,
    /// The selector as it was written.
    pub selector: String,
    /// The GPUs that it chose.
    pub gpus: Vec<DeviceAddress>,
    /// Why it chose none.
    pub problem: Option<String>,
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
    pub warning: Option<String>,
    /// Why it is not there.
    pub problem: Option<String>,
}

/// A chosen GPU and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuReport {
    /// Its device number.
    pub device: DeviceAddress,
    /// What became of it.
    pub verdict: GpuVerdict,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// Why it is not claimed, in words.
    pub problem: Option<String>,
    /// Where it failed, if its claim was begun and failed.
    pub failure: Option<FailureReport>,
    /// What could not be taken back; of an isolation, what else was not reached.
    pub leftovers: Vec<String>,
    /// Its functions.
    pub functions: Vec<FunctionReport>,
    /// The other functions in its IOMMU groups, which were left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerReport>,
    /// What was shown through it before the claim, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub display: Vec<String>,
    /// That it is out of service; absent where nothing stands against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<QuarantineReport>,
}

/// A function in an IOMMU group of a chosen GPU. While a host driver has it, nobody can open the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReport {
    /// Where it is.
    pub address: FunctionAddress,
    /// Vendor and device ID.
    pub identity: Identity,
    /// What it says it is.
    pub class: ClassCode,
    /// The driver that has it at the end.
    pub driver: Option<String>,
}

/// What a run made of a GPU that is out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineReport {
    /// Why it is out of service.
    pub reason: String,
    /// Whether it is isolated: no function has a driver, and none can get one.
    pub isolated: bool,
}

/// Where a claim failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureReport {
    /// At which function.
    pub function: Option<FunctionAddress>,
    /// In which operation, in words.
    pub operation: Option<String>,
    /// How.
    pub kind: FailureKind,
    /// Why, in words.
    pub message: String,
}

/// What became of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuVerdict {
    /// It would be claimed: this was a dry run.
    WouldClaim,
    /// Every function is on vfio-pci, in D0 and pinned, and was read back so.
    Claimed,
    /// Its turn did not come in time: it was not touched.
    NotReached,
    /// Something failed, and what had been done was taken back.
    RolledBack,
    /// Something failed, and not all that had been done could be taken back.
    Stuck,
    /// It was not touched, but to isolate one that is out of service.
    Refused,
}

/// A function of a chosen GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionReport {
    /// Where it is.
    pub address: FunctionAddress,
    /// Vendor and device ID.
    pub identity: Identity,
    /// What it says it is.
    pub class: ClassCode,
    /// Its IOMMU group.
    pub iommu_group: Option<String>,
    /// The driver that had it before the claim.
    pub driver_before: Option<String>,
    /// The driver that has it at the end.
    pub driver: Option<String>,
    /// Its power state and its pin as they were verified.
    pub power: Option<PowerReading>,
    /// The variant of vfio-pci that is made for it; absent where that is vfio-pci itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantReport>,
}

/// A variant of vfio-pci that is made for a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantReport {
    /// Its module.
    pub module: String,
    /// Its driver; absent where the module was not loaded.
    pub driver: Option<String>,
}

/// What a run found out, before it is put into the report's form.
#[derive(Debug)]
pub struct Findings {
    /// Rules held against the machine.
    pub plan: Plan,
    /// What was found wrong apart from them.
    pub problems: Vec<String>,
    /// How vfio-pci came to be there.
    pub vfio_pci: Option<ModuleReport>,
    /// The GPUs whose claim was begun.
    pub finished: Vec<Finished>,
    /// Whether nothing was to be touched.
    pub dry_run: bool,
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
    pub fn idle(verdict: Verdict, problems: Vec<String>, boot: Boot, took: Duration) -> Self {
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
            limit_ms: u64::try_from(CLAIM_LIMIT.as_millis()).unwrap_or(u64::MAX),
            problems,
            rules: Vec::new(),
            vfio_pci: None,
            gpus: Vec::new(),
        }
    }

    /// The report of a run. `driver_now` reads the driver that a function has at the end: whatever the claim saw, this is
    /// what the report says.
    pub fn new(
        findings: Findings,
        boot: Boot,
        driver_now: impl Fn(FunctionAddress) -> Option<String>,
        took: Duration,
    ) -> Self {
        let mut gpus = gpu_reports(&findings);
        for gpu in &mut gpus {
            for function in &mut gpu.functions {
                function.driver = driver_now(function.address);
            }
            for peer in &mut gpu.peers {
                peer.driver = driver_now(peer.address);
            }
            gpu.hold_to_its_word();
        }
        gpus.sort_by_key(|gpu| gpu.device);
        let rules: Vec<RuleReport> = findings.plan.rules.iter().map(RuleReport::from).collect();
        let module_failed = findings
            .vfio_pci
            .as_ref()
            .is_some_and(|module| module.problem.is_some());
        let complete = findings.problems.is_empty()
            && !module_failed
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
            ..Self::idle(verdict, findings.problems, boot, took)
        }
    }
}

impl GpuReport {
    fn new(gpu: &Gpu, verdict: GpuVerdict, problem: Option<String>) -> Self {
        Self {
            device: gpu.device,
            verdict,
            duration_ms: 0.0,
            problem,
            failure: None,
            leftovers: Vec::new(),
            functions: gpu.functions.iter().map(FunctionReport::from).collect(),
            peers: Vec::new(),
            display: Vec::new(),
            quarantine: None,
        }
    }

    fn out_of_service(gpu: &Gpu, reason: &str, finished: Option<&Finished>) -> Self {
        let mut report = Self::new(gpu, GpuVerdict::Refused, Some("to be isolated".to_owned()));
        let mut isolated = false;
        if let Some(finished) = finished {
            let shortfall = finished.outcome.rollback.as_ref();
            isolated = shortfall.is_none();
            report.duration_ms = milliseconds(finished.took);
            report.problem = shortfall.map(ToString::to_string);
            report.failure = shortfall.map(FailureReport::from);
            report.leftovers = shortfall
                .map(|shortfall| shortfall.leftovers.clone())
                .unwrap_or_default();
        }
        let reason = reason.to_owned();
        report.quarantine = Some(QuarantineReport { reason, isolated });
        report
    }

    fn finished(gpu: &Gpu, finished: &Finished) -> Self {
        let outcome = &finished.outcome;
        let rollback = outcome.rollback.as_ref();
        let verdict = match rollback {
            None => GpuVerdict::Claimed,
            Some(_) if !outcome.begun => GpuVerdict::NotReached,
            Some(rollback) if rollback.leftovers.is_empty() => GpuVerdict::RolledBack,
            Some(_) => GpuVerdict::Stuck,
        };
        let mut report = Self::new(gpu, verdict, rollback.map(ToString::to_string));
        report.duration_ms = milliseconds(finished.took);
        report.failure = rollback.map(FailureReport::from);
        report.leftovers = rollback.map(|rollback| rollback.leftovers.clone()).unwrap_or_default();
        for function in &mut report.functions {
            let seen = outcome.power.iter().find(|power| power.address == function.address);
            function.power = seen.map(|power| power.reading.clone());
        }
        report
    }

    /// What the plan says of a GPU to claim beside its own functions.
    fn add(&mut self, plan: &Plan) {
        for function in &mut self.functions {
            function.variant = plan.variants.get(&function.address).map(|variant| VariantReport {
                module: variant.module.clone(),
                driver: variant.driver.clone(),
            });
        }
        let peers = plan.peers.iter().filter(|(device, _)| *device == self.device);
        self.peers = peers.flat_map(|(_, peers)| peers).map(PeerReport::from).collect();
        let has = |function| self.functions.iter().any(|it| it.address == function);
        let signs = plan.signs.iter().filter(|sign| has(sign.function));
        self.display = signs.map(ToString::to_string).collect();
    }

    fn is_as_asked(&self) -> bool {
        matches!(self.verdict, GpuVerdict::Claimed | GpuVerdict::WouldClaim)
    }

    /// What was done a moment ago may not be so any more: a GPU that has lost a function since is not claimed, and one
    /// whose functions are not with their former drivers is not given back.
    fn hold_to_its_word(&mut self) {
        let isolated = self.quarantine.as_ref().is_some_and(|quarantine| quarantine.isolated);
        let should_be = |function: &FunctionReport| match self.verdict {
            _ if isolated => None,
            GpuVerdict::Claimed => Some(function.vfio_driver().to_owned()),
            _ => function.driver_before.clone(),
        };
        let wrong = self
            .functions
            .iter()
            .filter(|function| function.driver != should_be(function));
        let or_none = |driver: &Option<String>| driver.clone().unwrap_or_else(|| "no driver".to_owned());
        let wrong: Vec<String> = wrong
            .map(|function| {
                let (is, was) = (or_none(&function.driver), or_none(&should_be(function)));
                format!("{} has {is} now, not {was}", function.address)
            })
            .collect();
        if let Some(quarantine) = self.quarantine.as_mut().filter(|_| isolated && !wrong.is_empty()) {
            quarantine.isolated = false;
            self.problem = Some("it was isolated and did not stay so".to_owned());
            self.leftovers.extend(wrong);
            return;
        }
        if wrong.is_empty() || matches!(self.verdict, GpuVerdict::WouldClaim | GpuVerdict::Refused) {
            return;
        }
        if self.verdict == GpuVerdict::Claimed {
            self.problem = Some("it was claimed and did not stay so".to_owned());
        }
        self.verdict = GpuVerdict::Stuck;
        self.leftovers.extend(wrong);
    }
}

impl FunctionReport {
    /// The driver that a claim gives it.
    fn vfio_driver(&self) -> &str {
        let variant = self.variant.as_ref().and_then(|variant| variant.driver.as_deref());
        variant.unwrap_or(VFIO_PCI)
    }
}

impl From<&Rollback> for FailureReport {
    fn from(rollback: &Rollback) -> Self {
        Self {
            function: rollback.function,
            operation: rollback.during.clone(),
            kind: rollback.failure.kind,
            message: rollback.failure.message.clone(),
        }
    }
}

impl From<&Function> for FunctionReport {
    fn from(function: &Function) -> Self {
        Self {
            address: function.address,
            identity: function.identity,
            class: function.class,
            iommu_group: function.iommu_group.clone(),
            driver_before: function.driver.clone(),
            driver: None,
            power: None,
            variant: None,
        }
    }
}

impl From<&Function> for PeerReport {
    fn from(function: &Function) -> Self {
        Self {
            address: function.address,
            identity: function.identity,
            class: function.class,
            driver: None,
        }
    }
}

impl From<&(crate::rules::Rule, RuleOutcome)> for RuleReport {
    fn from((rule, outcome): &(crate::rules::Rule, RuleOutcome)) -> Self {
        let (gpus, problem) = match outcome {
            RuleOutcome::Chose(devices) => (devices.clone(), None),
            RuleOutcome::Nothing(nothing) => (Vec::new(), Some(nothing.to_string())),
        };
        Self {
            source: rule.choice.source.to_string(),
            selector: rule.choice.text.clone(),
            gpus,
            problem,
        }
    }
}

fn gpu_reports(findings: &Findings) -> Vec<GpuReport> {
    let refused = findings
        .plan
        .refused
        .iter()
        .map(|(gpu, refusal)| GpuReport::new(gpu, GpuVerdict::Refused, Some(refusal.to_string())));
    let chosen = findings.plan.claim.iter().map(|gpu| {
        let finished = findings.finished.iter().find(|finished| finished.device == gpu.device);
        let mut report = match finished {
            Some(finished) => GpuReport::finished(gpu, finished),
            None if findings.dry_run => GpuReport::new(gpu, GpuVerdict::WouldClaim, None),
            None => GpuReport::new(
                gpu,
                GpuVerdict::Refused,
                Some(format!("{VFIO_PCI} is not there to take it")),
            ),
        };
        report.add(&findings.plan);
        report
    });
    let out_of_service = findings.plan.out_of_service.iter().map(|(gpu, reason)| {
        let finished = findings.finished.iter().find(|finished| finished.device == gpu.device);
        GpuReport::out_of_service(gpu, reason, finished)
    });
    chosen.chain(refused).chain(out_of_service).collect()
}

/// A duration in milliseconds, to the microsecond.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
