//! Records that outlive a recovery: history, quarantine, evidence.

pub mod boot_quarantine;
#[cfg(feature = "operator")]
pub mod checked_lines;
#[cfg(feature = "operator")]
pub mod evidence;
#[cfg(feature = "operator")]
pub mod history;
#[cfg(feature = "operator")]
pub mod quarantine;
pub(crate) mod versioned;
pub(crate) mod wire;

pub use versioned::VersionError;
