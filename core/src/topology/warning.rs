//! What is only reported of a function: it decides nothing, and an operator has to know it.

use core::fmt;

use crate::address::FunctionAddress;
use crate::quirk::{self, Confidence, Effect, Quirk, Source, Subject};

/// A row of the quirk tables that is only reported, about one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Warning {
    /// The function.
    pub address: FunctionAddress,
    /// What of it the row is about.
    pub subject: Subject,
    /// What the row says of it.
    pub effect: Effect,
    /// Who says so.
    pub source: Source,
    /// How far that carries.
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

    /// The row behind it.
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
