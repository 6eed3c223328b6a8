//! `reseat decode`.

use super::{Sentence, Steps};

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
        "{subject}:{line}: {function} has a title and no hexadecimal rows{others:; further titles without rows: }",
    ),
    (
        "dump-empty",
        "{subject}:{line}: no hexadecimal rows such as `00: de 10 89 24`",
    ),
    (
        "dump-header-unreadable",
        "{subject}:{line}: {function}: header: {cause}",
    ),
    (
        "dump-no-answer",
        "{subject}:{line}: {function} does not answer, since all {bytes|byte} are ff: it is in D3cold, held in reset, behind \
         a link that is down, or gone",
    ),
    (
        "dump-header-only",
        "{subject}:{line}: {function} has only its first 64 bytes, and its capabilities are behind them: without root, or \
         with -x alone, lspci prints no more",
    ),
    (
        "dump-bytes-missing",
        "{subject}:{line}: {function} lacks bytes {missing}: the dump is cut off or damaged, and a part is not decoded",
    ),
    (
        "dump-rows-foreign",
        "{subject}:{line}: these rows are no configuration space{others:; further places of this kind: }",
    ),
    (
        "dump-binary-foreign",
        "{subject}: {bytes|byte} of binary data are no configuration space; a `config` file of sysfs has 64, 256 or 4096",
    ),
    (
        "dump-functions-left-out",
        "{subject}:{line}: more than {limit} functions; the rest is left out",
    ),
    (
        "dump-too-long",
        "{subject} is longer than {limit} bytes, and so no dump",
    ),
    ("dump-not-named", "no FILE, and standard input is a terminal"),
];

pub(super) const STEPS: &[Steps] = &[
    ("dump-again", &["dump it as root: `sudo lspci -xxxx{address: -s }`"]),
    (
        "wake-or-reset",
        &[
            "read its power_state in sysfs (/sys/bus/pci/devices{address:/})",
            "if it is D3cold, write `on` to power/control there and dump it again",
            "if not, `sudo reseat recover --dry-run{address: }` shows the resets that are left",
        ],
    ),
    (
        "name-a-dump",
        &["name a file, or pipe a dump in: `sudo lspci -xxxx | reseat decode`"],
    ),
];
