//! Bringing a GPU back: what is known of it, what is to be put back, and what is said meanwhile.
//!
//! The ladder itself is [`reseat_core::recovery`]; `crate::linux` does its operations, each in a worker that can be
//! left behind. Here stands what both sides of that pipe speak of, and what outlives them: the [`Journal`] of what has
//! to be put back, and the [`Baseline`] that a GPU is held against.

mod advice;
mod baseline;
mod event;
mod journal;
mod look;
mod step;
mod subject;
mod task;
pub mod vbios;

pub use advice::advice;
pub use baseline::{Baseline, FunctionBaseline, SCHEMA as BASELINE_SCHEMA};
pub(crate) use event::whole_milliseconds;
pub use event::{Event, ExitStatus, Planned};
pub use journal::{Before, Journal, SCHEMA as JOURNAL_SCHEMA};
pub use look::{LOOK_SCHEMA, Look, NoWay, Sibling, to_be_unbound};
pub use step::Step;
pub use subject::{Member, Subject};
pub use task::{Answer, Examined, Means, Surveyed, Task};
