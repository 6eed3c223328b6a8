//! What matters of a kernel, on each but the default one: one boot, in which GPUs are claimed before the drivers that are after
//! them, recovered, and claimed again when they are back from a power cycle.

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::now;
use reseat_scenarios::contract::{gpu_in, verdict};
use reseat_scenarios::{Rules, Running, Scene, Shared, Stage};
use reseat_vm::artifacts::Kernel;

use crate::boot_claim::{touched, touched_since, wait_for};
use crate::{hot, recover};

/// The first ones as `recovery` has them; then the one that nobody claims, and one of Intel's.
const FREE: usize = 4;
const INTEL: usize = 5;

/// What comes to a GPU on 6.12.
const ON_6_12: [&str; 4] = ["nouveau", "xe", "snd_hda_intel", "xhci_pci"];
/// And on the newest, where a fake does for no more.
const ON_THE_NEWEST: [&str; 3] = ["nouveau", "snd_hda_intel", "xhci_pci"];

pub(crate) const TRIXIE: Shared<Stage, Running> = Shared {
    boot: |stage| boot(&stage.with_kernel(Kernel::Trixie), "matrix-6.12", &ON_6_12),
    heal: Running::heal,
};

pub(crate) const NEWEST: Shared<Stage, Running> = Shared {
    boot: |stage| {
        boot(
            &stage.with_kernel(Kernel::TrixieBackports),
            "matrix-newest",
            &ON_THE_NEWEST,
        )
    },
    heal: Running::heal,
};

fn boot(stage: &Stage, name: &str, drivers: &[&str]) -> Result<Running> {
    let image = stage.image_with_modules(drivers, Rules::None, [])?;
    // A Lunar Lake, which xe has and i915 has not. Of one with memory of its own xe waits a minute for that to be ready.
    let mut intel = BoardDesign::new(Vendor::Nvidia, 1);
    intel.identities.push("0=8086:64a0".parse()?);
    let board = |functions| BoardDesign::new(Vendor::Nvidia, functions);
    let running = Scene::new(stage, name, image)
        .traced()
        .gpu(board(2))
        .gpu(board(4))
        .gpu(board(1))
        .gpu(BoardDesign::new(Vendor::Amd, 2))
        .gpu(board(2))
        .gpu(intel)
        .on_the_root(stage.udev()?)
        .append("reseat.claim=gpu reseat.not=0000:05:00.0")
        .boot()?;
    running.remember()?;
    Ok(running)
}

/// No driver in the image has touched a GPU that was chosen, and the one that was not has its driver.
fn claimed_before(running: &Running, drivers: &[&str]) -> Result<()> {
    let report = running.report()?;
    ensure!(verdict(&report) == "claimed", "{report:#}");
    let free = running.gpu(FREE)?;
    for gpu in running.gpus.iter().filter(|gpu| gpu.device != free.device) {
        ensure!(verdict(gpu_in(&report, &gpu.device)?) == "claimed", "{report:#}");
        for function in 0..gpu.functions() {
            running.check_claimed(&gpu.function(function))?;
        }
    }
    wait_for(running, drivers)?;
    let mut touched = touched(running)?;
    ensure!(touched.remove(&free.function(0)), "{touched:?}");
    touched.remove(&free.function(1));
    ensure!(touched.is_empty(), "{touched:?} were touched");
    Ok(())
}

pub(crate) fn on_6_12_claimed_before_nouveau_and_xe(running: &Running) -> Result<()> {
    claimed_before(running, &ON_6_12)
}

pub(crate) fn on_the_newest_claimed_before_nouveau(running: &Running) -> Result<()> {
    claimed_before(running, &ON_THE_NEWEST)
}

/// The negative: found again when nobody claims them, those drivers have them.
pub(crate) fn on_6_12_without_the_claim_they_have_both(running: &Running) -> Result<()> {
    let begin = now();
    for index in [0, INTEL] {
        running.find(running.gpu(index)?)?;
    }
    let touched = touched_since(running, begin)?;
    for index in [0, INTEL] {
        let function = running.gpu(index)?.function(0);
        ensure!(touched.contains(&function), "{function} was not touched: {touched:?}");
    }
    let intel = running.gpu(INTEL)?.function(0);
    running.new_line(&format!("xe {intel}: ")).map(drop)
}

pub(crate) fn on_6_12_recovered(running: &Running) -> Result<()> {
    recovered(running)
}

pub(crate) fn on_the_newest_recovered(running: &Running) -> Result<()> {
    recovered(running)
}

fn recovered(running: &Running) -> Result<()> {
    let claimed: Vec<&str> = running.gpus.iter().take(FREE).map(|gpu| gpu.device.as_str()).collect();
    running.shell(&format!("reseat baseline save {}", claimed.join(" ")))?;
    recover::table(running)
}

pub(crate) fn on_6_12_back_from_a_power_cycle(running: &Running) -> Result<()> {
    back_from_a_power_cycle(running)
}

pub(crate) fn on_the_newest_back_from_a_power_cycle(running: &Running) -> Result<()> {
    back_from_a_power_cycle(running)
}

fn back_from_a_power_cycle(running: &Running) -> Result<()> {
    hot::play(running, running.gpu(0)?, running.gpu(FREE)?).context("a power cycle")
}
