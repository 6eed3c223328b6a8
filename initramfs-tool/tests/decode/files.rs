//! Files of several kinds, and several of them.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A GPU's header without capabilities: nothing is missing behind it.
const ROWS: &str = "\
00: de 10 89 24 07 04 00 00 a1 00 00 03 10 00 80 00
10: 00 00 00 84 0c 00 00 00 00 00 00 00 0c 00 00 00
20: 00 00 00 00 01 00 00 00 00 00 00 00 58 14 77 40
30: 00 00 00 00 00 00 00 00 00 00 00 00 ff 01 00 00
";

fn binary() -> Vec<u8> {
    let bytes = ROWS.lines().flat_map(|row| row[4..].split(' '));
    bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn reseat(folder: &Path, arguments: &[&str], input: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reseat"));
    let command = command.current_dir(folder).arg("decode").args(arguments);
    command.stdin(input).output().unwrap()
}

fn names(output: &Output) -> Vec<String> {
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let functions = json["functions"].as_array().unwrap();
    let name = |function: &Value| format!("{}: {}", function["file"], function["name"]);
    functions.iter().map(name).collect()
}

#[test]
fn several_files_of_several_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(
        path.join("mail"),
        format!("Cc: a@b\n\n> 01:00.0 VGA\n> {}", ROWS.replace('\n', "\n> ")),
    )
    .unwrap();
    std::fs::write(path.join("config"), binary()).unwrap();
    let utf16: Vec<u8> = format!("\u{feff}{ROWS}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    std::fs::write(path.join("shell.txt"), utf16).unwrap();

    let output = reseat(path, &["--json", "mail", "config", "--hex", "shell.txt"], Stdio::null());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        names(&output),
        [
            r#""mail": "0000:01:00.0""#,
            r#""config": "config""#,
            r#""shell.txt": "function 1 of shell.txt""#,
        ]
    );
    let output = reseat(path, &["mail", "config"], Stdio::null());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("mail:\n01:00.0 VGA\n  10de:2489 "), "{text}");
    assert!(text.contains("\nconfig:\nconfig\n  10de:2489 "), "{text}");

    let output = reseat(path, &["--json", "mail", "missing"], Stdio::null());
    assert_eq!(output.status.code(), Some(1), "the rest is decoded");
    assert_eq!(names(&output).len(), 1);
}

#[test]
fn standard_input_is_read_without_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config"), binary()).unwrap();
    let input = File::open(folder.path().join("config")).unwrap();
    let output = reseat(folder.path(), &["--json"], input.into());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(names(&output), [r#""-": "standard input""#]);
}

#[test]
fn a_directory_is_no_dump() {
    let folder = tempfile::tempdir().unwrap();
    let output = reseat(folder.path(), &["."], Stdio::null());
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.starts_with("reseat: cannot read .: "), "{complaint}");
}
