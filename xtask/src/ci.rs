//! `cargo xtask ci`: everything that a change has to pass.

use std::time::Instant;

use anyhow::Result;

use crate::run::{cargo, must};
use crate::{dependencies, fuzz, panic_free, test};

pub(crate) fn run() -> Result<()> {
    step("format", || must(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("dependencies", dependencies::check)?;
    step("lints", || {
        must(&mut cargo(&[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-Dwarnings",
        ]))
    })?;
    step("documentation", || {
        let mut doc = cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
        must(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
    })?;
    step("core's features", || {
        must(&mut cargo(&["check", "--quiet", "--package", "reseat-core"]))?;
        must(&mut cargo(&[
            "clippy",
            "--quiet",
            "--package",
            "reseat-core",
            "--all-features",
            "--",
            "-Dwarnings",
        ]))
    })?;
    step("no panic in core", panic_free::run)?;
    step("fuzz targets", || fuzz::run(&fuzz::Arguments::smoke()))?;
    step("tests", || test::run(&test::Arguments::all()))
}

fn step(name: &str, action: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n=== {name}");
    let begin = Instant::now();
    action()?;
    println!("=== {name}: {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}
