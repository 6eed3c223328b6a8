//! GPUs out of service, in this boot and the next ones, and back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::control::{Bars, Command, Until};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::device_accesses;
use reseat_scenarios::faults::Case;
use reseat_scenarios::{Ended, Gpu, Rules, Running, Scene, Stage};
use reseat_vm::files::GuestFile;
use serde_json::{Value, json};

/// Every reset may take the time of one that the kernel gives up.
const RESETS: Duration = Duration::from_secs(200);

/// On the system that the image is built on: what its hook finds.
pub(crate) const LEDGER: &str = "var/lib/reseat/quarantine.json";

fn board(functions: usize) -> BoardDesign {
    BoardDesign::new(Vendor::Nvidia, functions)
}

fn scene<'a>(stage: &'a Stage, name: &'a str, ledger: Option<&str>) -> Result<Scene<'a>> {
    let more = ledger.map(|ledger| GuestFile::new(LEDGER, ledger));
    // With nouveau and the audio driver in it: whatever is in reach, they get.
    let image = stage.image(Rules::None, more)?;
    // On the command line, where the rules are on the real root as well.
    Ok(Scene::new(stage, name, image).append("reseat.claim=gpu"))
}

fn check_claimed(running: &Running, gpu: &Gpu) -> Result<()> {
    (0..gpu.functions()).try_for_each(|function| running.check_pinned(&gpu.function(function)))
}

/// Checks that nobody has any of it nor can get it.
pub(crate) fn check_isolated(running: &Running, gpu: &Gpu) -> Result<()> {
    let drivers = running.drivers(&gpu.device)?;
    ensure!(
        drivers.len() == usize::from(gpu.functions()) && drivers.values().all(|driver| driver == "-"),
        "{drivers:?}"
    );
    for function in 0..gpu.functions() {
        let function = gpu.function(function);
        let reserved = running.attribute(&function, "driver_override")?;
        ensure!(reserved == "reseat-quarantine", "{function} is reserved for {reserved}");
    }
    let group = group(running, gpu)?;
    running
        .shell(&format!("! test -e /dev/vfio/{group}"))
        .context("the group can be opened")?;
    let inventory: Value = serde_json::from_str(&running.shell("reseat inventory --json")?)?;
    let gpus = inventory["gpus"].as_array().context("no GPUs")?;
    let shown = gpus.iter().find(|shown| shown["device"] == gpu.device.as_str());
    let functions = shown.and_then(|shown| shown["functions"].as_array());
    let functions = functions.context("the GPU is not in the inventory")?;
    ensure!(
        functions.iter().all(|function| function["driver"].is_null()),
        "{inventory:#}"
    );
    Ok(())
}

fn group(running: &Running, gpu: &Gpu) -> Result<String> {
    let link = format!("/sys/bus/pci/devices/{}/iommu_group", gpu.function(0));
    let group = running.shell(&format!("basename $(readlink {link})"))?;
    Ok(group.trim().to_owned())
}

fn run(running: &Running, command: &str, status: i32) -> Result<Ended> {
    let ended = running.run(command, RESETS)?;
    ensure!(ended.status == status, "{command}: {ended:?}");
    Ok(ended)
}

fn entries(running: &Running) -> Result<Vec<Value>> {
    let list: Value = serde_json::from_str(&running.shell("reseat quarantine list --json")?)?;
    ensure!(list["schema"] == "reseat.quarantine-list/1", "{list:#}");
    Ok(list["entries"].as_array().cloned().unwrap_or_default())
}

/// What the operator takes out of service is out of reach, and nothing but a return brings it back: healthy, it does.
pub(crate) fn by_the_operator_and_back(stage: &Stage) -> Result<()> {
    let running = scene(stage, "quarantine-operator", None)?
        .gpu(board(2))
        .gpu(board(2))
        .boot()?;
    running.save_baselines()?;
    let (gpu, twin) = (running.gpu(0)?, running.gpu(1)?);
    running.shell(&format!("test -e /dev/vfio/{}", group(&running, gpu)?))?;

    run(&running, "reseat quarantine add 0000:01:00 --reason 'fan is loud'", 0)?;
    check_isolated(&running, gpu)?;
    check_claimed(&running, twin)?;
    let listed = run(&running, "reseat quarantine list", 0)?.stdout;
    ensure!(listed.contains("fan is loud") && listed.contains("nobody"), "{listed}");
    for asked in [
        "reseat recover 0000:01:00",
        "reseat recover 0000:01:00 --force --dry-run",
    ] {
        let refused = run(&running, asked, 4)?;
        ensure!(
            refused.stderr.contains("fan is loud") && refused.stderr.contains("return-to-service"),
            "{refused:?}"
        );
    }
    // A driver that comes later does not get it, and what is isolated stays so.
    running.shell("for f in 0000:01:00.0 0000:01:00.1; do echo $f >/sys/bus/pci/drivers_probe; done")?;
    run(&running, "reseat quarantine apply", 0)?;
    check_isolated(&running, gpu)?;

    let resets = |gpu: &Gpu| -> Result<u32> { Ok(gpu.truth()?.iter().map(|it| it.flr + it.sbr).sum()) };
    let before = resets(gpu)?;
    let back = run(&running, "reseat return-to-service 0000:01:00 --json", 0)?;
    let events: Vec<Value> = back
        .stdout
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let verified = events
        .iter()
        .filter(|event| !event["end"]["Recovered"].is_null())
        .count();
    ensure!(verified == 3, "{verified} verified resets\n{}", back.stdout);
    ensure!(resets(gpu)? >= before + 3, "{:?}", gpu.truth()?);
    ensure!(gpu.is_well()?, "{:?}", gpu.truth()?);
    ensure!(entries(&running)?.is_empty(), "it is still in the ledger");
    check_claimed(&running, gpu)?;
    let kept = running.shell("cat /var/lib/reseat/quarantine.json")?;
    ensure!(
        kept.contains("after 3 verified resets") && kept.contains("fan is loud"),
        "{kept}"
    );
    run(&running, "reseat return-to-service 0000:01:00", 1)?;
    run(&running, "reseat recover 0000:01:00", 0)?;
    Ok(())
}

/// What stays sick stays out of service, and out of reach; when it is well again, it comes back.
pub(crate) fn what_stays_sick_does_not_come_back(stage: &Stage) -> Result<()> {
    let running = scene(stage, "quarantine-sick", None)?.gpu(board(2)).boot()?;
    let _keeper = running.keep_slots();
    running.save_baselines()?;
    let gpu = running.gpu(0)?;
    run(&running, "reseat quarantine add 0000:01:00.1 --reason 'bad answers'", 0)?;
    gpu.suffer(&SICK_FOR_GOOD)?;
    let out = run(&running, "reseat return-to-service 0000:01:00", 5)?;
    ensure!(out.stderr.contains("still out of service"), "{out:?}");
    let noted = entries(&running)?;
    ensure!(noted.len() == 1 && noted[0]["now"] == "nobody", "{noted:?}");
    check_isolated(&running, gpu)?;

    gpu.heal()?;
    run(&running, "reseat return-to-service 0000:01:00 --resets 1", 0)?;
    ensure!(entries(&running)?.is_empty(), "it is still in the ledger");
    check_claimed(&running, gpu)
}

/// A ledger that is in the image when the machine boots: that GPU is isolated before any driver, its twin is claimed.
pub(crate) fn the_next_boot_isolates_it(stage: &Stage) -> Result<()> {
    let running = scene(stage, "quarantine-boot", Some(&ledger()))?
        .gpu(board(2))
        .gpu(board(2))
        .boot()?;
    let (gpu, twin) = (running.gpu(0)?, running.gpu(1)?);
    check_isolated(&running, gpu)?;
    check_claimed(&running, twin)?;
    let report = running.report()?;
    let shown = &report["gpus"][0];
    ensure!(
        report["schema"] == "reseat.claim/1" && shown["verdict"] == "refused",
        "{report:#}"
    );
    ensure!(
        shown["quarantine"]["isolated"] == true && shown["quarantine"]["reason"] == "fell off the bus",
        "{report:#}"
    );
    running.line("reseat: 0000:01:00: out of service, isolated: fell off the bus")?;
    // nouveau is in the image, and has read a register of whatever it got.
    let touched = device_accesses(&gpu.fake)?;
    ensure!(touched.is_empty(), "it was touched: {touched:?}");

    // This root knows nothing of it: the list in the image is older, which is told.
    let told = run(&running, "reseat quarantine apply", 1)?;
    ensure!(told.stderr.contains("0000:01:00 was isolated at boot"), "{told:?}");
    run(
        &running,
        "reseat return-to-service 0000:01:00 --force --reason 'it was repaired'",
        0,
    )?;
    check_claimed(&running, gpu)
}

/// A damaged ledger counts for every GPU that the rules choose, until somebody accepts the loss.
pub(crate) fn a_damaged_list_counts_for_all(stage: &Stage) -> Result<()> {
    let ledger = ledger();
    let half = ledger.get(..ledger.len() / 2);
    let running = scene(stage, "quarantine-damaged", half)?
        .gpu(board(2))
        .gpu(board(1))
        .boot()?;
    for gpu in &running.gpus {
        check_isolated(&running, gpu)?;
    }
    running.line("reseat: the quarantine: it is no quarantine file")?;
    let write = format!(
        "mkdir -p /var/lib/reseat && printf '%s' '{}' >/var/lib/reseat/quarantine.json",
        half.unwrap_or_default()
    );
    running.shell(&write)?;
    run(&running, "reseat quarantine apply", 1)?;
    run(&running, "reseat quarantine list", 1)?;
    let refused = run(&running, "reseat recover 0000:02:00", 4)?;
    ensure!(refused.stderr.contains("nobody knows"), "{refused:?}");
    run(&running, "reseat return-to-service 0000:02:00", 1)?;
    run(
        &running,
        "reseat quarantine accept-loss --reason 'only one was in it'",
        0,
    )?;
    run(&running, "reseat quarantine list", 0)?;
    running.shell("ls /var/lib/reseat/quarantine.json.corrupt-*")?;
    // In service, and out of reach since the boot, which is told; a recovery is not refused any more.
    let told = run(&running, "reseat quarantine apply", 1)?;
    ensure!(told.stderr.contains("0000:02:00 was isolated at boot"), "{told:?}");
    run(&running, "reseat recover 0000:02:00 --dry-run", 0)?;
    Ok(())
}

/// The registers are dead, and nothing that the machine can do helps.
const SICK_FOR_GOOD: Case = Case {
    name: "BAR0 dead for good",
    faults: &[(Some(0), Command::Bars(Bars::BadFive { until: Until::Command }))],
};

pub(crate) fn ledger() -> String {
    let functions = [("0000:01:00.0", "10de:2489"), ("0000:01:00.1", "10de:1aef")];
    let functions = functions.map(|(address, identity)| json!({"address": address, "identity": identity}));
    let gpu = json!({"device": "0000:01:00", "functions": functions, "slot": null, "serial": null});
    let entry = json!({
        "gpu": gpu, "reason": "fell off the bus", "since": "2026-09-21T14:13:20Z", "attempts": [],
    });
    json!({"schema": "reseat.quarantine/1", "lost": null, "entries": [entry]}).to_string()
}
