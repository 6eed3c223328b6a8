//! GPUs that firmware has left in D3hot, on a kernel that is locked down: raw writes to configuration space are refused, and
//! the claim needs none.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::control::{Command, PowerState};
use fake_gpu::log::Direction;
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::power_states;
use reseat_scenarios::{Rules, Scene, Stage};
use reseat_vm::files::GuestFile;

const KERNEL_TIMEOUT: Duration = Duration::from_secs(60);

/// As a driver that is built into the kernel, there before the claim can be.
const FIRST: &str = "#!/bin/sh
case \"$1\" in prereqs) exit 0;; esac
modprobe snd_hda_intel
";

const SHOW_LOCKDOWN: &str = "mount -t securityfs s /sys/kernel/security 2>/dev/null; cat /sys/kernel/security/lockdown";

pub(crate) fn woken_by_the_kernel_under_lockdown(stage: &Stage) -> Result<()> {
    let first = GuestFile::executable("etc/initramfs-tools/scripts/init-top/000first", FIRST);
    let image = stage.image_with_modules(&["snd_hda_intel"], Rules::None, [first])?;
    let running = Scene::new(stage, "asleep", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 1))
        .append("lockdown=integrity reseat.claim=0000:01:00.0")
        .boot_while(|gpus, machine| {
            // QEMU resets every function when it starts; what comes after the kernel's start stays.
            machine.console().wait_for("Linux version", KERNEL_TIMEOUT)?;
            for gpu in gpus {
                gpu.fake.control(&Command::Sleep)?;
            }
            Ok(())
        })?;
    let lockdown = running.shell(SHOW_LOCKDOWN)?;
    ensure!(lockdown.contains("[integrity]"), "{lockdown}");
    running.shell("! printf '\\0' | dd of=/sys/bus/pci/devices/0000:02:00.0/config bs=1 seek=4 conv=notrunc")?;

    for function in ["0000:01:00.0", "0000:01:00.1"] {
        running.check_claimed(function)?;
    }
    let report = running.report()?;
    ensure!(report["verdict"] == "claimed", "{report:#}");
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
    let other = running.gpu(1)?.truth()?;
    ensure!(other[0].power_state == PowerState::D3hot, "{other:?}");
    Ok(())
}
