//! `reseat.dry-run` says what would be claimed and touches nothing.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Scene, Stage};

pub(crate) fn says_and_does_not(stage: &Stage) -> Result<()> {
    let image = stage.image(Rules::None, [])?;
    let running = Scene::new(stage, "dry-run", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=gpu reseat.dry-run")
        .boot()?;
    running.line("reseat: 0000:01:00: would claim 2 functions")?;
    let report = running.report()?;
    ensure!(report["verdict"] == "dry-run", "{report:#}");
    ensure!(
        running.attribute("0000:01:00.0", "driver_override")? == "(null)",
        "an override was written"
    );
    ensure!(
        running.shell("lsmod | grep -c vfio_pci || true")?.trim() == "0",
        "vfio-pci was loaded"
    );
    Ok(())
}
