//! A rule with an identity guard, on a machine where something else stands at the address.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Scene, Stage};

pub(crate) fn a_mismatch_refuses(stage: &Stage) -> Result<()> {
    let image = stage.image(Rules::None, [])?;
    let running = Scene::new(stage, "guard", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=0000:01:00.0@10de:1eb8,0000:07:00.0")
        .boot()?;
    running.line("0000:01:00.0 is 10de:2489, not 10de:1eb8: not claimed")?;
    running.line("no function at 0000:07:00.0")?;
    let report = running.report()?;
    ensure!(report["verdict"] == "incomplete", "{report:#}");
    ensure!(report["gpus"].as_array().is_some_and(Vec::is_empty), "{report:#}");
    let drivers = running.drivers("0000:01:00")?;
    ensure!(drivers.values().all(|driver| driver != "vfio-pci"), "{drivers:?}");
    ensure!(
        running.attribute("0000:01:00.0", "driver_override")? == "(null)",
        "an override was left"
    );
    ensure!(
        running.shell("lsmod | grep -c vfio_pci || true")?.trim() == "0",
        "vfio-pci was loaded for nothing"
    );
    Ok(())
}
