//! The actions of a recovery.

use core::time::Duration;

use super::end::{End, Reason, Record};
use crate::ladder::operation::Operation;

/// The next action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Action {
    /// An operation on the machine.
    Do(Operation),
    /// Record the outcome of a rung. Answer: [`Observation::Done`](super::Observation::Done).
    Record(Record),
    /// Take the GPU out of service durably. Write the entry first, since the rest may block. If the GPU is in use by
    /// then, only write the entry. Answer: [`Observation::Done`](super::Observation::Done).
    Quarantine(Reason),
}

/// Identifies an order, so that a late answer is not taken for that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ticket(pub(super) u32);

/// An action with its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Order {
    /// The ticket to return with the answer.
    pub ticket: Ticket,
    /// The action to carry out.
    pub action: Action,
    /// The time after which its answer counts as [`Observation::Blocked`](super::Observation::Blocked).
    pub deadline: Duration,
}

/// The progress of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Progress {
    /// Carry out this order and report the answer.
    Do(Order),
    /// The recovery has ended.
    Ended(End),
}

/// The fate of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Heard {
    /// It was accepted.
    Taken,
    /// It was ignored: no such answer is awaited. It came twice or too late.
    TooLate,
}
