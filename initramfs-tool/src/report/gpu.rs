//! The result of one GPU.

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

/// A selected GPU and its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuReport {
    /// Its device number.
    pub device: DeviceAddress,
    /// The result.
    pub verdict: GpuVerdict,
    /// The duration, in milliseconds.
    pub duration_ms: f64,
    /// The reason why it is not claimed.
    pub problem: Option<Finding>,
    /// The place of the failure, if its claim was started and failed.
    pub failure: Option<FailureReport>,
    /// Changes that could not be undone; for an isolation, other functions that were not reached.
    pub leftovers: Vec<Leftover>,
    /// Its functions.
    pub functions: Vec<FunctionReport>,
    /// The other functions in its IOMMU groups that were left alone.
    pub peers: Vec<PeerReport>,
    /// The signs that it showed a picture before the claim.
    pub display: Vec<Finding>,
    /// Its quarantine; null for a GPU in service.
    pub quarantine: Option<QuarantineReport>,
    /// The GPU out of service at whose address it is; null if there is none.
    pub replaces: Option<Finding>,
    /// The reason why no VM can open it although it is claimed, or would be; absent if none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_usable: Option<Finding>,
}

/// A function in an IOMMU group of a selected GPU. While a host driver is bound to it, no VM can open the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReport {
    /// The address.
    pub address: FunctionAddress,
    /// Vendor and device ID.
    pub identity: Identity,
    /// The class.
    pub class: ClassCode,
    /// The driver at the end.
    pub driver: Option<String>,
    /// The reason why even a rule with `group-peers` does not claim it; null if there is none.
    pub kept: Option<Kept>,
    /// Its use by the running system; absent if none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Finding>,
}

/// The reason why a rule with `group-peers` does not claim a function in an IOMMU group of a selected GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// The rule has `group-peers`, but excludes this function by `not`.
    LeftOut,
    /// It is a virtual function (SR-IOV).
    Virtual,
    /// It may carry the system, and a rule has to name it.
    Unnamed,
}

/// The result for a GPU that is out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineReport {
    /// The reason in its entry; null if there is no entry, and the GPU counts as out of service since the quarantine
    /// cannot be read.
    pub reason: Option<String>,
    /// True if it is isolated: no function has a driver or can get one.
    pub isolated: bool,
}

/// The place where a claim failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureReport {
    /// The function that failed.
    pub function: Option<FunctionAddress>,
    /// The operation that failed.
    #[serde(with = "form")]
    pub operation: Option<Operation>,
    /// The kind of failure. The GPU's problem has the reason.
    pub kind: FailureKind,
}

/// The result of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuVerdict {
    /// It would be claimed; this was a dry run.
    WouldClaim,
    /// Every function is bound to vfio-pci, in D0 with runtime PM disabled, and was read back so.
    Claimed,
    /// The time ran out before its turn: it was not touched.
    NotReached,
    /// A step failed, and all changes were undone.
    RolledBack,
    /// A step failed, and not all changes could be undone.
    Stuck,
    /// It was not touched, except to isolate one that is out of service.
    Refused,
}

/// A function of a selected GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionReport {
    /// The address.
    pub address: FunctionAddress,
    /// Vendor and device ID.
    pub identity: Identity,
    /// The class.
    pub class: ClassCode,
    /// Its IOMMU group.
    pub iommu_group: Option<String>,
    /// The driver before the claim.
    pub driver_before: Option<String>,
    /// The driver at the end.
    pub driver: Option<String>,
    /// Its power state and runtime PM setting as verified.
    pub power: Option<PowerReading>,
    /// The variant of vfio-pci for it; null if that is vfio-pci itself.
    pub variant: Option<VariantReport>,
}

/// A variant of vfio-pci for a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantReport {
    /// The module.
    pub module: String,
    /// The driver; null if the module was not loaded.
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

    /// Adds the plan's entries for a GPU to claim, besides its own functions.
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

    /// Returns true if it is claimed, or would be, even if no VM can open it.
    pub(super) fn is_claimed(&self) -> bool {
        matches!(self.verdict, GpuVerdict::Claimed | GpuVerdict::WouldClaim)
    }

    /// Checks the group: it can be opened only if no host driver is bound to any of its functions. `lets_in` returns
    /// true for other drivers.
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

    /// Checks the drivers again: a GPU that has lost a function since is not claimed, and one whose functions lack
    /// their former drivers is not undone.
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
    /// The driver that a claim binds it to.
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
    /// A peer that was left alone, even if a rule claims the GPU's peers.
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
