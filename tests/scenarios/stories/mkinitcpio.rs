//! Our scripts for mkinitcpio, run by stand-ins for its functions and its init: mkinitcpio itself can be had from no registry,
//! so none of this is shown of it. The kernel, the shells and busybox are real.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::device_accesses;
use reseat_scenarios::{Rules, Running, Scene, Stage};
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::Builder;

use crate::quarantine::{LEDGER, check_isolated, ledger, unknown};

const RULES: &str = "[[claim]]\nselect = \"0000:02:00.0@10de:2489\"\n";

/// What `sd-reseat` puts into an image, beside modules and what they need.
const FOR_SYSTEMD: [&str; 5] = [
    "etc/reseat/quarantine.json",
    "etc/reseat/reseat.toml",
    "usr/bin/reseat-claim",
    "usr/lib/systemd/system/reseat-claim.service",
    "usr/lib/systemd/system/sysinit.target.wants/reseat-claim.service ../reseat-claim.service",
];

/// nouveau stands in `MODULES=`, which is loaded right after the early hooks.
fn boot(stage: &Stage, name: &str, append: &str) -> Result<Running> {
    let image = stage.image_by(
        Builder::MkinitcpioStandIns,
        Rules::File(RULES),
        [GuestFile::new(LEDGER, ledger(&[unknown("0000:01:00")]))],
    )?;
    let board = || BoardDesign::new(Vendor::Nvidia, 2);
    Scene::new(stage, name, image)
        .gpu(board())
        .gpu(board())
        .gpu(board())
        .append(append)
        .boot()
}

pub(crate) fn scripts_under_stand_ins(stage: &Stage) -> Result<()> {
    let running = boot(stage, "mkinitcpio", "")?;
    check_isolated(&running, &running.gpus[0])?;
    for function in ["0000:02:00.0", "0000:02:00.1"] {
        running.check_claimed(function)?;
    }
    for gpu in running.gpus.iter().take(2) {
        let touched = device_accesses(&gpu.fake)?;
        ensure!(touched.is_empty(), "{} was touched: {touched:?}", gpu.device);
    }
    let claim = running.line("reseat: 0000:02:00: ")?;
    let rival = running.first_driver_read(2)?;
    ensure!(claim.at < rival, "nouveau at {rival:?}, the claim at {:?}", claim.at);

    let contents = running.shell("cat /run/sd-reseat.contents")?;
    let contents: Vec<&str> = contents.lines().map(str::trim_end).collect();
    for file in FOR_SYSTEMD {
        ensure!(
            contents.contains(&file),
            "sd-reseat does not bring {file}: {contents:#?}"
        );
    }
    let has_vfio = contents.iter().any(|file| file.ends_with("/vfio-pci.ko"));
    ensure!(has_vfio, "sd-reseat does not bring vfio-pci: {contents:#?}");
    Ok(())
}

/// The negative: the same image with the hook's execute bits taken away, as mkinitcpio's `disablehooks=` does.
pub(crate) fn scripts_under_stand_ins_disabled(stage: &Stage) -> Result<()> {
    let running = boot(stage, "mkinitcpio-disabled", "disablehooks=reseat")?;
    ensure!(running.claim_lines().is_empty(), "{:?}", running.claim_lines());
    for gpu in [0, 1, 2] {
        running.first_driver_read(gpu)?;
    }
    Ok(())
}
