//! The recovery ladder as data: its rungs, their operations, and the times these take.
//!
//! `decision` chooses a rung and `recovery` executes it; both read this data. The public paths are in those modules.

pub(crate) mod operation;
pub(crate) mod rung;
pub(crate) mod timing;
