//! Nothing else in the sources starts a program or a thread.

use std::fs;
use std::path::{Path, PathBuf};

/// What starts one. `std::process` has more, such as `ExitCode`, and sleeping is `std::thread`'s too.
const STARTS: [&str; 7] = [
    "Command::new",
    "process::Command",
    "process::Child",
    "Stdio",
    "thread::spawn",
    "thread::Builder",
    "thread::scope",
];

/// Here they are started, and tests start what they like.
fn may_start(path: &Path) -> bool {
    let is_test = |name: &str| name == "tests" || name == "tests.rs";
    path.starts_with("linux/process") || path.iter().any(|name| name.to_str().is_some_and(is_test))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false => found.extend(path.extension().is_some_and(|it| it == "rs").then_some(path)),
        }
    }
}

/// The lines that start something, before the tests of a file.
fn starts(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines()
        .filter(|line| STARTS.iter().any(|start| line.contains(start)))
}

#[test]
fn only_this_module_starts_programs_and_threads() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&top, &mut found);
    assert!(found.len() > 100, "{} files", found.len());
    let mut wrong = Vec::new();
    for path in found {
        let name = path.strip_prefix(&top).unwrap();
        if !may_start(name) {
            let text = fs::read_to_string(&path).unwrap();
            wrong.extend(starts(&text).map(|line| format!("{}: {}", name.display(), line.trim())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_start_elsewhere_is_found() {
    for line in [
        "use std::process::{Child, Stdio};",
        "Command::new(\"modprobe\")",
        "thread::spawn(run)",
    ] {
        assert_eq!(starts(line).count(), 1, "{line}");
    }
    assert_eq!(starts("use std::process::ExitCode;\nthread::sleep(PAUSE);").count(), 0);
    assert_eq!(
        starts("fn f() {}\n#[cfg(test)]\nmod tests {\nCommand::new(\"sh\")").count(),
        0
    );
}
