//! GPUs out of service, in this boot and the next ones, and back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::control::{Bars, Command, Until};
use reseat_scenarios::contract::{document, end_of, recovered_by, schema};
use reseat_scenarios::faults::Case;
use reseat_scenarios::{Ended, Gpu, Running};
use serde_json::{Value, json};

use crate::service::FREE;

/// Every reset may take the time of one that the kernel gives up.
const RESETS: Duration = Duration::from_secs(200);

/// On the system that the image is built on: what its hook finds.
pub(crate) const LEDGER: &str = "var/lib/reseat/quarantine.json";

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
    let inventory = document(&running.shell("reseat inventory --json")?)?;
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

pub(crate) fn run(running: &Running, command: &str, status: i32) -> Result<Ended> {
    let ended = running.run(command, RESETS)?;
    ensure!(ended.status == status, "{command}: {ended:?}");
    Ok(ended)
}

pub(crate) fn entries(running: &Running) -> Result<Vec<Value>> {
    let list = document(&running.shell("reseat quarantine list --json")?)?;
    ensure!(list["schema"] == schema::QUARANTINE_LIST, "{list:#}");
    Ok(list["entries"].as_array().cloned().unwrap_or_default())
}

/// What the operator takes out of service is out of reach, and nothing but a return brings it back: healthy, it does.
pub(crate) fn by_the_operator_and_back(running: &Running) -> Result<()> {
    running.shell("reseat baseline save 0000:01:00 0000:02:00")?;
    let (gpu, twin) = (running.gpu(0)?, running.gpu(1)?);
    running.shell(&format!("test -e /dev/vfio/{}", group(running, gpu)?))?;

    run(running, "reseat quarantine add 0000:01:00 --reason 'fan is loud'", 0)?;
    check_isolated(running, gpu)?;
    running.check_all_pinned(twin)?;
    let listed = run(running, "reseat quarantine list", 0)?.stdout;
    ensure!(listed.contains("fan is loud") && listed.contains("nobody"), "{listed}");
    for asked in [
        "reseat recover 0000:01:00",
        "reseat recover 0000:01:00 --force --dry-run",
    ] {
        let refused = run(running, asked, 4)?;
        ensure!(
            refused.stderr.contains("fan is loud") && refused.stderr.contains("return-to-service"),
            "{refused:?}"
        );
    }
    // A driver that comes later does not get it, and what is isolated stays so.
    running.shell("for f in 0000:01:00.0 0000:01:00.1; do echo $f >/sys/bus/pci/drivers_probe; done")?;
    run(running, "reseat quarantine apply", 0)?;
    check_isolated(running, gpu)?;

    let resets = |gpu: &Gpu| -> Result<u32> { Ok(gpu.truth()?.iter().map(|it| it.flr + it.sbr).sum()) };
    let before = resets(gpu)?;
    let back = run(running, "reseat return-to-service 0000:01:00 --json", 0)?;
    let events: Vec<Value> = back.stdout.lines().map(document).collect::<Result<_>>()?;
    let verified = events
        .iter()
        .filter(|event| end_of(event).and_then(recovered_by).is_some())
        .count();
    ensure!(verified == 3, "{verified} verified resets\n{}", back.stdout);
    ensure!(resets(gpu)? >= before + 3, "{:?}", gpu.truth()?);
    ensure!(gpu.is_well()?, "{:?}", gpu.truth()?);
    ensure!(entries(running)?.is_empty(), "it is still in the ledger");
    running.check_all_pinned(gpu)?;
    let kept = running.shell("cat /var/lib/reseat/quarantine.json")?;
    ensure!(
        kept.contains("verified-resets") && kept.contains("fan is loud"),
        "{kept}"
    );
    run(running, "reseat return-to-service 0000:01:00", 1)?;
    run(running, "reseat recover 0000:01:00", 0)?;
    Ok(())
}

/// What stays sick stays out of service, and out of reach; when it is well again, it comes back.
pub(crate) fn what_stays_sick_does_not_come_back(running: &Running) -> Result<()> {
    let _keeper = running.keep_slots();
    running.shell("reseat baseline save 0000:01:00")?;
    let gpu = running.gpu(0)?;
    run(running, "reseat quarantine add 0000:01:00.1 --reason 'bad answers'", 0)?;
    gpu.suffer(&SICK_FOR_GOOD)?;
    let out = run(running, "reseat return-to-service 0000:01:00", 5)?;
    ensure!(out.stderr.contains("still out of service"), "{out:?}");
    let noted = entries(running)?;
    ensure!(noted.len() == 1 && noted[0]["now"]["kind"] == "no-driver", "{noted:?}");
    check_isolated(running, gpu)?;

    gpu.heal()?;
    // One of its functions is removed, which no reset is needed to find.
    running.shell("echo 1 >/sys/bus/pci/devices/0000:01:00.1/remove")?;
    let back = run(running, "reseat return-to-service 0000:01:00 --resets 1", 0)?;
    ensure!(
        back.stdout.contains("0000:01:00.1: found by a scan of the bus"),
        "{back:?}"
    );
    ensure!(entries(running)?.is_empty(), "it is still in the ledger");
    running.check_all_pinned(gpu)
}

/// A GPU that no rule chooses was on vfio-pci, and is there again; one that was in use is isolated once its user has left.
pub(crate) fn it_returns_to_the_driver_that_it_had(running: &Running) -> Result<()> {
    let gpu = running.gpu(FREE)?;
    let functions = (0..gpu.functions()).map(|number| gpu.function(number));
    let functions: Vec<String> = functions.collect();
    let bind = format!(
        "for f in {}; do d=/sys/bus/pci/devices/$f\n\
         echo vfio-pci >$d/driver_override\n\
         [ -e $d/driver ] && echo $f >$d/driver/unbind\n\
         echo $f >/sys/bus/pci/drivers_probe; done",
        functions.join(" ")
    );
    running.shell(&bind)?;
    let are_on_vfio_pci = || -> Result<()> {
        let drivers = running.drivers(&gpu.device)?;
        ensure!(drivers.values().all(|driver| driver == "vfio-pci"), "{drivers:?}");
        Ok(())
    };
    are_on_vfio_pci()?;
    running.shell(&format!("reseat baseline save {}", gpu.device))?;

    let holder = format!(
        "exec 3<>/dev/vfio/{}; echo $$ >/tmp/holder; while :; do usleep 100000; done",
        group(running, gpu)?
    );
    let job = running.start(&holder)?;
    running.shell("while ! test -s /tmp/holder; do usleep 10000; done")?;
    let add = format!("reseat quarantine add {} --reason 'fan is loud'", gpu.device);
    let in_use = run(running, &add, 6)?;
    ensure!(in_use.stdout.contains("reseat-isolate.timer"), "{in_use:?}");
    are_on_vfio_pci()?;
    running.shell("test -e /run/reseat/not-isolated")?;
    running.shell("kill $(cat /tmp/holder)")?;
    job.wait(Duration::from_secs(10))?;
    // As the timer's service does.
    run(running, "reseat quarantine apply", 0)?;
    check_isolated(running, gpu)?;
    running.shell("! test -e /run/reseat/not-isolated")?;

    run(
        running,
        &format!("reseat return-to-service {} --resets 1", gpu.device),
        0,
    )?;
    are_on_vfio_pci()
}

/// The registers are dead, and nothing that the machine can do helps.
const SICK_FOR_GOOD: Case = Case {
    name: "BAR0 dead for good",
    faults: &[(Some(0), Command::Bars(Bars::BadFive { until: Until::Command }))],
};

/// What the next boot finds of GPUs that are out of service.
pub(crate) fn ledger(gpus: &[Value]) -> String {
    let entry = |gpu: &Value| json!({"gpu": gpu, "reason": "fell off the bus", "cause": null, "since": "2026-09-21T14:13:20Z", "attempts": []});
    let entries: Vec<Value> = gpus.iter().map(entry).collect();
    json!({"schema": schema::QUARANTINE, "lost": null, "entries": entries, "past": []}).to_string()
}

/// A GPU that did not say who it is, as a ledger has it.
pub(crate) fn unknown(device: &str) -> Value {
    let functions = [(0, "10de:2489"), (1, "10de:1aef")];
    let functions =
        functions.map(|(number, identity)| json!({"address": format!("{device}.{number}"), "identity": identity}));
    json!({"device": device, "functions": functions, "slot": null, "serial": null})
}
