//! Which reset comes next, why, and why not the others.
//!
//! [`decide`] is the whole rule. It takes [`Facts`] and what was [`Tried`], and answers with one
//! [`Decision`]: the branch that it took, the rung that this branch leads to, and what it passed
//! over on the way there. It is pure, so a plan and the act are decided by the same call.
//!
//! | what holds | what comes |
//! | --- | --- |
//! | in use, TDI-locked, or only rungs above FLR are left and the fabric is unknown | refuse |
//! | no bus reset by quirk, of the child or of the port | never a secondary bus reset |
//! | the link is not active, or the function does not answer | neither FLR nor PM: nothing is written to it |
//! | exclusive, and hotplug is not ours | kernel FLR, and nothing above it |
//! | exclusive, absent | detach-SBR |
//! | exclusive, FLR preferred | kernel FLR, then the bus resets |
//! | exclusive, the secondary bus reset preferred | detach-SBR, then the others |
//! | exclusive, reported to need a device-specific reset, which the platform has, and FLR of the class not known good | that, then the bus resets, then kernel FLR |
//! | exclusive, FLR of the class known bad, or not known good | the bus resets, then kernel FLR |
//! | exclusive, FLR leaves functions of the GPU as they are | the same |
//! | exclusive, nothing known of FLR of the class, and only the bus reset reported not to come back | kernel FLR, then the bus resets |
//! | exclusive, otherwise: FLR of the class known good, of every function | kernel FLR, then the bus resets |
//! | the bus resets | in place, then detach-SBR; in place last where it is known bad, and second where no mark would show it |
//! | not exclusive | kernel FLR, then slot power where all that the slot powers is ours |
//! | before slot power, and no secondary bus reset was done | PM, where it resets anything |
//! | before slot power, exclusive, hotplug ours, and the function answers | the device-specific reset, then ACPI's, where the platform has them |
//! | after slot power, exclusive, and the slot's port has no power controller | power by the BMC, where one is configured |
//! | after any rung | read the marks and verify; what is not verified or not proven has failed, and the rule is asked again |
//! | verified after a rung that is not proven, and only power or nothing is left | the ladder ends: well, not proven, not quarantined |
//! | the kernel does not come back from what changes something | quarantine: it holds the device's lock, and may yet act |
//! | unverified, and no reset would make readable what was not read | the ladder ends: not recovered, and nothing was found that another reset could mend |
//! | refused after a reset that failed | quarantine |
//! | use unknown, or fabric unknown, after a rung that failed before its reset | quarantine: its drivers may be off, and nobody is known to have it |
//! | fabric unknown, sick, and no rung is allowed | quarantine |
//! | nothing is left | quarantine |
//!
//! Exclusive means that everything below the card root is ours, unused and without virtual
//! functions. Hotplug is ours where the operating system owns it, and for a secondary bus reset also
//! where nobody does: without a slot for hot-plug nobody acts on what the reset does to the link.
//! Least destructive means bystanders first, then state: in an exclusive domain a secondary bus reset
//! has no bystanders.
//!
//! What is not known never permits: unknown use is use, an unknown domain is shared, an unknown
//! quirk forbids, an unknown owner of hotplug is not us. FLR of a class of which nothing is known
//! is neither good nor bad.

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

/// The rungs that were begun, whatever came of them. None is begun twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tried {
    rungs: Vec<Attempt, { Rung::ALL.len() }>,
}

/// One rung that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Attempt {
    /// Which.
    pub rung: Rung,
    /// How far it came.
    pub reach: Reach,
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reach {
    /// It ended before its reset was done.
    NotReset,
    /// The reset was done, or may have been.
    Reset,
    /// The reset was done, and the functions ignored it, or some of them.
    Ignored,
}

impl Tried {
    /// Nothing yet.
    pub const fn none() -> Self {
        Self { rungs: Vec::new() }
    }

    /// Notes an attempt; a second one of the same rung adds to the first.
    pub fn note(&mut self, attempt: Attempt) {
        match self.rungs.iter_mut().find(|known| known.rung == attempt.rung) {
            Some(known) if attempt.reach != Reach::NotReset => known.reach = attempt.reach,
            Some(_) => {}
            // There is room for each rung once.
            None => {
                let _fits = self.rungs.push(attempt);
            }
        }
    }

    /// The attempts, in order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.rungs
    }

    /// Whether the rung was begun.
    pub fn contains(&self, rung: Rung) -> bool {
        self.rungs.iter().any(|attempt| attempt.rung == rung)
    }

    /// Whether a reset was done, or may have been, that takes in what `rung` would do. FLR does not
    /// take in PM: the two are built separately, and one may work where the other does not. One that was ignored takes in
    /// nothing.
    fn surpasses(&self, rung: Rung) -> bool {
        let mut resets = self.rungs.iter().filter(|attempt| attempt.reach == Reach::Reset);
        resets.any(|attempt| attempt.rung.takes_in(rung))
    }
}

/// What the rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Decision {
    /// Which branch of the rule applied.
    pub branch: Branch,
    /// What is to be done.
    pub next: Next,
    /// The rungs that came before it in this branch's order, and why each was passed over.
    pub skipped: Vec<Skipped, { Rung::ALL.len() }>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Next {
    /// Nothing, and nothing is touched.
    Refuse(Refusal),
    /// This rung.
    Try(Rung),
    /// The GPU goes out of service.
    Quarantine,
}

impl Next {
    /// The rung, where it is one.
    pub const fn rung(self) -> Option<Rung> {
        match self {
            Self::Try(rung) => Some(rung),
            Self::Refuse(_) | Self::Quarantine => None,
        }
    }
}

/// The reason why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Refusal {
    /// Somebody uses it.
    InUse,
    /// Nobody can say whether somebody uses it.
    UseUnknown,
    /// It is locked into a confidential VM.
    TdiLocked,
    /// What comes is above FLR, and nobody can say who is on its fabric.
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
    /// It is in use, or nobody can say.
    InUse,
    /// It is TDI-locked.
    TdiLocked,
    /// Not exclusive: others are in the domain, or nobody can say.
    Shared,
    /// Exclusive, and hotplug is firmware's or ACPI's, or nobody can say whose.
    HotplugNotOurs,
    /// Exclusive, and a quirk forbids the secondary bus reset.
    NoBusReset,
    /// Exclusive, and the function is not there to be written to.
    Absent,
    /// Exclusive, and FLR was asked for.
    PreferredFlr,
    /// Exclusive, and the secondary bus reset was asked for.
    PreferredSbr,
    /// Exclusive, the model is reported to need a reset of its own, which the platform has, and FLR of this class is not known
    /// good.
    NeedsVendorReset,
    /// Exclusive, and FLR leaves functions of the GPU as they are.
    FlrLeavesSome,
    /// Exclusive, and FLR of this class is known bad.
    ClassBad,
    /// Exclusive, sick, and FLR of this class is not known good.
    Sick,
    /// Exclusive, and only reports speak against FLR, and none against the secondary bus reset.
    ReportedFlr,
    /// Exclusive, and only reports speak against the secondary bus reset, and none against FLR.
    ReportedBusReset,
    /// Exclusive, and nothing is known of FLR in this class.
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

/// A rung that was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Skipped {
    /// Which.
    pub rung: Rung,
    /// The reason.
    pub why: SkipReason,
}

/// The reason why a rung was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SkipReason {
    /// It was tried.
    Tried,
    /// A reset that takes it in was tried.
    Surpassed,
    /// It is above the highest rung allowed.
    AboveHighest,
    /// Another one was asked for, and no other.
    NotAsked,
    /// Nobody has configured it.
    NotConfigured,
    /// The port has a power controller for the slot, and two must not switch one power.
    PortSwitchesPower,
    /// The machine does not offer it.
    Unavailable,
    /// Nobody can say whether the machine offers it.
    AvailabilityUnknown,
    /// The link is not active: nothing is written to the function.
    LinkNotActive,
    /// The function does not answer: nothing is written to it.
    NoAnswer,
    /// It is above FLR, and nobody can say who is on the fabric.
    FabricUnknown,
    /// It would hit others, or nobody can say that it would not.
    NotExclusive,
    /// The operating system does not own hotplug.
    HotplugNotOurs,
    /// A quirk forbids it, or nobody can say that none does.
    Quirk(BusReset),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tried => "tried before",
            Self::Surpassed => "a reset that takes it in was tried before",
            Self::AboveHighest => "above the highest rung allowed",
            Self::NotAsked => "not the one that was asked for",
            Self::NotConfigured => "not configured",
            Self::PortSwitchesPower => "the slot's port switches that power",
            Self::Unavailable => "not available",
            Self::AvailabilityUnknown => "not known to be available",
            Self::LinkNotActive => "the link is not active",
            Self::NoAnswer => "the function does not answer",
            Self::FabricUnknown => "fabric unknown, which allows nothing above FLR",
            Self::NotExclusive => "not known to hit nobody else",
            Self::HotplugNotOurs => "the operating system does not own hotplug",
            Self::Quirk(BusReset::ForbiddenAtChild) => "a quirk of the function forbids it",
            Self::Quirk(BusReset::ForbiddenAtPort) => "a quirk of the port forbids it",
            Self::Quirk(BusReset::Unknown | BusReset::Allowed) => "not known to be free of a quirk",
        })
    }
}
