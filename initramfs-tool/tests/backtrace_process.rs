//! Errors under `RUST_BACKTRACE`: every command ends as it does without.
//!
//! The shipped program has no tables for unwinding, so whatever records a backtrace in it ends it by SIGABRT and without a
//! word. `RESEAT_DIST` names the tree that `cargo xtask dist` lays out, whose program is the one to test.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod files;

use std::path::PathBuf;
use std::process::Command;

use files::Files;

/// Of every command an end that is not done, with what it needs for that.
const ERRORS: [&[&str]; 20] = [
    &["report"],
    &["recover", "99:1f"],
    &["recover", "10de:2231"],
    &["recover", "99:1f", "--json"],
    &["claim", "--function", "99:1f.0"],
    &["decode", "--hex", "/nowhere"],
    &["return-to-service", "99:1f"],
    &["evidence", "show", "latest"],
    &["evidence", "list"],
    &["initramfs", "install"],
    &["initramfs", "status"],
    &["initramfs", "remove"],
    &["quarantine", "add", "99:1f", "--reason", "test"],
    &["quarantine", "list"],
    &["quarantine", "forget", "99:1f", "--reason", "test"],
    &["history"],
    &["baseline", "save", "99:1f"],
    &["rules", "check"],
    &["inventory"],
    &["inventroy"],
];

fn program() -> PathBuf {
    match std::env::var_os("RESEAT_DIST") {
        Some(tree) => PathBuf::from(tree).join("usr/bin/reseat"),
        None => env!("CARGO_BIN_EXE_reseat").into(),
    }
}

/// A machine without a GPU, whose records are damaged.
fn machine() -> Files {
    let files = Files::new();
    for (path, content) in [
        ("proc/cmdline", "quiet\n"),
        ("proc/sys/kernel/osrelease", "6.12.0\n"),
        ("sys/bus/pci/devices/nothing/vendor", ""),
        ("etc/reseat/reseat.toml", "[[claim]]\nselect = \"gpuu\"\n"),
        ("var/lib/reseat/history.jsonl", "damaged\n"),
        ("var/lib/reseat/quarantine.json", "damaged\n"),
        ("var/lib/reseat/evidence/0.json", "damaged\n"),
    ] {
        files.write(path, content);
    }
    files
}

/// The exit status, standard output and standard error.
type End = (Option<i32>, String, String);

fn run(arguments: &[&str], backtrace: Option<&str>) -> End {
    let machine = machine();
    let mut command = Command::new(program());
    command.args(arguments).arg("--root").arg(machine.root());
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    if let Some(backtrace) = backtrace {
        command.env("RUST_BACKTRACE", backtrace);
    }
    let output = command.output().unwrap();
    let here = machine.root().display().to_string();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&here, "");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn errors_are_the_same_with_a_backtrace_asked_for() {
    for arguments in ERRORS {
        let without = run(arguments, None);
        let (status, printed, said) = &without;
        assert!(
            status.is_some_and(|status| (1..=6).contains(&status)),
            "{arguments:?}: {without:?}"
        );
        assert!(!printed.is_empty() || !said.is_empty(), "{arguments:?}");
        for backtrace in ["1", "full", ""] {
            // Standard output has durations.
            let (with, _, complaints) = run(arguments, Some(backtrace));
            assert_eq!(
                (with, complaints.as_str()),
                (*status, said.as_str()),
                "{arguments:?}, {backtrace:?}"
            );
        }
    }
}
