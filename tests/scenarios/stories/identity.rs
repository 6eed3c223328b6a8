//! By what a GPU is known: its serial number over a move to another slot, and its VBIOS in what FLR did to its kind.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use fake_gpu::log::{Record, Region};
use fake_gpu::profile::{BoardDesign, SerialNumber, VbiosVersion, Vendor};
use reseat_scenarios::accesses::{accesses, disturbances, now};
use reseat_scenarios::{Ended, Gpu, Rules, Running, Scene, Stage, faults};
use reseat_vm::files::GuestFile;
use serde_json::Value;

use crate::quarantine::{LEDGER, check_isolated};

/// As [`SERIALS`] are written.
const NUMBERS: [u64; 2] = [0x48b0_2d00_0000_0001, 0x48b0_2d00_0000_0002];
const SERIALS: [&str; 2] = ["48-b0-2d-00-00-00-00-01", "48-b0-2d-00-00-00-00-02"];
/// As [`VERSIONS`] are written.
const VBIOS: [[u8; 5]; 2] = [[0x94, 0x02, 0x5c, 0x00, 0x08], [0x94, 0x02, 0x71, 0x00, 0x0a]];
const VERSIONS: [&str; 2] = ["94.02.5c.00.08", "94.02.71.00.0a"];

const BASELINE: &str = "/var/lib/reseat/baselines/0000:01:00.json";

const ROM_BAR: u64 = 0x30;

/// Firmware is given ten seconds after a reset.
const LIMIT: Duration = Duration::from_secs(60);

/// One of two of the same model.
fn board(index: usize) -> BoardDesign {
    BoardDesign {
        serial_number: NUMBERS.get(index).copied().map(SerialNumber),
        vbios: VBIOS.get(index).copied().map(VbiosVersion),
        ..BoardDesign::new(Vendor::Nvidia, 2)
    }
}

fn run(running: &Running, command: &str, status: i32) -> Result<Ended> {
    let ended = running.run(command, LIMIT)?;
    ensure!(ended.status == status, "{command}: {ended:?}");
    Ok(ended)
}

fn scene<'a>(stage: &'a Stage, name: &'a str, ledger: Option<&str>) -> Result<Scene<'a>> {
    let more = ledger.map(|ledger| GuestFile::new(LEDGER, ledger));
    let image = stage.image(Rules::None, more)?;
    Ok(Scene::new(stage, name, image).append("reseat.claim=gpu"))
}

/// One dies and goes out of service, known by the number that it said while it was well. Then the machine is opened: its
/// twin stands where it was, and it in another slot, well for the moment. It is isolated there, and the twin is not.
pub(crate) fn known_again_in_another_slot(stage: &Stage) -> Result<()> {
    let Left { ledger, baseline } = out_of_service(stage)?;
    let running = scene(stage, "identity-moved", Some(&ledger))?
        .gpu(board(1))
        .gpu(board(0))
        .boot()?;
    let (twin, gpu) = (running.gpu(0)?, running.gpu(1)?);
    check_isolated(&running, gpu)?;
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
        report["gpus"][0]["replaces"].is_string() && report["gpus"][1]["quarantine"]["isolated"] == true,
        "{report:#}"
    );

    // As it would have stayed on the disk.
    running.shell(&format!(
        "mkdir -p /var/lib/reseat && printf '%s' '{ledger}' >/var/lib/reseat/quarantine.json"
    ))?;
    run(&running, "reseat quarantine apply", 0)?;
    check_isolated(&running, gpu)?;
    let list = run(&running, "reseat quarantine list", 0)?.stdout;
    ensure!(
        list.contains("nobody, at 0000:02:00, in its place 0000:01:00 [10de:2489] in slot 1")
            && list.contains(SERIALS[1]),
        "{list}"
    );
    // What was recorded where the twin stands now is no baseline of its own; and it is the only one that is claimed.
    running.shell(&format!(
        "mkdir -p $(dirname {BASELINE}) && printf '%s' '{baseline}' >{BASELINE}"
    ))?;
    let missing = run(&running, "reseat baseline save --missing", 0)?.stdout;
    let recorded = format!(
        "0000:01:00: baseline recorded, 2 functions, serial number {}",
        SERIALS[1]
    );
    ensure!(
        missing.contains(&recorded) && !missing.contains("0000:02:00"),
        "{missing}"
    );
    let missing = run(&running, "reseat baseline save --missing", 0)?.stdout;
    ensure!(missing.is_empty(), "{missing}");
    // In its place nothing stands against anybody.
    run(&running, "reseat return-to-service 0000:01:00", 1)?;
    run(&running, "reseat recover 0000:01:00 --dry-run", 0)?;
    run(&running, "reseat recover 0000:02:00 --dry-run", 4)?;
    struck_off_once_it_is_gone(&running, gpu, &ledger)?;
    run(
        &running,
        "reseat return-to-service 0000:02:00 --force --reason repaired",
        0,
    )?;
    let left = run(&running, "reseat quarantine list", 0)?.stdout;
    ensure!(left.contains("no GPU is out of service"), "{left}");
    Ok(())
}

/// It is not, as long as the machine has it anywhere. Afterwards all is as it was.
fn struck_off_once_it_is_gone(running: &Running, gpu: &Gpu, ledger: &str) -> Result<()> {
    let forget = "reseat quarantine forget 0000:01:00 --reason 'sent back'";
    let refused = run(running, forget, 1)?;
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
    running.shell(&format!(
        "printf '%s' '{ledger}' >/var/lib/reseat/quarantine.json; echo 1 > /sys/bus/pci/rescan"
    ))?;
    Ok(())
}

/// What is left on the disk of a machine whose first GPU went out of service.
struct Left {
    ledger: String,
    baseline: String,
}

/// It did not say its number any more when it went out of service.
fn out_of_service(stage: &Stage) -> Result<Left> {
    let running = scene(stage, "identity-dead", None)?
        .gpu(board(0))
        .gpu(board(1))
        .boot()?;
    // The kernel takes the first display for the one that the firmware has booted, and shows what that has made of its ROM.
    let saved = run(&running, "reseat baseline save 0000:01:00", 0)?.stdout;
    ensure!(
        saved.contains("seen through the copy that the boot has made"),
        "{saved}"
    );
    running.gpu(0)?.suffer(&faults::LOST)?;
    let added = run(
        &running,
        "reseat quarantine add 0000:01:00 --reason 'fell off the bus'",
        0,
    )?;
    ensure!(added.took < Duration::from_secs(10), "{added:?}");
    let ledger = running.shell("cat /var/lib/reseat/quarantine.json")?;
    let read: Value = serde_json::from_str(&ledger)?;
    ensure!(read["entries"][0]["gpu"]["serial"] == SERIALS[0], "{ledger}");
    let baseline = running.shell(&format!("cat {BASELINE}"))?;
    Ok(Left { ledger, baseline })
}

/// The VBIOS of both is recorded while they are well, and what FLR does to one says nothing of the other.
pub(crate) fn flr_is_known_by_vbios(stage: &Stage) -> Result<()> {
    // The first is the machine's display, whose ROM is not read.
    let display = BoardDesign::new(Vendor::Nvidia, 1);
    let scene = scene(stage, "identity-vbios", None)?.gpu(display);
    let running = scene.gpu(board(0)).gpu(board(1)).boot()?;
    let begin = now();
    for (gpu, (serial, version)) in running.gpus.iter().skip(1).zip(SERIALS.into_iter().zip(VERSIONS)) {
        let saved = run(&running, &format!("reseat baseline save {}", gpu.device), 0)?;
        ensure!(
            saved
                .stdout
                .contains(&format!("2 functions, serial number {serial}, VBIOS {version}")),
            "{saved:?}"
        );
        check_only_read(gpu, begin)?;
    }

    let (gpu, other) = (running.gpu(1)?, running.gpu(2)?);
    let recovery = running.recover(gpu, &faults::FLR_IGNORED, "--prefer flr")?;
    ensure!(recovery.rungs() == ["kernel-flr", "detach-sbr"], "{}", recovery.told());
    for (gpu, knows) in [(gpu, true), (other, false)] {
        let plan = running.recover(gpu, &faults::HEALTHY, "--dry-run")?;
        let words = format!("FLR of 10de:2489 (subsystem 1458:4077), VBIOS {}, kernel", VERSIONS[0]);
        ensure!(
            plan.says(&words) == knows && plan.says("known bad") == knows,
            "{}",
            plan.told()
        );
    }
    let history = run(&running, "reseat history", 0)?.stdout;
    ensure!(
        history.contains(&format!("VBIOS {}", VERSIONS[0])) && history.contains("known bad since"),
        "{history}"
    );
    ensure!(
        history.contains(SERIALS[0]) && !history.contains(VERSIONS[1]),
        "{history}"
    );
    Ok(())
}

/// Whoever reads the ROM has its BAR decoded for as long as that takes, and does nothing else to the GPU.
fn check_only_read(gpu: &Gpu, begin: Duration) -> Result<()> {
    ensure!(!accesses(&gpu.fake, Region::Rom)?.is_empty(), "the ROM was not read");
    let mut decoded = false;
    for entry in disturbances(&gpu.fake, begin, now())? {
        match &entry.record {
            Record::Access(access)
                if (entry.function, access.region, access.offset) == (Some(0), Region::Config, ROM_BAR) =>
            {
                decoded = access.value.is_some_and(|value| value & 1 == 1);
            }
            _ => bail!("it was disturbed: {entry:?}"),
        }
    }
    ensure!(!decoded, "the ROM is still decoded");
    Ok(())
}
