//! An AMD card with a switch of its own: the GPU and its audio are claimed by the slot that the card is in, the switch stays
//! the kernel's, and a reset is begun above the switch.
//!
//! By IDs the switch is the one on AMD's cards (1002:1478 and 1479), and nothing can be plugged behind it; in everything else
//! it is QEMU's, which is Texas Instruments'. That behind any other switch the reset is that of the port right above is the
//! story `recover::a_disk_with_its_io_running_is_spared`.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::{disturbances, now};
use reseat_scenarios::contract::{problem, rung};
use reseat_scenarios::{Place, Rules, Running, Scene, Stage, faults};
use reseat_vm::files::GuestFile;
use serde_json::json;

/// The second rule names a port of the second card's switch that it does not have.
const RULES: &str = r#"
[[claim]]
select = "slot=1@1002:73ef"
group-peers = true

[[claim]]
select = "slot=3/01.0"
"#;

/// The cards' switches: upstream port, downstream port.
const OF_THE_CARD: [&str; 2] = ["0000:01:00.0", "0000:02:00.0"];
const OF_ITS_TWIN: [&str; 2] = ["0000:04:00.0", "0000:05:00.0"];
/// The root port.
const CARD_ROOT: &str = "0000:00:03.0";

pub(crate) fn claimed_and_recovered_as_one_card(stage: &Stage) -> Result<()> {
    let image = stage.image_with_modules(&["snd_hda_intel"], Rules::File(RULES), [])?;
    let board = || BoardDesign::new(Vendor::Amd, 2);
    let running = Scene::new(stage, "amd-switch", image)
        .traced()
        .gpu_at(board(), Place::OwnSwitch)
        .gpu_at(board(), Place::OwnSwitch)
        .on_the_root([GuestFile::new("etc/reseat/reseat.toml", RULES)])
        .boot()?;
    check_claimed(&running)?;
    check_recovered(&running)
}

fn check_claimed(running: &Running) -> Result<()> {
    let report = running.report()?;
    let rules = &report["rules"];
    ensure!(rules[0]["gpus"] == json!(["0000:03:00"]), "{report:#}");
    ensure!(rules[1]["gpus"] == json!([]), "{report:#}");
    let problem = problem(&rules[1]);
    ensure!(
        problem.starts_with("no GPU has slot=3/01.0: there is slot=1/00.0/00.0, ")
            && problem.contains("slot=3/00.0/00.0"),
        "{problem}"
    );
    let card = running.gpu(0)?;
    for function in 0..card.functions() {
        running.check_claimed(&card.function(function))?;
    }
    check_ports(running)?;
    // Without ACS the port right above is in the GPU's group, and no peer all the same.
    let gpu = &report["gpus"][0];
    let functions = gpu["functions"].as_array().map(Vec::len);
    ensure!(functions == Some(2) && gpu["peers"] == json!([]), "{report:#}");
    let groups = running.shell(&format!(
        "readlink -f /sys/bus/pci/devices/{}/iommu_group; readlink -f /sys/bus/pci/devices/{}/iommu_group",
        card.function(0),
        OF_THE_CARD[1]
    ))?;
    let groups: Vec<&str> = groups.lines().collect();
    ensure!(groups.len() == 2 && groups[0] == groups[1], "{groups:?}");

    let twin = running.gpu(1)?;
    for function in [twin.function(0), twin.function(1)] {
        let word = running.attribute(&function, "driver_override")?;
        ensure!(word == "(null)", "{function} was touched: {word}");
    }
    Ok(())
}

/// Checks that all ports are the kernel's.
fn check_ports(running: &Running) -> Result<()> {
    for port in OF_THE_CARD.iter().chain(&OF_ITS_TWIN) {
        let drivers = running.drivers(port.trim_end_matches(".0"))?;
        ensure!(drivers.values().all(|driver| driver == "pcieport"), "{drivers:?}");
        let word = running.attribute(port, "driver_override")?;
        ensure!(word == "(null)", "{port} was touched: {word}");
    }
    Ok(())
}

/// The card off the bus comes back by a reset of its root port, its switch with it, and its twin feels nothing.
fn check_recovered(running: &Running) -> Result<()> {
    let (card, twin) = (running.gpu(0)?, running.gpu(1)?);
    running.shell(&format!("reseat baseline save {}", card.device))?;
    let before: Vec<String> = OF_THE_CARD
        .iter()
        .map(|port| instance(running, port))
        .collect::<Result<_>>()?;
    let begin = now();
    let recovery = running.recover(card, &faults::OFF_THE_BUS, "")?;
    ensure!(
        recovery.says_recovered() && recovery.rungs() == [rung::SBR],
        "{}",
        recovery.told()
    );
    let resets = running.port_resets(recovery.since, now())?;
    ensure!(
        !resets.is_empty() && resets.iter().all(|reset| reset.port == CARD_ROOT),
        "{resets:?}"
    );
    running.check_all_pinned(card)?;
    check_ports(running)?;
    for (port, before) in OF_THE_CARD.iter().zip(&before) {
        ensure!(instance(running, port)? != *before, "{port} was not removed");
    }
    let seen = disturbances(&twin.fake, begin, now())?;
    ensure!(seen.is_empty(), "its twin was disturbed: {seen:?}");
    Ok(())
}

/// The number of a function's directory in sysfs: another one if it was removed meanwhile.
fn instance(running: &Running, function: &str) -> Result<String> {
    running.shell(&format!("stat -c %i /sys/bus/pci/devices/{function}/"))
}
