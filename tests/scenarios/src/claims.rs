//! Claims on a running machine, as the boot's would be with another kernel command line and other rules: the same program, on a
//! machine that nobody has claimed anything of.

use std::time::Duration;

use anyhow::{Result, ensure};
use reseat_vm::files::GuestFile;

use crate::job::Ended;
use crate::{Rules, Running};

/// What the kernel was booted with is covered by this file.
const COMMAND_LINE: &str = "/tmp/cmdline";
/// Where the claim's rules are; a file system of its own, since the root is not written to.
const RULES_DIRECTORY: &str = "/etc/reseat";
const RULES: &str = "/etc/reseat/reseat.toml";

/// A claim is given fifteen seconds, and an emulated machine is slow.
const LIMIT: Duration = Duration::from_secs(60);

/// What a root needs so that rules can be put there.
pub fn place_for_rules() -> GuestFile {
    GuestFile::new(format!("{RULES_DIRECTORY}/.place"), "")
}

impl Running {
    /// Has `reseat-claim` run as in the initramfs of a boot with these rules and these words on the kernel command line.
    ///
    /// # Errors
    /// When the guest cannot.
    pub fn claim(&self, rules: Rules<'_>, command_line: &str) -> Result<Ended> {
        self.prepare_claim(rules, command_line)?;
        self.run("reseat-claim", LIMIT)
    }

    /// Puts down the rules and the kernel command line for a claim.
    ///
    /// # Errors
    /// When the guest cannot.
    pub fn prepare_claim(&self, rules: Rules<'_>, command_line: &str) -> Result<()> {
        self.shell(&format!(
            "echo '{command_line}' >{COMMAND_LINE} && mount -o bind {COMMAND_LINE} /proc/cmdline && \
             {{ grep -q ' {RULES_DIRECTORY} ' /proc/mounts || mount -t tmpfs rules {RULES_DIRECTORY}; }}"
        ))?;
        if let Rules::File(rules) = rules {
            self.shell(&format!("cat >{RULES} <<'END OF RULES'\n{rules}\nEND OF RULES"))?;
        }
        Ok(())
    }

    /// Takes back what a claim on the running machine has left: the GPUs are as a boot without a claim finds them, and vfio-pci
    /// is not loaded.
    ///
    /// # Errors
    /// When the guest cannot.
    pub fn unclaim(&self) -> Result<()> {
        self.shell(&format!(
            "while umount /proc/cmdline 2>/dev/null; do :; done; umount {RULES_DIRECTORY} 2>/dev/null; true"
        ))?;
        self.heal()?;
        let unloaded = self.run("! [ -e /sys/module/vfio_pci ] || modprobe -r vfio-pci", LIMIT)?;
        ensure!(unloaded.status == 0, "vfio-pci stays: {unloaded:?}");
        Ok(())
    }

    /// Whether vfio-pci is loaded.
    ///
    /// # Errors
    /// When the guest does not answer.
    pub fn has_vfio_pci(&self) -> Result<bool> {
        Ok(self.shell("lsmod | grep -c vfio_pci || true")?.trim() != "0")
    }
}
