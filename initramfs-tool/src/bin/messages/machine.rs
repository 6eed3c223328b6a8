//! Files, functions and programs, in any command.

use super::Steps;

pub(super) const SENTENCES: &str = sentences![
    ("file-unreadable", "cannot read {subject}: {cause}"),
    ("file-unwritable", "cannot write {subject}: {cause}"),
    ("attribute-unwritable", "cannot write `{value}` to {subject}: {cause}"),
    ("directory-unlistable", "cannot list {subject}: {cause}"),
    ("not-a-function", "{subject} is no function: {cause}"),
    (
        "number-malformed",
        "{subject} holds `{text}`, not a number of {digits} hexadecimal digits",
    ),
    ("physfn-malformed", "physfn of {subject} leads to no function: {cause}"),
    (
        "serial-number-unreadable",
        "the serial number of {subject} is not known: {cause}",
    ),
    ("function-gone", "{subject} is gone"),
    (
        "function-absent",
        "{subject} does not answer: its config reads all-ones",
    ),
    (
        "function-not-ready",
        "{subject} is not ready: it asks for retries (RRS)",
    ),
    (
        "function-slow",
        "{subject} answers too slowly: a look at its registers took {seconds} s",
    ),
    (
        "function-reads-zero",
        "{subject} does not answer as a function: its config reads 0",
    ),
    (
        "config-unreadable",
        "cannot read the configuration space of {subject}: {cause}",
    ),
    ("pmcsr-unreadable", "cannot read PMCSR of {subject}: {cause}"),
    (
        "power-state-unverifiable",
        "the power state of {subject} cannot be verified: its capability list is {list}",
    ),
];

pub(super) const STEPS: &[Steps] = &[("run-as-root", &["run as root"])];
