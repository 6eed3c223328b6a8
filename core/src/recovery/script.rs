//! What each rung is made of.

use core::time::Duration;

use super::Operation;
use super::timing::LINK_DETECT_TIME;
use crate::decision::Rung;

/// One step of a rung.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// An operation that has to succeed.
    Do(Operation),
    /// One whose failure leaves the verdict with less to go by, and is no other loss.
    Try(Operation),
    /// These, one after the other, and from the first again, until the last is answered well.
    Until { ask: &'static [Operation], limit: Limit },
    /// Nothing, for this long.
    Pause(Duration),
    /// Nothing, for as long as a function needs after its link.
    Settle,
    /// Nothing, for as long as a slot's power stays off.
    StayOff,
}

/// Which of the [`Waits`](super::Waits) limits a step that is done again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    Link,
    Ready,
}

use Operation as Op;

/// The link, before the function is touched.
const LINK: Step = Step::Until {
    ask: &[Op::ReadLink],
    limit: Limit::Link,
};
/// The functions before a reset, which one that has gone meanwhile would not survive, and after one that leaves them in
/// their place.
const READY: Step = Step::Until {
    ask: &[Op::ReadLink, Op::LookAtFunctions],
    limit: Limit::Ready,
};
/// The functions after their removal. The port may scan by itself or not: both are fine.
const REAPPEARANCE: Step = Step::Until {
    ask: &[Op::ReadLink, Op::Rescan, Op::LookAtFunctions],
    limit: Limit::Ready,
};

const KERNEL_FLR: &[Step] = &[
    Step::Do(Op::CheckUse),
    Step::Do(Op::Journal),
    LINK,
    Step::Try(Op::Wake),
    Step::Do(Op::Unbind),
    READY,
    Step::Try(Op::RecordErrors),
    Step::Do(Op::KernelFlr),
    READY,
    Step::Do(Op::Claim),
    Step::Do(Op::PinD0),
    Step::Do(Op::Verify),
];

const KERNEL_PM: &[Step] = &[
    Step::Do(Op::CheckUse),
    Step::Do(Op::Journal),
    LINK,
    Step::Try(Op::Wake),
    Step::Do(Op::Unbind),
    READY,
    Step::Try(Op::RecordErrors),
    Step::Do(Op::KernelPm),
    READY,
    Step::Do(Op::Claim),
    Step::Do(Op::PinD0),
    Step::Do(Op::Verify),
];

/// On an empty bus the kernel neither saves nor restores, and does not wait a minute for a function
/// that is dead.
const DETACH_SBR: &[Step] = &[
    Step::Do(Op::CheckUse),
    Step::Do(Op::CheckDomain),
    Step::Do(Op::Journal),
    Step::Try(Op::RecordErrors),
    Step::Do(Op::RemoveBelowCardRoot),
    Step::Do(Op::ResetEmptyBus),
    Step::Pause(LINK_DETECT_TIME),
    LINK,
    Step::Settle,
    REAPPEARANCE,
    Step::Do(Op::RestoreBarSizes),
    Step::Do(Op::RestoreOverride),
    Step::Do(Op::Claim),
    Step::Do(Op::PinD0),
    Step::Do(Op::Verify),
];

/// The kernel removes what is below the slot before it cuts the power.
const SLOT_POWER: &[Step] = &[
    Step::Do(Op::CheckUse),
    Step::Do(Op::CheckDomain),
    Step::Do(Op::Journal),
    Step::Try(Op::RecordErrors),
    Step::Do(Op::PowerOff),
    Step::StayOff,
    Step::Do(Op::PowerOn),
    Step::Pause(LINK_DETECT_TIME),
    LINK,
    Step::Settle,
    REAPPEARANCE,
    Step::Do(Op::RestoreBarSizes),
    Step::Do(Op::RestoreOverride),
    Step::Do(Op::Claim),
    Step::Do(Op::PinD0),
    Step::Do(Op::Verify),
];

/// What is below the card root is removed first: nobody else does that for a power that the kernel does not switch.
const BMC: &[Step] = &[
    Step::Do(Op::CheckUse),
    Step::Do(Op::CheckDomain),
    Step::Do(Op::Journal),
    Step::Try(Op::RecordErrors),
    Step::Do(Op::RemoveBelowCardRoot),
    Step::Do(Op::CyclePower),
    Step::Pause(LINK_DETECT_TIME),
    LINK,
    Step::Settle,
    REAPPEARANCE,
    Step::Do(Op::RestoreBarSizes),
    Step::Do(Op::RestoreOverride),
    Step::Do(Op::Claim),
    Step::Do(Op::PinD0),
    Step::Do(Op::Verify),
];

/// What is still done on a rung that failed after a removal: whoever comes back is to find its sizes
/// and its override. Each is tried whatever came of the one before, but for the link, below which
/// nothing is touched while it is not active.
pub(super) const PUT_BACK: &[Step] = &[
    Step::Try(Op::PowerOn),
    LINK,
    Step::Settle,
    Step::Try(Op::Rescan),
    Step::Try(Op::RestoreBarSizes),
    Step::Try(Op::RestoreOverride),
];

/// The steps of a rung, of which [`Operation::Verify`] is always the last.
pub(super) const fn steps(rung: Rung) -> &'static [Step] {
    match rung {
        Rung::KernelFlr => KERNEL_FLR,
        Rung::KernelPm => KERNEL_PM,
        Rung::DetachSbr => DETACH_SBR,
        Rung::SlotPower => SLOT_POWER,
        Rung::Bmc => BMC,
    }
}
