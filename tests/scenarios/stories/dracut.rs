//! Images that the real dracut builds from what is installed, without systemd and with it: a GPU is claimed before what the
//! image loads by name, and before udev. A twin goes to the rival, which shows that the rival was there.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::device_accesses;
use reseat_scenarios::contract::verdict;
use reseat_scenarios::{Rules, Running, Scene, Stage};
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::Builder;

use crate::quarantine::{LEDGER, check_isolated, ledger, unknown};

/// The second of three; the ledger has the first out of service, and the third is anybody's.
const RULES: &str = "[[claim]]\nselect = \"0000:02:00.0@10de:2489\"\n";

/// What systemd loads by name, as soon as it can.
const MODULES_LOAD: &str = "usr/lib/modules-load.d/rival.conf";

/// Holds the claim up where systemd runs it, so that only its place in the order keeps it ahead.
const HELD_UP: &str = "etc/systemd/system/reseat-claim.service.d/held-up.conf";

/// Has dracut take that along.
const CONFIGURATION: &str = "etc/dracut.conf.d/held-up.conf";

/// What dracut loads by name before it starts udev.
const DRIVER_PRE: &str = "rd.driver.pre=nouveau";

fn boot(stage: &Stage, name: &str, builder: Builder, append: &str) -> Result<Running> {
    let more = [
        GuestFile::new(MODULES_LOAD, "nouveau\n"),
        GuestFile::new(LEDGER, ledger(&[unknown("0000:01:00")])),
        GuestFile::new(HELD_UP, "[Service]\nExecStartPre=/usr/bin/sleep 5\n"),
        GuestFile::new(CONFIGURATION, format!("install_items+=\" /{HELD_UP} \"\n")),
    ];
    let image = stage.image_by(builder, Rules::File(RULES), more)?;
    let board = || BoardDesign::new(Vendor::Nvidia, 2);
    Scene::new(stage, name, image)
        .gpu(board())
        .gpu(board())
        .gpu(board())
        .append(DRIVER_PRE)
        .append(append)
        .boot()
}

fn check_claimed_before_the_rival(running: &Running) -> Result<()> {
    let report = running.report()?;
    ensure!(
        report["gpus"].as_array().is_some_and(|gpus| gpus.len() == 2),
        "{report:#}"
    );
    check_isolated(running, &running.gpus[0])?;
    for function in ["0000:02:00.0", "0000:02:00.1"] {
        running.check_claimed(function)?;
    }
    // The access logs are the witnesses.
    for gpu in running.gpus.iter().take(2) {
        let touched = device_accesses(&gpu.fake)?;
        ensure!(touched.is_empty(), "{} was touched: {touched:?}", gpu.device);
    }
    let claim = running.line("reseat: 0000:02:00: ")?;
    let rival = running.first_driver_read(2)?;
    ensure!(claim.at < rival, "nouveau at {rival:?}, the claim at {:?}", claim.at);
    // Neither a hook and a unit, nor a unit twice.
    let lines = running.claim_lines();
    let claims = lines.iter().filter(|line| line.text.contains("reseat: 0000:02:00: "));
    ensure!(claims.count() == 1, "it did not run once: {lines:?}");
    Ok(())
}

pub(crate) fn without_systemd(stage: &Stage) -> Result<()> {
    let running = boot(stage, "dracut", Builder::Dracut, "")?;
    check_claimed_before_the_rival(&running)
}

/// Here the rival is loaded by name three times over: by modules-load.d, by dracut's pre-udev hook, and by udev.
pub(crate) fn with_systemd(stage: &Stage) -> Result<()> {
    // Its words about each unit would cost an emulated machine a good part of the boot.
    let running = boot(
        stage,
        "dracut-systemd",
        Builder::DracutSystemd,
        "systemd.show_status=no",
    )?;
    running.line("systemd[1]: ")?;
    check_claimed_before_the_rival(&running)
}

/// The negative: the same image as without systemd, with nothing but the switch changed.
pub(crate) fn the_switch_leaves_it_to_the_rival(stage: &Stage) -> Result<()> {
    let running = boot(stage, "dracut-off", Builder::Dracut, "rd.reseat=0")?;
    let report = running.report()?;
    ensure!(verdict(&report) == "off", "{report:#}");
    for gpu in [0, 1, 2] {
        running.first_driver_read(gpu)?;
    }
    Ok(())
}
