//! The rungs, a row each.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use super::operation::Operation;
use super::timing::KERNEL_RESET_LIMIT;

/// Defines [`Rung`] and the table behind it: variants, order and rows cannot disagree.
macro_rules! rungs {
    ($($(#[$doc:meta])* $rung:ident = $name:literal, formerly $former:literal => $row:expr;)*) => {
        /// A reset that is tried on a GPU, from the least destructive to the most.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum Rung {
            $(
                $(#[$doc])*
                #[cfg_attr(feature = "serde", serde(rename = $name, alias = $former))]
                $rung,
            )*
        }

        impl Rung {
            /// All rungs, from the least destructive to the most.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$rung),*];

            /// The name of the rung on a command line, in rules and in JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$rung => $name,)*
                }
            }

            /// The data behind the rung.
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Self::$rung => const { &$row },)*
                }
            }
        }
    };
}

/// What defines a rung.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The short form of its name, where operators have one.
    pub short: Option<&'static str>,
    /// Its name in a sentence.
    pub title: &'static str,
    /// Its definition, for a help text.
    pub about: &'static str,
    /// What it resets.
    pub domain: ResetDomain,
    /// Whether it takes the power from what it resets.
    pub cuts_power: bool,
    /// True for the platform's own resets: no document specifies the state that they clear. Such a rung includes no other
    /// rung's reset, and only a rung that cuts the power includes its reset.
    pub own_means: bool,
    /// The longest time that the kernel may stay in it without a report, where that is long enough to announce.
    pub deadline: Option<Duration>,
    /// The steps of its own, between those that all rungs of its reset domain share.
    pub(crate) own: &'static [Step],
}

/// What a rung resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ResetDomain {
    /// The function that it is done to.
    Function,
    /// Everything below the card root, which stays where it is.
    BelowCardRootInPlace,
    /// Everything below the card root, which is removed before.
    BelowCardRoot,
    /// Everything that one switch powers: a slot's, or the BMC's.
    Powered,
}

/// One step of a rung.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// An operation that has to succeed.
    Do(Operation),
    /// An operation whose failure leaves the verdict with less to go by, and is no other loss.
    Try(Operation),
    /// These, one after the other, and from the first again, until the last is answered well.
    Until { ask: &'static [Operation], limit: Limit },
    /// A pause of this length.
    Pause(Duration),
    /// A pause as long as a function needs after its link.
    Settle,
    /// A pause as long as a slot's power stays off.
    StayOff,
}

/// The one of the [`Waits`](super::timing::Waits) that limits a step which is repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Link,
    Ready,
}

rungs! {
    /// D3hot→D0 reset of the function, by the kernel.
    KernelPm = "kernel-pm", formerly "KernelPm" => Row {
        short: Some("pm"),
        title: "kernel PM reset",
        about: "D3hot→D0 reset of the function, by the kernel",
        domain: ResetDomain::Function,
        cuts_power: false,
        own_means: false,
        deadline: Some(KERNEL_RESET_LIMIT),
        own: &[Step::Do(Operation::PmReset)],
    };
    /// FLR, by the kernel.
    KernelFlr = "kernel-flr", formerly "KernelFlr" => Row {
        short: Some("flr"),
        title: "kernel FLR",
        about: "Function level reset, by the kernel",
        domain: ResetDomain::Function,
        cuts_power: false,
        own_means: false,
        deadline: Some(KERNEL_RESET_LIMIT),
        own: &[Step::Do(Operation::Flr)],
    };
    /// Secondary bus reset at the card root with every function in its place, by the kernel. It resets what has no FLR too,
    /// and is safe only while every function answers.
    BusResetInPlace = "bus-reset-in-place", formerly "BusResetInPlace" => Row {
        short: Some("bus"),
        title: "bus reset in place",
        about: "Secondary bus reset with all functions in their place, by the kernel",
        domain: ResetDomain::BelowCardRootInPlace,
        cuts_power: false,
        own_means: false,
        deadline: Some(KERNEL_RESET_LIMIT),
        own: &[Step::Do(Operation::BusResetInPlace)],
    };
    /// The reset that the kernel or a separate module has for this model: BACO or PSP for Polaris, Vega and Navi 1x. It
    /// resets the whole card.
    #[doc(alias = "vendor reset")]
    DeviceSpecific = "device-specific", formerly "DeviceSpecific" => Row {
        short: None,
        title: "device-specific reset",
        about: "The reset that the kernel or the vendor-reset module has for this model",
        domain: ResetDomain::BelowCardRootInPlace,
        cuts_power: false,
        own_means: true,
        deadline: Some(KERNEL_RESET_LIMIT),
        own: &[Step::Do(Operation::DeviceSpecificReset)],
    };
    /// The firmware's reset of the function, by ACPI. It also resets every device that shares its `_PRR`. No file of the
    /// kernel lists those: any function below the card root may be one.
    #[doc(alias = "_RST")]
    Acpi = "acpi", formerly "Acpi" => Row {
        short: None,
        title: "ACPI reset",
        about: "The reset by the firmware's ACPI method _RST",
        domain: ResetDomain::BelowCardRootInPlace,
        cuts_power: false,
        own_means: true,
        deadline: Some(KERNEL_RESET_LIMIT),
        own: &[Step::Do(Operation::AcpiReset)],
    };
    /// Everything below the card root removed, a secondary bus reset on the empty bus, a rescan. The kernel neither saves
    /// nor restores on an empty bus, and does not wait a minute for a function that is dead.
    #[doc(alias = "SBR")]
    DetachSbr = "detach-sbr", formerly "DetachSbr" => Row {
        short: None,
        title: "detach-SBR",
        about: "Everything below the card root removed, a secondary bus reset on the empty bus, a rescan",
        domain: ResetDomain::BelowCardRoot,
        cuts_power: false,
        own_means: false,
        deadline: None,
        own: &[Step::Do(Operation::Detach), Step::Do(Operation::SecondaryBusReset)],
    };
    /// The slot's power off and on, by the kernel, which removes what is below the slot before that.
    SlotPower = "slot-power", formerly "SlotPower" => Row {
        short: None,
        title: "slot power",
        about: "The slot's power off and on",
        domain: ResetDomain::Powered,
        cuts_power: true,
        own_means: false,
        deadline: None,
        own: &[Step::Do(Operation::PowerOff), Step::StayOff, Step::Do(Operation::PowerOn)],
    };
    /// The GPU's power off and on, by the BMC. What is below the card root is removed first: the kernel does not do that
    /// for a power that it does not switch.
    BmcPower = "bmc-power", formerly "Bmc" => Row {
        short: Some("bmc"),
        title: "power by the BMC",
        about: "The GPU's power off and on, by the BMC. None can be configured yet",
        domain: ResetDomain::Powered,
        cuts_power: true,
        own_means: false,
        deadline: None,
        own: &[Step::Do(Operation::Detach), Step::Do(Operation::CyclePower)],
    };
}

impl Rung {
    /// The most destructive rung.
    pub const HIGHEST: Self = {
        let [.., highest] = Self::ALL;
        highest
    };

    /// True if the rung resets more than the function that it is done to.
    pub const fn above_flr(self) -> bool {
        !matches!(self.row().domain, ResetDomain::Function)
    }

    /// True if it resets everything that `other` resets, at least as deeply.
    pub(crate) fn takes_in(self, other: Self) -> bool {
        let by_own_means = self.row().own_means || other.row().own_means;
        self.above_flr() && self > other && (self.cuts_power() || !by_own_means)
    }

    /// True if it takes the power from what it resets.
    pub const fn cuts_power(self) -> bool {
        self.row().cuts_power
    }

    /// How long the kernel may stay in it without a report, where that is long enough to announce.
    pub const fn deadline(self) -> Option<Duration> {
        self.row().deadline
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().title)
    }
}

impl FromStr for Rung {
    type Err = UnknownRung;

    /// The rung with this name, or this short form of it.
    fn from_str(text: &str) -> Result<Self, UnknownRung> {
        let is_meant = |rung: &Self| rung.name() == text || rung.row().short == Some(text);
        Self::ALL.into_iter().find(is_meant).ok_or(UnknownRung)
    }
}

/// No rung has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UnknownRung;

impl fmt::Display for UnknownRung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown rung; the rungs are")?;
        for (index, rung) in Rung::ALL.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma} {}", rung.name())?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownRung {}
