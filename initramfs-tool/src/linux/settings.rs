//! What the operator has written into `/etc/reseat/reseat.toml` for a recovery.

use std::fs;
use std::io;

use super::Root;
use crate::recovery::Settings;
use crate::rules::RulesFileError;

/// Where the operator's rules are.
pub(super) const RULES_FILE: &str = "/etc/reseat/reseat.toml";

/// Settings that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file system refused.
    #[error("cannot read {RULES_FILE}: {0}")]
    Read(io::Error),
    /// The file is not what it has to be.
    #[error(transparent)]
    Form(#[from] RulesFileError),
}

/// What a recovery is allowed on this machine; where there is no file, the usual.
///
/// # Errors
/// When the file is there and cannot be read, or is not what it has to be: a limit that somebody has set is not passed
/// over.
pub fn settings(root: &Root) -> Result<Settings, SettingsError> {
    match fs::read(root.path(RULES_FILE)) {
        Ok(content) => Ok(Settings::parse(RULES_FILE, &content)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(SettingsError::Read(error)),
    }
}
