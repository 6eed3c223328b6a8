//! The effects: the only module that touches /sys, /proc, /dev, /run, /var and /boot.
//!
//! Paths are taken below a [`Root`], `/` on a running machine and a directory of files in tests.

mod attribute;
mod bar;
mod boot_claim;
mod class;
mod config;
mod contract;
mod details;
mod displays;
mod durable;
mod effects;
mod evidence;
mod frame;
mod functions;
mod health;
mod history;
mod hot_claim;
mod initramfs;
mod kernel_log;
mod mask;
mod module;
mod out_of_service;
mod program;
mod quarantine_file;
mod quarantine_list;
mod recover;
mod report_file;
mod root;
mod rules_file;
mod serial_numbers;
mod slot;
mod space;
mod survey;
#[cfg(test)]
mod test_root;
mod usage;
mod variants;
mod vbios;
mod vfio;
mod worker;
mod workers;

pub use attribute::FileError;
pub use boot_claim::{Checked, Options, check_rules, run as boot_claim};
pub use class::class_of;
pub use contract::{ContractError, contract};
pub use details::gather as details;
pub use displays::{CONSOLE_COMMAND, say_console};
pub use durable::DurableError;
pub use functions::{Listing, list, power_of};
pub use history::{append as append_history, read as read_history};
pub use hot_claim::{HotClaim, HotClaimError, HotOptions, report_of as hot_report, run as hot_claim};
pub use initramfs::{
    FileState, ImageStatus, InitramfsError, InitramfsOptions, InitramfsStatus, Installed, OwnFileStatus, Progress,
    Removed, initramfs_status, install_initramfs, install_initramfs_files, remove_initramfs,
};
pub use kernel_log::{PREFIX, log};
pub use quarantine_file::{QuarantineFileError, read as read_quarantine};
pub use recover::{
    Applied, BaselineError, Isolation, Options as RecoverOptions, QuarantineError, RecordError, Recorded, RecoverError,
    Return, Returned, WORKER_COMMAND, accept_loss as accept_quarantine_loss, apply_quarantine,
    forget as forget_quarantined, identify_all, list_evidence, quarantine, read_evidence, recover, return_to_service,
    save_baseline, serve as serve_tasks, without_baseline,
};
pub use report_file::{CLAIM_REPORT, ReportFileError, read as read_report, write as write_report};
pub use root::Root;
pub use serial_numbers::{SERIALS_COMMAND, say_serial_numbers};
pub use usage::of as usage_of;
pub use worker::work;
pub use workers::WORKER_ARGUMENT;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
