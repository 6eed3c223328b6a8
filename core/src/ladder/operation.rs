//! The operations that a recovery is made of.

use core::fmt;
use core::time::Duration;

use super::timing::{KERNEL_RESET_LIMIT, RRS_LIMIT, STALL_MARGIN};

/// One thing done to the machine. Whoever does it does exactly this, through the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Operation {
    /// Find out whether anybody uses the GPU or anything in its domain. Answer:
    /// [`Observation::Use`](crate::recovery::Observation::Use).
    CheckUse,
    /// Read what the port says about its link. Touches nothing below it. Answer:
    /// [`Observation::Link`](crate::recovery::Observation::Link).
    ReadLink,
    /// Find out anew who is below the card root, and so would be hit. Answer:
    /// [`Observation::Domain`](crate::recovery::Observation::Domain).
    CheckDomain,
    /// Judge the readiness of every function of the GPU, and of what else was removed with it, each
    /// after its port's link. Answer: [`Observation::Functions`](crate::recovery::Observation::Functions).
    LookAtFunctions,
    /// Have every function in D0, by the kernel's `power/control`.
    Wake,
    /// Take the driver off every function of the GPU, so that nobody can open it meanwhile.
    Unbind,
    /// The kernel's FLR and no other method; `reset_method` is put back as it was.
    KernelFlr,
    /// The kernel's PM reset and no other method; `reset_method` is put back as it was.
    KernelPm,
    /// Write down durably what has to be put back: identities, drivers, BAR sizes, overrides, the
    /// port. What an earlier rung wrote stays.
    Journal,
    /// Write down what every function and port on the path has counted of errors, for the verdict.
    /// The reset comes next.
    RecordErrors,
    /// Remove the functions below the card root that are in the journal, and no others. Whatever it
    /// answers, some may be gone.
    RemoveBelowCardRoot,
    /// Secondary bus reset at the card root. If the bus is not empty, do nothing and say
    /// [`Failure::NotEmpty`](crate::recovery::Failure::NotEmpty): the kernel would restore what it never saved.
    ResetEmptyBus,
    /// Have the bus below the port scanned. Harmless where the kernel has done so by itself.
    Rescan,
    /// Resizable BARs back to the sizes in the journal. Before any driver is bound; one that the
    /// kernel has bound meanwhile is taken off first.
    RestoreBarSizes,
    /// The driver overrides in the journal.
    RestoreOverride,
    /// Bind every function to the driver that it is to have, and read that back.
    Claim,
    /// Pin every function in D0. After the bind, which would undo it.
    PinD0,
    /// Cut the slot's power.
    PowerOff,
    /// Switch it on again.
    PowerOn,
    /// Have the BMC switch the GPU's power off and on. It sees to the time between, and that the power is on in the end,
    /// whatever becomes of this machine.
    CyclePower,
    /// Hold every function of the GPU, and what else was reset with it, against its baseline. Answer:
    /// [`Observation::Health`](crate::recovery::Observation::Health).
    Verify,
}

impl Operation {
    /// How long it may take before its answer counts as [`Blocked`](crate::recovery::Observation::Blocked).
    pub const fn limit(self) -> Duration {
        match self {
            Self::ReadLink | Self::LookAtFunctions | Self::RecordErrors => Duration::from_secs(5),
            Self::CheckUse
            | Self::CheckDomain
            | Self::Wake
            | Self::Unbind
            | Self::Journal
            | Self::ResetEmptyBus
            | Self::RestoreBarSizes
            | Self::RestoreOverride
            | Self::Claim
            | Self::PinD0
            | Self::PowerOff => Duration::from_secs(10),
            Self::RemoveBelowCardRoot => Duration::from_secs(20),
            // The firmware of some GPUs takes 10 s to boot, and verifying waits for it.
            Self::Verify => Duration::from_secs(30),
            // The least time off is up to 25 s in the field, and as long again before the next cycle.
            Self::CyclePower => Duration::from_secs(60),
            // The kernel waits for a function that asks for retries, and blocks meanwhile.
            Self::Rescan | Self::PowerOn => RRS_LIMIT.saturating_add(STALL_MARGIN),
            Self::KernelFlr | Self::KernelPm => KERNEL_RESET_LIMIT,
        }
    }

    /// Whether the function itself is read or written: never while its link is not active.
    pub const fn touches_function(self) -> bool {
        match self {
            Self::LookAtFunctions
            | Self::Wake
            | Self::Unbind
            | Self::KernelFlr
            | Self::KernelPm
            | Self::Rescan
            | Self::RestoreBarSizes
            | Self::RestoreOverride
            | Self::Claim
            | Self::PinD0
            | Self::Verify => true,
            // A removal is what the kernel does to a function that is gone, too.
            Self::CheckUse
            | Self::CheckDomain
            | Self::ReadLink
            | Self::Journal
            | Self::RecordErrors
            | Self::RemoveBelowCardRoot
            | Self::ResetEmptyBus
            | Self::PowerOff
            | Self::PowerOn
            | Self::CyclePower => false,
        }
    }

    /// Whether it resets the function.
    pub const fn resets(self) -> bool {
        matches!(
            self,
            Self::KernelFlr | Self::KernelPm | Self::ResetEmptyBus | Self::PowerOff | Self::CyclePower
        )
    }

    /// Whether it only looks. What changes nothing may stay stuck without harm to what follows.
    pub const fn only_looks(self) -> bool {
        matches!(
            self,
            Self::CheckUse
                | Self::CheckDomain
                | Self::ReadLink
                | Self::LookAtFunctions
                | Self::RecordErrors
                | Self::Verify
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CheckUse => "check who uses it",
            Self::ReadLink => "read the port's link",
            Self::CheckDomain => "check who would be hit",
            Self::LookAtFunctions => "look at the functions",
            Self::Wake => "wake",
            Self::Unbind => "unbind",
            Self::KernelFlr => "FLR by the kernel",
            Self::KernelPm => "PM reset by the kernel",
            Self::Journal => "write the journal",
            Self::RecordErrors => "record error counters",
            Self::RemoveBelowCardRoot => "remove everything below the card root",
            Self::ResetEmptyBus => "secondary bus reset on the empty bus",
            Self::Rescan => "rescan",
            Self::RestoreBarSizes => "restore BAR sizes",
            Self::RestoreOverride => "restore driver overrides",
            Self::Claim => "bind",
            Self::PinD0 => "pin in D0",
            Self::PowerOff => "slot power off",
            Self::PowerOn => "slot power on",
            Self::CyclePower => "power off and on by the BMC",
            Self::Verify => "verify",
        })
    }
}
