//! `cargo xtask fuzz`: cargo-fuzz on every target, with a nightly compiler.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
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

/// A `cargo fuzz` command. cargo-fuzz is installed below target where it is missing.
fn fuzz(arguments: &[&str]) -> Result<Command> {
    let tools = target().join("tools");
    let program = tools.join("bin/cargo-fuzz");
    if !program.exists() {
        println!("installing cargo-fuzz {CARGO_FUZZ} into {}", tools.display());
        let mut install = cargo(&[
            "install",
            "--quiet",
            "--locked",
            "cargo-fuzz",
            "--version",
            CARGO_FUZZ,
            "--root",
        ]);
        must(install.arg(&tools))?;
    }
    let mut command = Command::new(program);
    // It calls cargo and rustc itself; both have to be nightly ones.
    command
        .arg("fuzz")
        .args(arguments)
        .current_dir(top())
        .env("RUSTUP_TOOLCHAIN", "nightly");
    command
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env("PATH", path_of_rustup()?);
    Ok(command)
}

/// The search path without the folder of the toolchain that runs this, which cargo puts in front.
fn path_of_rustup() -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let own = env::var_os("CARGO").map(PathBuf::from);
    let own = own.as_deref().and_then(|cargo| cargo.parent());
    let kept = env::split_paths(&path).filter(|folder| Some(folder.as_path()) != own);
    env::join_paths(kept).context("PATH cannot be put together")
}
