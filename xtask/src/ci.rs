//! `cargo xtask ci`: everything that a change has to pass.

use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use reseat_vm::artifacts::{Bed, Part};
use reseat_vm::progress::Progress;

use crate::run::{cargo, must, target, top};
use crate::{aarch64, dependencies, fuzz, panic_free, size, test};

const FUZZ: &str = "fuzz/Cargo.toml";
/// Workspaces of their own, which cargo's commands on the workspace pass over.
const APART: [&str; 3] = [FUZZ, "tests/panic-free/Cargo.toml", "tests/peers/Cargo.toml"];

pub(crate) fn run() -> Result<()> {
    // What this machine lacks is installed before anything else may install something.
    Bed::check_host(&Part::ALL)?;
    // The bed comes over the network while the checks have the processor; the tests, which come last, want it.
    let bed = thread::spawn(|| Bed::prepare(&Part::ALL, &Progress::lines()));
    checks()?;
    let bed = bed.join().map_err(|_| anyhow!("fetching the test bed panicked"))?;
    bed.context("cannot fetch the test bed")?;
    step("tests", || test::run(&test::Arguments::all()))
}

/// All that needs no machine.
fn checks() -> Result<()> {
    step("format", || {
        must(&mut cargo(&["fmt", "--all", "--check"]))?;
        APART.iter().try_for_each(|manifest| {
            let mut format = cargo(&["fmt", "--check", "--manifest-path"]);
            must(format.arg(top().join(manifest)))
        })
    })?;
    step("dependencies", dependencies::check)?;
    step("lints", || {
        must(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-Dwarnings",
        ]))?;
        // The boot claim is built without the operator's modules.
        must(&mut cargo(&[
            "clippy",
            "--package",
            "reseat",
            "--no-default-features",
            "--all-targets",
            "--",
            "-Dwarnings",
        ]))?;
        // A folder of its own, since it would build into the sources.
        let mut fuzz = cargo(&["clippy", "--manifest-path", FUZZ, "--target-dir"]);
        fuzz.arg(target()?.join("fuzz-lints"));
        must(fuzz.args(["--", "-Dwarnings"]))
    })?;
    step("documentation", || {
        let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
        must(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
    })?;
    step("core's features", || {
        must(&mut cargo(&["check", "--package", "reseat-core"]))?;
        must(&mut cargo(&[
            "clippy",
            "--package",
            "reseat-core",
            "--all-features",
            "--",
            "-Dwarnings",
        ]))
    })?;
    step("no panic in core", panic_free::run)?;
    step("size of the boot claim", size::run)?;
    step("aarch64", aarch64::run)?;
    step("fuzz targets", || fuzz::run(&fuzz::Arguments::smoke()))
}

fn step(name: &str, action: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n=== {name}");
    let begin = Instant::now();
    action()?;
    println!("=== {name}: {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}
