//! Two identical GPUs, one chosen by the rules file: it is on vfio-pci before nouveau, which is in the same initramfs
//! and takes the other.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::device_accesses;
use reseat_scenarios::{Rules, Running, Scene, Stage};

const RULES: &str = "[[claim]]\nselect = \"0000:01:00.0@10de:2489\"\n";

fn boot(stage: &Stage, name: &str, append: &str) -> Result<Running> {
    let image = stage.image(Rules::File(RULES), [])?;
    Scene::new(stage, name, image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append(append)
        .boot()
}

pub(crate) fn one_is_claimed_and_nouveau_has_the_other(stage: &Stage) -> Result<()> {
    let running = boot(stage, "twins", "")?;
    let report = running.report()?;
    ensure!(
        report["schema"] == "reseat.claim/1" && report["verdict"] == "claimed",
        "{report:#}"
    );
    for function in ["0000:01:00.0", "0000:01:00.1"] {
        running.check_claimed(function)?;
    }

    // The access log is the witness: nobody touched anything but configuration space of the claimed one, at any time,
    // since vfio-pci itself does so only for a user; and nouveau did read the other's BAR0.
    let claimed = device_accesses(&running.gpus[0].fake)?;
    ensure!(claimed.is_empty(), "the claimed GPU was touched: {claimed:?}");
    let first = running.first_driver_read(1)?;
    let claim = running.line("reseat: 0000:01:00: ")?;
    ensure!(
        claim.at < first,
        "nouveau was at work before the claim: {:?}, claim at {:?}",
        first,
        claim.at
    );
    running.line("nouveau 0000:02:00.0")?;

    let twin = running.drivers("0000:02:00")?;
    ensure!(
        twin.values().all(|driver| driver != "vfio-pci"),
        "the twin was claimed: {twin:?}"
    );
    // nouveau ends its probe of a fake with an error; the audio driver has no such trouble.
    let audio = twin.get("0000:02:00.1").map(String::as_str);
    ensure!(audio == Some("snd_hda_intel"), "{twin:?}");
    ensure!(
        running.attribute("0000:02:00.0", "driver_override")? == "(null)",
        "the twin has an override"
    );

    let shown = running.shell("reseat report && reseat inventory")?;
    ensure!(shown.contains("on vfio-pci, in D0 and pinned"), "{shown}");
    Ok(())
}

/// The negative: the same boot without the claim shows that nouveau would have had both, and that the log sees it.
pub(crate) fn without_reseat_nouveau_has_both(stage: &Stage) -> Result<()> {
    let running = boot(stage, "twins-off", "reseat=off")?;
    for gpu in [0, 1] {
        running.first_driver_read(gpu)?;
    }
    Ok(())
}
