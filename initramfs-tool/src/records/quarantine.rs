//! Which GPUs are out of service, `/var/lib/reseat/quarantine.json`.
//!
//! Its schema names the file's version: fields may be added under the same name, anything else makes a new one. A file that
//! cannot be read counts as if every GPU stood in it; and so does one that is written after a damaged one, until somebody
//! has looked at what was kept of that.

use jiff::Timestamp;
use reseat_core::address::FunctionAddress;
use reseat_core::recovery::{Reason, Record};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::boot_quarantine::{FORMER_SCHEMA, SCHEMA};
use super::versioned::{self, VersionError, Versioned};
use super::wire;
use crate::model::finding::{Finding, Subject, id};
use crate::model::identification::{Identification, Likeness};

/// The GPUs that are out of service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(into = "Document")]
pub struct Ledger {
    /// The ledger before this one, if that was damaged.
    pub lost: Option<Lost>,
    /// The GPUs, in the order in which they went out of service.
    pub entries: Vec<QuarantineEntry>,
    /// Entries of the past: the last [`MOST_PAST`], oldest first.
    pub past: Vec<Past>,
}

/// The number of past entries that are kept.
pub const MOST_PAST: usize = 100;

/// Something that stood in the ledger and does not any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// When it was taken out.
    pub until: Timestamp,
    /// What it was.
    pub what: PastEntry,
    /// The reason for which it was taken out.
    pub why: Closing,
}

/// The content of a past entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PastEntry {
    /// A GPU that was out of service.
    Gpu {
        /// Its entry.
        entry: QuarantineEntry,
    },
    /// A damaged ledger.
    Lost {
        /// What was known of it.
        ledger: Lost,
    },
    /// A sentence of version 1.
    Text {
        /// The sentence.
        text: String,
    },
}

/// The reason for which an entry was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Closing {
    /// So many resets were verified.
    VerifiedResets {
        /// The number of resets.
        count: u32,
    },
    /// An operator returned the GPU to service without a reset.
    Forced {
        /// The operator's reason.
        reason: String,
    },
    /// The GPU has left the machine.
    LeftMachine {
        /// The operator's reason.
        reason: String,
    },
    /// An operator accepted the loss of a damaged ledger.
    LossAccepted {
        /// The operator's reason.
        reason: String,
    },
    /// A sentence of version 1.
    Text {
        /// The sentence.
        text: String,
    },
}

/// A ledger that was damaged. Its content is unknown, so every GPU counts as quarantined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When that was found.
    pub since: Timestamp,
    /// What is wrong with it.
    pub reason: String,
    /// The name of the file that was kept of it.
    pub kept: String,
}

/// A GPU that is out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineEntry {
    /// The GPU.
    pub gpu: Identification,
    /// The operator's reason, or that of the recovery.
    pub reason: String,
    /// The reason of the recovery; none where an operator has one.
    #[serde(with = "wire")]
    pub cause: Option<Reason>,
    /// Since when, in UTC.
    pub since: Timestamp,
    /// The resets that were tried before.
    pub attempts: Vec<Attempt>,
    /// The drivers that it had in service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drivers: Vec<DriverBefore>,
}

/// The driver of a function before it went out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverBefore {
    /// The function.
    pub function: FunctionAddress,
    /// The driver.
    pub driver: String,
}

/// A reset that was tried before a GPU went out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Attempt {
    /// A rung.
    Rung {
        /// What came of it.
        #[serde(with = "wire")]
        record: Record,
        /// True if the GPU was in use, and was reset because of `--force`.
        forced: bool,
    },
    /// A sentence of version 1.
    Text {
        /// The sentence.
        text: String,
    },
}

/// The form of the file.
#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    lost: Option<Lost>,
    entries: Vec<QuarantineEntry>,
    past: Vec<Past>,
}

/// Version 1: attempts and past entries were sentences.
#[derive(Deserialize)]
struct Former {
    lost: Option<Lost>,
    entries: Vec<FormerEntry>,
    #[serde(default)]
    past: Vec<FormerPast>,
}

#[derive(Deserialize)]
struct FormerEntry {
    gpu: Identification,
    reason: String,
    since: Timestamp,
    attempts: Vec<String>,
}

#[derive(Deserialize)]
struct FormerPast {
    until: Timestamp,
    what: String,
    why: String,
}

impl From<Ledger> for Document {
    fn from(ledger: Ledger) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            lost: ledger.lost,
            entries: ledger.entries,
            past: ledger.past,
        }
    }
}

impl From<Former> for Ledger {
    fn from(former: Former) -> Self {
        let entries = former.entries.into_iter().map(|entry| QuarantineEntry {
            gpu: entry.gpu,
            reason: entry.reason,
            cause: None,
            since: entry.since,
            attempts: entry.attempts.into_iter().map(|text| Attempt::Text { text }).collect(),
            drivers: Vec::new(),
        });
        let past = former.past.into_iter().map(|past| Past {
            until: past.until,
            what: PastEntry::Text { text: past.what },
            why: Closing::Text { text: past.why },
        });
        Self {
            lost: former.lost,
            entries: entries.collect(),
            past: past.collect(),
        }
    }
}

impl Versioned for Ledger {
    const SCHEMA: &'static str = SCHEMA;

    fn from_version(schema: &str, value: Value) -> Result<Self, VersionError> {
        match schema {
            SCHEMA => {
                let document: Document = serde_json::from_value(value)?;
                Ok(Self {
                    lost: document.lost,
                    entries: document.entries,
                    past: document.past,
                })
            }
            FORMER_SCHEMA => Ok(serde_json::from_value::<Former>(value)?.into()),
            other => Err(VersionError::unknown::<Self>(other)),
        }
    }
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It can be read, or there is none yet.
    Known(Ledger),
    /// It cannot be read, and says nothing.
    Corrupt {
        /// Why.
        reason: String,
    },
}

/// What a [`State`] says of one GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Nothing against it.
    InService,
    /// Nothing against it; another one, which stood in its place, is quarantined.
    Replaces(&'a QuarantineEntry),
    /// It is out of service.
    Quarantined(&'a QuarantineEntry),
    /// Nobody knows, which counts as quarantined.
    Unknown {
        /// Why.
        reason: &'a str,
    },
}

impl Ledger {
    /// Reads a file's content.
    ///
    /// # Errors
    /// When it is no ledger, or one of another schema.
    pub fn parse(bytes: &[u8]) -> Result<Self, VersionError> {
        versioned::from_slice(bytes)
    }

    /// An empty one in the place of a damaged one.
    pub fn after(lost: Lost) -> Self {
        Self {
            lost: Some(lost),
            ..Self::default()
        }
    }

    /// Takes a GPU out of service. One that is out of service already stays so since then, for the new reason.
    pub fn add(&mut self, mut entry: QuarantineEntry) {
        for before in self.remove(&entry.gpu) {
            entry.since = entry.since.min(before.since);
            // It may have said its number while it was not as sick as now.
            entry.gpu.serial = entry.gpu.serial.or(before.gpu.serial);
            // Out of service it has none; those that it had in service are what it returns to.
            if entry.drivers.is_empty() {
                entry.drivers = before.drivers;
            }
        }
        self.entries.push(entry);
    }

    /// Takes a GPU back into service at `now`, and returns its entries. They and `why` are kept.
    pub fn close(&mut self, gpu: &Identification, now: Timestamp, why: &Closing) -> Vec<QuarantineEntry> {
        let closed = self.remove(gpu);
        for entry in closed.iter().cloned() {
            self.keep(now, PastEntry::Gpu { entry }, why.clone());
        }
        closed
    }

    /// Lets what is known count again after a damaged file. What was lost and the operator's reason are kept.
    pub fn accept_loss(&mut self, now: Timestamp, reason: &str) -> Option<Lost> {
        let lost = self.lost.take()?;
        let reason = reason.to_owned();
        let ledger = lost.clone();
        self.keep(now, PastEntry::Lost { ledger }, Closing::LossAccepted { reason });
        Some(lost)
    }

    fn keep(&mut self, until: Timestamp, what: PastEntry, why: Closing) {
        self.past.push(Past { until, what, why });
        let surplus = self.past.len().saturating_sub(MOST_PAST);
        self.past.drain(..surplus);
    }

    fn remove(&mut self, gpu: &Identification) -> Vec<QuarantineEntry> {
        let is_same = |entry: &mut QuarantineEntry| entry.gpu.likeness(gpu) == Likeness::Same;
        self.entries.extract_if(.., is_same).collect()
    }
}

impl State {
    /// Whether a serial number stands in it, by which a GPU is known wherever it is by now.
    pub fn knows_serials(&self) -> bool {
        match self {
            Self::Known(ledger) => ledger.entries.iter().any(|entry| entry.gpu.serial.is_some()),
            Self::Corrupt { .. } => false,
        }
    }

    /// Whether a GPU is quarantined, and what is known of that.
    pub fn standing(&self, gpu: &Identification) -> Standing<'_> {
        let ledger = match self {
            Self::Known(ledger) => ledger,
            Self::Corrupt { reason } => return Standing::Unknown { reason },
        };
        let find = |likeness| ledger.entries.iter().find(|entry| entry.gpu.likeness(gpu) == likeness);
        match (find(Likeness::Same), &ledger.lost, find(Likeness::Replaced)) {
            (Some(entry), _, _) => Standing::Quarantined(entry),
            (None, Some(lost), _) => Standing::Unknown { reason: &lost.reason },
            (None, None, Some(other)) => Standing::Replaces(other),
            (None, None, None) => Standing::InService,
        }
    }
}

impl Standing<'_> {
    /// Whether the GPU is to stay out of service.
    pub fn is_quarantined(self) -> bool {
        match self {
            Self::InService | Self::Replaces(_) => false,
            Self::Quarantined(_) | Self::Unknown { .. } => true,
        }
    }
}

impl Standing<'_> {
    /// The reason for which the GPU at hand is out of service; nothing if it is in service.
    pub fn refusal(self, gpu: &Identification) -> Option<Finding> {
        let refusal = |id| Finding::refusal(id, Subject::gpu(gpu.device));
        match self {
            Self::InService | Self::Replaces(_) => None,
            Self::Quarantined(entry) => Some(
                refusal(id::OUT_OF_SERVICE)
                    .with("reason", &entry.reason)
                    .with("since", entry.since)
                    .remedy(id::RETURN_TO_SERVICE),
            ),
            Self::Unknown { reason } => Some(
                refusal(id::OUT_OF_SERVICE_UNKNOWN)
                    .with("cause", reason)
                    .remedy(id::LIST_QUARANTINE),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
