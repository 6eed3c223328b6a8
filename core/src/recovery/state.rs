//! Where a recovery stands: what is due, what is waited for, and what comes after it.

use core::time::Duration;

use super::action::{Action, Order};
use super::end::{End, Reason, Record};
use super::position::Climb;
use super::wait::Wait;
use crate::decision::Rung;
use crate::ladder::operation::Operation;
use crate::ladder::timing::{BOOKKEEPING_LIMIT, SURVEY_LIMIT};

#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// The next poll hands out what is to be done here.
    Due(Place),
    /// It was handed out, and the answer is waited for.
    Asked {
        order: Order,
        since: Duration,
        place: Place,
    },
    /// Nothing is done before `until`.
    Pausing {
        until: Duration,
        pause: Pause,
    },
    Ended(End),
}

/// Where on the ladder, and what is done there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Looking at the function before the rule is asked.
    Survey { wait: Wait, operation: Operation },
    /// On a rung, or putting back what one that failed has removed.
    Climb { climb: Climb, operation: Operation },
    /// Writing down what came of a rung.
    Record { record: Record, then: AfterRecord },
    /// Taking the GPU out of service.
    Quarantine(Reason),
    /// Giving functions back at the end that a rung has released and not handed back.
    GiveBack { operation: Operation, end: End },
}

/// What a pause is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pause {
    /// Another survey, of those that this wait has time for.
    Survey(Wait),
    /// The same step of a rung once more, while this wait has time.
    Again { climb: Climb, wait: Wait },
    /// The step itself is the pause.
    GoOn(Climb),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum AfterRecord {
    Survey,
    End(End),
    Quarantine(Reason),
}

impl State {
    pub(super) fn survey(now: Duration) -> Self {
        Self::survey_within(Wait::new(now, SURVEY_LIMIT))
    }

    pub(super) const fn survey_within(wait: Wait) -> Self {
        Self::Due(Place::Survey {
            wait,
            operation: Operation::ReadLink,
        })
    }

    pub(super) const fn again(wait: Wait) -> Self {
        Self::Pausing {
            until: wait.look_again(),
            pause: Pause::Survey(wait),
        }
    }
}

impl Place {
    pub(super) const fn action(self) -> Action {
        match self {
            Self::Survey { operation, .. } | Self::Climb { operation, .. } | Self::GiveBack { operation, .. } => {
                Action::Do(operation)
            }
            Self::Record { record, .. } => Action::Record(record),
            Self::Quarantine(why) => Action::Quarantine(why),
        }
    }

    pub(super) const fn limit(self) -> Duration {
        match self {
            Self::Survey { operation, .. } | Self::Climb { operation, .. } | Self::GiveBack { operation, .. } => {
                operation.limit()
            }
            Self::Record { .. } | Self::Quarantine(_) => BOOKKEEPING_LIMIT,
        }
    }

    pub(super) const fn rung(self) -> Option<Rung> {
        match self {
            Self::Climb { climb, .. } => Some(climb.rung),
            Self::Record { record, .. } => Some(record.rung),
            Self::Survey { .. } | Self::Quarantine(_) | Self::GiveBack { .. } => None,
        }
    }
}
