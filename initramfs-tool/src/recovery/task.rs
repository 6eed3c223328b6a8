//! What a worker is told to do, and what it answers.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::decision::{OwnMeans, Rung, Surroundings, Tdi};
use reseat_core::health::Verdict;
use reseat_core::recovery::Observation;
use serde::{Deserialize, Serialize};

use super::{FunctionBaseline, LadderStep};
use crate::model::finding::{self, Finding, id};
use crate::model::subject::{Member, RecoverySubject};
use crate::records::evidence::{Collected, Part};
use crate::records::quarantine::DriverBefore;

/// Something that may never come back, so that a worker does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Look at the machine around a GPU. These of its functions are absent where the kernel does not list them.
    Survey(DeviceAddress, Vec<Member>),
    /// Read all that a baseline holds.
    Observe(RecoverySubject, Means),
    /// Hold the GPU against its baseline, as it is found.
    Examine(RecoverySubject, Means),
    /// Put back what a look through VFIO has left behind whose worker was killed.
    Settle(RecoverySubject),
    /// Take one step of the ladder.
    Operate(LadderStep, RecoverySubject),
    /// Find out which VBIOS a GPU has that is well.
    ReadVbios(RecoverySubject),
    /// Find out for whom the kernel may have to wait before it takes the GPU from its drivers.
    FindHolders(RecoverySubject),
    /// Take the GPU from everybody: no driver is to have it.
    Isolate(RecoverySubject),
    /// Have the bus below its card root scanned: functions of it are not there.
    Rescan(RecoverySubject),
    /// Give each function to the driver that it had, or to one that the kernel finds.
    Release(RecoverySubject, Vec<DriverBefore>),
    /// Read a part of what is kept as evidence.
    Collect(Part, RecoverySubject),
}

/// By what means the registers behind a BAR may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Means {
    /// The kernel's `resourceN` only.
    Resource,
    /// VFIO where lockdown forbids that: the domain is locked, and a sibling may be unbound meanwhile.
    OrVfio,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskAnswer {
    /// The machine around the GPU.
    Surveyed(Box<Surveyed>),
    /// All that a baseline holds, and findings.
    Observed(Vec<FunctionBaseline>, Vec<Finding>),
    /// How the GPU is.
    Examined(Examined),
    /// This, or why it is not known.
    Vbios(Result<String, Vec<Finding>>),
    /// These; nobody, if there are none.
    Holders(Vec<Finding>),
    /// What the step brought, and findings.
    Operated(Observation, Vec<Finding>),
    /// What was read.
    Collected(Collected),
    /// It could not be done.
    Failed(Vec<Finding>),
}

/// A GPU's surroundings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// The GPU.
    pub subject: RecoverySubject,
    /// What the rule is told of them.
    pub surroundings: Surroundings,
    /// Whether any of its functions is locked into a confidential VM.
    pub tdi: Tdi,
    /// True unless a function that answers has no register in which a reset in place would show.
    pub in_place_shows: bool,
    /// The functions that FLR resets.
    pub flr_resets: Vec<FunctionAddress>,
    /// The resets by means of its own that the kernel lists for the GPU.
    pub own_means: OwnMeans,
    /// Whom a reset at the card root would hit beside the GPU.
    pub bystanders: Vec<FunctionAddress>,
    /// The functions elsewhere that a fabric joins to it: such a reset affects them, too.
    pub peers: Vec<FunctionAddress>,
    /// The operator's statement about its fabric that decided.
    pub fabric_statement: Option<String>,
    /// What could not be read, what is reported of models in the reset domain, and what does not fit together there.
    pub findings: Vec<Finding>,
}

impl Surveyed {
    /// The functions that a rung hits.
    pub fn hit_by(&self, rung: Rung) -> Vec<FunctionAddress> {
        match rung {
            Rung::KernelFlr => return self.flr_resets.clone(),
            rung if !rung.above_flr() => return vec![self.subject.function],
            _ => {}
        }
        let ours = self
            .subject
            .functions()
            .into_iter()
            .chain(self.subject.switch.iter().copied());
        ours.chain(self.bystanders.iter().chain(&self.peers).copied()).collect()
    }

    /// The functions that a reset at the card root hits, the GPU first.
    pub fn reset_domain(&self) -> Option<Finding> {
        let root = Finding::note(id::RESET_DOMAIN, finding::Subject::function(self.subject.card_root?));
        let ours = self.subject.functions().into_iter();
        let ours = list(ours.chain(self.subject.switch.iter().copied()));
        if self.bystanders.is_empty() {
            return Some(root.with("functions", ours));
        }
        let others = list(self.bystanders.iter().copied());
        let mut shared = root.with("functions", ours).with("others", others);
        shared.id = id::RESET_DOMAIN_SHARED;
        Some(shared)
    }
}

/// Addresses in one fact.
fn list(functions: impl Iterator<Item = FunctionAddress>) -> String {
    let functions: Vec<String> = functions.map(|function| function.to_string()).collect();
    functions.join(", ")
}

/// A GPU held against its baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    /// What it comes to.
    pub verdict: Verdict,
    /// What is wrong, and what is missing.
    pub findings: Vec<Finding>,
}
