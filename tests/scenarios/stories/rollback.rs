//! One function of four cannot bind: the whole GPU is given back, the function with a driver to that driver.

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Scene, Stage};
use reseat_vm::files::GuestFile;

/// Gives the audio function to pci-stub before the claim.
const EARLY_DRIVER: &str = "#!/bin/sh
case \"$1\" in prereqs) exit 0;; esac
modprobe pci-stub ids=10de:1aef
";

/// Writes down all that a claim changes; once before it and once behind it, still before any other driver comes.
fn notes(file: &str) -> String {
    format!(
        "#!/bin/sh
case \"$1\" in prereqs) exit 0;; esac
cd /sys/bus/pci/devices
for f in 0000:01:00.*; do
for a in driver_override d3cold_allowed power/control; do echo $f $a $(cat $f/$a); done
echo $f driver $(readlink $f/driver)
done >/run/{file}
"
    )
}

const EARLY_DRIVER_HOOK: &str = "#!/bin/sh\n\
    case \"$1\" in prereqs) exit 0;; esac\n\
    . /usr/share/initramfs-tools/hook-functions\n\
    manual_add_modules pci-stub\n";

pub(crate) fn one_function_that_cannot_bind(stage: &Stage) -> Result<()> {
    let image = stage.image(
        Rules::None,
        [
            // By name before 00reseat.
            GuestFile::executable("etc/initramfs-tools/scripts/init-top/000a-early", EARLY_DRIVER),
            GuestFile::executable("etc/initramfs-tools/scripts/init-top/000b-before", notes("before")),
            GuestFile::executable("etc/initramfs-tools/scripts/init-top/00z-after", notes("after")),
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

    let (before, after) = (running.shell("cat /run/before")?, running.shell("cat /run/after")?);
    ensure!(before == after, "before:\n{before}after:\n{after}");
    // The comparison is worth something only if both ways of power control are in it.
    for noted in [
        "0000:01:00.0 power/control on\n",
        "0000:01:00.3 power/control auto\n",
        "/pci-stub\n",
    ] {
        ensure!(before.contains(noted), "{before}");
    }
    let drivers = running.drivers("0000:01:00")?;
    ensure!(drivers.values().all(|driver| driver != "vfio-pci"), "{drivers:?}");

    // The other GPU of the same run is none the worse for it.
    running.check_claimed("0000:02:00.0")?;
    running.check_claimed("0000:02:00.1")?;
    Ok(())
}
