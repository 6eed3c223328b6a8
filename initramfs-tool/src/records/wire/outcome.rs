//! What came of a step, of a rung and of the whole.

use reseat_core::decision::Rung;
use reseat_core::header::Identity;
use reseat_core::health::Verdict;
use reseat_core::presence::{Half, Readiness};
use reseat_core::recovery::{
    End, Failure, Marked, Observation, Operation, Outcome, Quarantine, Reason, Record, Trouble,
};
use reseat_core::witness::Proof;
use serde::{Deserialize, Serialize};

use super::Wire;
use super::names::{AspectName, ClassChangeName, ExclusivityName, PortLinkName, RefusalName, UseName};

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum VerdictForm {
    Verified,
    Unverified {
        missing: Vec<AspectName>,
        lasting: Vec<AspectName>,
    },
    Sick {
        wrong: Vec<AspectName>,
    },
}

impl Wire for Verdict {
    type Form = VerdictForm;

    fn to_form(&self) -> VerdictForm {
        match self {
            Self::Verified => VerdictForm::Verified,
            Self::Unverified { missing, lasting } => VerdictForm::Unverified {
                missing: missing.to_form(),
                lasting: lasting.to_form(),
            },
            Self::Sick(wrong) => VerdictForm::Sick { wrong: wrong.to_form() },
        }
    }

    fn from_form(form: VerdictForm) -> Option<Self> {
        Some(match form {
            VerdictForm::Verified => Self::Verified,
            VerdictForm::Unverified { missing, lasting } => Self::Unverified {
                missing: Wire::from_form(missing)?,
                lasting: Wire::from_form(lasting)?,
            },
            VerdictForm::Sick { wrong } => Self::Sick(Wire::from_form(wrong)?),
        })
    }
}

/// The kernel's refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailureName {
    NotSupported,
    Busy,
    Denied,
    Invalid,
    Io,
    TimedOut,
    NotEmpty,
    Other,
}

const fn failure_to_form(failure: Failure) -> (FailureName, Option<i32>) {
    match failure {
        Failure::NotSupported => (FailureName::NotSupported, None),
        Failure::Busy => (FailureName::Busy, None),
        Failure::Denied => (FailureName::Denied, None),
        Failure::Invalid => (FailureName::Invalid, None),
        Failure::Io => (FailureName::Io, None),
        Failure::TimedOut => (FailureName::TimedOut, None),
        Failure::NotEmpty => (FailureName::NotEmpty, None),
        Failure::Other(number) => (FailureName::Other, Some(number)),
    }
}

fn failure_from_form(name: FailureName, errno: Option<i32>) -> Failure {
    match name {
        FailureName::NotSupported => Failure::NotSupported,
        FailureName::Busy => Failure::Busy,
        FailureName::Denied => Failure::Denied,
        FailureName::Invalid => Failure::Invalid,
        FailureName::Io => Failure::Io,
        FailureName::TimedOut => Failure::TimedOut,
        FailureName::NotEmpty => Failure::NotEmpty,
        FailureName::Other => Failure::Other(errno.unwrap_or_default()),
    }
}

/// The reason for which an operation did not do what it was for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum TroubleForm {
    Blocked,
    Vanished,
    Failed { failure: FailureName, errno: Option<i32> },
    WrongAnswer,
    TimedOut,
}

impl Wire for Trouble {
    type Form = TroubleForm;

    fn to_form(&self) -> TroubleForm {
        match self {
            Self::Blocked => TroubleForm::Blocked,
            Self::Vanished => TroubleForm::Vanished,
            Self::Failed(failure) => {
                let (failure, errno) = failure_to_form(*failure);
                TroubleForm::Failed { failure, errno }
            }
            Self::WrongAnswer => TroubleForm::WrongAnswer,
            Self::TimedOut => TroubleForm::TimedOut,
        }
    }

    fn from_form(form: TroubleForm) -> Option<Self> {
        Some(match form {
            TroubleForm::Blocked => Self::Blocked,
            TroubleForm::Vanished => Self::Vanished,
            TroubleForm::Failed { failure, errno } => Self::Failed(failure_from_form(failure, errno)),
            TroubleForm::WrongAnswer => Self::WrongAnswer,
            TroubleForm::TimedOut => Self::TimedOut,
        })
    }
}

/// What came of a rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum OutcomeForm {
    Judged { verdict: VerdictForm },
    TimedOut,
    NotReset,
    Unproven { proof: Proof },
    Failed { operation: Operation, trouble: TroubleForm },
}

impl Wire for Outcome {
    type Form = OutcomeForm;

    fn to_form(&self) -> OutcomeForm {
        match self {
            Self::Judged(verdict) => OutcomeForm::Judged {
                verdict: verdict.to_form(),
            },
            Self::TimedOut => OutcomeForm::TimedOut,
            Self::NotReset => OutcomeForm::NotReset,
            Self::Unproven(proof) => OutcomeForm::Unproven { proof: *proof },
            Self::Failed { operation, trouble } => OutcomeForm::Failed {
                operation: *operation,
                trouble: trouble.to_form(),
            },
        }
    }

    fn from_form(form: OutcomeForm) -> Option<Self> {
        Some(match form {
            OutcomeForm::Judged { verdict } => Self::Judged(Wire::from_form(verdict)?),
            OutcomeForm::TimedOut => Self::TimedOut,
            OutcomeForm::NotReset => Self::NotReset,
            OutcomeForm::Unproven { proof } => Self::Unproven(proof),
            OutcomeForm::Failed { operation, trouble } => Self::Failed {
                operation,
                trouble: Wire::from_form(trouble)?,
            },
        })
    }
}

/// A rung that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordForm {
    rung: Rung,
    outcome: OutcomeForm,
    /// What it says about FLR in the reset class.
    reset_class: ClassChangeName,
}

impl Wire for Record {
    type Form = RecordForm;

    fn to_form(&self) -> RecordForm {
        RecordForm {
            rung: self.rung,
            outcome: self.outcome.to_form(),
            reset_class: self.reset_class.to_form(),
        }
    }

    fn from_form(form: RecordForm) -> Option<Self> {
        Some(Self {
            rung: form.rung,
            outcome: Wire::from_form(form.outcome)?,
            reset_class: Wire::from_form(form.reset_class)?,
        })
    }
}

/// The reason for which a GPU goes out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum ReasonForm {
    Exhausted,
    Refused { refusal: RefusalName },
    Stuck { operation: Operation },
}

impl Wire for Reason {
    type Form = ReasonForm;

    fn to_form(&self) -> ReasonForm {
        match self {
            Self::Exhausted => ReasonForm::Exhausted,
            Self::Refused(refusal) => ReasonForm::Refused {
                refusal: refusal.to_form(),
            },
            Self::Stuck(operation) => ReasonForm::Stuck { operation: *operation },
        }
    }

    fn from_form(form: ReasonForm) -> Option<Self> {
        Some(match form {
            ReasonForm::Exhausted => Self::Exhausted,
            ReasonForm::Refused { refusal } => Self::Refused(Wire::from_form(refusal)?),
            ReasonForm::Stuck { operation } => Self::Stuck(operation),
        })
    }
}

/// The end of a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum EndForm {
    Recovered {
        by: Rung,
        /// Absent in the files of older programs, which proved nothing.
        #[serde(default = "unproven")]
        proof: Proof,
    },
    Unproven {
        after: Rung,
    },
    Unverified {
        after: Rung,
        missing: Vec<AspectName>,
    },
    Refused {
        refusal: RefusalName,
    },
    OutOfService {
        why: ReasonForm,
        /// Nothing if it is isolated.
        trouble: Option<TroubleForm>,
    },
}

const fn unproven() -> Proof {
    Proof::Unproven
}

impl Wire for End {
    type Form = EndForm;

    fn to_form(&self) -> EndForm {
        match self {
            Self::Recovered { by, proof } => EndForm::Recovered { by: *by, proof: *proof },
            Self::Unproven { after } => EndForm::Unproven { after: *after },
            Self::Unverified { after, missing } => EndForm::Unverified {
                after: *after,
                missing: missing.to_form(),
            },
            Self::Refused(refusal) => EndForm::Refused {
                refusal: refusal.to_form(),
            },
            Self::OutOfService { why, quarantine } => EndForm::OutOfService {
                why: why.to_form(),
                trouble: match quarantine {
                    Quarantine::Done => None,
                    Quarantine::Failed(trouble) => Some(trouble.to_form()),
                },
            },
        }
    }

    fn from_form(form: EndForm) -> Option<Self> {
        Some(match form {
            EndForm::Recovered { by, proof } => Self::Recovered { by, proof },
            EndForm::Unproven { after } => Self::Unproven { after },
            EndForm::Unverified { after, missing } => Self::Unverified {
                after,
                missing: Wire::from_form(missing)?,
            },
            EndForm::Refused { refusal } => Self::Refused(Wire::from_form(refusal)?),
            EndForm::OutOfService { why, trouble } => Self::OutOfService {
                why: Wire::from_form(why)?,
                quarantine: match trouble {
                    None => Quarantine::Done,
                    Some(trouble) => Quarantine::Failed(Wire::from_form(trouble)?),
                },
            },
        })
    }
}

/// Whether a function can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum ReadinessForm {
    LinkInactive,
    LinkUnknown,
    Absent,
    NotReady,
    HalfInitialised { lacks: HalfName },
    PhysicalFunctionNotReady,
    Ready { identity: Identity },
}

/// What a function lacks that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HalfName {
    Identity,
    Command,
    Class,
    HeaderType,
}

impl Wire for Readiness {
    type Form = ReadinessForm;

    fn to_form(&self) -> ReadinessForm {
        match self {
            Self::LinkInactive => ReadinessForm::LinkInactive,
            Self::LinkUnknown => ReadinessForm::LinkUnknown,
            Self::Absent => ReadinessForm::Absent,
            Self::NotReady => ReadinessForm::NotReady,
            Self::HalfInitialised(half) => ReadinessForm::HalfInitialised {
                lacks: match half {
                    Half::Zero => HalfName::Identity,
                    Half::CommandAllOnes => HalfName::Command,
                    Half::ClassAllOnes => HalfName::Class,
                    Half::HeaderTypeAllOnes => HalfName::HeaderType,
                },
            },
            Self::PhysicalFunctionNotReady => ReadinessForm::PhysicalFunctionNotReady,
            Self::Ready(identity) => ReadinessForm::Ready { identity: *identity },
        }
    }

    fn from_form(form: ReadinessForm) -> Option<Self> {
        Some(match form {
            ReadinessForm::LinkInactive => Self::LinkInactive,
            ReadinessForm::LinkUnknown => Self::LinkUnknown,
            ReadinessForm::Absent => Self::Absent,
            ReadinessForm::NotReady => Self::NotReady,
            ReadinessForm::HalfInitialised { lacks } => Self::HalfInitialised(match lacks {
                HalfName::Identity => Half::Zero,
                HalfName::Command => Half::CommandAllOnes,
                HalfName::Class => Half::ClassAllOnes,
                HalfName::HeaderType => Half::HeaderTypeAllOnes,
            }),
            ReadinessForm::PhysicalFunctionNotReady => Self::PhysicalFunctionNotReady,
            ReadinessForm::Ready { identity } => Self::Ready(identity),
        })
    }
}

/// What a step brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum ObservationForm {
    Done,
    Use { usage: UseName },
    Link { link: PortLinkName },
    Domain { exclusivity: ExclusivityName },
    Functions { readiness: ReadinessForm },
    Health { verdict: VerdictForm },
    Marked { all: bool },
    Witnessed { proof: Proof },
    Blocked,
    Vanished,
    Failed { failure: FailureName, errno: Option<i32> },
}

impl Wire for Observation {
    type Form = ObservationForm;

    fn to_form(&self) -> ObservationForm {
        match self {
            Self::Done => ObservationForm::Done,
            Self::Use(usage) => ObservationForm::Use { usage: usage.to_form() },
            Self::Link(link) => ObservationForm::Link { link: link.to_form() },
            Self::Domain(exclusivity) => ObservationForm::Domain {
                exclusivity: exclusivity.to_form(),
            },
            Self::Functions(readiness) => ObservationForm::Functions {
                readiness: readiness.to_form(),
            },
            Self::Health(verdict) => ObservationForm::Health {
                verdict: verdict.to_form(),
            },
            Self::Marked(marked) => ObservationForm::Marked {
                all: *marked == Marked::All,
            },
            Self::Witnessed(proof) => ObservationForm::Witnessed { proof: *proof },
            Self::Blocked => ObservationForm::Blocked,
            Self::Vanished => ObservationForm::Vanished,
            Self::Failed(failure) => {
                let (failure, errno) = failure_to_form(*failure);
                ObservationForm::Failed { failure, errno }
            }
        }
    }

    fn from_form(form: ObservationForm) -> Option<Self> {
        Some(match form {
            ObservationForm::Done => Self::Done,
            ObservationForm::Use { usage } => Self::Use(Wire::from_form(usage)?),
            ObservationForm::Link { link } => Self::Link(Wire::from_form(link)?),
            ObservationForm::Domain { exclusivity } => Self::Domain(Wire::from_form(exclusivity)?),
            ObservationForm::Functions { readiness } => Self::Functions(Wire::from_form(readiness)?),
            ObservationForm::Health { verdict } => Self::Health(Wire::from_form(verdict)?),
            ObservationForm::Marked { all } => Self::Marked(if all { Marked::All } else { Marked::NotAll }),
            ObservationForm::Witnessed { proof } => Self::Witnessed(proof),
            ObservationForm::Blocked => Self::Blocked,
            ObservationForm::Vanished => Self::Vanished,
            ObservationForm::Failed { failure, errno } => Self::Failed(failure_from_form(failure, errno)),
        })
    }
}
