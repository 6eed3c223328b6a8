//! The boot after GPUs went out of service: they are isolated before any driver, whatever slot they are in by then.
//!
//! One fell off the bus where it stands. The other is known by its serial number; since then the machine was opened, its twin
//! stands where it was, and it in another slot, well for the moment.

use anyhow::{Result, ensure};
use reseat_scenarios::accesses::device_accesses;
use reseat_scenarios::contract::{gpu_in, schema, verdict};
use reseat_scenarios::{Gpu, Rules, Running, Scene, Shared, Stage};
use reseat_vm::files::GuestFile;
use serde_json::Value;

use crate::identity::{BASELINE, known};
use crate::quarantine::{LEDGER, check_isolated, ledger, run, unknown};
use crate::service::{SERIALS, board, plain};

pub(crate) const SHARED: Shared<Stage, Running> = Shared {
    boot,
    heal: Running::heal,
};

/// Where the second stands that is out of service, and a twin of it.
const FALLEN: &str = "0000:03:00";
const TWIN: usize = 3;

fn boot(stage: &Stage) -> Result<Running> {
    let ledger = ledger(&[known(), unknown(FALLEN)]);
    let image = stage.image(Rules::None, [GuestFile::new(LEDGER, ledger)])?;
    let running = Scene::new(stage, "next-boot", image)
        .gpu(board(1))
        .gpu(board(0))
        .gpu(plain())
        .gpu(plain())
        // On the command line, where the rules are on the real root as well.
        .append("reseat.claim=gpu")
        .boot()?;
    running.remember()?;
    Ok(running)
}

/// A ledger that is in the image when the machine boots: that GPU is isolated before any driver, its twin is claimed.
pub(crate) fn it_is_isolated(running: &Running) -> Result<()> {
    let (gpu, twin) = (running.gpu(2)?, running.gpu(TWIN)?);
    check_isolated(running, gpu)?;
    running.check_all_pinned(twin)?;
    let report = running.report()?;
    let shown = gpu_in(&report, FALLEN)?;
    ensure!(
        report["schema"] == schema::CLAIM && verdict(shown) == "refused",
        "{report:#}"
    );
    ensure!(
        shown["quarantine"]["isolated"] == true && shown["quarantine"]["reason"] == "fell off the bus",
        "{report:#}"
    );
    running.line("reseat: 0000:03:00: out of service, isolated: fell off the bus")?;
    // nouveau is in the image, and has read a register of whatever it got.
    let touched = device_accesses(&gpu.fake)?;
    ensure!(touched.is_empty(), "it was touched: {touched:?}");

    // This root knows nothing of it: the list in the image is older, which is told.
    let told = run(running, "reseat quarantine apply", 3)?;
    ensure!(told.stderr.contains("0000:03:00 was isolated at boot"), "{told:?}");
    run(
        running,
        "reseat return-to-service 0000:03:00 --force --reason 'it was repaired'",
        0,
    )?;
    running.check_all_pinned(gpu)
}

/// The one that is known by its number is isolated where it stands now, and the twin in its place is not.
pub(crate) fn it_is_known_again_in_another_slot(running: &Running) -> Result<()> {
    let (twin, gpu) = (running.gpu(0)?, running.gpu(1)?);
    check_isolated(running, gpu)?;
    for function in 0..twin.functions() {
        running.check_claimed(&twin.function(function))?;
    }
    running.line("reseat: 0000:02:00: out of service, isolated: fell off the bus")?;
    running.line(&format!(
        "reseat: 0000:01:00: in the place of another, which is out of service: 0000:01:00 [10de:2489] in slot 1, serial \
         number {}: fell off the bus",
        SERIALS[0]
    ))?;
    let report = running.report()?;
    ensure!(
        gpu_in(&report, "0000:01:00")?["replaces"]["id"] == "quarantine-replaced"
            && gpu_in(&report, "0000:02:00")?["quarantine"]["isolated"] == true,
        "{report:#}"
    );

    // As they would have stayed on the disk.
    put_ledger(running, &[known(), unknown(FALLEN)])?;
    run(running, "reseat quarantine apply", 0)?;
    check_isolated(running, gpu)?;
    let list = run(running, "reseat quarantine list", 0)?.stdout;
    ensure!(
        list.contains("nobody, at 0000:02:00, in its place 0000:01:00 [10de:2489] in slot 1")
            && list.contains(SERIALS[1]),
        "{list}"
    );
    // What was recorded where the twin stands now is no baseline of its own; and it and another are all that is claimed.
    run(running, "reseat baseline save 0000:01:00", 0)?;
    running.shell(&format!("sed -i s/{}/{}/ {BASELINE}", SERIALS[1], SERIALS[0]))?;
    let missing = run(running, "reseat baseline save --missing", 0)?.stdout;
    let recorded = format!(
        "0000:01:00: baseline recorded, 2 functions, serial number {}",
        SERIALS[1]
    );
    ensure!(
        missing.contains(&recorded) && missing.contains("0000:04:00") && !missing.contains("0000:02:00"),
        "{missing}"
    );
    let missing = run(running, "reseat baseline save --missing", 0)?.stdout;
    ensure!(missing.is_empty(), "{missing}");
    // In its place nothing stands against anybody.
    run(running, "reseat return-to-service 0000:01:00", 1)?;
    run(running, "reseat recover 0000:01:00 --dry-run", 0)?;
    run(running, "reseat recover 0000:02:00 --dry-run", 4)?;
    // From here on it is the only one that is out of service.
    run(
        running,
        "reseat return-to-service 0000:03:00 --force --reason repaired",
        0,
    )?;
    struck_off_once_it_is_gone(running, gpu)?;
    run(
        running,
        "reseat return-to-service 0000:02:00 --force --reason repaired",
        0,
    )?;
    let left = run(running, "reseat quarantine list", 0)?.stdout;
    ensure!(left.contains("no GPU is out of service"), "{left}");
    Ok(())
}

/// It is not, as long as the machine has it anywhere. Afterwards all is as it was.
fn struck_off_once_it_is_gone(running: &Running, gpu: &Gpu) -> Result<()> {
    let forget = "reseat quarantine forget 0000:01:00 --reason 'sent back'";
    let refused = run(running, forget, 4)?;
    ensure!(
        refused.stderr.contains("is in this machine, at 0000:02:00"),
        "{refused:?}"
    );
    for function in 0..gpu.functions() {
        running.shell(&format!(
            "echo 1 > /sys/bus/pci/devices/{}/remove",
            gpu.function(function)
        ))?;
    }
    let forgotten = run(running, forget, 0)?;
    ensure!(
        forgotten.stdout.contains(SERIALS[0]) && forgotten.stdout.contains("struck off"),
        "{forgotten:?}"
    );
    let left = run(running, "reseat quarantine list", 0)?.stdout;
    ensure!(left.contains("no GPU is out of service"), "{left}");
    put_ledger(running, &[known()])?;
    // Whatever driver is loaded comes to what is found.
    running.shell("echo 1 > /sys/bus/pci/rescan")?;
    Ok(())
}

fn put_ledger(running: &Running, gpus: &[Value]) -> Result<()> {
    let ledger = ledger(gpus);
    running.shell(&format!(
        "mkdir -p /var/lib/reseat && printf '%s' '{ledger}' >/var/lib/reseat/quarantine.json"
    ))?;
    Ok(())
}
