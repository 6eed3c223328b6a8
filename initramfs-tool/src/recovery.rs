//! The recovery of a GPU: what is known of it, what has to be restored, and the events.
//!
//! The ladder itself is [`reseat_core::recovery`]; `crate::linux` does its operations, each in a worker that can be
//! left behind. Here stands what both sides of that pipe speak of, and what outlives them: the [`Journal`] of what has
//! to be put back, and the [`Baseline`] that a GPU is held against.

mod advice;
mod baseline;
mod event;
pub(crate) mod fabric;
pub(crate) mod health;
mod journal;
pub(crate) mod kept_out;
mod step;
mod task;
pub mod vbios;
mod vfio_reading;
pub(crate) mod warnings;

pub use advice::{WaysOut, advice};
pub use baseline::{Baseline, FunctionBaseline};
pub(crate) use event::whole_milliseconds;
pub use event::{Planned, RecoveryEvent, SCHEMA as EVENT_SCHEMA, Waited};
pub use journal::{BarMarkOf, Before, Journal, MarkOf, Witness};
pub use kept_out::{FormerMethods, KeptOut};
pub use step::LadderStep;
pub use task::{Examined, Means, Surveyed, Task, TaskAnswer};
pub use vfio_reading::{ResetUnavoidable, Sibling, VfioReading, to_be_unbound};
