//! GPUs that appear on a running machine are claimed at once, by udev, as the boot would.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reseat_scenarios::contract::{rung, schema, verdict};
use reseat_scenarios::faults;
use reseat_scenarios::{Gpu, Running};
use serde_json::Value;

use crate::service::FREE;

const SOON: Duration = Duration::from_secs(60);

const START_UDEV: &str = "mkdir -p /run/udev && /usr/lib/systemd/systemd-udevd --daemon && udevadm control --ping";

/// As at the beginning of a boot, when udev is told of every device that is there.
const TRIGGER: &str = "udevadm trigger --action=add --subsystem-match=pci";

pub(crate) fn back_from_a_power_cycle(running: &Running) -> Result<()> {
    play(running, running.gpu(0)?, running.gpu(FREE)?)
}

/// Two identical GPUs, the first at 0000:01:00, which was chosen; the other was not, and its drivers are loaded.
pub(crate) fn play(running: &Running, gpu: &Gpu, other: &Gpu) -> Result<()> {
    let keeper = running.keep_slots();
    running.check_all_pinned(gpu)?;

    // The negative: without udev nobody claims it, and whose driver is loaded has it.
    cycle(running, gpu)?;
    let drivers = running.drivers(&gpu.device)?;
    let audio = drivers.get(&gpu.function(1)).map(String::as_str);
    ensure!(audio == Some("snd_hda_intel"), "{drivers:?}");

    // Until a udev is there that tells of what it has missed.
    running.shell(START_UDEV)?;
    running.shell(TRIGGER)?;
    wait_until_claimed(running, gpu)?;
    let missed = report(running, gpu)?;
    let before = &missed["gpus"][0]["functions"][1]["driver_before"];
    ensure!(before == "snd_hda_intel", "{missed:#}");

    cycle(running, gpu)?;
    wait_until_claimed(running, gpu)?;
    running.check_all_pinned(gpu)?;
    let first = report(running, gpu)?;
    ensure!(
        first["schema"] == schema::CLAIM && verdict(&first) == "claimed",
        "{first:#}"
    );
    // Whose driver was loaded was faster, and is named.
    let before = &first["gpus"][0]["functions"][1]["driver_before"];
    ensure!(before == "snd_hda_intel", "{first:#}");
    running.new_line("reseat: 0000:01:00: before, snd_hda_intel had 0000:01:00.1")?;
    check_rule(running, gpu)?;
    // What the operator gave back after the claim is the operator's, whatever udev is told again.
    let (function, driver) = (gpu.function(1), "/sys/bus/pci/drivers/vfio-pci");
    running.shell(&format!("echo {function} >{driver}/unbind && {TRIGGER}"))?;
    settle(running)?;
    let drivers = running.drivers(&gpu.device)?;
    ensure!(
        drivers.get(&function).is_some_and(|driver| driver == "-"),
        "{drivers:?}"
    );
    running.shell(&format!(
        "echo {function} >{driver}/bind && reseat claim --function {function}"
    ))?;

    // What a recovery removes and finds again it claims by itself, and nobody else meanwhile.
    running.shell(&format!("reseat baseline save {}", gpu.device))?;
    let recovery = running.recover(gpu, &faults::OFF_THE_BUS, "")?;
    ensure!(recovery.by() == Some(rung::SBR), "{}", recovery.told());
    settle(running)?;
    running.check_all_pinned(gpu)?;
    ensure!(report(running, gpu)? == first, "there was another claim");

    // One that nobody chose goes to whom it always went.
    cycle(running, other)?;
    settle(running)?;
    let drivers = running.drivers(&other.device)?;
    let audio = drivers.get(&other.function(1)).map(String::as_str);
    ensure!(audio == Some("snd_hda_intel"), "{drivers:?}");
    running.shell(&format!("! test -e /run/reseat/claim-{}.json", other.device))?;

    // One that is out of service is out of reach as soon as it is back.
    running.shell(&format!("reseat quarantine add {} --reason sick", gpu.device))?;
    cycle(running, gpu)?;
    settle(running)?;
    let drivers = running.drivers(&gpu.device)?;
    ensure!(drivers.values().all(|driver| driver == "-"), "{drivers:?}");
    for function in 0..gpu.functions() {
        let found = running.attribute(&gpu.function(function), "driver_override")?;
        ensure!(found == "reseat-quarantine", "driver_override is `{found}`");
    }
    let last = report(running, gpu)?;
    ensure!(last["gpus"][0]["quarantine"]["isolated"] == true, "{last:#}");
    ensure!(keeper.refills()?.len() == 4, "{:?}", keeper.refills()?);
    running.shell("udevadm control --exit")?;
    Ok(())
}

/// udev runs the claim before it loads drivers, and not when it is only told again of what was there.
fn check_rule(running: &Running, gpu: &Gpu) -> Result<()> {
    let device = format!("/sys/bus/pci/devices/{}", gpu.function(1));
    let said = running.shell(&format!("udevadm test --action=add {device} 2>&1 | grep run: || true"))?;
    let claim = said.find("reseat claim --function 0000:01:00.1");
    let load = said.find("kmod load");
    ensure!(claim.is_some() && load.is_some() && claim < load, "{said}");
    // A claim makes the file of its lock if it is not there.
    let lock = format!("/run/reseat/locks/claim-{}", gpu.device);
    running.shell(&format!("rm {lock} && {TRIGGER}"))?;
    settle(running)?;
    running.shell(&format!("! test -e {lock}"))?;
    Ok(())
}

fn settle(running: &Running) -> Result<()> {
    let settled = running.run("udevadm settle --timeout 50", SOON)?;
    ensure!(settled.status == 0, "{settled:?}");
    Ok(())
}

/// Switches the slot of a GPU off and on, and waits until its functions are there.
fn cycle(running: &Running, gpu: &Gpu) -> Result<()> {
    let script = format!("cd /sys/bus/pci/slots/{} && echo 0 >power && echo 1 >power", gpu.slot);
    let ended = running.run(&script, SOON)?;
    ensure!(ended.status == 0, "{ended:?}");
    for function in 0..gpu.functions() {
        running.shell(&format!("test -e /sys/bus/pci/devices/{}", gpu.function(function)))?;
    }
    Ok(())
}

fn wait_until_claimed(running: &Running, gpu: &Gpu) -> Result<()> {
    settle(running)?;
    let drivers = running.drivers(&gpu.device)?;
    ensure!(drivers.values().all(|driver| driver == "vfio-pci"), "{drivers:?}");
    Ok(())
}

/// The report of the last claim that found something to do.
fn report(running: &Running, gpu: &Gpu) -> Result<Value> {
    let text = running.shell(&format!("cat /run/reseat/claim-{}.json", gpu.device))?;
    serde_json::from_str(&text).with_context(|| format!("the report is no JSON: {text}"))
}
