//! Virtual functions (SR-IOV), enabled by the drivers of their physical functions before the claim: none is claimed, and none
//! is lost by a claim, be it of the GPU that has them or of one whose group they are in; nor by a recovery.
//!
//! The GPU with virtual functions is QEMU's virtio-gpu, whose virtual functions are network cards. The one in whose group they
//! are stands beside Intel's network card igb.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::contract::{problem, verdict};
use reseat_scenarios::{Place, Rules, Running, Scene, Stage};
use reseat_vm::files::GuestFile;
use serde_json::json;

/// The first GPU is refused for the network card in its group, the second for itself; then two rules for virtual functions, and
/// one for a GPU that has nothing to do with them.
const RULES: &str = r#"
[[claim]]
select = "0000:02:00.0"
group-peers = ["0000:03:00.0", "0000:04:00.0"]

[[claim]]
select = "0000:05:00.0"
force-display = true

[[claim]]
select = "0000:05:00.1"

[[claim]]
select = "8086:10ca"

[[claim]]
select = "0000:01:00.0"
"#;

/// What each rule comes to: a GPU, or a part of the problem.
const EXPECTED: [Result<&str, &str>; 5] = [
    Ok("0000:02:00"),
    Ok("0000:05:00"),
    Err("0000:05:00.1 is a virtual function: not claimed"),
    Err("no GPU has a function 8086:10ca"),
    Ok("0000:01:00"),
];

const LEAVING: &str = "[[claim]]\nselect = \"0000:02:00.0\"\n";

/// The network card beside the first GPU, and the GPU with virtual functions.
const MORE: [&str; 12] = [
    "-device",
    r#"{"driver":"ioh3420","id":"network","bus":"pcie.0","addr":"04.2","chassis":20,"slot":20,"multifunction":true}"#,
    "-device",
    r#"{"driver":"igb","bus":"network"}"#,
    "-device",
    r#"{"driver":"pcie-root-port","id":"display","bus":"pcie.0","addr":"0a.0","chassis":21,"slot":21}"#,
    "-device",
    r#"{"driver":"virtio-net-pci","bus":"display","addr":"00.2","sriov-pf":"gpu"}"#,
    "-device",
    r#"{"driver":"virtio-net-pci","bus":"display","addr":"00.1","sriov-pf":"gpu"}"#,
    "-device",
    r#"{"driver":"virtio-gpu-pci","bus":"display","addr":"00.0","id":"gpu"}"#,
];

/// Each physical function with its driver and its virtual functions.
const PHYSICAL: [(&str, &str, [&str; 2]); 2] = [
    ("0000:04:00.0", "igb", ["0000:04:10.0", "0000:04:10.2"]),
    ("0000:05:00.0", "virtio-pci", ["0000:05:00.1", "0000:05:00.2"]),
];
const DISK: &str = "0000:03:00.0";

/// Before the claim.
const ENABLE: &str = r#"#!/bin/sh
case "$1" in prereqs) exit 0 ;; esac
for m in igb virtio_pci virtio_gpu; do modprobe $m; done
for f in 0000:04:00.0 0000:05:00.0; do echo 2 >/sys/bus/pci/devices/$f/sriov_numvfs; done
"#;

pub(crate) fn none_is_claimed_and_none_is_lost(stage: &Stage) -> Result<()> {
    let enable = GuestFile::executable("usr/share/initramfs-tools/scripts/init-top/000enable", ENABLE);
    let image = stage.image_with_modules(&["igb", "virtio_gpu", "nvme"], Rules::File(RULES), [enable])?;
    let running = Scene::new(stage, "sr-iov", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 1))
        .gpu_at(BoardDesign::new(Vendor::Nvidia, 2), Place::InOneGroup)
        .arguments(&MORE)
        .on_the_root([
            GuestFile::new("etc/reseat/reseat.toml", RULES),
            GuestFile::new("etc/leaving.toml", LEAVING),
        ])
        .boot()?;
    check_refused(&running)?;
    check_all_are_there(&running)?;
    check_left(&running)?;
    check_not_recovered(&running)?;
    check_not_isolated(&running)?;
    check_all_are_there(&running)?;
    check_way_out(&running)
}

fn check_refused(running: &Running) -> Result<()> {
    let report = running.report()?;
    for (index, expected) in EXPECTED.iter().enumerate() {
        let rule = &report["rules"][index];
        let is_so = match expected {
            Ok(gpu) => rule["gpus"] == json!([gpu]) && problem(rule).is_empty(),
            Err(why) => rule["gpus"] == json!([]) && problem(rule) == *why,
        };
        ensure!(is_so, "not {expected:?}: {rule:#}");
    }
    for (gpu, (function, ..)) in ["0000:02:00", "0000:05:00"].into_iter().zip(PHYSICAL) {
        let mut gpus = report["gpus"].as_array().into_iter().flatten();
        let gpu = gpus.find(|it| it["device"] == gpu).context("it is not there")?;
        let why = format!("{function} has 2 virtual functions, which would be gone; write 0 to its sriov_numvfs first");
        ensure!(verdict(gpu) == "refused" && problem(gpu) == why, "{report:#}");
    }
    running.check_claimed("0000:01:00.0")
}

/// Checks that the claim has left everything where it was.
fn check_all_are_there(running: &Running) -> Result<()> {
    for (physical, driver, all) in PHYSICAL {
        ensure!(
            running.attribute(physical, "sriov_numvfs")? == "2",
            "{physical} has lost some"
        );
        let has = running.shell(&format!("readlink /sys/bus/pci/devices/{physical}/driver"))?;
        ensure!(has.trim().ends_with(&format!("/{driver}")), "{physical} is on {has}");
        for function in all {
            let of = running.shell(&format!("readlink /sys/bus/pci/devices/{function}/physfn"))?;
            ensure!(of.trim().ends_with(physical), "{function} is of {of}");
        }
        for function in all.iter().chain([&physical]) {
            check_untouched(running, function)?;
        }
    }
    for function in ["0000:02:00.0", "0000:02:00.1", DISK] {
        check_untouched(running, function)?;
    }
    Ok(())
}

fn check_untouched(running: &Running, function: &str) -> Result<()> {
    let word = running.attribute(function, "driver_override")?;
    ensure!(word == "(null)", "{function} was touched: {word}");
    Ok(())
}

/// A rule that leaves peers alone loses nothing: it would have the GPU, and names them all.
fn check_left(running: &Running) -> Result<()> {
    let check = running.run("reseat rules check --rules /etc/leaving.toml", Duration::from_secs(60))?;
    ensure!(check.status == 7, "{check:?}");
    let check = check.stdout;
    for text in [
        "0000:02:00: would claim 2 functions\n",
        "0000:04:00.0 [8086:10c9], on driver igb, is in the same IOMMU group and left alone",
        "0000:04:10.0 [8086:10ca], ",
        "(a virtual function is never claimed)",
    ] {
        ensure!(check.contains(text), "not said: `{text}`, but\n{check}");
    }
    // Nor is one claimed when udev tells of it.
    let appeared = running.shell("reseat claim --function 0000:05:00.1")?;
    ensure!(appeared.contains("there is no GPU"), "{appeared}");
    Ok(())
}

/// Nor is a GPU reset whose virtual functions somebody may have.
fn check_not_recovered(running: &Running) -> Result<()> {
    running.shell("reseat baseline save 0000:05:00")?;
    let recovery = running.run("reseat recover 0000:05:00", Duration::from_secs(60))?;
    ensure!(
        recovery.status == 4 && recovery.stdout.contains("0000:05:00.0 has 2 virtual functions"),
        "{recovery:?}"
    );
    Ok(())
}

/// Nor is one isolated that is out of service.
fn check_not_isolated(running: &Running) -> Result<()> {
    running.run(
        "reseat quarantine add 0000:05:00 --reason trial",
        Duration::from_secs(60),
    )?;
    let claim = running.run("reseat claim --function 0000:05:00.0", Duration::from_secs(60))?;
    let why = "and not isolated: 0000:05:00.0 has 2 virtual functions, which would be gone";
    ensure!(claim.status == 6 && claim.stdout.contains(why), "{claim:?}");
    // As if nobody had taken it out of service.
    running.shell("rm /var/lib/reseat/quarantine.json")?;
    Ok(())
}

/// Without virtual functions both are claimed, the network card with the one beside it, once its driver and the disk's have let
/// go of them.
fn check_way_out(running: &Running) -> Result<()> {
    for (physical, ..) in PHYSICAL {
        running.shell(&format!("echo 0 >/sys/bus/pci/devices/{physical}/sriov_numvfs"))?;
    }
    for (driver, function) in [("nvme", DISK), ("igb", PHYSICAL[0].0)] {
        running.shell(&format!("echo {function} >/sys/bus/pci/drivers/{driver}/unbind"))?;
    }
    for function in ["0000:05:00.0", "0000:02:00.0"] {
        running.shell(&format!("reseat claim --function {function}"))?;
    }
    for function in ["0000:02:00.0", "0000:02:00.1"] {
        running.check_pinned(function)?;
    }
    for device in ["0000:03:00", "0000:04:00", "0000:05:00"] {
        let drivers = running.drivers(device)?;
        let drivers: Vec<&str> = drivers.values().map(String::as_str).collect();
        ensure!(drivers == ["vfio-pci"], "{device}: {drivers:?}");
    }
    Ok(())
}
