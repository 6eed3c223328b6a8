//! What has to be put back, written down before it is taken away.

use reseat_core::address::FunctionAddress;
use reseat_core::health::{Counter, Errors, NotRead, Reading};
use serde::{Deserialize, Serialize};

use super::Subject;

/// The form of a journal; another form has another name.
pub const SCHEMA: &str = "reseat.recovery/1";

/// What a recovery has found, and has to put back.
///
/// It is written before the first thing is changed and lies in `/run` until the end: whoever finds it there finds a
/// recovery that was broken off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// [`SCHEMA`].
    pub schema: String,
    /// The GPU.
    pub subject: Subject,
    /// Each function as it was.
    pub before: Vec<Before>,
    /// The errors that were counted just before the last reset: of each function, on its path.
    pub errors: Vec<(FunctionAddress, Reading<Errors>)>,
    /// Whether the functions have been removed since those were counted: their own counters begin anew.
    pub removed: bool,
    /// Whether the slot has been switched off, and not on again.
    pub powered_off: bool,
    /// When the bus was last scanned, in milliseconds since the machine started: from then on a driver may have had the
    /// functions.
    pub scanned_ms: Option<u64>,
}

/// A function as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Which.
    pub address: FunctionAddress,
    /// Its driver.
    pub driver: Option<String>,
    /// Its IOMMU group.
    pub iommu_group: Option<String>,
    /// Its `driver_override`; none where it had none.
    pub driver_override: Option<String>,
    /// Its `reset_method`.
    pub reset_method: Option<String>,
    /// The sizes of its BARs in bytes, 0 for none.
    pub bar_sizes: [u64; 6],
}

impl Journal {
    /// A journal in which nothing was counted yet.
    pub fn new(subject: Subject, before: Vec<Before>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            subject,
            before,
            errors: Vec::new(),
            removed: false,
            powered_off: false,
            scanned_ms: None,
        }
    }

    /// The function at `address` as it was.
    pub fn of(&self, address: FunctionAddress) -> Option<&Before> {
        self.before.iter().find(|before| before.address == address)
    }

    /// What was counted on the path of a function just before the last reset.
    pub fn errors_of(&self, function: FunctionAddress) -> Reading<Errors> {
        let counted = self.errors.iter().find(|(of, _)| *of == function);
        counted.map_or(Reading::NotRead(NotRead::Failed), |(_, errors)| errors.clone())
    }

    /// Since when the counters of a function or port count, as seen from those in the journal: what was removed is made
    /// anew by the kernel, and so are its counters.
    pub fn counter(&self, at: FunctionAddress) -> Counter {
        if self.removed && self.subject.has(at) {
            Counter::Anew
        } else {
            Counter::Continued
        }
    }
}
