//! The boot's claim among every driver that is after a GPU's functions: all of them are in one image for udev to load. With the
//! claim none of them ever touches a function of a chosen GPU, without it all of them do.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::device_accesses;
use reseat_scenarios::contract::{gpu_in, schema, verdict};
use reseat_scenarios::{Rules, Running, Scene, Shared, Stage};

/// For NVIDIA, AMD and Intel, QEMU's own display, and the functions beside a GPU.
const DRIVERS: [&str; 6] = ["nouveau", "amdgpu", "i915", "bochs", "snd_hda_intel", "xhci_pci"];

/// One of two identical ones.
const RULES: &str = "[[claim]]\nselect = \"0000:04:00.0@10de:2489\"\n";

/// The other rules. The first names the audio function: it stands for the whole GPU. The last two are for a GPU that another
/// stands in place of, and for one that is not there.
const COMMAND_LINE: &str =
    "reseat.claim=0000:01:00.1,1002:73ef,8086:29b2,0000:06:00.0,0000:05:00.0@10de:1eb8,0000:0f:00.0";

/// QEMU's display behind a port of its own, after those of the GPUs.
const BOCHS: [&str; 4] = [
    "-device",
    "pcie-root-port,id=bochsport,bus=pcie.0,addr=0a.0,chassis=10,slot=10",
    "-device",
    "bochs-display,bus=bochsport",
];
const DISPLAY: &str = "0000:06:00";

/// One of NVIDIA's with all functions, AMD's, Intel's, and two identical ones.
const FOUR_FUNCTIONS: usize = 0;
const AMD: usize = 1;
const CHOSEN: usize = 3;
const FREE: usize = 4;

/// With the claim.
pub(crate) const CLAIMED: Shared<Stage, Running> = Shared {
    boot: |stage| boot(stage, "claimed", COMMAND_LINE),
    heal: |_| Ok(()),
};

/// The same machine without it.
pub(crate) const UNCLAIMED: Shared<Stage, Running> = Shared {
    boot: |stage| boot(stage, "unclaimed", "reseat=off"),
    heal: |_| Ok(()),
};

fn boot(stage: &Stage, name: &str, append: &str) -> Result<Running> {
    let image = stage.image_with_modules(&DRIVERS, Rules::File(RULES), [])?;
    // One that i915 knows and soon gives up: the graphics of Q35, whose memory it looks for elsewhere.
    let mut intel = BoardDesign::new(Vendor::Nvidia, 1);
    intel.identities.push("0=8086:29b2".parse()?);
    Scene::new(stage, name, image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 4))
        .gpu(BoardDesign::new(Vendor::Amd, 2))
        .gpu(intel)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .arguments(&BOCHS)
        .append(append)
        .boot()
}

/// The chosen one is on vfio-pci before nouveau, which is in the same initramfs and takes the other.
pub(crate) fn one_of_twins_is_claimed_and_nouveau_has_the_other(running: &Running) -> Result<()> {
    let report = running.report()?;
    let (gpu, twin) = (running.gpu(CHOSEN)?, running.gpu(FREE)?);
    ensure!(
        report["schema"] == schema::CLAIM && verdict(gpu_in(&report, &gpu.device)?) == "claimed",
        "{report:#}"
    );
    check_claimed(running, CHOSEN)?;

    // The access log is the witness: nobody touched anything but configuration space of the claimed one, at any time,
    // since vfio-pci itself does so only for a user; and nouveau did read the other's BAR0.
    let claimed = device_accesses(&gpu.fake)?;
    ensure!(claimed.is_empty(), "the claimed GPU was touched: {claimed:?}");
    let first = running.first_driver_read(FREE)?;
    let claim = running.line(&format!("reseat: {}: ", gpu.device))?;
    ensure!(
        claim.at < first,
        "nouveau was at work before the claim: {:?}, claim at {:?}",
        first,
        claim.at
    );
    running.line(&format!("nouveau {}", twin.function(0)))?;

    let drivers = running.drivers(&twin.device)?;
    ensure!(
        drivers.values().all(|driver| driver != "vfio-pci"),
        "the twin was claimed: {drivers:?}"
    );
    // nouveau ends its probe of a fake with an error; the audio driver has no such trouble.
    let audio = drivers.get(&twin.function(1)).map(String::as_str);
    ensure!(audio == Some("snd_hda_intel"), "{drivers:?}");
    ensure!(
        running.attribute(&twin.function(0), "driver_override")? == "(null)",
        "the twin has an override"
    );

    let shown = running.shell("reseat report; reseat inventory")?;
    ensure!(shown.contains("on vfio-pci, in D0 and pinned"), "{shown}");
    Ok(())
}

/// A GPU is all its functions: audio, USB and UCSI beside it are claimed with it.
pub(crate) fn all_functions_are_claimed(running: &Running) -> Result<()> {
    check_claimed(running, FOUR_FUNCTIONS)?;
    let report = running.report()?;
    let functions = gpu_in(&report, "0000:01:00")?["functions"].as_array().map(Vec::len);
    ensure!(functions == Some(4), "{report:#}");
    Ok(())
}

pub(crate) fn amd_with_audio_is_claimed(running: &Running) -> Result<()> {
    check_claimed(running, AMD)
}

/// A rule with an identity guard, where something else stands at the address, and one for an address where nothing does: they
/// are named, and chosen is nothing.
pub(crate) fn a_mismatch_refuses(running: &Running) -> Result<()> {
    running.line("0000:05:00.0 is 10de:2489, not 10de:1eb8: not claimed")?;
    running.line("no function at 0000:0f:00.0")?;
    let report = running.report()?;
    ensure!(verdict(&report) == "incomplete", "{report:#}");
    let device = &running.gpu(FREE)?.device;
    ensure!(gpu_in(&report, device).is_err(), "{report:#}");
    Ok(())
}

pub(crate) fn no_rival_is_faster(running: &Running) -> Result<()> {
    let report = running.report()?;
    let chosen = running.gpus.iter().take(FREE);
    for (index, gpu) in chosen.enumerate() {
        ensure!(verdict(gpu_in(&report, &gpu.device)?) == "claimed", "{report:#}");
        check_claimed(running, index)?;
    }
    wait_for(running, &DRIVERS)?;
    let mut touched = touched(running)?;
    // That they are at work is seen of what they may have.
    let free = running.gpu(FREE)?;
    ensure!(touched.remove(&free.function(0)), "{touched:?}");
    touched.remove(&free.function(1));
    ensure!(touched.is_empty(), "{touched:?} were touched");
    ensure!(running.line("amdgpu_pci_probe").is_err(), "amdgpu had a function");
    let drivers = running.drivers(DISPLAY)?;
    ensure!(drivers.values().all(|driver| driver == "vfio-pci"), "{drivers:?}");
    Ok(())
}

/// The negative: the same boot without the claim shows that nouveau would have had both, and that the log sees it.
pub(crate) fn without_it_nouveau_has_both_twins(running: &Running) -> Result<()> {
    for gpu in [CHOSEN, FREE] {
        running.first_driver_read(gpu)?;
    }
    Ok(())
}

/// The negative for all the others.
pub(crate) fn without_it_the_rivals_have_all(running: &Running) -> Result<()> {
    wait_for(running, &DRIVERS)?;
    let touched = touched(running)?;
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
    let drivers = running.drivers(DISPLAY)?;
    let display = drivers.values().next().context("there is no display")?;
    ensure!(display.contains("bochs"), "{drivers:?}");
    Ok(())
}

fn check_claimed(running: &Running, index: usize) -> Result<()> {
    let gpu = running.gpu(index)?;
    (0..gpu.functions()).try_for_each(|function| running.check_claimed(&gpu.function(function)))
}

/// Loading the largest of them takes longer than the boot waits.
const LOADED: Duration = Duration::from_secs(120);

/// Waits until every driver has looked for its functions.
pub(crate) fn wait_for(running: &Running, drivers: &[&str]) -> Result<()> {
    let each = drivers.join(" ");
    let script =
        format!("for m in {each}; do until grep -q live /sys/module/$m/initstate; do usleep 200000; done; done");
    let loaded = running.run(&script, LOADED)?;
    ensure!(loaded.status == 0, "{loaded:?}");
    Ok(())
}

/// The functions of which something else than configuration space was touched since the kernel had started the first
/// program. Before, the kernel itself takes USB controllers from the firmware.
pub(crate) fn touched(running: &Running) -> Result<BTreeSet<String>> {
    let init = running.line("Run /init as init process")?.at;
    touched_since(running, init)
}

/// As [`touched`], since a moment.
pub(crate) fn touched_since(running: &Running, begin: Duration) -> Result<BTreeSet<String>> {
    let mut touched = BTreeSet::new();
    for gpu in &running.gpus {
        let accesses = device_accesses(&gpu.fake)?.into_iter();
        let accesses = accesses.filter(|(_, at, _)| *at > begin);
        touched.extend(accesses.map(|(function, ..)| gpu.function(function)));
    }
    Ok(touched)
}
