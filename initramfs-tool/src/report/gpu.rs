//! What became of one GPU.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity};
use serde::{Deserialize, Serialize};

use super::milliseconds;
use crate::claim::operation::form;
use crate::claim::{FailureKind, Finished, Leftover, Operation, PowerReading, Rollback, VFIO_PCI};
use crate::model::display::Sign;
use crate::model::finding::{Finding, Subject, id};
use crate::model::inventory::{Function, Gpu, may_carry_the_system};
use crate::model::system_use::SystemUse;
use crate::plan::{ClaimPlan, OutOfService};

/// A chosen GPU and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuReport {
    /// Its device number.
    pub device: DeviceAddress,
    /// What became of it.
    pub verdict: GpuVerdict,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// Why it is not claimed.
    pub problem: Option<Finding>,
    /// Where it failed, if its claim was begun and failed.
    pub failure: Option<FailureReport>,
    /// What could not be taken back; of an isolation, what else was not reached.
    pub leftovers: Vec<Leftover>,
    /// Its functions.
    pub functions: Vec<FunctionReport>,
    /// The other functions in its IOMMU groups, which were left alone.
    pub peers: Vec<PeerReport>,
    /// What was shown through it before the claim.
    pub display: Vec<Finding>,
    /// That it is out of service; null for a GPU in service.
    pub quarantine: Option<QuarantineReport>,
    /// The GPU that is out of service and in whose place it stands; null where there is none.
    pub replaces: Option<Finding>,
    /// The reason for which no VM can open it, though it is claimed, or would be; not there where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_usable: Option<Finding>,
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
    /// What keeps it even from a rule with `group-peers`; null where nothing does.
    pub kept: Option<Kept>,
    /// A use of it by the running system; not there where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Finding>,
}

/// Why a function in an IOMMU group of a chosen GPU is not claimed by a rule with `group-peers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// The rule has that, and leaves this one out by `not`.
    LeftOut,
    /// It is a virtual function (SR-IOV).
    Virtual,
    /// It may carry the system, and only a rule that names it claims it.
    Unnamed,
}

/// What a run made of a GPU that is out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineReport {
    /// The reason in its entry; null where it has none, and counts as out of service since the quarantine cannot be read.
    pub reason: Option<String>,
    /// Whether it is isolated: no function has a driver, and none can get one.
    pub isolated: bool,
}

/// Where a claim failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureReport {
    /// At which function.
    pub function: Option<FunctionAddress>,
    /// In which operation.
    #[serde(with = "form")]
    pub operation: Option<Operation>,
    /// How. The GPU's problem says why.
    pub kind: FailureKind,
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
    /// The variant of vfio-pci that is made for it; null where that is vfio-pci itself.
    pub variant: Option<VariantReport>,
}

/// A variant of vfio-pci that is made for a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantReport {
    /// Its module.
    pub module: String,
    /// Its driver; null where the module was not loaded.
    pub driver: Option<String>,
}

impl GpuReport {
    pub(super) fn new(gpu: &Gpu, verdict: GpuVerdict, problem: Option<Finding>) -> Self {
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
            replaces: None,
            not_usable: None,
        }
    }

    pub(super) fn out_of_service(gpu: &Gpu, why: &OutOfService, finished: Option<&Finished>) -> Self {
        let pending = Finding::refusal(id::ISOLATION_PENDING, Subject::gpu(gpu.device));
        let mut report = Self::new(gpu, GpuVerdict::Refused, Some(pending));
        let mut isolated = false;
        if let Some(finished) = finished {
            let shortfall = finished.outcome.rollback.as_ref();
            isolated = shortfall.is_none();
            report.duration_ms = milliseconds(finished.took);
            report.problem = shortfall.map(|shortfall| shortfall.failure.finding.clone());
            report.failure = shortfall.map(FailureReport::from);
            report.leftovers = shortfall
                .map(|shortfall| shortfall.leftovers.clone())
                .unwrap_or_default();
        }
        let reason = match why {
            OutOfService::Noted(reason) => Some(reason.clone()),
            OutOfService::Unknown => None,
        };
        report.quarantine = Some(QuarantineReport { reason, isolated });
        report
    }

    pub(super) fn finished(gpu: &Gpu, finished: &Finished) -> Self {
        let outcome = &finished.outcome;
        let rollback = outcome.rollback.as_ref();
        let verdict = match rollback {
            None => GpuVerdict::Claimed,
            Some(_) if !outcome.begun => GpuVerdict::NotReached,
            Some(rollback) if rollback.leftovers.is_empty() => GpuVerdict::RolledBack,
            Some(_) => GpuVerdict::Stuck,
        };
        let problem = rollback.map(|rollback| rollback.failure.finding.clone());
        let mut report = Self::new(gpu, verdict, problem);
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
    pub(super) fn add(&mut self, plan: &ClaimPlan) {
        for function in &mut self.functions {
            function.variant = plan.variant_of(function.address).map(|variant| VariantReport {
                module: variant.module.clone(),
                driver: variant.driver.clone(),
            });
        }
        let takes_peers = plan.takes_peers_of(self.device);
        let peers = plan.peers.iter().filter(|(device, _)| *device == self.device);
        let peers = peers.flat_map(|(_, peers)| peers);
        self.peers = peers.map(|peer| PeerReport::new(peer, takes_peers, plan)).collect();
        let has = |function| self.functions.iter().any(|it| it.address == function);
        let signs = plan.signs.iter().filter(|sign| has(sign.function));
        self.display = signs.map(Sign::finding).collect();
        let mut replaced = plan.replaced.iter();
        let replaced = replaced.find(|(device, _)| *device == self.device);
        self.replaces = replaced.map(|(_, other)| other.clone());
    }

    /// Returns true if it is claimed, or would be, and a VM can open it.
    pub fn is_as_asked(&self) -> bool {
        self.is_claimed() && self.not_usable.is_none()
    }

    /// Returns true if it is claimed, or would be, whether or not a VM can open it.
    pub(super) fn is_claimed(&self) -> bool {
        matches!(self.verdict, GpuVerdict::Claimed | GpuVerdict::WouldClaim)
    }

    /// A group can be opened only if no host driver has any of its functions. `lets_in` says of a driver that it is none.
    pub(super) fn check_group(&mut self, lets_in: impl Fn(&str) -> bool) {
        if !self.is_claimed() || self.not_usable.is_some() {
            return;
        }
        let mut held = self.peers.iter().filter_map(|peer| {
            let driver = peer.driver.as_deref().filter(|driver| !lets_in(driver))?;
            Some((peer.address, driver))
        });
        self.not_usable = held.next().map(|(function, driver)| {
            Finding::warning(id::GROUP_NOT_VIABLE, Subject::gpu(self.device))
                .with("function", function)
                .with("driver", driver)
        });
    }

    /// What was done a moment ago may not be so any more: a GPU that has lost a function since is not claimed, and one
    /// whose functions are not with their former drivers is not given back.
    pub(super) fn check_drivers(&mut self) {
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
        let wrong: Vec<Leftover> = wrong
            .map(|function| Leftover {
                operation: None,
                finding: Finding::error(id::DRIVER_NOT_AS_BEFORE, Subject::function(function.address))
                    .with("found", or_none(&function.driver))
                    .with("expected", or_none(&should_be(function))),
            })
            .collect();
        let lost = |id| Some(Finding::error(id, Subject::gpu(self.device)));
        if let Some(quarantine) = self.quarantine.as_mut().filter(|_| isolated && !wrong.is_empty()) {
            quarantine.isolated = false;
            self.problem = lost(id::ISOLATION_LOST);
            self.leftovers.extend(wrong);
            return;
        }
        if wrong.is_empty() || matches!(self.verdict, GpuVerdict::WouldClaim | GpuVerdict::Refused) {
            return;
        }
        if self.verdict == GpuVerdict::Claimed {
            self.problem = lost(id::CLAIM_LOST);
        }
        self.verdict = GpuVerdict::Stuck;
        self.leftovers.extend(wrong);
    }
}

impl FunctionReport {
    /// The driver that a claim gives it.
    pub fn vfio_driver(&self) -> &str {
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

impl PeerReport {
    /// One that was left alone, whether or not a rule takes the GPU's peers.
    fn new(function: &Function, takes_peers: bool, plan: &ClaimPlan) -> Self {
        let kept = match (takes_peers, function.physical) {
            (true, _) => Some(Kept::LeftOut),
            (false, Some(_)) => Some(Kept::Virtual),
            (false, None) => may_carry_the_system(function.class).then_some(Kept::Unnamed),
        };
        let mut uses = plan.system_uses.iter();
        let system = uses.find(|system| system.function == function.address);
        Self {
            address: function.address,
            identity: function.identity,
            class: function.class,
            driver: None,
            kept,
            system: system.map(SystemUse::finding),
        }
    }
}
