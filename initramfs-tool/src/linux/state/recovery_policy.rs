//! The contract of recovery, from the rules file.

use std::path::Path;
use std::{fs, io};

use super::rules;
use super::rules::RULES_FILE;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::rules::{Contract, RulesFileError, parse_contract};

/// A contract that cannot be read. Nothing is assumed in its place.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// The file is there and cannot be read.
    #[error("cannot read {RULES_FILE}: {0}")]
    Read(#[source] io::Error),
    /// It says something that no contract has.
    #[error(transparent)]
    Form(#[from] RulesFileError),
}

impl ContractError {
    /// The error as a finding.
    pub fn finding(&self) -> Finding {
        match self {
            Self::Read(cause) => Finding::error(id::FILE_UNREADABLE, Subject::file(RULES_FILE)).with("cause", cause),
            Self::Form(error) => error.finding(id::RECOVERY_POLICY_INVALID),
        }
    }
}

/// The contract of this machine; without a rules file, one that says nothing.
///
/// # Errors
/// When the file is there and is not to be read.
pub fn contract(root: &Root) -> Result<Contract, ContractError> {
    match fs::read(root.path(RULES_FILE)) {
        Ok(content) => Ok(parse_contract(RULES_FILE, &content)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Contract::default()),
        Err(error) => Err(ContractError::Read(error)),
    }
}

/// The error in the file's part about recovery, if the file can be read.
pub(crate) fn problem(root: &Root, named: Option<&Path>) -> Option<Finding> {
    let path = named.unwrap_or(Path::new(RULES_FILE));
    let content = rules::read(&root.path(path)).ok()?;
    let policy = parse_contract(&path.display().to_string(), &content);
    let error = policy.err()?;
    Some(error.finding(id::RECOVERY_POLICY_INVALID))
}
