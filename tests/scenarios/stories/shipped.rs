//! The programs that are shipped: all other stories have a `reseat-claim` that needs no other compiler than the tests do.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Scene, Stage};

/// One of two is claimed by the small `reseat-claim`, before nouveau, which is in the same image.
pub(crate) fn the_small_one_claims(stage: &Stage) -> Result<()> {
    let stage = stage.shipped()?;
    let running = Scene::new(&stage, "shipped", stage.image(Rules::None, [])?)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=0000:01:00.0")
        .boot()?;
    for function in ["0000:01:00.0", "0000:01:00.1"] {
        running.check_claimed(function)?;
    }
    let claim = running.line("reseat: 0000:01:00: ")?;
    ensure!(
        claim.at < running.first_driver_read(1)?,
        "nouveau was at work before the claim"
    );
    Ok(())
}
