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
#[cfg(feature = "operator")]
pub(crate) mod versioned;
#[cfg(feature = "operator")]
pub(crate) mod wire;

#[cfg(feature = "operator")]
pub use versioned::VersionError;
