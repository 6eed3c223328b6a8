//! `cargo xtask fuzz`: cargo-fuzz on every target, with a nightly compiler.

use std::process::Command;

use anyhow::{Context, Result};

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
    for target in targets()? {
        println!("fuzzing {target} for {seconds} s");
        must(
            fuzz(&["run", &target])?
                .arg("--")
                .arg(format!("-max_total_time={seconds}")),
        )?;
    }
    Ok(())
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

/// A `cargo fuzz` command. cargo-fuzz is installed below target where it is missing.
fn fuzz(arguments: &[&str]) -> Result<Command> {
    let tools = target()?.join("tools");
    let program = tools.join("bin/cargo-fuzz");
    if !program.exists() {
        println!("installing cargo-fuzz {CARGO_FUZZ} into {}", tools.display());
        let mut install = cargo(&["install", "--locked", "cargo-fuzz", "--version", CARGO_FUZZ, "--root"]);
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
