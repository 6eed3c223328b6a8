//! `cargo xtask test`.

use std::env;
use std::thread;

use anyhow::{Result, anyhow};

use crate::run::{cargo, must};
use crate::{build, fetch_bed};

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
    // Fetching waits for the network, building for the processor: together they take as long as the longer one.
    let (bed, built) = thread::scope(|scope| {
        let bed = scope.spawn(fetch_bed);
        let built = build::dist().and_then(|dist| Ok((dist, build::fake_gpu()?)));
        (bed.join(), built)
    });
    let (dist, fake_gpu) = built?;
    bed.map_err(|_| anyhow!("fetching the test bed panicked"))??;

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
