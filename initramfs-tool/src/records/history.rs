//! The history of resets, `/var/lib/reseat/history.jsonl`, and what it says about a rung in a reset class.
//!
//! One entry a line, each with its schema: fields may be added under the same name, anything else makes a new one.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reseat_core::decision::{ClassHistory, Rung};
use reseat_core::header::Identity;
use reseat_core::recovery::{ClassChange, Record};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checked_lines::DamagedLine;
use super::versioned::{self, VersionError, Versioned};
use super::wire;
use crate::model::finding::{Finding, Subject, id};
use crate::model::identification::Identification;

/// A rung that was begun, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Document", try_from = "Value")]
pub struct HistoryEntry {
    /// When it ended, in UTC.
    pub time: Timestamp,
    /// The GPU.
    pub gpu: Identification,
    /// The reset class of its main function.
    pub reset_class: ResetClass,
    /// The rung, its outcome, and what that says about the reset class.
    pub record: Record,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// True if the GPU was in use, and was reset because of `--force`.
    pub forced: bool,
    /// The operator's statement about its fabric that the reset relied on.
    pub fabric: Option<String>,
    /// The version of the program.
    pub version: String,
}

/// The form of an entry.
#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    time: Timestamp,
    gpu: Identification,
    reset_class: ResetClass,
    #[serde(with = "wire")]
    record: Record,
    duration_ms: u64,
    forced: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fabric: Option<String>,
    version: String,
}

/// Version 1: its record was what serde makes of core's types.
#[derive(Deserialize)]
struct Former {
    time: Timestamp,
    gpu: Identification,
    class: ResetClass,
    record: Record,
    duration_ms: u64,
    #[serde(default)]
    forced: bool,
    version: String,
}

impl From<HistoryEntry> for Document {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            schema: HistoryEntry::SCHEMA.to_owned(),
            time: entry.time,
            gpu: entry.gpu,
            reset_class: entry.reset_class,
            record: entry.record,
            duration_ms: entry.duration_ms,
            forced: entry.forced,
            fabric: entry.fabric,
            version: entry.version,
        }
    }
}

impl From<Document> for HistoryEntry {
    fn from(document: Document) -> Self {
        Self {
            time: document.time,
            gpu: document.gpu,
            reset_class: document.reset_class,
            record: document.record,
            duration_ms: document.duration_ms,
            forced: document.forced,
            fabric: document.fabric,
            version: document.version,
        }
    }
}

impl From<Former> for HistoryEntry {
    fn from(former: Former) -> Self {
        Self {
            time: former.time,
            gpu: former.gpu,
            reset_class: former.class,
            record: former.record,
            duration_ms: former.duration_ms,
            forced: former.forced,
            fabric: None,
            version: former.version,
        }
    }
}

impl Versioned for HistoryEntry {
    const SCHEMA: &'static str = "reseat.history/2";

    fn from_version(schema: &str, value: Value) -> Result<Self, VersionError> {
        match schema {
            Self::SCHEMA => Ok(serde_json::from_value::<Document>(value)?.into()),
            "reseat.history/1" => Ok(serde_json::from_value::<Former>(value)?.into()),
            other => Err(VersionError::unknown::<Self>(other)),
        }
    }
}

impl TryFrom<Value> for HistoryEntry {
    type Error = VersionError;

    fn try_from(value: Value) -> Result<Self, VersionError> {
        versioned::from_value(value)
    }
}

/// A reset class, in which FLR works alike: a model with its firmware, under a kernel. What is not known of one makes a class
/// of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResetClass {
    /// Vendor and device ID.
    pub identity: Identity,
    /// Vendor and device ID of the subsystem: who made the board, and which.
    pub subsystem: Option<Identity>,
    /// The version of the VBIOS.
    pub vbios: Option<String>,
    /// The kernel's release.
    pub kernel: String,
}

impl ResetClass {
    /// Whether nothing but a VBIOS that is not known tells the two apart.
    fn may_be(&self, other: &Self) -> bool {
        let without_vbios = |class: &Self| Self {
            vbios: None,
            ..class.clone()
        };
        (self.vbios.is_none() || other.vbios.is_none()) && without_vbios(self) == without_vbios(other)
    }
}

impl fmt::Display for ResetClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.identity)?;
        if let Some(subsystem) = self.subsystem {
            write!(f, " (subsystem {subsystem})")?;
        }
        match &self.vbios {
            Some(vbios) => write!(f, ", VBIOS {vbios}")?,
            None => f.write_str(", VBIOS unknown")?,
        }
        write!(f, ", kernel {}", self.kernel)
    }
}

/// The standing of a rung in a reset class, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassStanding<'a> {
    /// The reset class.
    pub reset_class: &'a ResetClass,
    /// The rung: FLR, or the bus reset in place.
    pub rung: Rung,
    /// The standing.
    #[serde(rename = "standing", serialize_with = "wire::serialize")]
    pub history: ClassHistory,
    /// The first of the entries in a row that say so.
    pub since: Timestamp,
}

impl ClassStanding<'_> {
    /// The standing as a finding; nothing if nothing is known.
    pub fn finding(&self) -> Option<Finding> {
        let finding = match (self.history, self.rung) {
            (ClassHistory::Good, Rung::BusResetInPlace) => Finding::note(id::IN_PLACE_KNOWN_GOOD, Subject::machine()),
            (ClassHistory::Bad, Rung::BusResetInPlace) => Finding::warning(id::IN_PLACE_KNOWN_BAD, Subject::machine()),
            (ClassHistory::Good, _) => Finding::note(id::FLR_KNOWN_GOOD, Subject::machine()),
            (ClassHistory::Bad, _) => Finding::warning(id::FLR_KNOWN_BAD, Subject::machine()),
            (ClassHistory::Unknown, _) => return None,
        };
        Some(finding.with("reset_class", self.reset_class).with("since", self.since))
    }
}

impl HistoryEntry {
    /// An entry of this version of the program.
    pub fn new(time: Timestamp, gpu: Identification, reset_class: ResetClass, record: Record, took: Duration) -> Self {
        Self {
            // Nanoseconds say nothing here, and are hard to read. There is no time that has none of its milliseconds.
            time: Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time),
            gpu,
            reset_class,
            record,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            forced: false,
            fabric: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// A line of the history that is no entry.
pub fn damaged_line(line: &DamagedLine) -> Finding {
    Finding::error(id::HISTORY_LINE_DAMAGED, Subject::machine())
        .with("line", line.line)
        .with("cause", &line.cause)
        .with("text", &line.text)
}

/// What the entries, oldest first, say about a rung in a class, and which class says so: the last that says anything of exactly
/// this one decides.
///
/// Where none does, a bad word is believed of those that may be the same: of a known VBIOS what was seen under an unknown one,
/// of an unknown one what was seen under any. A good word is not, and one known VBIOS says nothing of another.
///
/// Their order decides and not their times, since clocks are set back.
pub fn reset_class_history<'a>(
    entries: &'a [HistoryEntry],
    class: &ResetClass,
    rung: Rung,
) -> Option<ClassStanding<'a>> {
    let mut all = standings(entries);
    all.retain(|standing| standing.rung == rung);
    let find = |fits: &dyn Fn(&ClassStanding<'_>) -> bool| all.iter().find(|standing| fits(standing)).cloned();
    let exactly = find(&|standing| standing.reset_class == class);
    exactly.or_else(|| find(&|other| other.history == ClassHistory::Bad && other.reset_class.may_be(class)))
}

/// The standings of every class of which anything is known, in order.
pub fn standings(entries: &[HistoryEntry]) -> Vec<ClassStanding<'_>> {
    let mut classes: Vec<&ResetClass> = entries.iter().map(|entry| &entry.reset_class).collect();
    classes.sort();
    classes.dedup();
    let rungs = classes
        .into_iter()
        .flat_map(|class| Rung::ALL.into_iter().map(move |rung| (class, rung)));
    rungs
        .filter_map(|(class, rung)| standing(entries, class, rung))
        .collect()
}

fn standing<'a>(entries: &[HistoryEntry], class: &'a ResetClass, rung: Rung) -> Option<ClassStanding<'a>> {
    let of_class = entries
        .iter()
        .filter(|entry| entry.reset_class == *class && entry.record.rung == rung);
    let mut says = of_class.filter_map(|entry| Some((said(entry.record.reset_class)?, entry.time)));
    let first = says.next()?;
    let (history, since) = says.fold(first, |(history, since), (said, time)| match said == history {
        true => (history, since),
        false => (said, time),
    });
    Some(ClassStanding {
        reset_class: class,
        rung,
        history,
        since,
    })
}

fn said(change: ClassChange) -> Option<ClassHistory> {
    match change {
        ClassChange::None => None,
        ClassChange::Demote => Some(ClassHistory::Bad),
        ClassChange::Confirm => Some(ClassHistory::Good),
    }
}

#[cfg(test)]
mod tests;
