//! The rule: chooses the next reset, with reasons for it and against the others.
//!
//! [`decide`] is the whole rule. It takes [`Facts`] and the [`Tried`] rungs, and returns one [`Decision`]: the branch
//! it took, the rung it chose and the rungs it skipped. It is pure, so a plan and the recovery come from the same call.
//!
//! | condition | result |
//! | --- | --- |
//! | in use, TDI-locked, or the fabric is unknown and only rungs above FLR are left | refuse |
//! | a quirk of the child or of the port forbids bus resets | never a secondary bus reset |
//! | the link is not active, or the function does not answer | neither FLR nor PM: no write to the function |
//! | exclusive, and hotplug is not ours | kernel FLR, and nothing above it |
//! | exclusive, absent | detach-SBR |
//! | exclusive, FLR preferred | kernel FLR, then the bus resets |
//! | exclusive, the secondary bus reset preferred | detach-SBR, then the others |
//! | exclusive, reported to need a device-specific reset, which the platform has, and FLR of the class not known good | that, then the bus resets, then kernel FLR |
//! | exclusive, FLR of the class known bad, or not known good | the bus resets, then kernel FLR |
//! | exclusive, and FLR leaves functions of the GPU untouched | the same |
//! | exclusive, FLR of the class unknown, and only the bus reset is reported not to return | kernel FLR, then the bus resets |
//! | exclusive, otherwise: FLR of the class known good, of every function | kernel FLR, then the bus resets |
//! | the bus resets | in place, then detach-SBR; in place last if it is known bad, and second if no mark would prove it |
//! | not exclusive | kernel FLR, then slot power if everything that the slot powers is ours |
//! | before slot power, if no secondary bus reset was done | PM, if it resets anything |
//! | before slot power, exclusive, hotplug is ours, and the function answers | the device-specific reset, then the ACPI reset, if the platform has them |
//! | after slot power, exclusive, and the slot's port has no power controller | power by the BMC, if one is configured |
//! | after any rung | read the marks and verify; a reset that is not verified or not proven has failed, and the rule runs again |
//! | verified after a rung that is not proven, and only power or nothing is left | the ladder ends: well, not proven, not quarantined |
//! | the kernel hangs in an operation that changes something | quarantine: it holds the device's lock and may still act |
//! | unverified, and no reset would make the unread parts readable | the ladder ends: not recovered, and no finding that another reset could fix |
//! | refused after a reset that failed | quarantine |
//! | use unknown, or fabric unknown, after a rung that failed before its reset | quarantine: its drivers may be unbound, and no user is known |
//! | fabric unknown, sick, and no rung is allowed | quarantine |
//! | nothing is left | quarantine |
//!
//! The card root is the first port off the card. Exclusive means that everything below it is ours, unused and without
//! virtual functions. Hotplug is ours if the operating system owns it. For a secondary bus reset it is also ours if it
//! has no owner: without a hot-plug slot, nothing reacts to the link going down. The least destructive reset spares
//! other devices first, then state: in an exclusive domain a secondary bus reset affects no other device.
//!
//! The unknown never permits: unknown use is use, an unknown domain is shared, an unknown quirk forbids, and hotplug
//! with an unknown owner is not ours. FLR of a class without history is neither good nor bad.

mod facts;
mod rule;
mod surroundings;

use core::fmt;

use heapless::Vec;

pub use self::facts::{
    Answer, Availability, Bmc, BusReset, ClassHistory, Exclusivity, Facts, FlrReach, Known, OwnMeans, Preference,
    Reported, Sickness, SlotPower, Surroundings, Tdi, Use,
};
pub use self::rule::decide;
pub use crate::ladder::rung::{ResetDomain, Row, Rung, UnknownRung};
pub use crate::ladder::timing::{KERNEL_RESET_LIMIT, KERNEL_RESET_TIME};

/// The rungs that were started, with any outcome. No rung is started twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tried {
    rungs: Vec<Attempt, { Rung::ALL.len() }>,
}

/// A rung that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Attempt {
    /// The rung.
    pub rung: Rung,
    /// The progress that the attempt made.
    pub reach: Reach,
}

/// The progress that an attempt made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reach {
    /// It ended before its reset.
    NotReset,
    /// The reset was done, or may have been.
    Reset,
    /// The reset was done, but some or all functions ignored it.
    Ignored,
}

impl Tried {
    /// No attempts yet.
    pub const fn none() -> Self {
        Self { rungs: Vec::new() }
    }

    /// Records an attempt; a second attempt of the same rung is merged with the first.
    pub fn note(&mut self, attempt: Attempt) {
        match self.rungs.iter_mut().find(|known| known.rung == attempt.rung) {
            Some(known) if attempt.reach != Reach::NotReset => known.reach = attempt.reach,
            Some(_) => {}
            // The vector has room for each rung once.
            None => {
                let _fits = self.rungs.push(attempt);
            }
        }
    }

    /// The attempts, in order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.rungs
    }

    /// Returns true if the rung was started.
    pub fn contains(&self, rung: Rung) -> bool {
        self.rungs.iter().any(|attempt| attempt.rung == rung)
    }

    /// Returns true if a reset was done, or may have been, that includes the effect of `rung`. FLR does not include PM:
    /// they are separate mechanisms, and one may work if the other does not. A reset that was ignored includes nothing.
    fn surpasses(&self, rung: Rung) -> bool {
        let mut resets = self.rungs.iter().filter(|attempt| attempt.reach == Reach::Reset);
        resets.any(|attempt| attempt.rung.takes_in(rung))
    }
}

/// The result of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Decision {
    /// The branch of the rule that applied.
    pub branch: Branch,
    /// The next step.
    pub next: Next,
    /// The rungs before it in this branch's order, and the reason why each was skipped.
    pub skipped: Vec<Skipped, { Rung::ALL.len() }>,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Next {
    /// Do nothing and leave the GPU as it is.
    Refuse(Refusal),
    /// Try this rung.
    Try(Rung),
    /// Take the GPU out of service.
    Quarantine,
}

impl Next {
    /// The rung to try, if any.
    pub const fn rung(self) -> Option<Rung> {
        match self {
            Self::Try(rung) => Some(rung),
            Self::Refuse(_) | Self::Quarantine => None,
        }
    }
}

/// The reason for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Refusal {
    /// The GPU is in use.
    InUse,
    /// Its use is unknown.
    UseUnknown,
    /// The GPU is locked into a confidential VM.
    TdiLocked,
    /// The next rung is above FLR, and the members of its fabric are unknown.
    FabricUnknown,
    /// No reset is possible, and nothing is known to be wrong.
    NoReset,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InUse => "in use",
            Self::UseUnknown => "use unknown, which counts as in use",
            Self::TdiLocked => "locked into a confidential VM",
            Self::FabricUnknown => "fabric unknown, which allows nothing above FLR",
            Self::NoReset => "no reset is possible, and nothing was found wrong",
        })
    }
}

/// The branch of the rule that applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Branch {
    /// In use, or use unknown.
    InUse,
    /// Locked into a confidential VM.
    TdiLocked,
    /// Not exclusive: the domain contains others, or its contents are unknown.
    Shared,
    /// Exclusive, but firmware or ACPI owns hotplug, or its owner is unknown.
    HotplugNotOurs,
    /// Exclusive, and a quirk forbids the secondary bus reset.
    NoBusReset,
    /// Exclusive, but the function cannot be written to.
    Absent,
    /// Exclusive, and FLR was requested.
    PreferredFlr,
    /// Exclusive, and the secondary bus reset was requested.
    PreferredSbr,
    /// Exclusive, FLR of this class is not known good, and the model is reported to need a device-specific reset, which
    /// the platform has.
    NeedsVendorReset,
    /// Exclusive, and FLR leaves functions of the GPU untouched.
    FlrLeavesSome,
    /// Exclusive, and FLR of this class is known bad.
    ClassBad,
    /// Exclusive, sick, and FLR of this class is not known good.
    Sick,
    /// Exclusive; there are only reports against FLR, and none against the secondary bus reset.
    ReportedFlr,
    /// Exclusive; there are only reports against the secondary bus reset, and none against FLR.
    ReportedBusReset,
    /// Exclusive, and this class has no FLR history.
    FlrUnknown,
    /// Exclusive, and FLR of this class is known good.
    Otherwise,
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InUse => "in use",
            Self::TdiLocked => "TDI-locked",
            Self::Shared => "domain not exclusive",
            Self::HotplugNotOurs => "hotplug not owned by the operating system",
            Self::NoBusReset => "no bus reset by quirk",
            Self::Absent => "exclusive and absent",
            Self::PreferredFlr => "exclusive and FLR preferred",
            Self::PreferredSbr => "exclusive and SBR preferred",
            Self::NeedsVendorReset => "exclusive and reported to need a device-specific reset",
            Self::FlrLeavesSome => "exclusive and FLR does not reset every function",
            Self::ClassBad => "exclusive and FLR of the class known bad",
            Self::Sick => "exclusive, sick and FLR of the class not known good",
            Self::ReportedFlr => "exclusive and reported not to come back from FLR",
            Self::ReportedBusReset => "exclusive and reported not to come back from a bus reset",
            Self::FlrUnknown => "exclusive and FLR of the class not known good",
            Self::Otherwise => "exclusive, otherwise",
        })
    }
}

/// A skipped rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Skipped {
    /// The rung.
    pub rung: Rung,
    /// The reason.
    pub why: SkipReason,
}

/// The reason why a rung was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SkipReason {
    /// It was already tried.
    Tried,
    /// A reset that includes it was tried.
    Surpassed,
    /// It is above the highest allowed rung.
    AboveHighest,
    /// Another rung was requested exclusively.
    NotAsked,
    /// It is not configured.
    NotConfigured,
    /// The port has a power controller for the slot; two must not switch the same power.
    PortSwitchesPower,
    /// The machine does not offer it.
    Unavailable,
    /// It is unknown if the machine offers it.
    AvailabilityUnknown,
    /// The link is not active: no write to the function.
    LinkNotActive,
    /// The function does not answer: no write to it.
    NoAnswer,
    /// It is above FLR, and the members of the fabric are unknown.
    FabricUnknown,
    /// It would affect others, or might.
    NotExclusive,
    /// The operating system does not own hotplug.
    HotplugNotOurs,
    /// A quirk forbids it, or may.
    Quirk(BusReset),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tried => "tried before",
            Self::Surpassed => "a reset that includes it was tried before",
            Self::AboveHighest => "above the highest rung allowed",
            Self::NotAsked => "another rung was requested",
            Self::NotConfigured => "not configured",
            Self::PortSwitchesPower => "the slot's port switches that power",
            Self::Unavailable => "not available",
            Self::AvailabilityUnknown => "not known to be available",
            Self::LinkNotActive => "the link is not active",
            Self::NoAnswer => "the function does not answer",
            Self::FabricUnknown => "fabric unknown, which allows nothing above FLR",
            Self::NotExclusive => "may affect other devices",
            Self::HotplugNotOurs => "the operating system does not own hotplug",
            Self::Quirk(BusReset::ForbiddenAtChild) => "a quirk of the function forbids it",
            Self::Quirk(BusReset::ForbiddenAtPort) => "a quirk of the port forbids it",
            Self::Quirk(BusReset::Unknown | BusReset::Allowed) => "unknown if a quirk forbids it",
        })
    }
}
