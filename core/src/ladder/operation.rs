//! The operations that a recovery is made of.

use core::fmt;
use core::time::Duration;

use super::timing::{KERNEL_RESET_LIMIT, RRS_LIMIT, STALL_MARGIN};

/// One thing done to the machine, in the terms of any platform.
///
/// The platform that carries it out knows its own means: on Linux [`Save`](Self::Save) writes a journal and
/// [`HandBack`](Self::HandBack) binds a driver; a BMC has nothing to save, and answers
/// [`Done`](crate::recovery::Observation::Done). A platform may take several steps for one operation, within its
/// [limit](Self::limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Operation {
    /// Find out whether anybody uses the GPU or anything in its domain. Answer:
    /// [`Observation::Use`](crate::recovery::Observation::Use).
    #[cfg_attr(feature = "serde", serde(alias = "CheckUse"))]
    CheckUse,
    /// Read what the port says about its link. Touches nothing below it. Answer:
    /// [`Observation::Link`](crate::recovery::Observation::Link).
    #[cfg_attr(feature = "serde", serde(alias = "ReadLink"))]
    ReadLink,
    /// Find out again which functions are below the card root, and so would be reset. Answer:
    /// [`Observation::Domain`](crate::recovery::Observation::Domain).
    #[cfg_attr(feature = "serde", serde(alias = "CheckDomain"))]
    CheckDomain,
    /// Judge the readiness of every function of the GPU, and of what else was removed with it, each
    /// after its port's link. Answer: [`Observation::Functions`](crate::recovery::Observation::Functions).
    #[cfg_attr(feature = "serde", serde(alias = "LookAtFunctions"))]
    LookAtFunctions,
    /// Keep durably all that [`Restore`](Self::Restore) and [`HandBack`](Self::HandBack) need, and the port. What an
    /// earlier rung kept stays. Nothing is taken away before it is done.
    #[cfg_attr(feature = "serde", serde(alias = "Journal"))]
    Save,
    /// Have every function in D0.
    #[cfg_attr(feature = "serde", serde(alias = "Wake"))]
    Wake,
    /// Take every function of the GPU from its driver, so that nobody can open it meanwhile.
    #[cfg_attr(feature = "serde", serde(alias = "Unbind"))]
    Release,
    /// Place a mark in every function that keeps one, and read it back: the reset comes next, and is to clear it. Answer:
    /// [`Observation::Marked`](crate::recovery::Observation::Marked).
    Mark,
    /// FLR and no other method, by the kernel where there is one: of every function that has it, the main function last.
    #[cfg_attr(feature = "serde", serde(alias = "KernelFlr"))]
    Flr,
    /// The D3hot→D0 reset and no other method, by the kernel where there is one.
    #[cfg_attr(feature = "serde", serde(alias = "KernelPm"))]
    PmReset,
    /// Secondary bus reset at the card root with all functions in their place. The kernel saves and restores them.
    BusResetInPlace,
    /// The reset that the platform has for this model and no other method, of the whole card.
    DeviceSpecificReset,
    /// The reset by firmware's ACPI method and no other, of every function that has it, the main function last.
    AcpiReset,
    /// Keep what every function and port on the path has counted of errors, for the verdict. The reset comes next.
    #[cfg_attr(feature = "serde", serde(alias = "RecordErrors"))]
    RecordErrors,
    /// Remove the functions below the card root that were saved, and no others. Whatever it answers, some may be gone.
    #[cfg_attr(feature = "serde", serde(alias = "RemoveBelowCardRoot"))]
    Detach,
    /// Secondary bus reset at the card root. If the bus is not empty, do nothing and say
    /// [`Failure::NotEmpty`](crate::recovery::Failure::NotEmpty): a kernel would restore what it never saved.
    #[cfg_attr(feature = "serde", serde(alias = "ResetEmptyBus"))]
    SecondaryBusReset,
    /// Have the bus below the port enumerated. Harmless where that has been done already.
    #[cfg_attr(feature = "serde", serde(alias = "Rescan"))]
    Rescan,
    /// Read what became of the marks, and put back the values of those that were kept. Before any driver has the functions.
    /// Answer: [`Observation::Witnessed`](crate::recovery::Observation::Witnessed).
    ReadMarks,
    /// Configure the functions as they were saved. Before any driver has them; one that has taken a function meanwhile
    /// loses it first.
    #[cfg_attr(feature = "serde", serde(alias = "RestoreBarSizes", alias = "RestoreOverride"))]
    Restore,
    /// Hand every function to whom it was saved for, read that back, and keep it in D0.
    #[cfg_attr(feature = "serde", serde(alias = "Claim", alias = "PinD0"))]
    HandBack,
    /// Cut the slot's power.
    #[cfg_attr(feature = "serde", serde(alias = "PowerOff"))]
    PowerOff,
    /// Switch it on again.
    #[cfg_attr(feature = "serde", serde(alias = "PowerOn"))]
    PowerOn,
    /// Have the BMC switch the GPU's power off and on. It sees to the time between, and that the power is on in the end,
    /// whatever becomes of this machine.
    #[cfg_attr(feature = "serde", serde(alias = "CyclePower"))]
    CyclePower,
    /// Compare every function of the GPU, and what else was reset with it, with its baseline. Answer:
    /// [`Observation::Health`](crate::recovery::Observation::Health).
    #[cfg_attr(feature = "serde", serde(alias = "Verify"))]
    Verify,
}

/// What defines an operation.
struct Row {
    text: &'static str,
    limit: Duration,
    effect: Effect,
    /// True if the function itself is read or written.
    touches_function: bool,
}

/// What an operation does to the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Looks,
    Changes,
    Resets,
}

impl Row {
    const fn new(text: &'static str, effect: Effect, limit: Duration) -> Self {
        Self {
            text,
            limit,
            effect,
            touches_function: false,
        }
    }

    const fn at_the_function(self) -> Self {
        Self {
            touches_function: true,
            ..self
        }
    }
}

impl Operation {
    const fn row(self) -> Row {
        const fn seconds(seconds: u64) -> Duration {
            Duration::from_secs(seconds)
        }
        use Effect::{Changes, Looks, Resets};
        // The kernel waits for a function that asks for retries, and blocks meanwhile.
        let rrs = RRS_LIMIT.saturating_add(STALL_MARGIN);
        match self {
            Self::CheckUse => Row::new("check who uses it", Looks, seconds(10)),
            Self::ReadLink => Row::new("read the port's link", Looks, seconds(5)),
            Self::CheckDomain => Row::new("check who would be reset", Looks, seconds(10)),
            Self::LookAtFunctions => Row::new("look at the functions", Looks, seconds(5)).at_the_function(),
            Self::Save => Row::new("save what has to be restored", Changes, seconds(10)),
            Self::Wake => Row::new("wake", Changes, seconds(10)).at_the_function(),
            Self::Release => Row::new("release from its drivers", Changes, seconds(10)).at_the_function(),
            Self::Flr => Row::new("FLR", Resets, KERNEL_RESET_LIMIT).at_the_function(),
            Self::PmReset => Row::new("PM reset", Resets, KERNEL_RESET_LIMIT).at_the_function(),
            // A reset of the card is due also while its link is down: the platform places no mark below such a link.
            Self::Mark => Row::new("place marks", Changes, seconds(5)),
            // A register behind a BAR may answer only when the firmware of the GPU has booted.
            Self::ReadMarks => Row::new("read the marks", Changes, seconds(15)).at_the_function(),
            Self::BusResetInPlace => Row::new("bus reset in place", Resets, KERNEL_RESET_LIMIT).at_the_function(),
            Self::DeviceSpecificReset => {
                Row::new("device-specific reset", Resets, KERNEL_RESET_LIMIT).at_the_function()
            }
            Self::AcpiReset => Row::new("ACPI reset", Resets, KERNEL_RESET_LIMIT).at_the_function(),
            Self::RecordErrors => Row::new("record error counters", Looks, seconds(5)),
            // A removal is what a kernel does to a function that is gone, too.
            Self::Detach => Row::new("remove everything below the card root", Changes, seconds(20)),
            Self::SecondaryBusReset => Row::new("secondary bus reset on the empty bus", Resets, seconds(10)),
            Self::Rescan => Row::new("rescan", Changes, rrs).at_the_function(),
            Self::Restore => Row::new("restore its configuration", Changes, seconds(20)).at_the_function(),
            Self::HandBack => Row::new("hand back to its drivers", Changes, seconds(20)).at_the_function(),
            Self::PowerOff => Row::new("slot power off", Resets, seconds(10)),
            Self::PowerOn => Row::new("slot power on", Changes, rrs),
            // The least time off is up to 25 s in the field, and as long again before the next cycle.
            Self::CyclePower => Row::new("power off and on by the BMC", Resets, seconds(60)),
            // The firmware of some GPUs takes 10 s to boot, and verifying waits for it.
            Self::Verify => Row::new("verify", Looks, seconds(30)).at_the_function(),
        }
    }

    /// How long it may take before its answer counts as [`Blocked`](crate::recovery::Observation::Blocked).
    pub const fn limit(self) -> Duration {
        self.row().limit
    }

    /// True if the function itself is read or written: never while its link is not active.
    pub const fn touches_function(self) -> bool {
        self.row().touches_function
    }

    /// True if it resets the function.
    pub const fn resets(self) -> bool {
        matches!(self.row().effect, Effect::Resets)
    }

    /// True if it resets functions where they are: the platform waits for them to come back.
    pub const fn resets_in_place(self) -> bool {
        self.resets() && self.touches_function()
    }

    /// True if it only looks. What changes nothing may stay stuck without harm to what follows.
    pub const fn only_looks(self) -> bool {
        matches!(self.row().effect, Effect::Looks)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().text)
    }
}
