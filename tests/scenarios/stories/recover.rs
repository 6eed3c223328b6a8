//! `reseat recover` on a running machine whose GPUs break.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fake_gpu::control::{Command, Fault, Until};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Running, Scene, Stage};

const RULES: &str = "[[claim]]\nselect = \"gpu\"\n";

fn boot(stage: &Stage, name: &str) -> Result<Running> {
    let image = stage.image_without_drivers(Rules::File(RULES), [])?;
    Scene::new(stage, name, image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 1))
        .boot()
}

pub(crate) fn off_the_bus(stage: &Stage) -> Result<()> {
    let running = boot(stage, "recover-off-the-bus")?;
    running.shell("reseat baseline save 0000:01:00 0000:02:00")?;
    running.gpus[0]
        .fake
        .control(&Command::Die(Fault { until: Until::Sbr }))?;
    let begin = Instant::now();
    let told = running.shell("reseat recover 0000:01:00 --json")?;
    let took = begin.elapsed();
    ensure!(took < Duration::from_secs(2), "it took {took:?}: {told}");
    ensure!(told.contains(r#""end":{"Recovered":{"by":"DetachSbr"}}"#), "{told}");
    for function in ["0000:01:00.0", "0000:01:00.1", "0000:02:00.0"] {
        running.check_claimed(function)?;
    }
    Ok(())
}
