//! Files of reseat's own, and the kernel log.

pub(crate) mod boot_quarantine;
pub(crate) mod bundles;
pub(crate) mod durable;
pub(crate) mod history;
pub(crate) mod kernel_log;
pub(crate) mod locks;
pub(crate) mod quarantine;
pub(crate) mod recovery_files;
pub(crate) mod recovery_policy;
pub(crate) mod report;
pub(crate) mod rules;
