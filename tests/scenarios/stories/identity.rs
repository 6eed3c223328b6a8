//! By what a GPU is known: its serial number over a move to another slot, and its VBIOS in what FLR did to its kind.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use fake_gpu::log::{Record, Region};
use reseat_scenarios::accesses::{accesses, disturbances, now};
use reseat_scenarios::contract::rung;
use reseat_scenarios::{Gpu, Running, faults};
use serde_json::{Value, json};

use crate::quarantine::{run, unknown};
use crate::service::{SERIALS, VERSIONS};

pub(crate) const BASELINE: &str = "/var/lib/reseat/baselines/0000:01:00.json";

const ROM_BAR: u64 = 0x30;

/// One dies and goes out of service: known by the number that it said while it was well, since it says none any more. In
/// `next_boot` it stands in another slot.
pub(crate) fn known_by_what_it_said_before(running: &Running) -> Result<()> {
    // The kernel takes the first display for the one that the firmware has booted, and shows what that has made of its ROM.
    let saved = run(running, "reseat baseline save 0000:01:00", 0)?.stdout;
    ensure!(
        saved.contains("seen through the copy that the boot has made"),
        "{saved}"
    );
    running.gpu(0)?.suffer(&faults::LOST)?;
    let added = run(
        running,
        "reseat quarantine add 0000:01:00 --reason 'fell off the bus'",
        0,
    )?;
    ensure!(added.took < Duration::from_secs(10), "{added:?}");
    let ledger: Value = serde_json::from_str(&running.shell("cat /var/lib/reseat/quarantine.json")?)?;
    let gpu = &ledger["entries"][0]["gpu"];
    ensure!(*gpu == known(), "{ledger:#}, and not {:#}", known());
    let baseline: Value = serde_json::from_str(&running.shell(&format!("cat {BASELINE}"))?)?;
    ensure!(baseline.to_string().contains(SERIALS[0]), "{baseline:#}");
    Ok(())
}

/// That GPU as the ledger has it.
pub(crate) fn known() -> Value {
    let mut gpu = unknown("0000:01:00");
    gpu["slot"] = json!("1");
    gpu["serial"] = json!(SERIALS[0]);
    gpu
}

/// The VBIOS of both is recorded while they are well, and what FLR does to one says nothing of the other.
pub(crate) fn flr_is_known_by_vbios(running: &Running) -> Result<()> {
    // The first is the machine's display, whose ROM is not read.
    let (gpu, other) = (running.gpu(1)?, running.gpu(2)?);
    let begin = now();
    for (gpu, serial, version) in [(gpu, SERIALS[1], VERSIONS[1]), (other, SERIALS[2], VERSIONS[0])] {
        let saved = run(running, &format!("reseat baseline save {}", gpu.device), 0)?;
        ensure!(
            saved
                .stdout
                .contains(&format!("2 functions, serial number {serial}, VBIOS {version}")),
            "{saved:?}"
        );
        check_only_read(gpu, begin)?;
    }

    let recovery = running.recover(gpu, &faults::FLR_IGNORED, "--prefer flr")?;
    ensure!(recovery.rungs() == [rung::FLR, rung::BUS], "{}", recovery.told());
    for (gpu, knows) in [(gpu, true), (other, false)] {
        let plan = running.recover(gpu, &faults::HEALTHY, "--dry-run")?;
        let words = format!("FLR of 10de:2489 (subsystem 1458:4077), VBIOS {}, kernel", VERSIONS[1]);
        ensure!(
            plan.says(&words) == knows && plan.says("known bad") == knows,
            "{}",
            plan.told()
        );
    }
    let history = run(running, "reseat history", 0)?.stdout;
    ensure!(
        history.contains(&format!("VBIOS {}", VERSIONS[1])) && history.contains("known bad since"),
        "{history}"
    );
    ensure!(
        history.contains(SERIALS[1]) && !history.contains(VERSIONS[0]),
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
