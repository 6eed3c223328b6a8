//! `cargo xtask test`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use reseat_vm::artifacts::{self, DIRECTORY_VARIABLE};

use crate::run::{cargo, must};
use crate::{PARTS, build, dist};

/// Names the folder of the project's own collection of real configuration spaces, one or more functions a file, as
/// `lspci -xxxx` prints them. The tests expect certain files in it: another collection does not do.
pub(crate) const DUMPS: &str = "RESEAT_DUMPS";

/// What no program of the workspace needs yet, and other users of the library do.
const CORE_FEATURES: &str = "reseat-core/snapshot";

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only tests with this in their name.
    filter: Option<String>,
    /// Fail where there is no compiler for aarch64, instead of ignoring the stories that need one.
    #[arg(long)]
    all: bool,
}

impl Arguments {
    pub(crate) fn all() -> Self {
        Self {
            filter: None,
            all: true,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (bed, dist, fake_gpu) = build::stage_parts(&PARTS)?;
    let aarch64 = aarch64(arguments.all)?;
    let filter = arguments.filter.as_deref();
    // Each test runs in its package's folder: only an absolute path is the same place in all of them.
    let directory = std::path::absolute(bed.directory()).context("there is no current folder")?;
    let tests = || {
        let mut tests = cargo(&["test", "--workspace", "--no-fail-fast", "--features", CORE_FEATURES]);
        tests
            .env("RESEAT_DIST", &dist)
            .env("RESEAT_FAKE_GPU", &fake_gpu)
            .env(DIRECTORY_VARIABLE, &directory)
            .env("RESEAT_REQUIRE_STAGE", "1")
            .envs(aarch64.iter().map(|tree| ("RESEAT_DIST_AARCH64", tree)));
        tests
    };
    let all = must(tests().args(filter));

    // Always the whole workspace: for one package, its dependencies would be built again with fewer features.
    let mut prepared = tests();
    println!("\ntests that are ignored where nothing has been prepared for them:");
    prepared.args(["--test", "boot"]);
    if let Some(dumps) = env::var_os(DUMPS) {
        prepared.env(DUMPS, std::path::absolute(dumps)?);
        prepared.args(["--test", "config_space"]);
        if Command::new("lspci").arg("--version").output().is_err() {
            artifacts::install(&["pciutils"], "to compare what we decode with what lspci does")?;
        }
        prepared.args(["--test", "decode_against_lspci"]);
    } else {
        println!("({DUMPS} is not set: not those on the project's collection of real configuration spaces)");
    }
    let prepared = must(prepared.args(["--", "--ignored"]).args(filter));
    all.and(prepared)
}

/// The tree for aarch64; none where there is no compiler for it and it is not required.
fn aarch64(required: bool) -> Result<Option<PathBuf>> {
    match dist::aarch64_compiler() {
        Ok(compiler) => Ok(Some(dist::aarch64_by(&compiler)?)),
        Err(none) if !required => {
            println!("no programs for aarch64, so the stories with them are ignored: {none:#}");
            Ok(None)
        }
        Err(none) => Err(none),
    }
}
