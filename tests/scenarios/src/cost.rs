//! What a claim costs, beside the bare writes that it cannot do without.
//!
//! The kernel reads configuration space as well while a function is claimed: it wakes it, binds it, saves its state. What
//! it does by itself is measured in a boot of its own, in which a script does the bare writes of a claim to the same
//! functions.

use std::time::Duration;

use anyhow::{Context, Result};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::Image;

use crate::accesses::config_reads;
use crate::{Rules, Running, Scene, Stage};

/// A claim without anything that asks or checks.
const BARE_WRITES: &str = "#!/bin/sh
case \"$1\" in prereqs) exit 0;; esac
echo 'bare writes: begin' > /dev/kmsg
modprobe vfio-pci disable_idle_d3=1
echo 'bare writes: loaded' > /dev/kmsg
cd /sys/bus/pci/devices
for f in 0000:01:00.*; do echo vfio-pci > $f/driver_override; done
for f in 0000:01:00.*; do echo 0 > $f/d3cold_allowed; done
for f in 0000:01:00.*; do echo $f > /sys/bus/pci/drivers/vfio-pci/bind; done
for f in 0000:01:00.*; do echo on > $f/power/control; done
echo 'bare writes: end' > /dev/kmsg
";

/// The functions of the GPU that is claimed.
pub const FUNCTIONS: u8 = 4;

/// What a claim of one GPU with [`FUNCTIONS`] functions cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// 32-bit registers of configuration space that were read of each function, by whomever.
    pub config_reads: Vec<usize>,
    /// From the beginning to the end, as the guest saw it.
    pub time: Duration,
    /// As much of the time as loading vfio-pci took.
    pub loading: Duration,
}

/// The cost of `reseat-claim`, as it is installed.
///
/// # Errors
/// When the machine does not boot or the claim fails.
pub fn of_the_claim(stage: &Stage) -> Result<(Cost, Running)> {
    let running = boot(stage, "cost", stage.image(Rules::None, [])?, "reseat.claim=gpu")?;
    let report = running.report()?;
    let time = |value: &serde_json::Value| {
        let milliseconds = value.as_f64().context("the report has no duration")?;
        Ok::<_, anyhow::Error>(Duration::from_secs_f64(milliseconds / 1000.0))
    };
    let cost = Cost {
        config_reads: reads(&running, "Run /init as init process", "reseat: 1 GPU claimed in")?,
        time: time(&report["duration_ms"])?,
        loading: time(&report["vfio_pci"]["duration_ms"])?,
    };
    Ok((cost, running))
}

/// The cost of the bare writes: modprobe and a shell's `echo`, without anything that asks or checks.
///
/// # Errors
/// When the machine does not boot or a line of the script is missing.
pub fn of_the_bare_writes(stage: &Stage) -> Result<(Cost, Running)> {
    let script = GuestFile::executable("etc/initramfs-tools/scripts/init-top/000bare", BARE_WRITES);
    let running = boot(stage, "cost-bare", stage.image(Rules::None, [script])?, "reseat=off")?;
    let at = |line| stamp(&running, line);
    let (begin, loaded, end) = (
        at("bare writes: begin")?,
        at("bare writes: loaded")?,
        at("bare writes: end")?,
    );
    let cost = Cost {
        config_reads: reads(&running, "bare writes: begin", "bare writes: end")?,
        time: end.saturating_sub(begin),
        loading: loaded.saturating_sub(begin),
    };
    Ok((cost, running))
}

fn boot(stage: &Stage, name: &str, image: Image, append: &str) -> Result<Running> {
    Scene::new(stage, name, image)
        .gpu(BoardDesign::new(Vendor::Nvidia, FUNCTIONS.into()))
        .append(append)
        .boot()
}

/// The reads of each function between two lines of the console.
fn reads(running: &Running, begin: &str, end: &str) -> Result<Vec<usize>> {
    let (begin, end) = (running.line(begin)?.at, running.line(end)?.at);
    let gpu = running.gpus.first().context("no GPU")?;
    (0..FUNCTIONS)
        .map(|function| config_reads(&gpu.fake, function, begin, end))
        .collect()
}

/// The kernel's own time stamp of a line: `[    2.551231] text`.
fn stamp(running: &Running, text: &str) -> Result<Duration> {
    let line = running.line(text)?.text;
    let seconds = line
        .split_once(']')
        .and_then(|(stamp, _)| stamp.trim_start_matches('[').trim().parse().ok());
    Ok(Duration::from_secs_f64(
        seconds.with_context(|| format!("no time stamp: {line}"))?,
    ))
}
