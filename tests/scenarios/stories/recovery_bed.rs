//! The stage for recoveries: what it shows is true, and a disturbance would be seen.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reseat_scenarios::accesses::{disturbances, now};
use reseat_scenarios::faults::{self, Case};
use reseat_scenarios::recovery_cost;
use reseat_scenarios::{Gpu, Running};

use crate::recovery::{BEHIND_SWITCH, BESIDE_DISK, BYSTANDER};

const SOON: Duration = Duration::from_secs(60);

/// Faults that the kernel's own reset does and does not help against, and the truth of it.
pub(crate) fn the_kernel_calls_a_gpu_well_that_is_not(running: &Running) -> Result<()> {
    // Boards with one, two and four functions. Of AMD's the kernel takes none by FLR.
    const EXPECTED: [(usize, Case, bool); 4] = [
        (2, faults::HEALTHY, true),
        (0, faults::FLR_IGNORED, false),
        (1, faults::FLR_HANGS, true),
        (BEHIND_SWITCH, faults::REGISTERS_DEAD, false),
    ];
    let bystander = running.gpu(BYSTANDER)?;
    let begin = now();
    for (index, case, well) in &EXPECTED {
        let path = recovery_cost::kernel_path(running, running.gpu(*index)?, case)?;
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
    for (index, ..) in &EXPECTED {
        let gpu = running.gpu(*index)?;
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

/// What the driver of a disk waits for, in seconds: its thirty a time would be most of the story.
const DISK_TIMEOUTS: [&str; 2] = ["io_timeout", "admin_timeout"];
const SHORT: u32 = 2;
const AS_BOOTED: [u32; 2] = [30, 60];

/// A reset by a GPU's own port spares the disk behind the other port of the switch, and hits the one on the GPU's device.
pub(crate) fn a_disk_feels_a_reset_that_hits_it_and_no_other(running: &Running) -> Result<()> {
    let disks = [BEHIND_SWITCH, BESIDE_DISK].map(|index| running.gpu(index));
    let [spared, hit] = disks;
    let (spared, hit) = (spared?, hit?);
    with_timeouts(running, [SHORT; 2], &[spared, hit])?;
    for (gpu, is_hit) in [(spared, false), (hit, true)] {
        let begin = now();
        let before = total(gpu, |function| function.sbr)?;
        let reads = running.read_disk(gpu)?;
        reset_below(running, &gpu.port)?;
        std::thread::sleep(Duration::from_secs(1));
        let reads = reads.stop()?;
        ensure!(
            total(gpu, |function| function.sbr)? > before,
            "the reset did not reach the GPU"
        );
        ensure!(
            ports_reset(running, begin)? == BTreeSet::from([gpu.port.clone()]),
            "another port was reset"
        );
        ensure!(
            reads.check_undisturbed().is_err() == is_hit,
            "{}: {reads:?}",
            gpu.device
        );
    }
    with_timeouts(running, AS_BOOTED, &[spared, hit])
}

/// Has the kernel find these disks anew, with a driver that waits so long.
fn with_timeouts(running: &Running, seconds: [u32; 2], gpus: &[&Gpu]) -> Result<()> {
    for (name, seconds) in DISK_TIMEOUTS.iter().zip(seconds) {
        running.shell(&format!("echo {seconds} >/sys/module/nvme_core/parameters/{name}"))?;
    }
    for gpu in gpus {
        let disk = gpu.disk.as_deref().context("there is no disk")?;
        let found = running.run(
            &format!("echo 1 >/sys/bus/pci/devices/{disk}/remove && echo 1 >/sys/bus/pci/rescan"),
            SOON,
        )?;
        ensure!(found.status == 0, "{found:?}");
    }
    Ok(())
}

fn total(gpu: &Gpu, of: impl Fn(&fake_gpu::control::FunctionState) -> u32) -> Result<u32> {
    Ok(gpu.truth()?.iter().map(of).sum())
}

/// GPUs that nothing but power brings back, behind a root port and behind a switch: a slot that was switched off stays off,
/// and when it is on again the card has its identity back. More than once.
pub(crate) fn a_slot_gives_a_card_its_power_back(running: &Running) -> Result<()> {
    let keeper = running.keep_slots();
    let bystander = running.gpu(BYSTANDER)?;
    let begin = now();
    let gpus = [running.gpu(0)?, running.gpu(BEHIND_SWITCH)?];
    for _ in 0..2 {
        let started = now();
        power_cycle(running, gpus)?;
        let resets = ports_reset(running, started)?;
        ensure!(resets.is_empty(), "ports were reset: {resets:?}");
        gpus.iter().try_for_each(|gpu| running.renew(gpu))?;
    }
    ensure!(keeper.refills()?.len() == 4, "{:?}", keeper.refills()?);
    let seen = disturbances(&bystander.fake, begin, now())?;
    ensure!(seen.is_empty(), "a bystander was disturbed: {seen:?}");
    Ok(())
}

/// Both at once: what takes its time is that they stay off.
fn power_cycle(running: &Running, gpus: [&Gpu; 2]) -> Result<()> {
    let cycles = |gpu| total(gpu, |function| function.power_cycles);
    let before = [cycles(gpus[0])?, cycles(gpus[1])?];
    for gpu in gpus {
        gpu.suffer(&faults::OFF_THE_BUS_UNTIL_POWER)?;
        let found = identity(running, gpu)?;
        ensure!(found == "ffffffff", "the GPU is there: {found}");
    }
    // Longer than the five seconds after which a pressed button would have powered them on.
    let slots = gpus.map(|gpu| format!("/sys/bus/pci/slots/{}/power", gpu.slot));
    let [one, other] = &slots;
    let script = format!(
        "echo 0 >{one} && echo 0 >{other} && sleep 6 && [ $(cat {one}) = 0 ] && [ $(cat {other}) = 0 ] && \
         echo 1 >{one} && echo 1 >{other}"
    );
    let ended = running.run(&script, SOON)?;
    ensure!(ended.status == 0, "{ended:?}");
    for (gpu, before) in gpus.into_iter().zip(before) {
        let found = identity(running, gpu)?;
        ensure!(found == "248910de" && gpu.is_well()?, "{found}, {:?}", gpu.truth()?);
        ensure!(
            cycles(gpu)? == before + u32::from(gpu.functions()),
            "{:?}",
            gpu.truth()?
        );
        // A new device for the kernel: nothing of what was written to the old one is left.
        for function in 0..gpu.functions() {
            let left = running.attribute(&gpu.function(function), "driver_override")?;
            ensure!(left == "(null)", "driver_override is `{left}`");
        }
    }
    Ok(())
}

/// The first four bytes of a GPU's configuration space.
fn identity(running: &Running, gpu: &Gpu) -> Result<String> {
    let read = format!("od -An -tx4 -N 4 /sys/bus/pci/devices/{}/config", gpu.function(0));
    Ok(running.shell(&read)?.trim().to_owned())
}
