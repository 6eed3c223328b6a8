//! The stage for recoveries: what it shows is true, and a disturbance would be seen.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::{disturbances, now};
use reseat_scenarios::faults::{self, Case};
use reseat_scenarios::recovery_cost;
use reseat_scenarios::{Gpu, Place, Rules, Running, Scene, Stage};

const RULES: &str = "[[claim]]\nselect = \"gpu\"\n";

const SOON: Duration = Duration::from_secs(30);

fn scene<'a>(stage: &'a Stage, name: &'a str) -> Result<Scene<'a>> {
    let image = stage.image_with_modules(&["nvme"], Rules::File(RULES), [])?;
    Ok(Scene::new(stage, name, image).traced())
}

fn board(functions: usize) -> BoardDesign {
    BoardDesign::new(Vendor::Nvidia, functions)
}

fn check_claimed(running: &Running) -> Result<()> {
    for gpu in &running.gpus {
        for function in 0..gpu.functions() {
            running.check_claimed(&gpu.function(function))?;
        }
    }
    Ok(())
}

/// Faults that the kernel's own reset does and does not help against, and the truth of it.
pub(crate) fn the_kernel_calls_a_gpu_well_that_is_not(stage: &Stage) -> Result<()> {
    const EXPECTED: [(Case, bool); 4] = [
        (faults::HEALTHY, true),
        (faults::FLR_IGNORED, false),
        (faults::FLR_HANGS, true),
        (faults::REGISTERS_DEAD, false),
    ];
    let running = scene(stage, "kernel-path")?
        .gpu(board(1))
        .gpu(board(2))
        .gpu(board(4))
        .gpu(board(1))
        .gpu(board(1))
        .boot()?;
    check_claimed(&running)?;
    let bystander = running.gpu(4)?;
    let begin = now();
    for (gpu, (case, well)) in running.gpus.iter().zip(&EXPECTED) {
        let path = recovery_cost::kernel_path(&running, gpu, case)?;
        ensure!(
            path.status == 0 && path.function_well == *well,
            "{}: {path:?}",
            case.name
        );
        ensure!(path.lied() != *well, "{}: {path:?}", case.name);
    }
    let seen = disturbances(&bystander.fake, begin, now())?;
    ensure!(seen.is_empty(), "a bystander was disturbed: {seen:?}");
    ensure!(running.port_resets(begin, now())?.is_empty(), "an FLR reset a port");

    // Found anew, they are as they were, and the bystander still has seen nothing.
    for gpu in running.gpus.iter().take(EXPECTED.len()) {
        running.renew(gpu)?;
        ensure!(gpu.is_well()?, "{:?}", gpu.truth()?);
    }
    let seen = disturbances(&bystander.fake, begin, now())?;
    ensure!(seen.is_empty(), "a bystander was disturbed: {seen:?}");
    Ok(())
}

/// Sets a port's Secondary Bus Reset and clears it again, behind the kernel's back.
fn reset_below(running: &Running, port: &str) -> Result<()> {
    let config = format!("/sys/bus/pci/devices/{port}/config");
    let write = |bits| format!("printf '\\{bits}' | dd of={config} bs=1 seek=62 conv=notrunc 2>/dev/null");
    let script = format!("{} && usleep 10000 && {}", write("100"), write("000"));
    running.shell(&script)?;
    Ok(())
}

fn ports_reset(running: &Running, from: Duration) -> Result<BTreeSet<String>> {
    let resets = running.port_resets(from, now())?;
    Ok(resets.into_iter().map(|reset| reset.port).collect())
}

/// A reset by a GPU's own port spares the disk behind the other port of the switch, and hits the one on the GPU's device.
pub(crate) fn a_disk_feels_a_reset_that_hits_it_and_no_other(stage: &Stage) -> Result<()> {
    let running = scene(stage, "disks")?
        .gpu_at(board(2), Place::BehindSwitch)
        .gpu_at(board(2), Place::BesideDisk)
        // The driver's thirty seconds a time would be most of the story.
        .append("nvme_core.io_timeout=2 nvme_core.admin_timeout=2")
        .boot()?;
    for (index, hit) in [(0, false), (1, true)] {
        let gpu = running.gpu(index)?;
        let begin = now();
        let before = total(gpu, |function| function.sbr)?;
        let reads = running.read_disk(gpu)?;
        reset_below(&running, &gpu.port)?;
        std::thread::sleep(Duration::from_secs(1));
        let reads = reads.stop()?;
        ensure!(
            total(gpu, |function| function.sbr)? > before,
            "the reset did not reach the GPU"
        );
        ensure!(
            ports_reset(&running, begin)? == BTreeSet::from([gpu.port.clone()]),
            "another port was reset"
        );
        ensure!(reads.check_undisturbed().is_err() == hit, "GPU {index}: {reads:?}");
    }
    Ok(())
}

fn total(gpu: &Gpu, of: impl Fn(&fake_gpu::control::FunctionState) -> u32) -> Result<u32> {
    Ok(gpu.truth()?.iter().map(of).sum())
}

/// GPUs that nothing but power brings back, behind a root port and behind a switch: a slot that was switched off stays off,
/// and when it is on again the card has its identity back. More than once.
pub(crate) fn a_slot_gives_a_card_its_power_back(stage: &Stage) -> Result<()> {
    let running = scene(stage, "slot-power")?
        .gpu(board(2))
        .gpu_at(board(1), Place::BehindSwitch)
        .gpu(board(1))
        .boot()?;
    let keeper = running.keep_slots();
    let bystander = running.gpu(2)?;
    let begin = now();
    for (round, index) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
        let gpu = running.gpu(index)?;
        let started = now();
        power_cycle(&running, gpu)?;
        // The machine's start is the first.
        let cycles = total(gpu, |function| function.power_cycles)?;
        ensure!(cycles == round * u32::from(gpu.functions()), "{:?}", gpu.truth()?);
        let resets = ports_reset(&running, started)?;
        ensure!(resets.is_empty(), "ports were reset: {resets:?}");
        running.renew(gpu)?;
    }
    ensure!(keeper.refills()?.len() == 4, "{:?}", keeper.refills()?);
    let seen = disturbances(&bystander.fake, begin, now())?;
    ensure!(seen.is_empty(), "a bystander was disturbed: {seen:?}");
    Ok(())
}

fn power_cycle(running: &Running, gpu: &Gpu) -> Result<()> {
    gpu.suffer(&faults::OFF_THE_BUS_UNTIL_POWER)?;
    let identity = format!("od -An -tx4 -N 4 /sys/bus/pci/devices/{}/config", gpu.function(0));
    let found = running.shell(&identity)?;
    ensure!(found.trim() == "ffffffff", "the GPU is there: {found}");
    // Longer than the five seconds after which a pressed button would have powered it on.
    let script = format!(
        "cd /sys/bus/pci/slots/{} && echo 0 >power && sleep 6 && [ $(cat power) = 0 ] && echo 1 >power",
        gpu.slot
    );
    let ended = running.run(&script, SOON)?;
    ensure!(ended.status == 0, "{ended:?}");
    let found = running.shell(&identity)?;
    ensure!(
        found.trim() == "248910de" && gpu.is_well()?,
        "{found}, {:?}",
        gpu.truth()?
    );
    // A new device for the kernel: nothing of what was written to the old one is left.
    for function in 0..gpu.functions() {
        let left = running.attribute(&gpu.function(function), "driver_override")?;
        ensure!(left == "(null)", "driver_override is `{left}`");
    }
    Ok(())
}
