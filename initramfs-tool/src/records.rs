//! Records that outlive a recovery: history, quarantine, evidence.

pub mod checked_lines;
pub mod evidence;
pub mod history;
pub mod quarantine;
pub(crate) mod versioned;
pub(crate) mod wire;

pub use versioned::VersionError;
