//! What a claim costs, beside the bare writes that it cannot do without.
//!
//! The kernel reads configuration space as well while a function is claimed: it wakes it, binds it, saves its state. What
//! it does by itself is measured in a boot of its own, in which a script does the bare writes of a claim to the same
//! functions. Both boots have the same two lines around them, written by scripts of their own.

use std::time::Duration;

use anyhow::{Context, Result};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_vm::files::GuestFile;

use crate::accesses::config_reads;
use crate::{Rules, Running, Scene, Stage};

const BEGIN: &str = "cost: begin";
const END: &str = "cost: end";

/// A claim of the GPU at 0000:01:00 without anything that asks or checks.
pub const BARE_WRITES: &str = "#!/bin/sh
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

/// How the functions are when the claim comes to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// As the kernel left them: it lets all but function 0 of an NVIDIA GPU sleep, and restores what it saved of a
    /// function when it wakes it.
    AsLeft,
    /// Awake, so that what is counted is the claim and not a waking that it only happened to cause.
    Awake,
}

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
pub fn of_the_claim(stage: &Stage, found: Found) -> Result<(Cost, Running)> {
    let running = boot(stage, "cost", found, None, "reseat.claim=gpu")?;
    let report = running.report()?;
    let time = |value: &serde_json::Value| {
        let milliseconds = value.as_f64().context("the report has no duration")?;
        Ok::<_, anyhow::Error>(Duration::from_secs_f64(milliseconds / 1000.0))
    };
    let cost = Cost {
        config_reads: reads(&running)?,
        time: time(&report["duration_ms"])?,
        loading: time(&report["vfio_pci"]["duration_ms"])?,
    };
    Ok((cost, running))
}

/// The cost of the bare writes: modprobe and a shell's `echo`, without anything that asks or checks.
///
/// # Errors
/// When the machine does not boot or a line of the script is missing.
pub fn of_the_bare_writes(stage: &Stage, found: Found) -> Result<(Cost, Running)> {
    let bare = script("000b-bare", BARE_WRITES);
    let running = boot(stage, "cost-bare", found, Some(bare), "reseat=off")?;
    let at = |line| stamp(&running, line);
    let (begin, loaded, end) = (
        at("bare writes: begin")?,
        at("bare writes: loaded")?,
        at("bare writes: end")?,
    );
    let cost = Cost {
        config_reads: reads(&running)?,
        time: end.saturating_sub(begin),
        loading: loaded.saturating_sub(begin),
    };
    Ok((cost, running))
}

fn boot(stage: &Stage, name: &str, found: Found, bare: Option<GuestFile>, append: &str) -> Result<Running> {
    let wake = match found {
        Found::AsLeft => "",
        Found::Awake => "for f in /sys/bus/pci/devices/0000:01:00.*; do echo on > $f/power/control; done\n",
    };
    let line = |what| format!("#!/bin/sh\ncase \"$1\" in prereqs) exit 0;; esac\n{what}");
    // initramfs-tools runs what has no prerequisites in the order of the names; udev's own script comes after all these.
    let around = [
        script("000a-begin", &line(format!("{wake}echo '{BEGIN}' > /dev/kmsg\n"))),
        script("00z-end", &line(format!("echo '{END}' > /dev/kmsg\n"))),
    ];
    let image = stage.image(Rules::None, around.into_iter().chain(bare))?;
    Scene::new(stage, name, image)
        .gpu(BoardDesign::new(Vendor::Nvidia, FUNCTIONS.into()))
        .append(append)
        .boot()
}

fn script(name: &str, text: &str) -> GuestFile {
    GuestFile::executable(format!("etc/initramfs-tools/scripts/init-top/{name}"), text)
}

/// The reads of each function between the two lines.
fn reads(running: &Running) -> Result<Vec<usize>> {
    let (begin, end) = (running.line(BEGIN)?.at, running.line(END)?.at);
    let gpu = running.gpus.first().context("no GPU")?;
    (0..FUNCTIONS)
        .map(|function| config_reads(&gpu.fake, function, begin, end))
        .collect()
}

/// The kernel's own time stamp of a line.
fn stamp(running: &Running, text: &str) -> Result<Duration> {
    let line = running.line(text)?;
    line.stamp().with_context(|| format!("no time stamp: {line}"))
}
