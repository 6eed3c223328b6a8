//! What a worker is told to do, and what it answers.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::decision::{Rung, Surroundings, Tdi};
use reseat_core::health::Verdict;
use reseat_core::recovery::Observation;
use serde::{Deserialize, Serialize};

use super::{FunctionBaseline, Member, Step, Subject};
use crate::records::evidence::{Collected, Part};

/// Something that may never come back, so that a worker does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Look at the machine around a GPU. These of its functions are absent where the kernel does not list them.
    Survey(DeviceAddress, Vec<Member>),
    /// Read all that a baseline holds.
    Observe(Subject, Means),
    /// Hold the GPU against its baseline, as it is found.
    Examine(Subject, Means),
    /// Put back what a look through VFIO has left behind whose worker was killed.
    Settle(Subject),
    /// Take one step of the ladder.
    Operate(Step, Subject),
    /// Find out which VBIOS a GPU has that is well.
    ReadVbios(Subject),
    /// Find out for whom the kernel may have to wait before it takes the GPU from its drivers.
    FindHolders(Subject),
    /// Take the GPU from everybody: no driver is to have it.
    Isolate(Subject),
    /// Have the bus below its card root scanned: functions of it are not there.
    Rescan(Subject),
    /// Give it back to those who may bind it.
    Release(Subject),
    /// Read a part of what is kept as evidence.
    Collect(Part, Subject),
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
pub enum Answer {
    /// The machine around the GPU.
    Surveyed(Box<Surveyed>),
    /// All that a baseline holds, and what is to be said of it.
    Observed(Vec<FunctionBaseline>, Vec<String>),
    /// How the GPU is.
    Examined(Examined),
    /// This, or why it is not known, in words.
    Vbios(Result<String, String>),
    /// These, in words; nobody, if there are none.
    Holders(Vec<String>),
    /// What the operation brought, and what is to be said of it.
    Operated(Observation, Vec<String>),
    /// What was read.
    Collected(Collected),
    /// It could not be done.
    Failed(String),
}

/// A GPU's surroundings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// The GPU.
    pub subject: Subject,
    /// What the rule is told of them.
    pub surroundings: Surroundings,
    /// Whether any of its functions is locked into a confidential VM.
    pub tdi: Tdi,
    /// Whom a reset at the card root would hit beside the GPU.
    pub bystanders: Vec<FunctionAddress>,
    /// What could not be read, and what has to be said.
    pub words: Vec<String>,
}

impl Surveyed {
    /// Whom a rung hits. One that resets a single function hits that one.
    pub fn hit_by(&self, rung: Rung) -> Vec<FunctionAddress> {
        if !rung.above_flr() {
            return vec![self.subject.function];
        }
        let ours = self
            .subject
            .functions()
            .into_iter()
            .chain(self.subject.switch.iter().copied());
        ours.chain(self.bystanders.iter().copied()).collect()
    }

    /// Whom a reset at the card root hits, the GPU first.
    pub fn domain_in_words(&self) -> Option<String> {
        let root = self.subject.card_root?;
        let ours = self
            .subject
            .functions()
            .into_iter()
            .chain(self.subject.switch.iter().copied());
        let ours: Vec<String> = ours.map(|function| function.to_string()).collect();
        let mut words = format!("a reset at the card root {root} hits {}", ours.join(", "));
        for (index, stranger) in self.bystanders.iter().enumerate() {
            let before = if index == 0 {
                ", and not part of the GPU: "
            } else {
                ", "
            };
            words.push_str(&format!("{before}{stranger}"));
        }
        Some(words)
    }
}

/// A GPU held against its baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    /// What it comes to.
    pub verdict: Verdict,
    /// The findings, each with its function, and what is missing.
    pub words: Vec<String>,
}
