//! `cargo xtask fuzz`: cargo-fuzz on every target, with a nightly compiler.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run::{cargo, must, output, target, top};

/// The version that the targets are known to work with.
const CARGO_FUZZ: &str = "0.13.2";

/// Arguments of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each target runs, in minutes.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
}

impl Arguments {
    /// Long enough to see that a target is built, runs, and does not fail at once.
    pub(crate) fn smoke() -> Self {
        Self { minutes: 0.25 }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    check_nightly()?;
    let seconds = (arguments.minutes * 60.0).max(1.0).round();
    let mut coverage = Vec::new();
    for target in targets()? {
        println!("fuzzing {target} for {seconds} s");
        let mut run = fuzz(&["run", &target])?;
        run.arg("--").arg(format!("-max_total_time={seconds}"));
        coverage.push((target, watch(&mut run)?));
    }
    println!("\ncoverage, as libFuzzer counts it (edges reached, features of their use, inputs kept), and runs:");
    for (target, reached) in coverage {
        println!("  {target:16} {reached}");
    }
    Ok(())
}

/// Runs a target to its end, lets its words through, and returns the last ones about coverage.
fn watch(command: &mut Command) -> Result<String> {
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run cargo fuzz")?;
    let stderr = child.stderr.take().context("cargo fuzz has no standard error")?;
    let mut reached = None;
    for line in BufReader::new(stderr).lines() {
        let line = line?;
        eprintln!("{line}");
        reached = coverage(&line).or(reached);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo fuzz: {status}");
    }
    reached.context("libFuzzer said nothing about coverage: nothing was fuzzed")
}

/// The coverage in a line such as `#1024 DONE cov: 812 ft: 2345 corp: 190/4096b lim: 100 exec/s: 512 rss: 45Mb`.
fn coverage(line: &str) -> Option<String> {
    let runs = line.trim().strip_prefix('#')?.split_ascii_whitespace().next()?;
    let value = |name: &str| {
        let mut words = line.split_ascii_whitespace().skip_while(|word| *word != name);
        words.nth(1)
    };
    let (edges, features, inputs) = (value("cov:")?, value("ft:")?, value("corp:")?);
    Some(format!("cov: {edges} ft: {features} corp: {inputs} in {runs} runs"))
}

fn targets() -> Result<Vec<String>> {
    let list = output(&mut fuzz(&["list"])?)?;
    Ok(list.lines().map(str::to_owned).collect())
}

/// Says what is missing before anything is built.
fn check_nightly() -> Result<()> {
    let version = output(Command::new("rustup").args(["run", "nightly", "rustc", "-V"])).context(
        "the fuzz targets need a nightly compiler, by way of rustup; with rustup, run: \
         rustup toolchain install nightly --profile minimal",
    )?;
    println!("fuzzing with {}", version.trim());
    Ok(())
}

/// A `cargo fuzz` command. cargo-fuzz is installed below target where it is missing; for what it does, a build that is not
/// optimised will do.
fn fuzz(arguments: &[&str]) -> Result<Command> {
    let tools = target()?.join("tools");
    let program = tools.join("bin/cargo-fuzz");
    if !program.exists() {
        println!("installing cargo-fuzz {CARGO_FUZZ} into {}", tools.display());
        let mut install = cargo(&[
            "install",
            "--debug",
            "--locked",
            "cargo-fuzz",
            "--version",
            CARGO_FUZZ,
            "--root",
        ]);
        must(install.arg(&tools))?;
    }
    // It calls cargo and rustc itself; rustup puts nightly ones in front of those that run this.
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly"])
        .arg(program)
        .arg("fuzz")
        .args(arguments);
    command.current_dir(top()).env_remove("CARGO").env_remove("RUSTC");
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_read_from_libfuzzers_lines() {
        let line = "#1024\tDONE   cov: 812 ft: 2345 corp: 190/4096b lim: 100 exec/s: 512 rss: 45Mb";
        let expected = "cov: 812 ft: 2345 corp: 190/4096b in 1024 runs";
        assert_eq!(coverage(line).as_deref(), Some(expected));
        assert_eq!(coverage("INFO: seed corpus: files: 7"), None);
    }
}
