//! The recovery of a GPU, done: one ladder per reset domain, each operation in a worker that can be left behind.

mod back;
mod baseline;
mod bundles;
mod chronicle;
mod collect;
mod driver;
mod files;
mod identity;
mod known;
mod ladder;
pub(super) mod lock;
mod look;
mod operate;
mod quarantine;
mod recorder;
mod remove;
mod reset;
mod restore;
mod resume;
mod trouble;
mod worker;

pub use back::{Return, Returned, return_to_service};
pub use baseline::{BaselineError, Recorded, save as save_baseline, without_baseline};
pub use bundles::{list as list_evidence, read as read_evidence};
pub use driver::{Options, RecoverError, recover};
pub use files::RecordError;
pub use identity::identify_all;
pub use quarantine::{Applied, Isolation, QuarantineError, accept_loss, apply as apply_quarantine, forget, quarantine};
pub use worker::serve;

/// Whether a recovery of the GPU on `device` was broken off, and has to be gone on with before anybody else begins.
pub(super) fn is_broken_off(
    root: &super::Root,
    device: reseat_core::address::DeviceAddress,
) -> Result<bool, RecordError> {
    files::journal(root, device).map(|journal| journal.is_some())
}

/// What a worker is started with, before its root, and nobody else.
pub const WORKER_COMMAND: &str = "do-tasks";
