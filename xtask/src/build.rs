//! What the tests and the demo need built, and what is installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow};
use reseat_scenarios::Stage;
use reseat_vm::artifacts::Bed;

use crate::fetch_bed;
use crate::run::{cargo, must, target, top};

/// Static programs need a target of their own, so that build scripts and macros stay dynamic.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const PROFILE: &str = "claim";

/// The programs, and where they are installed.
const PROGRAMS: [(&str, &str); 2] = [("reseat-claim", "usr/sbin/reseat-claim"), ("reseat", "usr/bin/reseat")];

/// The files for initramfs-tools, and where they are installed.
const FILES: [(&str, &str); 2] = [
    (
        "initramfs-tool/initramfs-tools/hooks/reseat",
        "usr/share/initramfs-tools/hooks/reseat",
    ),
    (
        "initramfs-tool/initramfs-tools/scripts/init-top/00reseat",
        "usr/share/initramfs-tools/scripts/init-top/00reseat",
    ),
];

/// Builds the static programs and lays out the tree that is installed.
pub(crate) fn dist() -> Result<PathBuf> {
    let mut build = cargo(&[
        "build",
        "--quiet",
        "--package",
        "reseat",
        "--profile",
        PROFILE,
        "--target",
        TARGET,
    ]);
    must(build.env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
    let dist = target().join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist).with_context(|| format!("cannot remove {}", dist.display()))?;
    }
    let built = target().join(TARGET).join(PROFILE);
    for (program, installed) in PROGRAMS {
        install(&built.join(program), &dist.join(installed))?;
    }
    for (file, installed) in FILES {
        install(&top().join(file), &dist.join(installed))?;
    }
    Ok(dist)
}

fn install(from: &Path, to: &Path) -> Result<()> {
    let copied = to
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::copy(from, to))
        .and_then(|_| fs::set_permissions(to, fs::Permissions::from_mode(0o755)));
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Everything that a story needs: the bed fetched and the programs built. Fetching waits for the network, building for the
/// processor: together they take as long as the longer one.
pub(crate) fn stage_parts() -> Result<(Bed, PathBuf, PathBuf)> {
    let (bed, built) = thread::scope(|scope| {
        let bed = scope.spawn(fetch_bed);
        let built = dist().and_then(|dist| Ok((dist, fake_gpu()?)));
        (bed.join(), built)
    });
    let (dist, fake_gpu) = built?;
    let bed = bed.map_err(|_| anyhow!("fetching the test bed panicked"))??;
    Ok((bed, dist, fake_gpu))
}

/// A stage from these parts.
pub(crate) fn stage() -> Result<Stage> {
    let (bed, dist, fake_gpu) = stage_parts()?;
    Ok(Stage::new(bed, dist, fake_gpu))
}

/// Builds the fake GPU's program.
fn fake_gpu() -> Result<PathBuf> {
    must(&mut cargo(&["build", "--quiet", "--package", "fake-gpu"]))?;
    Ok(target().join("debug/fake-gpu"))
}
