//! A machine that several stories share, made again what it was after the boot.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::accesses::{disturbances, now};
use crate::{Gpu, Running};

const RESCAN_TIMEOUT: Duration = Duration::from_secs(90);

/// Where the guest keeps what reseat's programs had written when the boot had ended.
const REMEMBERED: &str = "/tmp/as-booted";
/// What these programs write.
const STATE: [&str; 2] = ["/run/reseat", "/var/lib/reseat"];

impl Running {
    /// Remembers what reseat's programs have written so far and which GPUs they have claimed, for [`Running::heal`].
    ///
    /// # Errors
    /// When the guest cannot copy it.
    pub fn remember(&self) -> Result<()> {
        let copy =
            STATE.map(|state| format!("mkdir -p {state} {REMEMBERED}{state} && cp -a {state}/. {REMEMBERED}{state}"));
        self.shell(&copy.join(" && "))?;
        for gpu in &self.gpus {
            if self.drivers(&gpu.device)?.values().any(|driver| driver != "vfio-pci") {
                self.unclaimed.borrow_mut().insert(gpu.device.clone());
            }
        }
        self.begun.set(now());
        Ok(())
    }

    /// Makes all that a story may change what it was when [`Running::remember`] was called: what reseat's programs have
    /// written, and each GPU that somebody has written to or reset since. The next story begins then.
    ///
    /// # Errors
    /// When the guest cannot.
    pub fn heal(&self) -> Result<()> {
        let restore = STATE.map(|state| format!("rm -rf {state}/* && cp -a {REMEMBERED}{state}/. {state}"));
        self.shell(&restore.join(" && "))?;
        for gpu in &self.gpus {
            let is_claimed = !self.unclaimed.borrow().contains(&gpu.device);
            if (is_claimed && !gpu.is_well()?) || !disturbances(&gpu.fake, self.begun.get(), now())?.is_empty() {
                self.renew(gpu)?;
            }
            gpu.end_faults()?;
        }
        self.begun.set(now());
        Ok(())
    }

    /// Ends a GPU's faults and has the guest find it anew: removed, found by a rescan, and claimed if it was claimed at boot.
    /// One that stands on one device with a disk is only given back what it was.
    ///
    /// # Errors
    /// When the guest cannot, or the GPU is not claimed then.
    pub fn renew(&self, gpu: &Gpu) -> Result<()> {
        gpu.heal()?;
        if gpu.shares_its_device() {
            self.renew_beside_disk(gpu)
        } else if self.unclaimed.borrow().contains(&gpu.device) {
            self.find(gpu)
        } else {
            self.find_and_claim(gpu)
        }
    }

    /// Has the guest find a GPU anew, with nobody to claim it: whose driver is loaded gets it.
    ///
    /// # Errors
    /// When the guest cannot.
    pub fn find(&self, gpu: &Gpu) -> Result<()> {
        let script = format!(
            "for f in /sys/bus/pci/devices/{}.*; do [ -e $f ] && echo 1 >$f/remove; done\n\
             echo 1 >/sys/bus/pci/devices/{}/rescan",
            gpu.device, gpu.port
        );
        let ended = self.run(&script, RESCAN_TIMEOUT)?;
        ensure!(
            ended.status == 0,
            "{} cannot be found anew: {}",
            gpu.device,
            ended.stderr
        );
        Ok(())
    }

    fn find_and_claim(&self, gpu: &Gpu) -> Result<()> {
        let device = &gpu.device;
        let script = format!(
            "cd /sys/bus/pci/devices || exit 1\n\
             for f in {device}.*; do [ -e $f ] && echo 1 >$f/remove; done\n\
             echo 1 >{}/rescan\n\
             for f in {device}.*; do\n\
             echo vfio-pci >$f/driver_override; echo 0 >$f/d3cold_allowed\n\
             d=$(readlink $f/driver); case ${{d##*/}} in vfio-pci | '') ;; *) echo $f >$f/driver/unbind ;; esac; done\n\
             for f in {device}.*; do echo on >$f/power/control; [ -e $f/driver ] ||\n\
             {{ echo 1 >$f/enable; echo 0 >$f/enable; }}; done\n\
             for f in {device}.*; do\n\
             [ -e /sys/bus/pci/drivers/vfio-pci/$f ] || echo $f >/sys/bus/pci/drivers/vfio-pci/bind; \
             echo on >$f/power/control; done",
            gpu.port
        );
        let ended = self.run(&script, RESCAN_TIMEOUT)?;
        ensure!(ended.status == 0, "{device} cannot be found anew: {}", ended.stderr);
        self.check_all_pinned(gpu)?;
        Ok(())
    }

    /// The boot's claim leaves it alone, and so does this.
    fn renew_beside_disk(&self, gpu: &Gpu) -> Result<()> {
        for function in 0..gpu.functions() {
            let function = gpu.function(function);
            self.shell(&format!(
                "cd /sys/bus/pci/devices/{function} && echo >driver_override && echo on >power/control && \
                 {{ [ -e driver ] || {{ echo 1 >enable; echo 0 >enable; }}; }}"
            ))?;
        }
        Ok(())
    }
}
