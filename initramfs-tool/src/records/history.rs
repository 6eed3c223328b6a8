//! What came of each rung, `/var/lib/reseat/history.jsonl`, and what that says about FLR in a class.
//!
//! One entry a line, each with [`SCHEMA`]: fields may be added under the same name, anything else makes a new one.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reseat_core::decision::ClassHistory;
use reseat_core::header::Identity;
use reseat_core::recovery::{ClassChange, Record};
use serde::{Deserialize, Serialize};

use crate::model::identification::Identification;

/// The version of an entry's form.
pub const SCHEMA: &str = "reseat.history/1";

/// A rung that was begun, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    schema: Schema,
    /// When it ended, in UTC.
    pub time: Timestamp,
    /// To which GPU it was done.
    pub gpu: Identification,
    /// The class of its main function.
    pub class: ClassKey,
    /// The rung, its outcome, and what that says about the class.
    pub record: Record,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Whether somebody used the GPU, and it was reset all the same.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forced: bool,
    /// The version of the program.
    pub version: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// [`SCHEMA`] and nothing else: an entry of another one is not read as if it were of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
struct Schema;

impl TryFrom<String> for Schema {
    type Error = String;

    fn try_from(found: String) -> Result<Self, String> {
        match found == SCHEMA {
            true => Ok(Self),
            false => Err(format!("the schema is `{found}`, this version reads `{SCHEMA}`")),
        }
    }
}

impl From<Schema> for &'static str {
    fn from(_: Schema) -> Self {
        SCHEMA
    }
}

/// What FLR works alike for: a model with its firmware, under a kernel. What is not known of one makes a class of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClassKey {
    /// Vendor and device ID.
    pub identity: Identity,
    /// Vendor and device ID of the subsystem: who made the board, and which.
    pub subsystem: Option<Identity>,
    /// The version of the VBIOS.
    pub vbios: Option<String>,
    /// The kernel's release.
    pub kernel: String,
}

impl ClassKey {
    /// Whether nothing but a VBIOS that is not known tells the two apart.
    fn may_be(&self, other: &Self) -> bool {
        let without_vbios = |class: &Self| Self {
            vbios: None,
            ..class.clone()
        };
        (self.vbios.is_none() || other.vbios.is_none()) && without_vbios(self) == without_vbios(other)
    }
}

impl fmt::Display for ClassKey {
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

/// What is known of FLR in a class, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing<'a> {
    /// Which class.
    pub class: &'a ClassKey,
    /// What is known.
    pub history: ClassHistory,
    /// The first of the entries in a row that say so.
    pub since: Timestamp,
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, since) = (self.class, self.since);
        match self.history {
            ClassHistory::Good => write!(f, "FLR of {class}: known good since {since}"),
            ClassHistory::Bad => write!(f, "FLR of {class}: known bad since {since}"),
            ClassHistory::Unknown => write!(f, "FLR of {class}: nothing known"),
        }
    }
}

impl Entry {
    /// An entry of this version of the program.
    pub fn new(time: Timestamp, gpu: Identification, class: ClassKey, record: Record, took: Duration) -> Self {
        Self {
            schema: Schema,
            // Nanoseconds say nothing here, and are hard to read. There is no time that has none of its milliseconds.
            time: Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time),
            gpu,
            class,
            record,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            forced: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// What the entries, oldest first, say about FLR in a class, and which class says so: the last that says anything of exactly
/// this one decides.
///
/// Where none does, a bad word is believed of those that may be the same: of a known VBIOS what was seen under an unknown one,
/// of an unknown one what was seen under any. A good word is not, and one known VBIOS says nothing of another.
///
/// Their order decides and not their times, since clocks are set back.
pub fn class_history<'a>(entries: &'a [Entry], class: &ClassKey) -> Option<Standing<'a>> {
    let all = standings(entries);
    let find = |fits: &dyn Fn(&Standing<'_>) -> bool| all.iter().find(|standing| fits(standing)).cloned();
    let exactly = find(&|standing| standing.class == class);
    exactly.or_else(|| find(&|other| other.history == ClassHistory::Bad && other.class.may_be(class)))
}

/// Every class of which anything is known, in order.
pub fn standings(entries: &[Entry]) -> Vec<Standing<'_>> {
    let mut classes: Vec<&ClassKey> = entries.iter().map(|entry| &entry.class).collect();
    classes.sort();
    classes.dedup();
    let known = classes.into_iter().filter_map(|class| standing(entries, class));
    known.collect()
}

fn standing<'a>(entries: &[Entry], class: &'a ClassKey) -> Option<Standing<'a>> {
    let of_class = entries.iter().filter(|entry| entry.class == *class);
    let mut says = of_class.filter_map(|entry| Some((said(entry.record.class)?, entry.time)));
    let first = says.next()?;
    let (history, since) = says.fold(first, |(history, since), (said, time)| match said == history {
        true => (history, since),
        false => (said, time),
    });
    Some(Standing { class, history, since })
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
