//! Something hangs: the claim ends within its limit all the same, and the boot goes on.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::control::{Command, Reset};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::contract::{duration_ms, problem, verdict};
use reseat_scenarios::{Rules, Running, Scene, Stage};
use reseat_vm::files::GuestFile;
use serde_json::Value;

/// The limit that is promised, in milliseconds.
const LIMIT_MS: f64 = 15_000.0;

/// An operation is given up after five seconds; a loaded machine is late to notice.
const WAITED: RangeInclusive<f64> = 5.0..=8.0;

/// The real root is reached within this time of the limit, in milliseconds.
const ROOT_MS: f64 = 30_000.0;

const KERNEL_TIMEOUT: Duration = Duration::from_secs(60);
const CLAIM_TIMEOUT: Duration = Duration::from_secs(60);

/// Resets the first GPU in the background, and goes on when the reset is under way.
const RESET: &str = "#!/bin/sh
case \"$1\" in prereqs) exit 0;; esac
cd /sys/bus/pci/devices/0000:01:00.0
echo flr > reset_method
echo 1 > reset &
sleep 1
";

/// What the kernel says when the initramfs begins.
const INIT: &str = "Run /init as init process";

/// From the line of the console that has `begin` in it.
fn check_in_time(running: &Running, begin: &str) -> Result<()> {
    let report = running.report()?;
    let took = duration_ms(&report)?;
    ensure!(took < LIMIT_MS, "the claim took {took} ms");
    // The report's own clock is not the only witness: the console's is the host's.
    let begin = running.line(begin)?.at;
    let end = running.line("; the boot goes on")?.at;
    let seen = (end - begin).as_secs_f64() * 1000.0;
    ensure!(
        seen < LIMIT_MS + 1000.0,
        "from its begin to the end of the claim {seen} ms went by"
    );
    let root = running.booted.saturating_sub(begin).as_secs_f64() * 1000.0;
    ensure!(
        root < LIMIT_MS + ROOT_MS,
        "from the claim's begin to the real root {root} ms went by"
    );
    Ok(())
}

pub(crate) fn a_modprobe_that_never_returns(stage: &Stage) -> Result<()> {
    let hang = GuestFile::new("etc/modprobe.d/hang.conf", "install vfio-pci /bin/sleep 600\n");
    let image = stage.image(Rules::None, [hang])?;
    let running = Scene::new(stage, "modprobe-hangs", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=gpu")
        .boot()?;
    check_in_time(&running, INIT)?;
    running.line("modprobe vfio-pci disable_idle_d3=1: it has not come back after 5 s")?;
    ensure!(
        running.attribute("0000:01:00.0", "driver_override")? == "(null)",
        "an override was left"
    );
    Ok(())
}

/// Gives the audio functions to their driver, and holds the first one's file open, as a sound server does. The driver makes
/// the files in work of its own, in whatever order; and the file is opened here, before the script goes on, not by the
/// process that is left with it.
const HOLD: &str = "#!/bin/sh
case \"$1\" in prereqs) exit 0;; esac
modprobe snd_hda_intel
n=0
until [ -e /dev/snd/controlC0 ] || [ $n = 60 ]; do sleep 1; n=$((n + 1)); done
exec 8</dev/snd/controlC0 || exit
sleep 1000 &
echo 'it is held' >/dev/kmsg
";

/// A process holds the file of a function's driver: the kernel keeps whoever unbinds it, for ever. What had been done to the
/// other functions of that GPU is taken back, the next GPU is claimed, and udev, which comes next, does not wait.
pub(crate) fn an_unbind_that_never_returns(stage: &Stage) -> Result<()> {
    let hold = GuestFile::executable("etc/initramfs-tools/scripts/init-top/000hold", HOLD);
    let image = stage.image_with_modules(&["snd_hda_intel"], Rules::None, [hold])?;
    let running = Scene::new(stage, "unbind-hangs", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=gpu")
        .boot()?;
    check_in_time(&running, "it is held")?;
    let report = running.report()?;
    let gpu = &report["gpus"][0];
    ensure!(verdict(gpu) == "stuck", "{report:#}");
    let problem = problem(gpu);
    ensure!(
        is_operation(gpu, "unbind", "0000:01:00.1")
            && gpu["failure"]["operation"]["driver"] == "snd_hda_intel"
            && problem.contains("it has not come back after"),
        "{gpu:#}"
    );
    // To read the second function's would be to wait as well.
    let left = running.attribute("0000:01:00.0", "driver_override")?;
    ensure!(left == "(null)", "driver_override of 0000:01:00.0 is `{left}`");
    let drivers = running.drivers("0000:01:00")?;
    ensure!(drivers.values().all(|driver| driver != "vfio-pci"), "{drivers:?}");
    for function in ["0000:02:00.0", "0000:02:00.1"] {
        running.check_claimed(function)?;
    }
    // The hang is what it is said to be: whoever holds the file lets go, and the kernel with it.
    running.shell("kill $(pidof sleep)")?;
    Ok(())
}

/// The same with the files of the first two.
const HOLD_TWO: &str = "#!/bin/sh
case \"$1\" in prereqs) exit 0;; esac
modprobe snd_hda_intel
for card in 0 1; do
    n=0
    until [ -e /dev/snd/controlC$card ] || [ $n = 60 ]; do sleep 1; n=$((n + 1)); done
done
exec 8</dev/snd/controlC0 9</dev/snd/controlC1 || exit
sleep 1000 &
echo 'both are held' >/dev/kmsg
";

/// vfio-pci takes its time, one GPU hangs, and when the others are taken up by workers of their own the next one does: it has
/// not been silent for long enough to count as blocked when the time for claiming is over. The third is claimed all the same,
/// what can be is taken back, and udev waits for neither.
pub(crate) fn a_second_hang_when_the_time_is_over(stage: &Stage) -> Result<()> {
    let hold = GuestFile::executable("etc/initramfs-tools/scripts/init-top/000hold", HOLD_TWO);
    let slow = "install vfio-pci /bin/sleep 3; /sbin/modprobe --ignore-install vfio-pci $CMDLINE_OPTS\n";
    let slow = GuestFile::new("etc/modprobe.d/slow.conf", slow);
    let image = stage.image_with_modules(&["snd_hda_intel"], Rules::None, [hold, slow])?;
    let running = Scene::new(stage, "two-hang", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 4))
        .append("reseat.claim=gpu")
        .boot()?;
    check_in_time(&running, "both are held")?;
    let report = running.report()?;
    for (gpu, why) in [
        (0, "it has not come back after"),
        (1, "the time for the claim was over"),
    ] {
        let gpu = &report["gpus"][gpu];
        let problem = problem(gpu);
        ensure!(problem.contains(why), "`{why}` is not in `{problem}`: {report:#}");
        let held = gpu["failure"]["function"].as_str().context("no function")?;
        running.line(&format!("/dev/null is mounted over /sys/bus/pci/devices/{held}/uevent"))?;
    }
    for function in ["0000:01:00.0", "0000:02:00.0"] {
        let left = running.attribute(function, "driver_override")?;
        ensure!(left == "(null)", "driver_override of {function} is `{left}`");
    }
    for function in 0..4 {
        running.check_claimed(&format!("0000:03:00.{function}"))?;
    }
    running.shell("kill $(pidof sleep)")?;
    Ok(())
}

/// The first GPU is in the middle of a reset that it does not survive: for a minute, the kernel lets nobody read its
/// configuration space, and whoever tries cannot be killed. The second one is claimed all the same.
pub(crate) fn a_reset_that_does_not_end(stage: &Stage) -> Result<()> {
    let reset = GuestFile::executable("etc/initramfs-tools/scripts/init-top/000reset", RESET);
    // Without its drivers: udev would wait for the first GPU as well, and that is not the claim's doing.
    let image = stage.image_without_drivers(Rules::None, [reset])?;
    let running = Scene::new(stage, "reset-hangs", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=gpu")
        .boot_while(|gpus, machine| {
            // QEMU resets every function once when it starts; what comes after the kernel's start is ours.
            machine.console().wait_for("Linux version", KERNEL_TIMEOUT)?;
            gpus[0].fake.control_function(0, &Command::Flr(Reset::Kill))?;
            // Once the claim has ended, the reset may: the rest of the boot is not what this is about.
            machine.console().wait_for("; the boot goes on", CLAIM_TIMEOUT)?;
            gpus[0].fake.control_function(0, &Command::Revive)?;
            Ok(())
        })?;
    check_in_time(&running, INIT)?;
    let report = running.report()?;
    let problem = problem(&report["gpus"][0]);
    let waited = problem
        .strip_prefix("it has not come back after ")
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    ensure!(
        waited.is_some_and(|seconds| WAITED.contains(&seconds))
            && is_operation(&report["gpus"][0], "probe", "0000:01:00.0"),
        "{report:#}"
    );
    ensure!(verdict(&report["gpus"][0]) == "rolled-back", "{report:#}");
    running.check_claimed("0000:02:00.0")?;
    running.check_claimed("0000:02:00.1")?;
    Ok(())
}

/// True if a GPU's claim failed in this operation on this function.
fn is_operation(gpu: &Value, kind: &str, function: &str) -> bool {
    let operation = &gpu["failure"]["operation"];
    operation["kind"] == kind && operation["function"] == function
}
