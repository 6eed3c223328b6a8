//! Which GPUs are out of service, `/var/lib/reseat/quarantine.json`.
//!
//! [`SCHEMA`] names the file's version: fields may be added under the same name, anything else makes a new one. A file that
//! cannot be read counts as if every GPU stood in it; and so does one that is written after a damaged one, until somebody
//! has looked at what was kept of that.

use std::fmt;

use jiff::Timestamp;
use reseat_core::recovery::Record;
use serde::{Deserialize, Serialize};

use super::boot_quarantine::SCHEMA;
use crate::model::identification::{Identification, Likeness};

/// The GPUs that are out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    schema: String,
    /// What became of the one before, if that was damaged.
    pub lost: Option<Lost>,
    /// The GPUs, in the order in which they went out of service.
    pub entries: Vec<Entry>,
    /// What stood in it and does not any more, and why: the last [`MOST_PAST`], oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Past>,
}

/// How many of the past are kept.
pub const MOST_PAST: usize = 100;

/// Something that stood in the ledger and does not any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// When it was taken out.
    pub until: Timestamp,
    /// What it was, in words.
    pub what: String,
    /// Why it was taken out: what was verified, or the reason that somebody gave.
    pub why: String,
}

/// A ledger that was damaged. What stood in it nobody knows, so every GPU counts as quarantined.
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
pub struct Entry {
    /// Which.
    pub gpu: Identification,
    /// Why, in words.
    pub reason: String,
    /// Since when, in UTC.
    pub since: Timestamp,
    /// What was tried before, and what came of it, in words.
    pub attempts: Vec<String>,
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
    Replaces(&'a Entry),
    /// It is out of service.
    Quarantined(&'a Entry),
    /// Nobody knows, which counts as quarantined.
    Unknown {
        /// Why.
        reason: &'a str,
    },
}

/// Bytes that are no ledger of this version.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// They are damaged, or never were one.
    #[error("it is no quarantine file: {0}")]
    Form(serde_json::Error),
    /// They are one of another version, which has to stay.
    #[error("it has the schema `{found}`, this version reads `{SCHEMA}`")]
    Schema {
        /// Which.
        found: String,
    },
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            lost: None,
            entries: Vec::new(),
            past: Vec::new(),
        }
    }
}

impl Ledger {
    /// Reads a file's content.
    ///
    /// # Errors
    /// When it is no ledger, or one of another schema.
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let Head { schema: found } = serde_json::from_slice(bytes).map_err(LedgerError::Form)?;
        if found != SCHEMA {
            return Err(LedgerError::Schema { found });
        }
        serde_json::from_slice(bytes).map_err(LedgerError::Form)
    }

    /// An empty one in the place of a damaged one.
    pub fn after(lost: Lost) -> Self {
        Self {
            lost: Some(lost),
            ..Self::default()
        }
    }

    /// Takes a GPU out of service. One that is out of service already stays so since then, for the new reason.
    pub fn add(&mut self, mut entry: Entry) {
        for before in self.remove(&entry.gpu) {
            entry.since = entry.since.min(before.since);
            // It may have said its number while it was not as sick as now.
            entry.gpu.serial = entry.gpu.serial.or(before.gpu.serial);
        }
        self.entries.push(entry);
    }

    /// Takes a GPU back into service at `now`, and tells what stood against it. That and `why` are kept.
    pub fn close(&mut self, gpu: &Identification, now: Timestamp, why: &str) -> Vec<Entry> {
        let closed = self.remove(gpu);
        for entry in &closed {
            self.keep(now, entry.to_string(), why);
        }
        closed
    }

    /// Lets what is known count again after a damaged file. What was lost and `why` that is well are kept.
    pub fn accept_loss(&mut self, now: Timestamp, why: &str) -> Option<Lost> {
        let lost = self.lost.take()?;
        self.keep(now, lost.reason.clone(), why);
        Some(lost)
    }

    fn keep(&mut self, until: Timestamp, what: String, why: &str) {
        let why = why.to_owned();
        self.past.push(Past { until, what, why });
        let surplus = self.past.len().saturating_sub(MOST_PAST);
        self.past.drain(..surplus);
    }

    fn remove(&mut self, gpu: &Identification) -> Vec<Entry> {
        let is_same = |entry: &mut Entry| entry.gpu.likeness(gpu) == Likeness::Same;
        self.entries.extract_if(.., is_same).collect()
    }
}

impl Entry {
    /// What is written of a rung that was tried.
    pub fn attempt(record: &Record) -> String {
        format!("{}: {}", record.rung, record.outcome)
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

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: quarantined since {}: {}", self.gpu, self.since, self.reason)?;
        match self.attempts.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", self.attempts.join("; ")),
        }
    }
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InService => f.write_str("in service"),
            Self::Replaces(other) => write!(f, "in service, in the place of another: {other}"),
            Self::Quarantined(entry) => entry.fmt(f),
            Self::Unknown { reason } => write!(f, "counts as quarantined, since nobody knows: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests;
