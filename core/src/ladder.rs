//! The recovery ladder as data: its rungs, the operations that they are made of, and how long these take.
//!
//! `decision` chooses a rung and `recovery` climbs it; both read it here. Public paths are theirs.

pub(crate) mod operation;
pub(crate) mod rung;
pub(crate) mod timing;
