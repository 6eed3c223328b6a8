//! Every driver that is after a GPU's functions, in one image for udev to load: with the claim none of them ever touches a
//! function, without it all of them do.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::device_accesses;
use reseat_scenarios::{Rules, Running, Scene, Stage};
use reseat_vm::artifacts::Kernel;

/// For NVIDIA, AMD and Intel, QEMU's own display, and the functions beside a GPU.
const DRIVERS: [&str; 6] = ["nouveau", "amdgpu", "i915", "bochs", "snd_hda_intel", "xhci_pci"];

/// QEMU's display behind a port of its own, after those of the GPUs.
const BOCHS: [&str; 4] = [
    "-device",
    "pcie-root-port,id=bochsport,bus=pcie.0,addr=0a.0,chassis=10,slot=10",
    "-device",
    "bochs-display,bus=bochsport",
];

fn boot(stage: &Stage, name: &str, append: &str) -> Result<Running> {
    let image = stage.image_with_modules(&DRIVERS, Rules::None, [])?;
    // One that i915 knows and soon gives up: the graphics of Q35, whose memory it looks for elsewhere.
    Scene::new(stage, name, image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 4))
        .gpu(BoardDesign::new(Vendor::Amd, 2))
        .gpu(intel("29b2")?)
        .arguments(&BOCHS)
        .append(append)
        .boot()
}

/// What comes to a GPU on 6.12; the others are 6.1's.
const ON_6_12: [&str; 2] = ["nouveau", "xe"];

/// On 6.12: a Lunar Lake beside NVIDIA's, which xe has and i915 has not. Of one with memory of its own xe waits a minute for
/// that to be ready.
fn boot_with_xe(stage: &Stage, name: &str, append: &str) -> Result<Running> {
    let stage = stage.with_kernel(Kernel::Trixie);
    let image = stage.image_with_modules(&ON_6_12, Rules::None, [])?;
    Scene::new(&stage, name, image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 1))
        .gpu(intel("64a0")?)
        .append(append)
        .boot()
}

/// A board whose registers are nobody's.
fn intel(device: &str) -> Result<BoardDesign> {
    let mut intel = BoardDesign::new(Vendor::Nvidia, 1);
    intel.identities.push(format!("0=8086:{device}").parse()?);
    Ok(intel)
}

/// Loading the largest of them takes longer than the boot waits.
const LOADED: Duration = Duration::from_secs(120);

/// Waits until every driver has looked for its functions.
fn wait_for(running: &Running, drivers: &[&str]) -> Result<()> {
    let each = drivers.join(" ");
    let script =
        format!("for m in {each}; do until grep -q live /sys/module/$m/initstate; do usleep 200000; done; done");
    let loaded = running.run(&script, LOADED)?;
    ensure!(loaded.status == 0, "{loaded:?}");
    Ok(())
}

/// The functions of which something else than configuration space was touched since the kernel had started the first
/// program. Before, the kernel itself takes USB controllers from the firmware.
fn touched(running: &Running) -> Result<BTreeSet<String>> {
    let init = running.line("Run /init as init process")?.at;
    let mut touched = BTreeSet::new();
    for gpu in &running.gpus {
        let accesses = device_accesses(&gpu.fake)?.into_iter();
        let accesses = accesses.filter(|(_, at, _)| *at > init);
        touched.extend(accesses.map(|(function, ..)| gpu.function(function)));
    }
    Ok(touched)
}

pub(crate) fn none_is_faster_than_the_claim(stage: &Stage) -> Result<()> {
    let running = boot(stage, "rivals", "reseat.claim=gpu")?;
    let report = running.report()?;
    ensure!(report["verdict"] == "claimed", "{report:#}");
    for gpu in &running.gpus {
        for function in 0..gpu.functions() {
            running.check_claimed(&gpu.function(function))?;
        }
    }
    wait_for(&running, &DRIVERS)?;
    let touched = touched(&running)?;
    ensure!(touched.is_empty(), "{touched:?} were touched");
    ensure!(running.line("amdgpu_pci_probe").is_err(), "amdgpu had a function");
    let drivers = running.drivers("0000:04:00")?;
    ensure!(drivers.values().all(|driver| driver == "vfio-pci"), "{drivers:?}");
    Ok(())
}

/// The negative: the same boot without the claim.
pub(crate) fn without_reseat_they_have_all(stage: &Stage) -> Result<()> {
    let running = boot(stage, "rivals-off", "reseat=off")?;
    wait_for(&running, &DRIVERS)?;
    let touched = touched(&running)?;
    for function in [
        "0000:01:00.0",
        "0000:01:00.1",
        "0000:01:00.2",
        "0000:02:00.1",
        "0000:03:00.0",
    ] {
        ensure!(touched.contains(function), "{function} was not touched: {touched:?}");
    }
    // Debian's amdgpu has the function, and gives up before it touches it where there is no firmware for it.
    running.line("amdgpu_pci_probe [amdgpu]] *ERROR* amdgpu requires firmware installed")?;
    let drivers = running.drivers("0000:04:00")?;
    let display = drivers.values().next().context("there is no display")?;
    ensure!(display.contains("bochs"), "{drivers:?}");
    Ok(())
}

pub(crate) fn on_6_12_xe_is_not_faster_either(stage: &Stage) -> Result<()> {
    let running = boot_with_xe(stage, "rivals-xe", "reseat.claim=gpu")?;
    let report = running.report()?;
    ensure!(report["verdict"] == "claimed", "{report:#}");
    for gpu in &running.gpus {
        running.check_claimed(&gpu.function(0))?;
    }
    wait_for(&running, &ON_6_12)?;
    let touched = touched(&running)?;
    ensure!(touched.is_empty(), "{touched:?} were touched");
    Ok(())
}

/// The negative: the same boot without the claim.
pub(crate) fn on_6_12_without_reseat_they_have_all(stage: &Stage) -> Result<()> {
    let running = boot_with_xe(stage, "rivals-xe-off", "reseat=off")?;
    wait_for(&running, &ON_6_12)?;
    let touched = touched(&running)?;
    for function in ["0000:01:00.0", "0000:02:00.0"] {
        ensure!(touched.contains(function), "{function} was not touched: {touched:?}");
    }
    running.line("xe 0000:02:00.0: ")?;
    Ok(())
}
