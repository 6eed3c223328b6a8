//! The rules file, read.
//!
//! The boot waits for it: so nobody is waited for who has not written it yet, and nobody is read without end.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, SubjectKind, id};
use crate::rules::{self, Choice, LARGEST_FILE, Rule, SelectorError};

/// The operator's rules.
pub(crate) const RULES_FILE: &str = "/etc/reseat/reseat.toml";

/// The rules of the file, or why there are none to be had of it. Without a path, the usual file is read if it is there.
pub(crate) fn rules_from_file(root: &Root, named: Option<&Path>) -> Result<Vec<Rule>, Finding> {
    let path = named.unwrap_or(Path::new(RULES_FILE));
    let at = root.path(path);
    match read(&at) {
        Ok(content) => rules::parse_file(&path.display().to_string(), &content)
            .map_err(|error| error.finding(id::RULES_FILE_INVALID)),
        // A link that leads nowhere was meant to lead to rules.
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() && !at.is_symlink() => Ok(Vec::new()),
        Err(error) => Err(Finding::error(id::FILE_UNREADABLE, Subject::file(path)).with("cause", error)),
    }
}

/// Rules in the usual file that no boot understands; none for a file that is not there.
pub(crate) fn invalid(root: &Root) -> Vec<Finding> {
    let rules = match rules_from_file(root, None) {
        Ok(rules) => rules,
        Err(problem) => return vec![problem],
    };
    let choices = rules.iter().flat_map(Rule::choices);
    let wrong = choices.filter_map(|choice| Some((choice, choice.selector.as_ref().err()?)));
    let finding = |(choice, error): (&Choice, &SelectorError)| {
        Finding::error(
            id::RULE_INVALID,
            Subject::named(SubjectKind::Rule, choice.text.as_str()),
        )
        .with("source", &choice.source)
        .with("cause", error)
    };
    wrong.map(finding).collect()
}

/// As much of a file as rules may be, and a byte more, by which it is told to be too large.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut content = Vec::new();
    let most = u64::try_from(LARGEST_FILE).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut content)?;
    Ok(content)
}
