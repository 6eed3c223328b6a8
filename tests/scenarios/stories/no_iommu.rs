//! No IOMMU: the claim is refused and says what is missing.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::contract::verdict;
use reseat_scenarios::{Rules, Running, Scene, Stage};
use reseat_vm::machine::Iommu;

fn boot(stage: &Stage, name: &str, iommu: Iommu, append: &str) -> Result<Running> {
    let image = stage.image(Rules::None, [])?;
    Scene::new(stage, name, image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=gpu")
        .append(append)
        .iommu(iommu)
        .boot()
}

fn check(running: &Running, remedy: &str) -> Result<()> {
    running.line(&format!(
        "reseat: 0000:01:00: refused: 0000:01:00.0: no IOMMU; {remedy}"
    ))?;
    let report = running.report()?;
    ensure!(verdict(&report["gpus"][0]) == "refused", "{report:#}");
    let drivers = running.drivers("0000:01:00")?;
    ensure!(drivers.values().all(|driver| driver != "vfio-pci"), "{drivers:?}");
    ensure!(
        running.attribute("0000:01:00.0", "driver_override")? == "(null)",
        "an override was left"
    );
    Ok(())
}

/// No table from the firmware; the bed's processor calls itself one of Intel's.
pub(crate) fn the_firmware_setting_is_named(stage: &Stage) -> Result<()> {
    let running = boot(stage, "no-iommu", Iommu::None, "")?;
    check(
        &running,
        "enable Intel VT-d (Virtualization Technology for Directed I/O) in the firmware setup",
    )
}

/// The firmware has a DMAR table, and the kernel was told not to use it. (Debian's kernels use it without being asked;
/// others want `intel_iommu=on`.)
pub(crate) fn the_parameter_that_turns_it_off_is_named(stage: &Stage) -> Result<()> {
    let running = boot(stage, "iommu-off", Iommu::Untold, "intel_iommu=off")?;
    check(&running, "remove `intel_iommu=off` from the kernel command line")
}
