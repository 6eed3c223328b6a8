//! A kernel that is locked down: raw writes to configuration space are refused, and the claim needs none, though firmware has
//! left the GPUs in D3hot; the registers behind BARs are read through VFIO or not at all.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::control::{Command, PowerState};
use fake_gpu::log::{Direction, Event, Record, Region};
use fake_gpu::profile::{BoardDesign, VbiosVersion, Vendor};
use reseat_scenarios::accesses::{accesses, now, power_states};
use reseat_scenarios::contract::verdict;
use reseat_scenarios::faults;
use reseat_scenarios::{Gpu, Rules, Running, Scene, Shared, Stage};
use reseat_vm::files::GuestFile;

use crate::recover::{SBR, check_back};

const KERNEL_TIMEOUT: Duration = Duration::from_secs(60);

/// As a driver that is built into the kernel, there before the claim can be.
const FIRST: &str = "#!/bin/sh
case \"$1\" in prereqs) exit 0;; esac
modprobe snd_hda_intel
";

const SHOW_LOCKDOWN: &str = "mount -t securityfs s /sys/kernel/security 2>/dev/null; cat /sys/kernel/security/lockdown";

pub(crate) const SHARED: Shared<Stage, Running> = Shared {
    boot,
    heal: Running::heal,
};

/// The first two are claimed, and the second, which has a ROM, is its card's only function; nobody claims the third.
fn boot(stage: &Stage) -> Result<Running> {
    let first = GuestFile::executable("etc/initramfs-tools/scripts/init-top/000first", FIRST);
    let image = stage.image_with_modules(&["snd_hda_intel"], Rules::None, [first])?;
    let board = |functions| BoardDesign::new(Vendor::Nvidia, functions);
    let with_rom = BoardDesign {
        vbios: Some(VbiosVersion([0x94, 0x02, 0x5c, 0x00, 0x08])),
        ..board(1)
    };
    let running = Scene::new(stage, "lockdown", image)
        .traced()
        .gpu(board(2))
        .gpu(with_rom)
        .gpu(board(1))
        .append("lockdown=integrity reseat.claim=0000:01:00.0,0000:02:00.0")
        .boot_while(|gpus, machine| {
            // QEMU resets every function when it starts; what comes after the kernel's start stays.
            machine.console().wait_for("Linux version", KERNEL_TIMEOUT)?;
            for gpu in gpus {
                gpu.fake.control(&Command::Sleep)?;
            }
            Ok(())
        })?;
    running.remember()?;
    Ok(running)
}

/// What firmware has left asleep is claimed, woken by the kernel.
pub(crate) fn asleep_it_is_claimed(running: &Running) -> Result<()> {
    let lockdown = running.shell(SHOW_LOCKDOWN)?;
    ensure!(lockdown.contains("[integrity]"), "{lockdown}");
    running.shell("! printf '\\0' | dd of=/sys/bus/pci/devices/0000:03:00.0/config bs=1 seek=4 conv=notrunc")?;

    for function in ["0000:01:00.0", "0000:01:00.1"] {
        running.check_claimed(function)?;
    }
    let report = running.report()?;
    ensure!(verdict(&report) == "claimed", "{report:#}");
    // It slept until the claim, and was given D0 by it.
    let gpu = running.gpu(0)?;
    let control = gpu.power_control(0).context("no PMCSR")?;
    let init = running.line("Run /init as init process")?.at;
    let states = power_states(&gpu.fake, 0, control)?;
    let woken = states
        .iter()
        .find(|(_, direction, state)| *direction == Direction::Write && *state == 0);
    let (woken, ..) = woken.with_context(|| format!("nobody gave it D0: {states:?}"))?;
    ensure!(*woken > init, "the kernel had woken it before the claim: {states:?}");

    // The driver that was first is named, and off.
    let first = &report["gpus"][0]["functions"][1]["driver_before"];
    ensure!(first == "snd_hda_intel", "{report:#}");
    running.line("reseat: 0000:01:00: before, snd_hda_intel had 0000:01:00.1")?;

    // The negative: one that nobody claims sleeps on.
    let other = running.gpu(2)?.truth()?;
    ensure!(other[0].power_state == PowerState::D3hot, "{other:?}");
    Ok(())
}

/// Under lockdown the registers behind BAR 0 are read through VFIO, where a sibling can be unbound so that it is no reset;
/// of a GPU without one they cannot be read: the same verdicts, and never "recovered".
pub(crate) fn what_cannot_be_read_is_unverified(running: &Running) -> Result<()> {
    running.shell("grep -q '\\[integrity\\]' /sys/kernel/security/lockdown || mount -t securityfs s /sys/kernel/security; grep -q '\\[integrity\\]' /sys/kernel/security/lockdown")?;
    let begin = now();
    // The ROM is no register, and lets itself be read.
    let saved = running.shell("reseat baseline save 0000:01:00 0000:02:00")?;
    ensure!(
        saved.contains("0000:02:00: baseline recorded, 1 function, VBIOS 94.02.5c.00.08"),
        "{saved}"
    );
    for words in [
        "0000:01:00: the version of its VBIOS is not known: its ROM is seen through the copy",
        "0000:02:00.0: the registers behind its BARs are not read: lockdown forbids resourceN, and VFIO: \
         it is the card's only function",
    ] {
        ensure!(saved.contains(words), "{saved}");
    }
    let (gpu, single) = (running.gpu(0)?, running.gpu(1)?);
    for (gpu, is_read) in [(gpu, true), (single, false)] {
        ensure!(
            resets(gpu, begin)?.is_empty(),
            "the look was a reset: {:?}",
            resets(gpu, begin)?
        );
        let mut reads = accesses(&gpu.fake, Region::Bar(0))?;
        reads.retain(|(_, at, _)| *at >= begin);
        ensure!(reads.is_empty() != is_read, "{}: {reads:?}", gpu.device);
    }
    check_settled(running, gpu)?;
    // The kernel forbids the marks, so that only what was off the bus and is back is proven.
    for (index, case, status) in [
        (0, &faults::REGISTERS_DEAD, 3),
        (0, &faults::HEALTHY, 3),
        (0, &faults::OFF_THE_BUS, 0),
        (1, &faults::HEALTHY, 3),
    ] {
        let gpu = running.gpu(index)?;
        let recovery = running.recover(gpu, case, "")?;
        let as_told = recovery.status == status && recovery.rungs() == [SBR];
        ensure!(as_told, "{}: {}", case.name, recovery.told());
        ensure!(recovery.is_well(), "{:?}", gpu.truth()?);
        check_back(running, gpu, &recovery)?;
        let is_named = status == 0 || recovery.says("the kernel forbids to place a mark");
        ensure!(is_named, "{}", recovery.told());
        // Those of the rung, and no others.
        let functions = 0..gpu.functions();
        let expected: Vec<_> = functions.map(|function| (function, Event::Sbr)).collect();
        let seen = resets(gpu, recovery.since)?;
        ensure!(seen == expected, "{}: {seen:?}", case.name);
        check_settled(running, gpu)?;
    }
    killed_while_it_looks(running, gpu)
}

/// Killed while the sibling is unbound, and while no reset method is left: whoever comes next puts that back, also when the
/// GPU has died meanwhile and the sibling can be bound only after its reset.
fn killed_while_it_looks(running: &Running, gpu: &Gpu) -> Result<()> {
    let sbr: Vec<_> = (0..gpu.functions()).map(|function| (function, Event::Sbr)).collect();
    for (until, left, case, status) in [
        ("! [ -e $d.1/driver ]", "! [ -e $d.1/driver ]", &faults::HEALTHY, 3),
        (
            "! { read m <$d.0/reset_method && [ -n \"$m\" ]; }",
            "! [ -e $d.1/driver ] && ! grep -q flr $d.0/reset_method",
            &faults::OFF_THE_BUS,
            0,
        ),
    ] {
        let begin = now();
        // A host that is busy may let the moment pass: then nothing is left, and there is another one.
        let script = format!(
            "cd /sys/bus/pci/devices; d={device}; n=0\n\
             while [ $n -lt 5 ]; do n=$((n + 1))\n\
             setsid reseat baseline save $d >/dev/null 2>&1 & p=$!\n\
             until {until}; do kill -0 $p 2>/dev/null || break; done; kill -9 -$p; wait $p\n\
             usleep 500000\n\
             [ -e /run/reseat/looks/$d.json ] && {left} && exit 0\n\
             done; exit 1",
            device = gpu.device,
        );
        let ended = running.run(&script, Duration::from_secs(60))?;
        ensure!(ended.status == 0, "nothing is left to be put back, {until}: {ended:?}");
        ensure!(resets(gpu, begin)?.is_empty(), "{:?}", resets(gpu, begin)?);
        let recovery = running.recover(gpu, case, "")?;
        ensure!(recovery.status == status, "{}", recovery.told());
        ensure!(resets(gpu, begin)? == sbr, "{:?}", resets(gpu, begin)?);
        check_back(running, gpu, &recovery)?;
        check_settled(running, gpu)?;
    }
    Ok(())
}

/// Which functions of a GPU were reset since a moment, and how.
fn resets(gpu: &Gpu, since: Duration) -> Result<Vec<(u8, Event)>> {
    let entries = gpu.fake.entries()?.into_iter().filter(|entry| entry.at.0 >= since);
    let mut resets: Vec<_> = entries
        .filter_map(|entry| match (entry.function, entry.record) {
            (Some(function), Record::Event(event @ (Event::Flr | Event::Pm | Event::Sbr | Event::Disconnect))) => {
                Some((function, event))
            }
            _ => None,
        })
        .collect();
    resets.sort_by_key(|(function, _)| *function);
    Ok(resets)
}

/// Checks that nothing is left of a look through VFIO.
fn check_settled(running: &Running, gpu: &Gpu) -> Result<()> {
    running.check_all_pinned(gpu)?;
    let device = &gpu.device;
    running.shell(&format!(
        "! [ -e /run/reseat/looks/{device}.json ] && grep -q flr /sys/bus/pci/devices/{device}.0/reset_method"
    ))?;
    Ok(())
}
