//! The state that has to be restored, recorded before it is changed.

use reseat_core::address::FunctionAddress;
use reseat_core::health::{Counter, Errors, NotRead, Reading};
use reseat_core::witness::{BarMark, Placed, ResetKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::subject::RecoverySubject;
use crate::records::versioned::{VersionError, Versioned};
use crate::records::wire;

/// What a recovery has found, and has to put back.
///
/// It is written before the first thing is changed and lies in `/run` until the end: whoever finds it there finds a
/// recovery that was broken off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Document<ErrorsOf>")]
pub struct Journal {
    /// The GPU.
    pub subject: RecoverySubject,
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
    /// The marks that the next reset has to clear.
    pub witness: Witness,
}

/// The marks that were placed before a reset, and the functions that it is to reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The marks.
    pub marks: Vec<MarkOf>,
    /// The mark behind a BAR of the GPU itself, where its model has one.
    #[serde(default)]
    pub behind_bar: Option<BarMarkOf>,
    /// The marks behind the BARs of the controllers beside it.
    #[serde(default)]
    pub controllers: Vec<BarMarkOf>,
    /// The functions that read all-ones below an active link when the marks were placed: they can keep none.
    pub absent: Vec<FunctionAddress>,
    /// The functions that were reset, if not all of the GPU's.
    pub only: Option<Vec<FunctionAddress>>,
    /// True if nobody has specified what the reset clears.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unspecified: bool,
}

/// A mark in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkOf {
    /// The function.
    pub function: FunctionAddress,
    /// The mark.
    pub placed: Placed,
}

/// A mark behind a BAR of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarMarkOf {
    /// The function.
    pub function: FunctionAddress,
    /// The mark.
    pub mark: BarMark,
}

impl Witness {
    /// True if the function has a mark that a reset of this kind clears.
    pub fn shows(&self, function: FunctionAddress, reset: ResetKind) -> bool {
        let mut marks = self.marks.iter().filter(|mark| mark.function == function);
        self.behind_bar_of(function).is_some() || marks.any(|mark| mark.placed.mark.shows(reset))
    }

    /// The mark behind a BAR of a function: every reset that reaches the function clears it.
    pub fn behind_bar_of(&self, function: FunctionAddress) -> Option<BarMarkOf> {
        let mut marks = self.behind_bar.iter().chain(&self.controllers);
        marks.find(|mark| mark.function == function).copied()
    }

    /// True if the reset was to reset this function.
    pub fn covers(&self, function: FunctionAddress) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&function))
    }
}

/// The form of the file. In version 1, an element of `errors` was what serde makes of core's types.
#[derive(Clone, Serialize, Deserialize)]
struct Document<E> {
    schema: String,
    subject: RecoverySubject,
    before: Vec<Before>,
    errors: Vec<E>,
    removed: bool,
    powered_off: bool,
    scanned_ms: Option<u64>,
    /// Since 0.1.0.
    #[serde(default)]
    witness: Witness,
}

/// The errors counted on the path of a function.
#[derive(Clone, Serialize, Deserialize)]
struct ErrorsOf {
    function: FunctionAddress,
    #[serde(with = "wire")]
    errors: Reading<Errors>,
}

impl From<ErrorsOf> for (FunctionAddress, Reading<Errors>) {
    fn from(counted: ErrorsOf) -> Self {
        (counted.function, counted.errors)
    }
}

impl From<Journal> for Document<ErrorsOf> {
    fn from(journal: Journal) -> Self {
        let errors = journal.errors.into_iter();
        Self {
            schema: Journal::SCHEMA.to_owned(),
            subject: journal.subject,
            before: journal.before,
            errors: errors.map(|(function, errors)| ErrorsOf { function, errors }).collect(),
            removed: journal.removed,
            powered_off: journal.powered_off,
            scanned_ms: journal.scanned_ms,
            witness: journal.witness,
        }
    }
}

impl<E: Into<(FunctionAddress, Reading<Errors>)>> From<Document<E>> for Journal {
    fn from(document: Document<E>) -> Self {
        Self {
            subject: document.subject,
            before: document.before,
            errors: document.errors.into_iter().map(Into::into).collect(),
            removed: document.removed,
            powered_off: document.powered_off,
            scanned_ms: document.scanned_ms,
            witness: document.witness,
        }
    }
}

impl Versioned for Journal {
    const SCHEMA: &'static str = "reseat.recovery/2";

    fn from_version(schema: &str, value: Value) -> Result<Self, VersionError> {
        type Former = (FunctionAddress, Reading<Errors>);
        match schema {
            Self::SCHEMA => Ok(serde_json::from_value::<Document<ErrorsOf>>(value)?.into()),
            "reseat.recovery/1" => Ok(serde_json::from_value::<Document<Former>>(value)?.into()),
            other => Err(VersionError::unknown::<Self>(other)),
        }
    }
}

/// A function as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Its address.
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
    pub fn new(subject: RecoverySubject, before: Vec<Before>) -> Self {
        Self {
            subject,
            before,
            errors: Vec::new(),
            removed: false,
            powered_off: false,
            scanned_ms: None,
            witness: Witness::default(),
        }
    }

    /// The kind of the reset that the marks were placed for.
    pub const fn reset_kind(&self) -> ResetKind {
        if self.witness.unspecified {
            ResetKind::Unspecified
        } else if self.removed {
            ResetKind::Removed
        } else {
            ResetKind::InPlace
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

#[cfg(test)]
mod tests {
    use reseat_core::config::ByteOffset;
    use reseat_core::health::ErrorsAt;
    use reseat_core::vendor::BarRegister;
    use reseat_core::witness::Mark;

    use super::*;
    use crate::records::versioned::from_slice;

    const FROZEN: &str = include_str!("journal-2.json");
    /// As version 1 wrote it.
    const FORMER: &str = include_str!("journal-1.json");

    fn journal() -> Journal {
        let function: FunctionAddress = "0000:01:00.0".parse().unwrap();
        let subject = RecoverySubject {
            device: function.device_address(),
            function,
            members: Vec::new(),
            switch: Vec::new(),
            ports: vec!["0000:00:03.0".parse().unwrap()],
            card_root: Some("0000:00:03.0".parse().unwrap()),
        };
        let before = Before {
            address: function,
            driver: Some("vfio-pci".to_owned()),
            iommu_group: Some("7".to_owned()),
            driver_override: None,
            reset_method: Some("flr bus".to_owned()),
            bar_sizes: [1 << 24, 1 << 28, 0, 0, 0, 128],
        };
        let mut errors = Errors::new();
        let counted = ErrorsAt {
            at: function,
            counter: Counter::Anew,
            fatal: 1,
            non_fatal: 0,
        };
        errors.push(counted).unwrap();
        let mut journal = Journal::new(subject, vec![before]);
        journal.errors = vec![(function, Reading::Value(errors))];
        journal.scanned_ms = Some(41_000);
        journal.witness = Witness {
            marks: vec![MarkOf {
                function,
                placed: Placed {
                    mark: Mark::DataSelect,
                    offset: ByteOffset::at::<0x12c>(),
                    before: 0,
                    value: 0x5a,
                },
            }],
            behind_bar: Some(BarMarkOf {
                function,
                mark: BarMark {
                    register: BarRegister { bar: 0, offset: 0x1478 },
                    mask: 0xffff_0000,
                    before: 0,
                    set: None,
                },
            }),
            controllers: vec![BarMarkOf {
                function: "0000:01:00.1".parse().unwrap(),
                mark: BarMark {
                    register: BarRegister { bar: 0, offset: 8 },
                    mask: 1,
                    before: 0,
                    set: Some(1),
                },
            }],
            absent: Vec::new(),
            only: None,
            unspecified: false,
        };
        journal
    }

    #[test]
    fn the_form_is_frozen_and_version_1_is_read() {
        assert_eq!(serde_json::to_string_pretty(&journal()).unwrap(), FROZEN.trim_end());
        assert_eq!(from_slice::<Journal>(FROZEN.as_bytes()).unwrap(), journal());
        let former = Journal {
            witness: Witness::default(),
            ..journal()
        };
        assert_eq!(from_slice::<Journal>(FORMER.as_bytes()).unwrap(), former);
    }

    #[test]
    fn a_journal_without_marks_of_controllers_is_read() {
        let mut document: Value = serde_json::from_str(FROZEN).unwrap();
        document["witness"].as_object_mut().unwrap().remove("controllers");
        let read: Journal = from_slice(document.to_string().as_bytes()).unwrap();
        assert_eq!(read.witness.controllers, []);
        assert_eq!(read.witness.behind_bar, journal().witness.behind_bar);
    }

    #[test]
    fn a_mark_behind_a_bar_shows_every_reset() {
        let controller: FunctionAddress = "0000:01:00.1".parse().unwrap();
        let other: FunctionAddress = "0000:01:00.2".parse().unwrap();
        for reset in [ResetKind::InPlace, ResetKind::Removed] {
            assert!(journal().witness.shows(controller, reset));
            assert!(!journal().witness.shows(other, reset));
        }
    }
}
