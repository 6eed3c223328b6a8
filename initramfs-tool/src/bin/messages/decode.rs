//! `reseat decode`.

use super::Sentence;

pub(super) const SENTENCES: &[Sentence] = &[
    (
        "dump-byte-invalid",
        "{subject}:{line}: \"{text}\" is not a byte of two hexadecimal digits",
    ),
    (
        "dump-offset-beyond-space",
        "{subject}:{line}: offset {offset} is beyond the 4096 bytes of configuration space",
    ),
    ("dump-byte-twice", "{subject}:{line}: offset {offset} has two values"),
    (
        "dump-function-empty",
        "{subject}:{line}: {function} has no hexadecimal rows",
    ),
    (
        "dump-empty",
        "{subject}:{line}: no hexadecimal rows such as `00: de 10 89 24`",
    ),
    ("dump-header-unreadable", "{subject}:{line}: header: {cause}"),
];
