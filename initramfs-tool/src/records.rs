//! Records that outlive a recovery: history, quarantine, evidence.

pub mod checked_lines;
pub mod evidence;
pub mod history;
pub mod quarantine;
