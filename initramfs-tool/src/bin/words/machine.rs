//! Files, functions and programs, in any command.

use super::{Sentence, Steps};

pub(super) const SENTENCES: &[Sentence] = &[
    ("file-unreadable", "cannot read {subject}: {cause}"),
    ("file-unwritable", "cannot write {subject}: {cause}"),
    (
        "config-unreadable",
        "cannot read the configuration space of {subject}: {cause}",
    ),
];

pub(super) const STEPS: &[Steps] = &[("run-as-root", &["run as root"])];
