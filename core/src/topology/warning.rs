//! Reported properties of a function: they decide nothing, but an operator has to know them.

use core::fmt;

use crate::address::FunctionAddress;
use crate::quirk::{self, Confidence, Effect, Quirk, Source, Subject};

/// A row of the quirk tables that is only reported, with its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Warning {
    /// The function.
    pub address: FunctionAddress,
    /// The properties of the function that select the row.
    pub subject: Subject,
    /// The reported property.
    pub effect: Effect,
    /// The source.
    pub source: Source,
    /// The confidence in the source.
    pub confidence: Confidence,
}

impl Warning {
    pub(super) const fn new(address: FunctionAddress, subject: Subject, quirk: &Quirk) -> Self {
        Self {
            address,
            subject,
            effect: quirk.effect,
            source: quirk.source,
            confidence: quirk.confidence,
        }
    }

    /// The row behind this warning.
    pub fn quirk(&self) -> Option<&'static Quirk> {
        quirk::about(self.subject)
            .find(|quirk| (quirk.effect, quirk.source, quirk.confidence) == (self.effect, self.source, self.confidence))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            effect,
            source,
            confidence,
            ..
        } = self;
        write!(f, "{address} {effect} ({confidence}: {source})")?;
        match self.quirk() {
            Some(quirk) => write!(f, ": {}", quirk.about),
            None => Ok(()),
        }
    }
}
