//! The only display of a machine, with the picture that the firmware left, beside a GPU that shows nothing.

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Running, Scene, Stage};
use serde_json::Value;

/// Where QEMU's VGA stands.
const VGA: &str = "0000:00:10";
const FORCE: &str = "[[claim]]\\nselect = \"1234:1111\"\\nforce-display = true\\n";

pub(crate) fn is_refused_unless_forced(stage: &Stage) -> Result<()> {
    let image = stage.image_without_drivers(Rules::None, [])?;
    let mut gpu = BoardDesign::new(Vendor::Nvidia, 1);
    // A 3D controller has no outputs.
    gpu.classes = vec!["0=030200".parse()?];
    let running = Scene::new(stage, "only-display", image)
        .gpu(gpu)
        .arguments(&["-device", "VGA,addr=10.0"])
        // 1024x768, which the firmware sets up and hands over.
        .firmware_boots()
        .append("vga=0x317 reseat.claim=gpu")
        .boot()?;

    // The boot: it stays, and the GPU is claimed all the same.
    let refused = running.line(&format!("reseat: {VGA}: refused: it is the only display"))?;
    ensure!(
        refused
            .text
            .contains("vesa-framebuffer.0 on driver vesa-framebuffer) is in the memory of 0000:00:10.0"),
        "{refused:?}"
    );
    running.check_claimed("0000:01:00.0")?;
    ensure!(
        framebuffers(&running)?.contains("VESA VGA"),
        "nothing is shown: this boot proves nothing"
    );
    ensure!(driver(&running)? == "-", "somebody has the display");
    let checked = running.shell("reseat rules check || echo status $?")?;
    ensure!(
        checked.contains(&format!("{VGA}: refused: it is the only display")) && checked.contains("status 1"),
        "{checked}"
    );

    // By force: the framebuffer lets go, and vfio-pci has it.
    let forced = running.shell(&format!(
        "printf '{FORCE}' > /run/force.toml; reseat-claim --rules /run/force.toml --report /run/forced.json > /dev/null; \
         cat /run/forced.json"
    ))?;
    let report: Value = serde_json::from_str(&forced).with_context(|| forced.clone())?;
    let gpus = report["gpus"].as_array().context("no GPUs")?;
    let display = gpus.iter().find(|gpu| gpu["device"] == VGA).context("no display")?;
    let shown = display["display"][0].as_str().unwrap_or_default();
    ensure!(
        display["verdict"] == "claimed" && shown.contains("vesa-framebuffer.0"),
        "{report:#}"
    );
    ensure!(driver(&running)? == "vfio-pci", "the display is not on vfio-pci");
    ensure!(
        framebuffers(&running)?.trim().is_empty(),
        "somebody still draws in its memory"
    );
    Ok(())
}

fn framebuffers(running: &Running) -> Result<String> {
    running.shell("cat /proc/fb")
}

fn driver(running: &Running) -> Result<String> {
    let drivers = running.drivers(VGA)?;
    drivers.get("0000:00:10.0").cloned().context("the display is gone")
}
