//! `cargo xtask aarch64`: the programs for aarch64, run under user-mode emulation beside those for x86-64.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::dist::{self, CLAIM_INSTALLED, OPERATOR_INSTALLED};
use crate::files_machine::FilesMachine;
use crate::run::top;
use crate::size;

const EMULATOR: &str = "qemu-aarch64-static";

/// One of the project's own dumps, with extended capabilities.
const DUMP: &str = "core/tests/fixtures/nvidia-h100-sxm5-2330.hex";

pub(crate) fn run() -> Result<()> {
    let theirs = dist::aarch64()?;
    let ours = dist::dist()?.tree;
    dist::provide(EMULATOR, &["qemu-user-static"], "to run what was built for aarch64")?;
    println!("reseat-claim, stripped:");
    let within = size::hold("aarch64", dist::size(&theirs.join(CLAIM_INSTALLED))?, size::PLAIN);
    ensure!(within, "reseat-claim for aarch64 is larger than its limit");
    let both = |program: &str, arguments: &[&str]| -> Result<String> {
        let native = said(Command::new(ours.join(program)).args(arguments))?;
        let emulated = said(Command::new(EMULATOR).arg(theirs.join(program)).args(arguments))?;
        ensure!(
            native == emulated,
            "/{program} {} says on aarch64:\n{emulated}\nand on x86-64:\n{native}",
            arguments.join(" ")
        );
        Ok(native)
    };

    for program in [CLAIM_INSTALLED, OPERATOR_INSTALLED] {
        println!("both say: {}", both(program, &["--version"])?.trim());
    }
    let dump = top().join(DUMP);
    let decoded = both(
        OPERATOR_INSTALLED,
        &["decode", "--json", "--hex", &dump.display().to_string()],
    )?;
    println!("both decode {DUMP} to the same {} lines", decoded.lines().count());

    let (native, here) = dry_run(&mut Command::new(ours.join(CLAIM_INSTALLED)))?;
    let (emulated, there) = dry_run(Command::new(EMULATOR).arg(theirs.join(CLAIM_INSTALLED)))?;
    ensure!(
        here == there && native == emulated,
        "a dry run on aarch64 says:\n{there}{emulated:#}\nand on x86-64:\n{here}{native:#}"
    );
    ensure!(
        native["verdict"] == "dry-run" && native["gpus"].as_array().is_some_and(|gpus| !gpus.is_empty()),
        "the dry run chose no GPU: {native:#}"
    );
    print!("both say of a machine of files:\n{here}");
    Ok(())
}

/// The report of a dry run on a machine of files, without what differs from run to run, and what it prints.
fn dry_run(program: &mut Command) -> Result<(Value, String)> {
    let machine = FilesMachine::new("aarch64")?;
    let root = machine.root();
    let words = said(
        program
            .args(["--dry-run", "--report", "/report.json", "--root"])
            .arg(root),
    )?;
    let mut report = read(&root.join("report.json"))?;
    without_durations(&mut report);
    // What it prints ends with how long it took.
    let (words, _) = words.rsplit_once("; ").context("the dry run prints no duration")?;
    Ok((report, format!("{words}\n")))
}

fn without_durations(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| name != "duration_ms");
            fields.values_mut().for_each(without_durations);
        }
        Value::Array(values) => values.iter_mut().for_each(without_durations),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn read(report: &Path) -> Result<Value> {
    let bytes = fs::read(report).with_context(|| format!("cannot read {}", report.display()))?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// What a program prints, errors included. Its exit status is not looked at: what it says is compared.
fn said(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let status = output.status;
    let (out, error) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    Ok(format!("{out}{error}{status}\n"))
}
