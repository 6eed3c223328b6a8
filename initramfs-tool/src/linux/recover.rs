//! The recovery of a GPU, done: one ladder per reset domain, each operation in a worker that can be left behind.

mod baseline;
mod behind_bar;
mod bookkeeping;
mod bring_back;
mod collect;
mod evidence;
mod examine;
mod fabric;
mod facts;
mod flr;
mod isolate;
mod journal;
mod keep_flr_out;
mod ladder;
mod operate;
mod own_means;
mod quarantine;
mod remove;
mod reset;
mod restore;
mod resume;
mod return_to_service;
mod run;
mod scan;
mod survey;
mod trouble;
mod users;
mod vfio_registers;
mod witness;
mod worker;

pub use baseline::{BaselineError, Recorded, save as save_baseline, without_baseline};
pub use keep_flr_out::keep_flr_out;
pub use quarantine::{
    Applied, IsolationResult, QuarantineError, accept_loss, apply as apply_quarantine, forget, quarantine,
};
pub use return_to_service::{Return, Returned, return_to_service};
pub use run::{RecoverError, RecoverOptions, recover};
pub(super) use worker::JOB;
