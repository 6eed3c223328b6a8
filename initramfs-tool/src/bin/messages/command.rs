//! The command line.

use super::{Sentence, Steps};

pub(super) const SENTENCES: &[Sentence] = &[
    ("command-failed", "{cause}"),
    ("usage", "{cause}"),
    ("gpu-name-ambiguous", "{name} names {count|GPU}: {gpus}"),
    ("gpu-name-unknown", "no GPU is {name}; this machine has {gpus}"),
    ("gpu-absent", "no GPU is at {subject}; this machine has {gpus}"),
];

pub(super) const STEPS: &[Steps] = &[
    ("name-one-address", &["name one of them by its address"]),
    ("see-help", &["see `reseat --help`"]),
];
