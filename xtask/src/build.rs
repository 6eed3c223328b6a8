//! What the tests and the demo need built.

use std::path::PathBuf;
use std::thread;

use anyhow::{Result, anyhow};
use reseat_scenarios::Stage;
use reseat_vm::artifacts::{Bed, Kernel, Part};
use reseat_vm::progress::Progress;

use crate::dist::{dist, plain};
use crate::run::{build, built, cargo};

/// The programs that are laid out.
#[derive(Clone, Copy)]
pub(crate) enum Programs {
    /// Those that are shipped, with the small `reseat-claim` where there is a compiler for it.
    Shipped,
    /// Those that the toolchain which runs this builds.
    Plain,
}

/// Everything that a story needs: the bed fetched and the programs built. Fetching waits for the network, building for the
/// processor: together they take as long as the longer one.
pub(crate) fn stage_parts(parts: &[Part], programs: Programs) -> Result<(Bed, PathBuf, PathBuf)> {
    // What this machine lacks is said before it has built for minutes.
    Bed::check_host(parts)?;
    let (bed, built) = thread::scope(|scope| {
        // Lines: cargo draws its own bar on the same terminal.
        let bed = scope.spawn(|| Bed::prepare(parts, &Progress::lines()));
        let tree = match programs {
            Programs::Shipped => dist().map(|dist| dist.tree),
            Programs::Plain => plain(),
        };
        let built = tree.and_then(|tree| Ok((tree, fake_gpu()?)));
        (bed.join(), built)
    });
    let (dist, fake_gpu) = built?;
    let bed = bed.map_err(|_| anyhow!("fetching the test bed panicked"))??;
    Ok((bed, dist, fake_gpu))
}

/// A stage from these parts, with one kernel.
pub(crate) fn stage(programs: Programs) -> Result<Stage> {
    stage_with(&[Part::Kernel(Kernel::Bookworm)], programs)
}

/// A stage from these parts, with what else the bed is to have.
pub(crate) fn stage_with(parts: &[Part], programs: Programs) -> Result<Stage> {
    let (bed, dist, fake_gpu) = stage_parts(parts, programs)?;
    Ok(Stage::new(bed, dist, fake_gpu))
}

/// Builds the fake GPU's program.
fn fake_gpu() -> Result<PathBuf> {
    let programs = build(&mut cargo(&["build", "--package", "fake-gpu"]))?;
    Ok(built(&programs, "fake-gpu")?.to_owned())
}
