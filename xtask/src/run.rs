//! Running other programs.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The project's top folder.
pub(crate) fn top() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// What cargo says of the workspace, asked once.
pub(crate) fn metadata() -> Result<&'static Value> {
    static METADATA: OnceLock<Value> = OnceLock::new();
    if let Some(known) = METADATA.get() {
        return Ok(known);
    }
    let printed = output(&mut cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    let parsed = serde_json::from_str(&printed).context("cargo metadata printed no JSON")?;
    Ok(METADATA.get_or_init(|| parsed))
}

/// The folder for what is built. Only cargo knows it: two variables and its configuration files can name another.
pub(crate) fn target() -> Result<PathBuf> {
    let directory = metadata()?["target_directory"].as_str();
    Ok(directory.context("cargo metadata names no target directory")?.into())
}

/// Runs a `cargo build` and gives the programs that it built, by name: where they lie is cargo's own matter.
pub(crate) fn build(command: &mut Command) -> Result<BTreeMap<String, PathBuf>> {
    command
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped());
    let ended = command.spawn().and_then(std::process::Child::wait_with_output);
    let ended = ended.with_context(|| format!("cannot run {}", as_text(command)))?;
    if !ended.status.success() {
        bail!("{}: {}", as_text(command), ended.status);
    }
    let printed = String::from_utf8(ended.stdout)?;
    let messages = printed.lines().map(serde_json::from_str::<Value>);
    let mut programs = BTreeMap::new();
    for message in messages {
        let message = message.context("cargo build printed a line that is no JSON")?;
        if let (Some(name), Some(path)) = (message["target"]["name"].as_str(), message["executable"].as_str()) {
            programs.insert(name.to_owned(), path.into());
        }
    }
    Ok(programs)
}

/// One of the programs of a build.
pub(crate) fn built<'a>(programs: &'a BTreeMap<String, PathBuf>, name: &str) -> Result<&'a Path> {
    let path = programs.get(name).map(PathBuf::as_path);
    path.with_context(|| format!("cargo built no program called {name}"))
}

/// A command of the cargo that runs this, in the top folder.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsStr::new("cargo").to_owned());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(top());
    command
}

/// Runs a command that has to succeed.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", as_text(command)))?;
    if !status.success() {
        bail!("{}: {status}", as_text(command));
    }
    Ok(())
}

/// Runs a command that has to succeed, and takes what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", as_text(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}: {}", as_text(command), output.status, said.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn as_text(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
