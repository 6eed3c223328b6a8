//! The rungs that are passed over, and what comes at last.

use reseat_core::decision::{BusReset, Next, Rung, SkipReason, Skipped};
use serde::{Deserialize, Serialize};

use super::Wire;
use super::names::{BusResetName, RefusalName};

/// A rung that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SkippedForm {
    rung: Rung,
    why: SkipName,
    /// What is known of the quirks, where they are the reason.
    bus_reset: Option<BusResetName>,
}

/// The reason for which a rung is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SkipName {
    Tried,
    Surpassed,
    AboveHighest,
    NotAsked,
    NotConfigured,
    PortSwitchesPower,
    Unavailable,
    AvailabilityUnknown,
    LinkNotActive,
    NoAnswer,
    FabricUnknown,
    NotExclusive,
    HotplugNotOurs,
    Quirk,
}

impl Wire for Skipped {
    type Form = SkippedForm;

    fn to_form(&self) -> SkippedForm {
        let (why, bus_reset) = match self.why {
            SkipReason::Tried => (SkipName::Tried, None),
            SkipReason::Surpassed => (SkipName::Surpassed, None),
            SkipReason::AboveHighest => (SkipName::AboveHighest, None),
            SkipReason::NotAsked => (SkipName::NotAsked, None),
            SkipReason::NotConfigured => (SkipName::NotConfigured, None),
            SkipReason::PortSwitchesPower => (SkipName::PortSwitchesPower, None),
            SkipReason::Unavailable => (SkipName::Unavailable, None),
            SkipReason::AvailabilityUnknown => (SkipName::AvailabilityUnknown, None),
            SkipReason::LinkNotActive => (SkipName::LinkNotActive, None),
            SkipReason::NoAnswer => (SkipName::NoAnswer, None),
            SkipReason::FabricUnknown => (SkipName::FabricUnknown, None),
            SkipReason::NotExclusive => (SkipName::NotExclusive, None),
            SkipReason::HotplugNotOurs => (SkipName::HotplugNotOurs, None),
            SkipReason::Quirk(bus_reset) => (SkipName::Quirk, Some(bus_reset.to_form())),
        };
        SkippedForm {
            rung: self.rung,
            why,
            bus_reset,
        }
    }

    fn from_form(form: SkippedForm) -> Option<Self> {
        let why = match form.why {
            SkipName::Tried => SkipReason::Tried,
            SkipName::Surpassed => SkipReason::Surpassed,
            SkipName::AboveHighest => SkipReason::AboveHighest,
            SkipName::NotAsked => SkipReason::NotAsked,
            SkipName::NotConfigured => SkipReason::NotConfigured,
            SkipName::PortSwitchesPower => SkipReason::PortSwitchesPower,
            SkipName::Unavailable => SkipReason::Unavailable,
            SkipName::AvailabilityUnknown => SkipReason::AvailabilityUnknown,
            SkipName::LinkNotActive => SkipReason::LinkNotActive,
            SkipName::NoAnswer => SkipReason::NoAnswer,
            SkipName::FabricUnknown => SkipReason::FabricUnknown,
            SkipName::NotExclusive => SkipReason::NotExclusive,
            SkipName::HotplugNotOurs => SkipReason::HotplugNotOurs,
            SkipName::Quirk => SkipReason::Quirk(BusReset::from_form(form.bus_reset?)?),
        };
        Some(Self { rung: form.rung, why })
    }
}

/// What comes when no rung is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum NextForm {
    Refuse { refusal: RefusalName },
    Try { rung: Rung },
    Quarantine,
}

impl Wire for Next {
    type Form = NextForm;

    fn to_form(&self) -> NextForm {
        match self {
            Self::Refuse(refusal) => NextForm::Refuse {
                refusal: refusal.to_form(),
            },
            Self::Try(rung) => NextForm::Try { rung: *rung },
            Self::Quarantine => NextForm::Quarantine,
        }
    }

    fn from_form(form: NextForm) -> Option<Self> {
        Some(match form {
            NextForm::Refuse { refusal } => Self::Refuse(Wire::from_form(refusal)?),
            NextForm::Try { rung } => Self::Try(rung),
            NextForm::Quarantine => Self::Quarantine,
        })
    }
}
