//! `cargo xtask test`.

use std::env;

use anyhow::Result;

use crate::build;
use crate::run::{cargo, must};

/// Names a folder with real configuration spaces, one or more functions a file, as `lspci -xxxx` prints them.
const DUMPS: &str = "RESEAT_DUMPS";

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only tests with this in their name.
    filter: Option<String>,
}

impl Arguments {
    pub(crate) fn all() -> Self {
        Self { filter: None }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (_bed, dist, fake_gpu) = build::stage_parts()?;
    let filter = arguments.filter.as_deref();
    let mut all = cargo(&["test", "--workspace", "--no-fail-fast"]);
    all.env("RESEAT_DIST", dist).env("RESEAT_FAKE_GPU", fake_gpu);
    must(all.args(filter))?;
    if env::var_os(DUMPS).is_some() {
        println!("\nreal configuration spaces:");
        let mut dumps = cargo(&["test", "--package", "reseat-core", "--test", "config_space", "--"]);
        must(dumps.arg("--ignored").args(filter))
    } else {
        println!("\n{DUMPS} is not set: the tests on a collection of real configuration spaces were not run");
        Ok(())
    }
}
