//! What each rung is made of.

use crate::ladder::operation::Operation as Op;
use crate::ladder::rung::{Limit, ResetDomain, Rung, Step};
use crate::ladder::timing::LINK_DETECT_TIME;

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

/// What comes before a reset of one function.
const BEFORE_A_FUNCTION: &[Step] = &[
    Step::Do(Op::CheckUse),
    Step::Do(Op::Save),
    LINK,
    Step::Try(Op::Wake),
    Step::Do(Op::Release),
    READY,
    Step::Try(Op::RecordErrors),
    Step::Try(Op::Mark),
];

/// What comes after a reset of one function.
const AFTER_A_FUNCTION: &[Step] = &[
    READY,
    Step::Try(Op::ReadMarks),
    Step::Do(Op::HandBack),
    Step::Do(Op::Verify),
];

/// What comes before a reset of more than the function that leaves all in their place: every function has to answer.
const BEFORE_A_CARD_IN_PLACE: &[Step] = &[
    Step::Do(Op::CheckUse),
    Step::Do(Op::CheckDomain),
    Step::Do(Op::Save),
    LINK,
    Step::Try(Op::Wake),
    Step::Do(Op::Release),
    READY,
    Step::Try(Op::RecordErrors),
    Step::Try(Op::Mark),
];

/// What comes after it. The kernel has waited for the link already; if its hotplug driver takes the card for another and adds
/// it again, the overrides are lost.
const AFTER_A_CARD_IN_PLACE: &[Step] = &[
    READY,
    Step::Try(Op::ReadMarks),
    Step::Do(Op::Restore),
    Step::Do(Op::HandBack),
    Step::Do(Op::Verify),
];

/// What comes before a reset of more than the function.
const BEFORE_A_CARD: &[Step] = &[
    Step::Do(Op::CheckUse),
    Step::Do(Op::CheckDomain),
    Step::Do(Op::Save),
    Step::Try(Op::RecordErrors),
    Step::Try(Op::Mark),
];

/// What comes after a reset of more than the function.
const AFTER_A_CARD: &[Step] = &[
    Step::Pause(LINK_DETECT_TIME),
    LINK,
    Step::Settle,
    REAPPEARANCE,
    Step::Try(Op::ReadMarks),
    Step::Do(Op::Restore),
    Step::Do(Op::HandBack),
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
    Step::Try(Op::ReadMarks),
    Step::Try(Op::Restore),
];

/// A step of a rung. [`Op::Verify`] is the last of every rung.
pub(super) fn step(rung: Rung, index: usize) -> Option<Step> {
    let row = rung.row();
    let (before, after) = match row.domain {
        ResetDomain::Function => (BEFORE_A_FUNCTION, AFTER_A_FUNCTION),
        ResetDomain::BelowCardRootInPlace => (BEFORE_A_CARD_IN_PLACE, AFTER_A_CARD_IN_PLACE),
        ResetDomain::BelowCardRoot | ResetDomain::Powered => (BEFORE_A_CARD, AFTER_A_CARD),
    };
    before.iter().chain(row.own).chain(after).nth(index).copied()
}
