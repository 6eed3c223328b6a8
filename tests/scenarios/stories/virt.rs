//! On aarch64, behind a version 3 SMMU: the programs for it on Debian's kernel for it. The image is put together by the bed,
//! since no builder for aarch64 runs here; the machine is described by a device tree, and its SMMU translates nothing, since
//! what QEMU has of it takes no function that another process serves.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::{device_accesses, now};
use reseat_scenarios::contract::{rung, verdict};
use reseat_scenarios::{Rules, Running, Scene, Stage, faults};
use reseat_vm::initramfs::Image;
use reseat_vm::machine::Iommu;
use serde_json::{Map, Value, json};

const RULES: &str = "[[claim]]\nselect = \"0000:01:00.0@10de:2489\"\n";

/// How a recovery ends whose outcome could not be verified.
const UNVERIFIED: i32 = 3;

fn twins<'a>(stage: &'a Stage, name: &'a str, image: Image) -> Scene<'a> {
    Scene::new(stage, name, image)
        .traced()
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
}

pub(crate) fn one_is_claimed_and_nouveau_has_the_other(stage: &Stage) -> Result<()> {
    let arm = stage.aarch64()?;
    let running = twins(&arm, "virt", arm.bare_image(Rules::File(RULES))?).boot()?;
    let machine = running.shell("uname -m")?;
    ensure!(machine.trim() == "aarch64", "this is a machine with {machine}");
    for function in ["0000:01:00.0", "0000:01:00.1"] {
        running.check_claimed(function)?;
        check_group(&running, function)?;
    }
    let claimed = device_accesses(&running.gpus[0].fake)?;
    ensure!(claimed.is_empty(), "the claimed GPU was touched: {claimed:?}");
    let first = running.first_driver_read(1)?;
    let claim = running.line("reseat: 0000:01:00: ")?;
    ensure!(claim.at < first, "nouveau was at work before the claim");

    let twin = running.drivers("0000:02:00")?;
    ensure!(twin.values().all(|driver| driver != "vfio-pci"), "{twin:?}");
    let audio = twin.get("0000:02:00.1").map(String::as_str);
    ensure!(audio == Some("snd_hda_intel"), "{twin:?}");
    for function in twin.keys() {
        let overridden = running.attribute(function, "driver_override")?;
        ensure!(overridden == "(null)", "{function} has the override {overridden}");
    }

    // The operator's command runs there as well.
    let shown = running.shell("reseat report && reseat inventory")?;
    ensure!(shown.contains("on vfio-pci, in D0 and pinned"), "{shown}");

    let report = running.report()?;
    recovered(&running).context("a recovery")?;
    drop(running);
    the_report_is_that_of_x86_64(stage, &report)
}

/// What the table of recoveries has, in short. The registers behind a BAR cannot be read there: what was reset is well, and not
/// called recovered.
fn recovered(running: &Running) -> Result<()> {
    let (gpu, twin) = (running.gpu(0)?, running.gpu(1)?);
    running.shell(&format!("reseat baseline save {}", gpu.device))?;
    for (case, by) in [(faults::OFF_THE_BUS, rung::SBR), (faults::HEALTHY, rung::BUS)] {
        let begin = now();
        let recovery = running.recover(gpu, &case, "")?;
        ensure!(
            recovery.status == UNVERIFIED && recovery.is_well() && recovery.rungs() == [by],
            "{}: {}",
            case.name,
            recovery.told()
        );
        running.check_all_pinned(gpu)?;
        let resets = running.port_resets(begin, now())?;
        ensure!(
            !resets.is_empty() && resets.iter().all(|reset| reset.port == gpu.port),
            "{}: {resets:?}",
            case.name
        );
        ensure!(twin.is_well()?, "{:?}", twin.truth()?);
    }
    Ok(())
}

/// The kernel put the function into a group because the SMMU told it to, vfio gives the group out, and the report has it.
fn check_group(running: &Running, function: &str) -> Result<()> {
    let link = |name: &str| running.shell(&format!("basename $(readlink /sys/bus/pci/devices/{function}/{name})"));
    let iommu = link("iommu")?;
    ensure!(iommu.starts_with("smmu3."), "{function} is behind {iommu}");
    let group = link("iommu_group")?;
    let group = group.trim();
    running
        .shell(&format!("test -c /dev/vfio/{group}"))
        .with_context(|| format!("vfio does not give out group {group}"))?;
    let report = running.report()?;
    let functions = report["gpus"][0]["functions"].as_array();
    let reported = functions.and_then(|all| all.iter().find(|one| one["address"] == function));
    ensure!(
        reported.is_some_and(|reported| reported["iommu_group"] == group),
        "the group of {function} is {group}: {report:#}"
    );
    Ok(())
}

/// The same scene on x86-64, for comparison.
fn the_report_is_that_of_x86_64(stage: &Stage, report: &Value) -> Result<()> {
    let running = twins(stage, "virt-peer", stage.image(Rules::File(RULES), [])?).boot()?;
    let mut there = report.clone();
    let mut here = running.report()?;
    // Whose kernel it is, and how the kernels number their groups.
    differs_by(&mut there, &mut here, &["kernel", "boot_id", "iommu_group"])?;
    ensure!(there == here, "on aarch64: {there:#}\non x86-64: {here:#}");
    Ok(())
}

/// Makes both the same in what may differ: durations, how far sysfs has counted, and these fields where both have a word for it.
fn differs_by(one: &mut Value, other: &mut Value, fields: &[&str]) -> Result<()> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names = |object: &Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
            ensure!(names(one) == names(other), "{one:?} and {other:?} have other fields");
            for (name, value) in one.iter_mut() {
                let Some(beside) = other.get_mut(name) else { continue };
                let may = match name.as_str() {
                    "duration_ms" | "newest_function" => value.is_number() && beside.is_number(),
                    name => fields.contains(&name) && value.is_string() && beside.is_string(),
                };
                if may {
                    (*value, *beside) = (json!("either"), json!("either"));
                } else {
                    differs_by(value, beside, fields)?;
                }
            }
            Ok(())
        }
        (Value::Array(one), Value::Array(other)) => {
            let mut pairs = one.iter_mut().zip(other.iter_mut());
            pairs.try_for_each(|(one, other)| differs_by(one, other, fields))
        }
        _ => Ok(()),
    }
}

/// The negative: the same without the SMMU. It has no group, is not claimed, and the reason is in the log.
pub(crate) fn without_an_smmu_it_is_refused(stage: &Stage) -> Result<()> {
    let arm = stage.aarch64()?;
    let image = arm.bare_image(Rules::File(RULES))?;
    let scene = twins(&arm, "virt-no-smmu", image).iommu(Iommu::None);
    let running = scene.boot()?;
    running
        .line("reseat: 0000:01:00: refused: 0000:01:00.0: no IOMMU; enable the SMMU (IOMMU) in the firmware setup")?;
    let report = running.report()?;
    ensure!(verdict(&report["gpus"][0]) == "refused", "{report:#}");
    let groups = running.shell("ls /sys/kernel/iommu_groups")?;
    ensure!(groups.is_empty(), "there are groups: {groups}");
    let drivers = running.drivers("0000:01:00")?;
    ensure!(drivers.values().all(|driver| driver != "vfio-pci"), "{drivers:?}");
    let overridden = running.attribute("0000:01:00.0", "driver_override")?;
    ensure!(overridden == "(null)", "an override was left: {overridden}");
    // And nouveau has it, as it would have had both.
    running.first_driver_read(0)?;
    Ok(())
}

/// The negative for a group that is awaited: an SMMU runs, and is not for this function. The kernel has vfio-pci refuse it, and
/// the GPU is given back as it was.
pub(crate) fn what_the_smmu_does_not_cover_is_given_back(stage: &Stage) -> Result<()> {
    let arm = stage.aarch64()?;
    let image = arm.bare_image(Rules::File(RULES))?;
    let scene = twins(&arm, "virt-uncovered", image).iommu(Iommu::Elsewhere);
    let running = scene.boot()?;
    let units = running.shell("ls /sys/class/iommu")?;
    ensure!(units.starts_with("smmu3."), "there is no SMMU: {units}");
    let line = running.line("reseat: 0000:01:00: not claimed, given back as it was: bind 0000:01:00.0 to vfio-pci")?;
    ensure!(line.text.contains("in no IOMMU group"), "{}", line.text);
    let report = running.report()?;
    let gpu = &report["gpus"][0];
    ensure!(
        verdict(gpu) == "rolled-back" && gpu["functions"][0]["iommu_group"].is_null(),
        "{report:#}"
    );
    let drivers = running.drivers("0000:01:00")?;
    ensure!(drivers.values().all(|driver| driver != "vfio-pci"), "{drivers:?}");
    let overridden = running.attribute("0000:01:00.0", "driver_override")?;
    ensure!(overridden == "(null)", "an override was left: {overridden}");
    Ok(())
}
