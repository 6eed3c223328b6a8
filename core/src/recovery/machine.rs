//! The state machine: due actions, waits and the end.

use core::convert::Infallible;
use core::time::Duration;

use super::action::{Action, Heard, Order, Progress, Ticket};
use super::answer::{Observation, Trouble};
use super::end::{ClassChange, End, Quarantine, Reason, Record};
use super::position::Climb;
use super::state::{AfterRecord, Pause, Place, State};
use crate::decision::{Answer, ClassHistory, Decision, Facts, Next, Reach, Refusal, Rung, Tried, decide};
use crate::ladder::operation::Operation;
use crate::ladder::timing::{Waits, after, elapsed};

/// The recovery of one GPU: of the function that is reset, and of the functions beside it. Times are durations since
/// any fixed moment.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub(super) facts: Facts,
    pub(super) tried: Tried,
    pub(super) waits: Waits,
    /// The last rung after which the functions were well without proof of the reset, if no rung has failed since.
    pub(super) unproven: Option<Rung>,
    /// True if functions were unbound or removed, and not handed back yet.
    pub(super) released: bool,
    /// The last decision of the rule.
    decision: Option<Decision>,
    /// The latest time that was passed in: time never goes back.
    clock: Duration,
    tickets: u32,
    state: State,
}

/// The current wait of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Waiting {
    /// The current rung; none before the first and between two.
    pub rung: Option<Rung>,
    /// The awaited event.
    pub awaited: Awaited,
    /// The time of the next poll if no answer comes before.
    pub poll_at: Duration,
    /// The latest end of this wait.
    pub until: Duration,
}

/// An awaited event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Awaited {
    /// The answer to an action.
    Answer(Action),
    /// The repeat of a check: the link, the function or another process's lock.
    Again,
    /// The end of a pause.
    Time,
}

impl Recovery {
    /// Starts a recovery at `now`, after the rungs in `tried`. It first checks that the function and its link are as
    /// `facts` states.
    ///
    /// An interrupted rung does not belong in `tried`; it starts again.
    pub fn new(now: Duration, facts: Facts, tried: Tried) -> Self {
        Self {
            facts,
            tried,
            waits: Waits::default(),
            unproven: None,
            released: false,
            decision: None,
            clock: now,
            tickets: 0,
            state: State::survey(now),
        }
    }

    /// Returns the recovery with these waits.
    #[must_use]
    pub fn with_waits(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// Returns the next action at `now`, or the end of the recovery.
    ///
    /// # Errors
    ///
    /// `WouldBlock` while nothing is due; see [`waiting`](Self::waiting).
    pub fn poll(&mut self, now: Duration) -> nb::Result<Progress, Infallible> {
        let now = self.tick(now);
        match self.state {
            State::Asked { order, since, place } if now >= order.deadline => {
                self.answered(now, elapsed(since, now), place, Observation::Blocked);
            }
            State::Pausing { until, pause } if now >= until => self.resume(now, pause),
            State::Due(_) | State::Asked { .. } | State::Pausing { .. } | State::Ended(_) => {}
        }
        match self.state {
            State::Due(place) => Ok(Progress::Do(self.hand_out(now, place))),
            State::Asked { .. } | State::Pausing { .. } => Err(nb::Error::WouldBlock),
            State::Ended(end) => Ok(Progress::Ended(end)),
        }
    }

    /// Accepts the answer to the order with this ticket, at `now`.
    pub fn tell(&mut self, now: Duration, ticket: Ticket, observation: Observation) -> Heard {
        let now = self.tick(now);
        match self.state {
            State::Asked { order, since, place } if order.ticket == ticket && now < order.deadline => {
                self.answered(now, elapsed(since, now), place, observation);
                Heard::Taken
            }
            State::Due(_) | State::Asked { .. } | State::Pausing { .. } | State::Ended(_) => Heard::TooLate,
        }
    }

    /// The current wait; none if [`poll`](Self::poll) has something to return.
    pub fn waiting(&self) -> Option<Waiting> {
        let (rung, awaited, poll_at, until) = match self.state {
            State::Asked { order, place, .. } => {
                let awaited = Awaited::Answer(order.action);
                (place.rung(), awaited, order.deadline, order.deadline)
            }
            State::Pausing { until, pause } => match pause {
                Pause::GoOn(climb) => (Some(climb.rung), Awaited::Time, until, until),
                Pause::Again { climb, wait } => (Some(climb.rung), Awaited::Again, until, wait.until()),
                Pause::Survey(wait) => (None, Awaited::Again, until, wait.until()),
            },
            State::Due(_) | State::Ended(_) => return None,
        };
        Some(Waiting {
            rung,
            awaited,
            poll_at,
            until,
        })
    }

    /// The last decision of the rule, with the rungs that it skipped.
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// The current facts.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    fn tick(&mut self, now: Duration) -> Duration {
        self.clock = self.clock.max(now);
        self.clock
    }

    fn hand_out(&mut self, now: Duration, place: Place) -> Order {
        self.tickets = self.tickets.wrapping_add(1);
        let order = Order {
            ticket: Ticket(self.tickets),
            action: place.action(),
            deadline: after(now, place.limit()),
        };
        self.state = State::Asked {
            order,
            since: now,
            place,
        };
        order
    }

    fn resume(&mut self, now: Duration, pause: Pause) {
        self.state = match pause {
            Pause::Survey(wait) => State::survey_within(wait),
            Pause::Again { climb, .. } => self.enter(now, climb),
            Pause::GoOn(climb) => self.enter(now, climb.next_step()),
        };
    }

    fn answered(&mut self, now: Duration, took: Duration, place: Place, observation: Observation) {
        self.state = match place {
            Place::Survey { wait, operation } => self.surveyed(now, wait, operation, observation),
            Place::Climb { climb, operation } => self.climbed(now, climb, operation, took, observation),
            // A history that cannot be written does not keep a GPU out of service.
            Place::Record { then, .. } => match then {
                AfterRecord::Survey => State::survey(now),
                AfterRecord::End(end) => State::Ended(end),
                AfterRecord::Quarantine(why) => State::Due(Place::Quarantine(why)),
            },
            Place::GiveBack { operation, end } => given_back(operation, end, observation),
            Place::Quarantine(why) => State::Ended(End::OutOfService {
                why,
                quarantine: match observation {
                    Observation::Done => Quarantine::Done,
                    other => Quarantine::Failed(Trouble::of(other)),
                },
            }),
        };
    }

    /// Runs the rule and follows its decision.
    pub(super) fn ask_rule(&mut self, now: Duration) -> State {
        if self.facts.surroundings.answer != Answer::Ready {
            self.unproven = None;
        }
        let decision = decide(&self.facts, &self.tried);
        let next = decision.next;
        self.decision = Some(decision);
        match (next, self.unproven) {
            // A GPU that is well is not powered off only to prove a reset.
            (Next::Try(rung), Some(after)) if rung.cuts_power() => self.leave(after),
            // A GPU in use stays with its user.
            (Next::Refuse(Refusal::InUse), Some(after)) => State::Ended(End::Unproven { after }),
            (Next::Quarantine | Next::Refuse(_), Some(after)) => self.leave(after),
            (next, _) => self.go(now, next),
        }
    }

    fn go(&mut self, now: Duration, next: Next) -> State {
        match next {
            Next::Try(rung) => self.enter(now, Climb::begin(rung)),
            Next::Refuse(refusal) if self.is_left_broken(refusal) => {
                State::Due(Place::Quarantine(Reason::Refused(refusal)))
            }
            Next::Refuse(refusal) => State::Ended(End::Refused(refusal)),
            Next::Quarantine if self.tried.attempts().is_empty() && !self.facts.is_sick() => {
                State::Ended(End::Refused(Refusal::NoReset))
            }
            Next::Quarantine => State::Due(Place::Quarantine(Reason::Exhausted)),
        }
    }

    /// Ends unproven, after it hands the functions back: a later rung may have failed with their drivers unbound.
    fn leave(&self, after: Rung) -> State {
        let end = End::Unproven { after };
        if self.released {
            let operation = Operation::ReadMarks;
            return State::Due(Place::GiveBack { operation, end });
        }
        State::Ended(end)
    }

    /// Returns true if a refusal leaves a GPU behind that is sick or that one of our rungs failed to recover. A GPU
    /// that is in use and was never reset stays with its user as found.
    fn is_left_broken(&self, refusal: Refusal) -> bool {
        let attempts = self.tried.attempts();
        match refusal {
            Refusal::FabricUnknown => !attempts.is_empty() || self.facts.is_sick(),
            // A failed rung may have unbound the drivers, and the GPU has no known user.
            Refusal::UseUnknown => !attempts.is_empty(),
            Refusal::NoReset => false,
            Refusal::InUse | Refusal::TdiLocked => attempts.iter().any(|attempt| attempt.reach != Reach::NotReset),
        }
    }

    /// Records the outcome of a rung.
    pub(super) fn record(&mut self, record: Record, then: AfterRecord) -> State {
        if record.reset_class == ClassChange::Demote {
            match record.rung {
                Rung::BusResetInPlace => self.facts.known.in_place = ClassHistory::Bad,
                _ => self.facts.known.reset_class = ClassHistory::Bad,
            }
        }
        State::Due(Place::Record { record, then })
    }
}

/// Returns the next state while functions are handed back: marks are removed before any driver binds the functions.
const fn given_back(operation: Operation, end: End, observation: Observation) -> State {
    match (operation, observation) {
        (_, Observation::Blocked) => State::Due(Place::Quarantine(Reason::Stuck(operation))),
        (Operation::ReadMarks, _) => State::Due(Place::GiveBack {
            operation: Operation::HandBack,
            end,
        }),
        _ => State::Ended(end),
    }
}
