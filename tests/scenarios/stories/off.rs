//! `reseat=off` wins over every rule.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Scene, Stage};

pub(crate) fn nothing_is_touched(stage: &Stage) -> Result<()> {
    let image = stage.image(Rules::None, [])?;
    let running = Scene::new(stage, "off", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=gpu reseat=off")
        .boot()?;
    let report = running.report()?;
    ensure!(report["verdict"] == "off", "{report:#}");
    for function in ["0000:01:00.0", "0000:01:00.1"] {
        ensure!(
            running.attribute(function, "driver_override")? == "(null)",
            "{function} has an override"
        );
    }
    ensure!(
        running.shell("lsmod | grep -c vfio_pci || true")?.trim() == "0",
        "vfio-pci was loaded"
    );
    Ok(())
}
