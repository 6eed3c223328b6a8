//! Calling the command.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A fixture of reseat-core.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../core/tests/fixtures")
        .join(name)
}

/// `reseat decode FILE` with more arguments.
pub(crate) fn decode(file: &Path, arguments: &[&str]) -> Output {
    command(file).args(arguments).output().unwrap()
}

/// `reseat decode --json -` with this on its standard input: the exit status, the JSON, the complaints.
pub(crate) fn decode_text(text: &[u8]) -> (Option<i32>, Value, String) {
    let mut command = command(Path::new("-"));
    let mut child = command
        .arg("--json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), json, String::from_utf8(output.stderr).unwrap())
}

fn command(file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reseat"));
    command.arg("decode").arg(file);
    command
}
