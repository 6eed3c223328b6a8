//! A bundle as JSON, and what version 1 of it was.

use std::collections::BTreeMap;

use jiff::Timestamp;
use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::config::{Offset, ReadableSize};
use reseat_core::decision::{Rung, Use};
use reseat_core::recovery::End;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dump::Range;
use super::{
    Bundle, BundleEnd, Excerpt, FunctionEvidence, Host, Moment, Role, SpaceDump, SpaceState, TimedEvent, Users, When,
};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::RecoverySubject;
use crate::records::versioned::{VersionError, Versioned};
use crate::records::wire::{self, Wire, names::ReadableSizeName, outcome::ReadinessForm};

/// The form of a bundle.
#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    schema: String,
    device: DeviceAddress,
    begun: Timestamp,
    took_ms: u64,
    #[serde(with = "wire")]
    end: Option<BundleEnd>,
    machine: Host,
    subject: RecoverySubject,
    events: Vec<TimedEvent>,
    moments: Vec<MomentForm>,
    left_out: Vec<Finding>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum EndForm {
    End(wire::outcome::EndForm),
    Text(TextForm),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum TextForm {
    Text { text: String },
}

impl Wire for BundleEnd {
    type Form = EndForm;

    fn to_form(&self) -> EndForm {
        match self {
            Self::End(end) => EndForm::End(end.to_form()),
            Self::Text(text) => EndForm::Text(TextForm::Text { text: text.clone() }),
        }
    }

    fn from_form(form: EndForm) -> Option<Self> {
        Some(match form {
            EndForm::End(end) => Self::End(End::from_form(end)?),
            EndForm::Text(TextForm::Text { text }) => Self::Text(text),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct MomentForm {
    when: WhenName,
    rung: Option<Rung>,
    after_ms: u64,
    took_ms: u64,
    functions: Vec<FunctionForm>,
    users: Option<UsersForm>,
    kernel_log: Excerpt,
    not_read: Vec<Finding>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WhenName {
    Before,
    After,
    End,
}

#[derive(Serialize, Deserialize)]
struct UsersForm {
    #[serde(with = "wire")]
    usage: Use,
    findings: Vec<Finding>,
}

#[derive(Serialize, Deserialize)]
struct FunctionForm {
    address: FunctionAddress,
    role: Role,
    listed: bool,
    attributes: BTreeMap<String, String>,
    space: Option<SpaceForm>,
}

#[derive(Serialize, Deserialize)]
struct SpaceForm {
    state: StateForm,
    size: Option<ReadableSizeName>,
    hex: String,
    failed: Vec<Offset>,
    left_out: Vec<Range>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum StateForm {
    Read { readiness: ReadinessForm },
    Asleep { state: String },
    PortsUnknown,
    Unreadable,
    Text { text: String },
}

impl From<Bundle> for Document {
    fn from(bundle: Bundle) -> Self {
        Self {
            schema: Bundle::SCHEMA.to_owned(),
            device: bundle.device,
            begun: bundle.begun,
            took_ms: bundle.took_ms,
            end: bundle.end,
            machine: bundle.machine,
            subject: bundle.subject,
            events: bundle.events,
            moments: bundle.moments.into_iter().map(MomentForm::from).collect(),
            left_out: bundle.left_out,
        }
    }
}

impl From<Moment> for MomentForm {
    fn from(moment: Moment) -> Self {
        let (when, rung) = match moment.when {
            When::Before => (WhenName::Before, None),
            When::After(rung) => (WhenName::After, Some(rung)),
            When::End => (WhenName::End, None),
        };
        Self {
            when,
            rung,
            after_ms: moment.after_ms,
            took_ms: moment.took_ms,
            functions: moment.functions.into_iter().map(FunctionForm::from).collect(),
            users: moment
                .users
                .map(|Users { usage, findings }| UsersForm { usage, findings }),
            kernel_log: moment.kernel_log,
            not_read: moment.not_read,
        }
    }
}

impl From<FunctionEvidence> for FunctionForm {
    fn from(function: FunctionEvidence) -> Self {
        Self {
            address: function.address,
            role: function.role,
            listed: function.listed,
            attributes: function.attributes,
            space: function.space.map(|space| SpaceForm {
                state: match space.state {
                    SpaceState::Read(readiness) => StateForm::Read {
                        readiness: readiness.to_form(),
                    },
                    SpaceState::Asleep(state) => StateForm::Asleep { state },
                    SpaceState::PortsUnknown => StateForm::PortsUnknown,
                    SpaceState::Unreadable => StateForm::Unreadable,
                    SpaceState::Text(text) => StateForm::Text { text },
                },
                size: space.size.map(|size| size.to_form()),
                hex: space.hex,
                failed: space.failed,
                left_out: space.left_out,
            }),
        }
    }
}

impl Versioned for Bundle {
    const SCHEMA: &'static str = "reseat.evidence/2";

    fn from_version(schema: &str, value: Value) -> Result<Self, VersionError> {
        match schema {
            Self::SCHEMA => bundle(serde_json::from_value(value)?).ok_or_else(unknown_value),
            "reseat.evidence/1" => Ok(former::bundle(serde_json::from_value(value)?)),
            other => Err(VersionError::unknown::<Self>(other)),
        }
    }
}

fn unknown_value() -> VersionError {
    VersionError::Form(serde::de::Error::custom(
        "it has a value that this version does not know",
    ))
}

fn bundle(document: Document) -> Option<Bundle> {
    Some(Bundle {
        device: document.device,
        begun: document.begun,
        took_ms: document.took_ms,
        end: document.end,
        machine: document.machine,
        subject: document.subject,
        events: document.events,
        moments: document.moments.into_iter().map(moment).collect::<Option<_>>()?,
        left_out: document.left_out,
    })
}

fn moment(form: MomentForm) -> Option<Moment> {
    Some(Moment {
        when: match form.when {
            WhenName::Before => When::Before,
            WhenName::After => When::After(form.rung?),
            WhenName::End => When::End,
        },
        after_ms: form.after_ms,
        took_ms: form.took_ms,
        functions: form.functions.into_iter().map(function).collect::<Option<_>>()?,
        users: form
            .users
            .map(|UsersForm { usage, findings }| Users { usage, findings }),
        kernel_log: form.kernel_log,
        not_read: form.not_read,
    })
}

fn function(form: FunctionForm) -> Option<FunctionEvidence> {
    let space = form.space.map(|space| {
        Some(SpaceDump {
            state: match space.state {
                StateForm::Read { readiness } => SpaceState::Read(Wire::from_form(readiness)?),
                StateForm::Asleep { state } => SpaceState::Asleep(state),
                StateForm::PortsUnknown => SpaceState::PortsUnknown,
                StateForm::Unreadable => SpaceState::Unreadable,
                StateForm::Text { text } => SpaceState::Text(text),
            },
            size: Wire::from_form(space.size)?,
            hex: space.hex,
            failed: space.failed,
            left_out: space.left_out,
        })
    });
    Some(FunctionEvidence {
        address: form.address,
        role: form.role,
        listed: form.listed,
        attributes: form.attributes,
        space: match space {
            Some(space) => Some(space?),
            None => None,
        },
    })
}

/// Version 1, in which most was sentences.
mod former {
    use super::{
        BTreeMap, Bundle, BundleEnd, Deserialize, DeviceAddress, Excerpt, Finding, FunctionAddress, FunctionEvidence,
        Host, Moment, Offset, Range, ReadableSize, RecoverySubject, Role, Rung, SpaceDump, SpaceState, Subject,
        TimedEvent, Timestamp, Use, Users, Value, When, id,
    };

    #[derive(Deserialize)]
    pub(super) struct Document {
        device: DeviceAddress,
        begun: Timestamp,
        took_ms: u64,
        end: String,
        machine: Host,
        subject: RecoverySubject,
        told: Vec<Told>,
        moments: Vec<MomentForm>,
        left_out: Vec<String>,
    }

    #[derive(Deserialize)]
    struct Told {
        after_ms: u64,
        event: Value,
        text: String,
    }

    #[derive(Deserialize)]
    struct MomentForm {
        when: WhenForm,
        after_ms: u64,
        took_ms: u64,
        functions: Vec<FunctionForm>,
        users: Option<String>,
        kernel_log: Excerpt,
        not_read: Vec<String>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum WhenForm {
        Before,
        After(Rung),
        End,
    }

    #[derive(Deserialize)]
    struct FunctionForm {
        address: FunctionAddress,
        role: Role,
        listed: bool,
        attributes: BTreeMap<String, String>,
        space: Option<SpaceForm>,
    }

    #[derive(Deserialize)]
    struct SpaceForm {
        readiness: String,
        size: Option<ReadableSize>,
        hex: String,
        failed: Vec<Offset>,
        left_out: String,
    }

    pub(super) fn bundle(document: Document) -> Bundle {
        let events = document.told.into_iter().map(|told| TimedEvent {
            after_ms: told.after_ms,
            event: told.event,
            text: Some(told.text),
        });
        Bundle {
            device: document.device,
            begun: document.begun,
            took_ms: document.took_ms,
            end: Some(BundleEnd::Text(document.end)),
            machine: document.machine,
            subject: document.subject,
            events: events.collect(),
            moments: document.moments.into_iter().map(moment).collect(),
            left_out: document.left_out.into_iter().map(sentence).collect(),
        }
    }

    fn sentence(text: String) -> Finding {
        Finding::note(id::EARLIER_TEXT, Subject::machine()).with("text", text)
    }

    fn moment(form: MomentForm) -> Moment {
        Moment {
            when: match form.when {
                WhenForm::Before => When::Before,
                WhenForm::After(rung) => When::After(rung),
                WhenForm::End => When::End,
            },
            after_ms: form.after_ms,
            took_ms: form.took_ms,
            functions: form.functions.into_iter().map(function).collect(),
            users: form.users.map(users),
            kernel_log: form.kernel_log,
            not_read: form.not_read.into_iter().map(sentence).collect(),
        }
    }

    fn users(text: String) -> Users {
        let (usage, findings) = match text.as_str() {
            "free" => (Use::Free, Vec::new()),
            used if used.starts_with("in use") => (Use::Used, vec![sentence(text)]),
            _ => (Use::Unknown, vec![sentence(text)]),
        };
        Users { usage, findings }
    }

    fn function(form: FunctionForm) -> FunctionEvidence {
        FunctionEvidence {
            address: form.address,
            role: form.role,
            listed: form.listed,
            attributes: form.attributes,
            space: form.space.map(|space| SpaceDump {
                state: SpaceState::Text(space.readiness),
                size: space.size,
                hex: space.hex,
                failed: space.failed,
                left_out: space.left_out.split(", ").filter_map(range).collect(),
            }),
        }
    }

    fn range(text: &str) -> Option<Range> {
        let (first, last) = text.split_once(" to ")?;
        let number = |digits| u16::from_str_radix(digits, 16).ok();
        Some(Range {
            first: number(first)?,
            last: number(last)?,
        })
    }
}
