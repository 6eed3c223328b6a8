//! How much of a function's configuration space the claim reads. On real hardware each read costs microseconds.
//!
//! The kernel reads as well while a function is claimed: it wakes it, binds it, saves its state. What it reads by itself
//! is measured in a boot of its own, in which a script does the bare writes of a claim to the same functions.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::config_reads;
use reseat_scenarios::{Rules, Running, Scene, Stage};
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::Image;

/// The most 32-bit registers of a claimed function that the claim may read.
const MOST: usize = 30;

/// A claim without anything that asks or checks.
const BARE_WRITES: &str = "#!/bin/sh
case \"$1\" in prereqs) exit 0;; esac
echo 'bare writes: begin' > /dev/kmsg
modprobe vfio-pci disable_idle_d3=1
cd /sys/bus/pci/devices
for f in 0000:01:00.*; do echo vfio-pci > $f/driver_override; done
for f in 0000:01:00.*; do echo 0 > $f/d3cold_allowed; done
for f in 0000:01:00.*; do echo $f > /sys/bus/pci/drivers/vfio-pci/bind; done
for f in 0000:01:00.*; do echo on > $f/power/control; done
echo 'bare writes: end' > /dev/kmsg
";

fn boot(stage: &Stage, name: &str, image: Image, append: &str) -> Result<Running> {
    Scene::new(stage, name, image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 4))
        .append(append)
        .boot()
}

/// The reads of each function between two lines of the console.
fn reads(running: &Running, begin: &str, end: &str) -> Result<Vec<usize>> {
    let (begin, end) = (running.line(begin)?.at, running.line(end)?.at);
    (0..4)
        .map(|function| config_reads(&running.gpus[0].fake, function, begin, end))
        .collect()
}

pub(crate) fn a_claim_reads_at_most_thirty_registers_a_function(stage: &Stage) -> Result<()> {
    let image = stage.image(Rules::None, [])?;
    let claimed = boot(stage, "reads", image, "reseat.claim=gpu")?;
    let all = reads(&claimed, "Run /init as init process", "reseat: 1 GPU claimed in")?;

    let script = GuestFile::executable("etc/initramfs-tools/scripts/init-top/000bare", BARE_WRITES);
    let image = stage.image(Rules::None, [script])?;
    let bare = boot(stage, "reads-bare", image, "reseat=off")?;
    bare.check_claimed("0000:01:00.3")?;
    let kernels = reads(&bare, "bare writes: begin", "bare writes: end")?;

    for (function, (all, kernels)) in all.iter().zip(&kernels).enumerate() {
        let of_the_claim = all.saturating_sub(*kernels);
        ensure!(
            of_the_claim <= MOST,
            "{all} registers of function {function} were read, {kernels} of them by the kernel"
        );
        // A claim that reads nothing has verified nothing.
        ensure!(
            of_the_claim >= 4,
            "only {of_the_claim} registers of function {function} were read"
        );
    }
    Ok(())
}
