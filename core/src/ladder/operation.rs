//! The operations of a recovery.

use core::fmt;
use core::time::Duration;

use super::timing::{KERNEL_RESET_LIMIT, RRS_LIMIT, STALL_MARGIN};

/// One operation on the machine, in platform-independent terms.
///
/// Each platform implements it in its own way. On Linux [`Save`](Self::Save) writes a journal and
/// [`HandBack`](Self::HandBack) binds a driver. A BMC has nothing to save and answers
/// [`Done`](crate::recovery::Observation::Done). A platform may take several steps for one operation, within its
/// [limit](Self::limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Operation {
    /// Determine if the GPU or anything in its domain is in use. Answer:
    /// [`Observation::Use`](crate::recovery::Observation::Use).
    #[cfg_attr(feature = "serde", serde(alias = "CheckUse"))]
    CheckUse,
    /// Read the link state from the port. Touches nothing below the port. Answer:
    /// [`Observation::Link`](crate::recovery::Observation::Link).
    #[cfg_attr(feature = "serde", serde(alias = "ReadLink"))]
    ReadLink,
    /// List the functions below the card root again: those that a reset would affect. Answer:
    /// [`Observation::Domain`](crate::recovery::Observation::Domain).
    #[cfg_attr(feature = "serde", serde(alias = "CheckDomain"))]
    CheckDomain,
    /// Check the readiness of every function of the GPU, and of everything removed with it, each after its port's link.
    /// Answer: [`Observation::Functions`](crate::recovery::Observation::Functions).
    #[cfg_attr(feature = "serde", serde(alias = "LookAtFunctions"))]
    LookAtFunctions,
    /// Store durably everything that [`Restore`](Self::Restore) and [`HandBack`](Self::HandBack) need, and the port.
    /// Data stored by an earlier rung stays. Nothing is removed before this is done.
    #[cfg_attr(feature = "serde", serde(alias = "Journal"))]
    Save,
    /// Bring every function to D0.
    #[cfg_attr(feature = "serde", serde(alias = "Wake"))]
    Wake,
    /// Unbind every function of the GPU from its driver, so that no process can open it during the recovery.
    #[cfg_attr(feature = "serde", serde(alias = "Unbind"))]
    Release,
    /// Place a mark in every function that can hold one, and read it back. The reset comes next and should clear it.
    /// Answer: [`Observation::Marked`](crate::recovery::Observation::Marked).
    Mark,
    /// FLR and no other method, by the kernel if there is one, of every function that supports it; the main function
    /// comes last.
    #[cfg_attr(feature = "serde", serde(alias = "KernelFlr"))]
    Flr,
    /// The D3hot→D0 reset and no other method, by the kernel if there is one.
    #[cfg_attr(feature = "serde", serde(alias = "KernelPm"))]
    PmReset,
    /// Secondary bus reset at the card root with all functions present. The kernel saves and restores them.
    BusResetInPlace,
    /// The platform's reset for this model and no other method, of the whole card.
    DeviceSpecificReset,
    /// The reset by the firmware's ACPI method and no other method, of every function that has it; the main function
    /// comes last.
    AcpiReset,
    /// Store the error counts of every function and port on the path, for the verdict. The reset comes next.
    #[cfg_attr(feature = "serde", serde(alias = "RecordErrors"))]
    RecordErrors,
    /// Remove the functions below the card root that were saved, and no others. Some may be gone even if it fails.
    #[cfg_attr(feature = "serde", serde(alias = "RemoveBelowCardRoot"))]
    Detach,
    /// Secondary bus reset at the card root. If the bus is not empty, do nothing and answer
    /// [`Failure::NotEmpty`](crate::recovery::Failure::NotEmpty): a kernel would restore state that it never saved.
    #[cfg_attr(feature = "serde", serde(alias = "ResetEmptyBus"))]
    SecondaryBusReset,
    /// Enumerate the bus below the port. Harmless if already done.
    #[cfg_attr(feature = "serde", serde(alias = "Rescan"))]
    Rescan,
    /// Read the marks, and restore the registers of those that were kept. Done before any driver binds the functions.
    /// Answer: [`Observation::Witnessed`](crate::recovery::Observation::Witnessed).
    ReadMarks,
    /// Restore the saved configuration of the functions. Done before any driver binds them; a driver that has bound one
    /// in the meantime is unbound first.
    #[cfg_attr(feature = "serde", serde(alias = "RestoreBarSizes", alias = "RestoreOverride"))]
    Restore,
    /// Hand every function back to its saved owner, read that back, and keep it in D0.
    #[cfg_attr(feature = "serde", serde(alias = "Claim", alias = "PinD0"))]
    HandBack,
    /// Switch the slot's power off.
    #[cfg_attr(feature = "serde", serde(alias = "PowerOff"))]
    PowerOff,
    /// Switch the slot's power on again.
    #[cfg_attr(feature = "serde", serde(alias = "PowerOn"))]
    PowerOn,
    /// Let the BMC switch the GPU's power off and on. The BMC keeps the pause between, and ensures that the power ends
    /// up on whatever happens to this machine.
    #[cfg_attr(feature = "serde", serde(alias = "CyclePower"))]
    CyclePower,
    /// Compare every function of the GPU, and everything else that was reset with it, with its baseline. Answer:
    /// [`Observation::Health`](crate::recovery::Observation::Health).
    #[cfg_attr(feature = "serde", serde(alias = "Verify"))]
    Verify,
}

/// The properties of an operation.
struct Row {
    text: &'static str,
    limit: Duration,
    effect: Effect,
    /// True if it reads or writes the function itself.
    touches_function: bool,
}

/// The effect of an operation on the machine.
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
        // The kernel waits for a function that requests retries, and blocks until then.
        let rrs = RRS_LIMIT.saturating_add(STALL_MARGIN);
        match self {
            Self::CheckUse => Row::new("check who uses it", Looks, seconds(10)),
            Self::ReadLink => Row::new("read the port's link", Looks, seconds(5)),
            Self::CheckDomain => Row::new("list the functions to be reset", Looks, seconds(10)),
            Self::LookAtFunctions => Row::new("look at the functions", Looks, seconds(5)).at_the_function(),
            Self::Save => Row::new("save the state to restore", Changes, seconds(10)),
            Self::Wake => Row::new("wake", Changes, seconds(10)).at_the_function(),
            Self::Release => Row::new("unbind its drivers", Changes, seconds(10)).at_the_function(),
            Self::Flr => Row::new("FLR", Resets, KERNEL_RESET_LIMIT).at_the_function(),
            Self::PmReset => Row::new("PM reset", Resets, KERNEL_RESET_LIMIT).at_the_function(),
            // A card is reset even if its link is down: the platform places no mark below such a link.
            Self::Mark => Row::new("place marks", Changes, seconds(5)),
            // A register behind a BAR may respond only after the GPU's firmware has booted.
            Self::ReadMarks => Row::new("read the marks", Changes, seconds(15)).at_the_function(),
            Self::BusResetInPlace => Row::new("bus reset in place", Resets, KERNEL_RESET_LIMIT).at_the_function(),
            Self::DeviceSpecificReset => {
                Row::new("device-specific reset", Resets, KERNEL_RESET_LIMIT).at_the_function()
            }
            Self::AcpiReset => Row::new("ACPI reset", Resets, KERNEL_RESET_LIMIT).at_the_function(),
            Self::RecordErrors => Row::new("record error counters", Looks, seconds(5)),
            // A kernel also removes functions that are gone.
            Self::Detach => Row::new("remove everything below the card root", Changes, seconds(20)),
            Self::SecondaryBusReset => Row::new("secondary bus reset on the empty bus", Resets, seconds(10)),
            Self::Rescan => Row::new("rescan", Changes, rrs).at_the_function(),
            Self::Restore => Row::new("restore its configuration", Changes, seconds(20)).at_the_function(),
            Self::HandBack => Row::new("hand back to its drivers", Changes, seconds(20)).at_the_function(),
            Self::PowerOff => Row::new("slot power off", Resets, seconds(10)),
            Self::PowerOn => Row::new("slot power on", Changes, rrs),
            // The minimum off time is up to 25 s in the field, and as long again before the next cycle.
            Self::CyclePower => Row::new("power off and on by the BMC", Resets, seconds(60)),
            // The firmware of some GPUs takes 10 s to boot, and verification waits for it.
            Self::Verify => Row::new("verify", Looks, seconds(30)).at_the_function(),
        }
    }

    /// The time after which a missing answer counts as [`Blocked`](crate::recovery::Observation::Blocked).
    pub const fn limit(self) -> Duration {
        self.row().limit
    }

    /// True if it reads or writes the function itself: never done while the function's link is not active.
    pub const fn touches_function(self) -> bool {
        self.row().touches_function
    }

    /// True if it resets the function.
    pub const fn resets(self) -> bool {
        matches!(self.row().effect, Effect::Resets)
    }

    /// True if it resets functions in place: the platform waits for them to come back.
    pub const fn resets_in_place(self) -> bool {
        self.resets() && self.touches_function()
    }

    /// True if it only reads. Such an operation may hang without harm to later ones.
    pub const fn only_looks(self) -> bool {
        matches!(self.row().effect, Effect::Looks)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().text)
    }
}
