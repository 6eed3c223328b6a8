//! A GPU is all its functions: audio, USB and UCSI beside it are claimed with it.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Scene, Stage};

pub(crate) fn all_are_claimed(stage: &Stage) -> Result<()> {
    let image = stage.image(Rules::None, [])?;
    let running = Scene::new(stage, "four-functions", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 4))
        // The rule names the audio function: it stands for the whole GPU.
        .append("reseat.claim=0000:01:00.1")
        .boot()?;
    for function in 0..4 {
        running.check_claimed(&format!("0000:01:00.{function}"))?;
    }
    let report = running.report()?;
    let functions = report["gpus"][0]["functions"].as_array().map(Vec::len);
    ensure!(functions == Some(4), "{report:#}");
    Ok(())
}

pub(crate) fn amd_with_audio(stage: &Stage) -> Result<()> {
    let image = stage.image(Rules::None, [])?;
    let running = Scene::new(stage, "amd", image)
        .gpu(BoardDesign::new(Vendor::Amd, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=1002:73ef")
        .boot()?;
    for function in ["0000:01:00.0", "0000:01:00.1"] {
        running.check_claimed(function)?;
    }
    let other = running.drivers("0000:02:00")?;
    ensure!(other.values().all(|driver| driver != "vfio-pci"), "{other:?}");
    Ok(())
}
