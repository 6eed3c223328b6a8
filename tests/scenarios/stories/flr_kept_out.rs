//! A GPU that FLR takes off the bus: the kernel would fire one whenever a VM opens or closes it.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use fake_gpu::log::{Event, Record};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::now;
use reseat_scenarios::{Gpu, Rules, Running, Scene, Stage, faults};
use reseat_vm::vfio_user::vfio_user;

use crate::recover::{FLR, SBR};

/// An open that resets nothing, and a close that resets the bus.
const SOON: Duration = Duration::from_secs(60);

/// After a recovery, after a claim of what was found again, and after a boot, a VFIO user opens and closes it, and it lives. With
/// the kernel's own list the same open kills it.
pub(crate) fn a_vfio_user_opens_it_and_it_lives(stage: &Stage) -> Result<()> {
    let running = boot(stage)?;
    let gpu = running.gpu(0)?;
    let recovery = running.recover(gpu, &faults::FLR_KILLS, "--prefer flr")?;
    ensure!(
        recovery.status == 0 && recovery.rungs() == [FLR, SBR],
        "{}",
        recovery.told()
    );
    ensure!(recovery.says("FLR is kept out of reset_method"), "{}", recovery.told());
    check_it_lives(&running, gpu)?;

    running.find(gpu)?;
    running.shell(&format!("grep -q flr {}", methods(gpu)))?;
    running.shell(&format!("reseat claim --function {}", gpu.function(0)))?;
    check_it_lives(&running, gpu)?;

    // As a boot leaves it, whose claim has no history.
    running.shell(&choose_default(gpu))?;
    running.shell("reseat keep-flr-out")?;
    check_it_lives(&running, gpu)?;

    running.shell(&choose_default(gpu))?;
    check_it_dies(&running, gpu)
}

fn boot(stage: &Stage) -> Result<Running> {
    let image = stage.image_without_drivers(Rules::None, [])?;
    let running = Scene::new(stage, "flr-kept-out", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .on_the_root([vfio_user()?])
        .append("reseat.claim=gpu")
        .boot()?;
    running.save_baselines()?;
    Ok(running)
}

fn methods(gpu: &Gpu) -> String {
    format!("/sys/bus/pci/devices/{}/reset_method", gpu.function(0))
}

fn choose_default(gpu: &Gpu) -> String {
    format!("echo default >{0} && grep -q flr {0}", methods(gpu))
}

fn open(running: &Running, gpu: &Gpu) -> Result<String> {
    let function = gpu.function(0);
    let group = running.shell(&format!(
        "basename $(readlink /sys/bus/pci/devices/{function}/iommu_group)"
    ))?;
    Ok(format!("vfio-user {} {function}", group.trim()))
}

fn check_it_lives(running: &Running, gpu: &Gpu) -> Result<()> {
    running.shell(&format!("! grep -q flr {}", methods(gpu)))?;
    let begin = now();
    let opened = running.run(&open(running, gpu)?, SOON)?;
    ensure!(opened.status == 0, "{opened:?}");
    ensure!(flrs(gpu, begin)? == 0, "an FLR was fired");
    ensure!(gpu.is_well()?, "{:?}", gpu.truth()?);
    Ok(())
}

/// The kernel needs minutes to give it up, which nobody has to wait for.
fn check_it_dies(running: &Running, gpu: &Gpu) -> Result<()> {
    let begin = now();
    let _job = running.start(&open(running, gpu)?)?;
    while flrs(gpu, begin)? == 0 {
        ensure!(now().saturating_sub(begin) < SOON, "no FLR was fired");
        thread::sleep(Duration::from_millis(200));
    }
    ensure!(!gpu.is_well()?, "it survived: {:?}", gpu.truth()?);
    Ok(())
}

fn flrs(gpu: &Gpu, since: Duration) -> Result<usize> {
    let entries = gpu.fake.entries()?.into_iter().filter(|entry| entry.at.0 >= since);
    Ok(entries
        .filter(|entry| matches!(entry.record, Record::Event(Event::Flr)))
        .count())
}
