//! A kernel that crashes, and the one that is there to save its memory.

use std::time::Duration;

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Scene, Stage};
use reseat_vm::on_the_root::{CRASH_IMAGE, CRASH_KERNEL};

/// What is kept for the second kernel, of the machine's memory, in MiB.
const KEPT_MIB: u32 = 192;
const MEMORY_MIB: u32 = 1024;

const LOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// The second kernel is compressed, and begins with a look at all that was loaded.
const CRASH_TIMEOUT: Duration = Duration::from_secs(180);

/// Where no builder has a word for images of kdump, as initramfs-tools has not, reseat is in them as well.
pub(crate) fn claims_nothing(stage: &Stage) -> Result<()> {
    let image = stage.image_without_drivers(Rules::None, [])?;
    let files = stage.kexec(&image)?;
    let running = Scene::new(stage, "crash-kernel", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .memory_mib(MEMORY_MIB)
        .on_the_root(files)
        .append(&format!("reseat.claim=gpu crashkernel={KEPT_MIB}M"))
        .boot()?;
    // The same rule, in the same image.
    running.check_claimed("0000:01:00.0")?;
    let load = format!(
        "kexec -s -p {CRASH_KERNEL} --initrd={CRASH_IMAGE} \
         --append='console=ttyS0 panic=-1 reset_devices reseat.claim=gpu'; cat /sys/kernel/kexec_crash_loaded"
    );
    let loaded = running.run(&load, LOAD_TIMEOUT)?;
    ensure!(loaded.stdout.trim() == "1", "{}{}", loaded.stdout, loaded.stderr);
    // Nobody comes back from this to answer.
    running.run("echo c > /proc/sysrq-trigger", Duration::from_secs(1)).ok();
    let console = running.machine.console();
    console.wait_for(
        "reseat: this kernel saves the memory of a crashed one: nothing was touched",
        CRASH_TIMEOUT,
    )?;
    ensure!(
        console
            .lines()
            .iter()
            .filter(|line| line.text.contains("functions on vfio-pci"))
            .count()
            == 1,
        "{}",
        console.tail()
    );
    Ok(())
}
