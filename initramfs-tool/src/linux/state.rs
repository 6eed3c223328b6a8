//! Files of reseat's own, and the kernel log.

pub(crate) mod boot_quarantine;
#[cfg(feature = "operator")]
pub(crate) mod bundles;
#[cfg(feature = "operator")]
pub(crate) mod durable;
#[cfg(feature = "operator")]
pub(crate) mod history;
pub(crate) mod kernel_log;
#[cfg(feature = "operator")]
pub(crate) mod kernel_log_reader;
#[cfg(feature = "operator")]
pub(crate) mod locks;
#[cfg(feature = "operator")]
pub(crate) mod not_isolated;
#[cfg(feature = "operator")]
pub(crate) mod quarantine;
#[cfg(feature = "operator")]
pub(crate) mod recovery_files;
#[cfg(feature = "operator")]
pub(crate) mod recovery_policy;
pub(crate) mod regular_file;
pub(crate) mod report;
pub(crate) mod rules;
