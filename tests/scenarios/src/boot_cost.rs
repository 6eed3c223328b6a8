//! What a boot claim of many GPUs takes, beside others who do the same: all of them in one boot, in the initramfs, one after
//! the other, round by round.
//!
//! - The floor: modprobe and the bare writes, by a shell that starts no program for them. Nothing is looked for or checked.
//! - The claim, as it is installed.
//! - A script as users write one for busybox: it looks for the GPUs by their class, takes all functions on their device
//!   numbers, and looks whether they arrived.
//!
//! Between two of them everything is put back, vfio-pci unloaded included.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_vm::files::GuestFile;

use crate::{Rules, Running, Scene, Stage};

/// How many GPUs are claimed.
pub const GPUS: usize = 8;
/// The functions of each.
pub const FUNCTIONS: usize = 2;

const RULES: &str = "[[claim]]\nselect = \"gpu\"\n";

/// Those that are measured, by their names in the guest.
const CONTESTANTS: [(&str, &str); 3] = [
    ("floor", include_str!("boot_cost/floor.sh")),
    ("claim", "exec /usr/sbin/reseat-claim >/dev/null\n"),
    ("script", include_str!("boot_cost/script.sh")),
];

const RESET: &str = include_str!("boot_cost/reset.sh");

/// What the contestants took, round by round.
#[derive(Clone, Debug, PartialEq)]
pub struct BootCost {
    /// The floor.
    pub floor: Vec<Duration>,
    /// The claim.
    pub claim: Vec<Duration>,
    /// The script.
    pub script: Vec<Duration>,
    /// As much of the claim's as loading vfio-pci took, in the last round.
    pub loading: Duration,
    /// The kernel.
    pub kernel: String,
}

/// The clock of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Counts instructions, 4 ns each: nobody else on the host disturbs it, and what devices take is not in it.
    Instructions,
    /// The host's.
    Host,
}

/// Boots once and measures `rounds` rounds.
///
/// # Errors
/// When the machine does not boot, or a contestant has not claimed everything.
pub fn measure(stage: &Stage, clock: Clock, rounds: u32) -> Result<BootCost> {
    let mut files = vec![file("reset", RESET)];
    files.extend(CONTESTANTS.iter().map(|(name, text)| file(name, text)));
    files.push(GuestFile::executable(
        // After the claim of the boot itself, before udev.
        "etc/initramfs-tools/scripts/init-top/00s-bench",
        format!(
            "#!/bin/sh\ncase \"$1\" in prereqs) exit 0;; esac\nmkdir -p /run/bench\n\
             round=0\nwhile [ $round -lt {rounds} ]; do\n{}round=$((round + 1))\ndone\n",
            CONTESTANTS.map(|(name, _)| contest(name)).concat()
        ),
    ));
    // What udev would load then has nothing to do with it, and only makes the boot longer.
    let image = stage.image_without_drivers(Rules::File(RULES), brought(files))?;
    let scene = Scene::new(stage, "bench-boot", image).append("printk.devkmsg=on");
    let scene = match clock {
        Clock::Instructions => scene.counted(),
        Clock::Host => scene,
    };
    let design = || BoardDesign::new(Vendor::Nvidia, FUNCTIONS);
    let running = (0..GPUS).fold(scene, |scene, _| scene.gpu(design())).boot()?;

    let report: serde_json::Value = serde_json::from_str(&running.shell("cat /run/bench/claim.json")?)?;
    let loading = report["vfio_pci"]["duration_ms"]
        .as_f64()
        .context("the report has no duration")?;
    Ok(BootCost {
        floor: times(&running, "floor", rounds)?,
        claim: times(&running, "claim", rounds)?,
        script: times(&running, "script", rounds)?,
        loading: Duration::from_secs_f64(loading / 1000.0),
        kernel: running.shell("uname -r")?.trim().to_owned(),
    })
}

/// One contestant's turn, with the kernel's time stamps around it, and who is on vfio-pci then.
fn contest(name: &str) -> String {
    format!(
        "sh /bench/reset >/run/bench/{name}.reset 2>&1\n\
         echo \"bench: {name} $round begins\" >/dev/kmsg\n\
         sh /bench/{name} >/run/bench/{name}.out 2>&1\n\
         echo \"bench: {name} $round ends\" >/dev/kmsg\n\
         set -- /sys/bus/pci/drivers/vfio-pci/0000:*\n\
         pinned=0\nfor f in \"$@\"; do read c <$f/power/control; [ $c = on ] && pinned=$((pinned + 1)); done\n\
         echo \"bench: {name} $round claimed $pinned\" >/dev/kmsg\n\
         [ {name} = claim ] && cp /run/reseat/claim.json /run/bench/claim.json\n"
    )
}

/// How long each of a contestant's rounds took; all functions have to be claimed by it.
fn times(running: &Running, name: &str, rounds: u32) -> Result<Vec<Duration>> {
    (0..rounds)
        .map(|round| {
            let line = |what: &str| running.line(&format!("bench: {name} {round} {what}"));
            let claimed = line("claimed")?.text;
            ensure!(
                claimed.ends_with(&format!("claimed {}", GPUS * FUNCTIONS)),
                "{claimed}; {}",
                running.shell(&format!("cat /run/bench/{name}.reset /run/bench/{name}.out"))?
            );
            let stamp = |what| {
                line(what)?
                    .stamp()
                    .with_context(|| format!("a line of {name} has no time stamp"))
            };
            Ok(stamp("ends")?.saturating_sub(stamp("begins")?))
        })
        .collect()
}

/// The files, with a hook that puts them into the image.
fn brought(files: Vec<GuestFile>) -> Vec<GuestFile> {
    let mut hook =
        "#!/bin/sh\ncase \"$1\" in prereqs) exit 0;; esac\n. /usr/share/initramfs-tools/hook-functions\n".to_owned();
    for (name, _) in CONTESTANTS {
        hook += &format!("copy_file bench /usr/share/bench/{name} /bench/{name}\n");
    }
    hook += "copy_file bench /usr/share/bench/reset /bench/reset\nexit 0\n";
    let hook = GuestFile::executable("etc/initramfs-tools/hooks/bench", hook);
    files.into_iter().chain([hook]).collect()
}

fn file(name: &str, text: &str) -> GuestFile {
    GuestFile::new(format!("usr/share/bench/{name}"), text)
}
