//! One function of four cannot bind: the whole GPU is given back, the function with a driver to that driver.

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Scene, Stage};
use reseat_vm::files::GuestFile;

/// Gives the audio function to pci-stub before the claim.
const EARLY_DRIVER: &str = "#!/bin/sh\n\
    case \"$1\" in prereqs) exit 0;; esac\n\
    modprobe pci-stub ids=10de:1aef\n";

const EARLY_DRIVER_HOOK: &str = "#!/bin/sh\n\
    case \"$1\" in prereqs) exit 0;; esac\n\
    . /usr/share/initramfs-tools/hook-functions\n\
    manual_add_modules pci-stub\n";

pub(crate) fn one_function_that_cannot_bind(stage: &Stage) -> Result<()> {
    let image = stage.image(
        Rules::None,
        [
            // By name before 00reseat.
            GuestFile::executable("etc/initramfs-tools/scripts/init-top/000early", EARLY_DRIVER),
            GuestFile::executable("etc/initramfs-tools/hooks/early", EARLY_DRIVER_HOOK),
        ],
    )?;
    let mut design = BoardDesign::new(Vendor::Nvidia, 4);
    // On vfio-pci's own deny list: its probe refuses this one with EINVAL.
    design.identities.push("2=8086:37c8".parse()?);
    let running = Scene::new(stage, "rollback", image)
        .gpu(design)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=0000:01:00.0,0000:02:00.0")
        .boot()?;

    let report = running.report()?;
    let gpu = &report["gpus"][0];
    ensure!(gpu["verdict"] == "rolled-back", "{report:#}");
    let problem = gpu["problem"].as_str().context("no problem in the report")?;
    ensure!(
        problem.contains("0000:01:00.2") && problem.contains("deny list"),
        "{problem}"
    );
    ensure!(gpu["leftovers"].as_array().is_some_and(Vec::is_empty), "{report:#}");
    let audio = &gpu["functions"][1];
    ensure!(
        audio["driver_before"] == "pci-stub" && audio["driver"] == "pci-stub",
        "{report:#}"
    );
    running.line("reseat: 0000:01:00: not claimed, given back as it was: ")?;

    for function in 0..4 {
        let function = format!("0000:01:00.{function}");
        for (file, expected) in [("driver_override", "(null)"), ("d3cold_allowed", "1")] {
            let found = running.attribute(&function, file)?;
            ensure!(found == expected, "{file} of {function} is `{found}`, not `{expected}`");
        }
    }
    let drivers = running.drivers("0000:01:00")?;
    ensure!(drivers.values().all(|driver| driver != "vfio-pci"), "{drivers:?}");

    // The other GPU of the same run is none the worse for it.
    running.check_claimed("0000:02:00.0")?;
    running.check_claimed("0000:02:00.1")?;
    Ok(())
}
