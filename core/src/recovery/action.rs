//! What a recovery has done.

use core::time::Duration;

use super::end::{End, Reason, Record};
use crate::ladder::operation::Operation;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Action {
    /// An operation on the machine.
    Do(Operation),
    /// Write down what came of a rung. Answer: [`Observation::Done`](super::Observation::Done).
    Record(Record),
    /// Take the GPU out of service, durably: the note of it first, since the rest may block. Where
    /// somebody has come to use it meanwhile, the note is all. Answer: [`Observation::Done`](super::Observation::Done).
    Quarantine(Reason),
}

/// Tells orders apart, so that a late answer is not taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ticket(pub(super) u32);

/// An action, and until when it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Order {
    /// To be given back with the answer.
    pub ticket: Ticket,
    /// What to do.
    pub action: Action,
    /// When its answer counts as [`Observation::Blocked`](super::Observation::Blocked).
    pub deadline: Duration,
}

/// Where a recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Progress {
    /// Do this and tell what it brought.
    Do(Order),
    /// It has ended.
    Ended(End),
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Heard {
    /// It was taken.
    Taken,
    /// It is not the one that is waited for: it came twice, or too late.
    TooLate,
}
