//! The effects: the only module that touches /sys, /proc, /dev, /run, /var and /boot.
//!
//! Paths are taken below a [`Root`], `/` on a running machine and a directory of files in tests.
//!
//! Imports run one way, down this list:
//!
//! | module | what it holds |
//! | --- | --- |
//! | `initramfs` | the claim in the initramfs, and the way back |
//! | `recover` | recovery, quarantine and return to service |
//! | `claim` | the claim: at boot, and of a GPU that appears on a running machine |
//! | `survey` | the state of the machine: topology, health, usage, serial numbers, VBIOS |
//! | `state` | files of reseat's own, and the kernel log |
//! | `process` | child processes |
//! | `sysfs` | the kernel's files: functions, configuration space, BARs, slots, VFIO |

mod claim;
#[cfg(feature = "operator")]
mod initramfs;
mod process;
#[cfg(feature = "operator")]
mod recover;
mod state;
mod survey;
mod sysfs;
#[cfg(test)]
mod test_root;

pub use claim::boot::{BootOptions, run as boot_claim};
pub use process::serve::{Job, serve};
#[cfg(feature = "operator")]
pub use process::signals::heed_signals;
pub use state::kernel_log::{PREFIX, log};
pub use state::report::{CLAIM_REPORT, ReportFileError, read as read_report, write as write_report};
pub use survey::details::gather as details;
pub use sysfs::attributes::FileError;
pub use sysfs::functions::{Listing, list, power_of};
pub use sysfs::root::Root;

#[cfg(feature = "operator")]
pub use {
    claim::check::{Checked, check_rules},
    claim::hot_plug::{HotClaim, HotClaimError, HotOptions, report_of as hot_report, run as hot_claim},
    initramfs::{
        BuiltContent, FileState, ImageStatus, InitramfsError, InitramfsOptions, InitramfsStatus, Installed,
        OwnFileStatus, Progress, Removed, initramfs_status, install_initramfs, install_initramfs_files,
        remove_initramfs,
    },
    recover::{
        Applied, BaselineError, IsolationResult, QuarantineError, Recorded, RecoverError, RecoverOptions, Return,
        Returned, accept_loss as accept_quarantine_loss, apply_quarantine, forget as forget_quarantined, keep_flr_out,
        quarantine, recover, return_to_service, save_baseline, without_baseline,
    },
    state::bundles::{list as list_evidence, read as read_evidence},
    state::durable::DurableError,
    state::history::{append as append_history, read as read_history},
    state::locks::LockError,
    state::quarantine::{QuarantineFileError, read as read_quarantine},
    state::recovery_files::RecordError,
    state::recovery_policy::{ContractError, contract},
    survey::gpus::{gpus, portions},
    survey::identity::identify_all,
    survey::reset_class::reset_class_of,
};
/// The jobs of the boot claim's children.
pub const CLAIM_JOBS: &[Job] = &[claim::worker::JOB, claim::displays::JOB, survey::serial_numbers::JOB];

#[cfg(feature = "operator")]
/// The jobs of the operator's command's children.
pub const OPERATOR_JOBS: &[Job] = &[
    claim::worker::JOB,
    claim::displays::JOB,
    survey::serial_numbers::JOB,
    survey::usage::JOB,
    claim::flr_kept_out::JOB,
    recover::JOB,
];

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
