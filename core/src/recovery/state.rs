//! The state of a recovery: due, waiting or pausing, and what follows.

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
    /// The next poll returns the action of this place.
    Due(Place),
    /// The action was returned, and its answer is awaited.
    Asked {
        order: Order,
        since: Duration,
        place: Place,
    },
    /// No action before `until`.
    Pausing {
        until: Duration,
        pause: Pause,
    },
    Ended(End),
}

/// The current position on the ladder.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Checks the function before the rule runs.
    Survey { wait: Wait, operation: Operation },
    /// Executes a rung, or puts back what a failed rung removed.
    Climb { climb: Climb, operation: Operation },
    /// Records the outcome of a rung.
    Record { record: Record, then: AfterRecord },
    /// Takes the GPU out of service.
    Quarantine(Reason),
    /// Hands back, at the end, functions that a rung released and did not hand back.
    GiveBack { operation: Operation, end: End },
}

/// The reason for a pause.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pause {
    /// The survey is repeated while this wait lasts.
    Survey(Wait),
    /// The step of a rung is repeated while this wait lasts.
    Again { climb: Climb, wait: Wait },
    /// The step itself is a pause.
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
