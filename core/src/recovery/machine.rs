//! The machine: what is due, what is waited for, and how it ends.

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

/// The recovery of one GPU: of the function that is reset, and of those beside it. Times are durations since any
/// fixed moment.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub(super) facts: Facts,
    pub(super) tried: Tried,
    pub(super) waits: Waits,
    /// The last rung after which the functions were well and whose reset is not proven, if none has failed since.
    pub(super) unproven: Option<Rung>,
    /// True while drivers were taken off functions, or functions were removed, that were not handed back.
    pub(super) released: bool,
    /// What the rule said last.
    decision: Option<Decision>,
    /// The latest time that it was told: time does not go back.
    clock: Duration,
    tickets: u32,
    state: State,
}

/// What a recovery waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Waiting {
    /// On which rung; none before the first and between two.
    pub rung: Option<Rung>,
    /// For what.
    pub awaited: Awaited,
    /// When to poll if nothing comes before.
    pub poll_at: Duration,
    /// When this wait is over at the latest.
    pub until: Duration,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Awaited {
    /// The answer to an action.
    Answer(Action),
    /// What was not there yet and is looked at again: the link, the function, another's lock.
    Again,
    /// Time that has to pass.
    Time,
}

impl Recovery {
    /// A recovery that begins at `now`, after what was `tried` before. Whether the function and its
    /// link are as `facts` says is looked at first of all.
    ///
    /// A rung that was interrupted does not belong to what was tried: it is begun anew.
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

    /// The same, with these waits.
    #[must_use]
    pub fn with_waits(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// What to do at `now`, or how it ended.
    ///
    /// # Errors
    ///
    /// `WouldBlock` while there is nothing to do: [`waiting`](Self::waiting) says for what.
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

    /// Takes what the order with this ticket brought, at `now`.
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

    /// What is waited for; none where [`poll`](Self::poll) has something to say.
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

    /// What the rule said last, and what it passed over.
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// What is known now.
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
            // A history that cannot be written keeps no GPU down.
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

    /// Asks the rule, and goes where it says.
    pub(super) fn ask_rule(&mut self, now: Duration) -> State {
        if self.facts.surroundings.answer != Answer::Ready {
            self.unproven = None;
        }
        let decision = decide(&self.facts, &self.tried);
        let next = decision.next;
        self.decision = Some(decision);
        match (next, self.unproven) {
            // What is well is not switched off only to prove a reset.
            (Next::Try(rung), Some(after)) if rung.cuts_power() => self.leave(after),
            // Nothing is taken from whoever uses it now.
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

    /// Ends with functions that are well in the hands they came from: a later rung may have failed with their drivers off.
    fn leave(&self, after: Rung) -> State {
        let end = End::Unproven { after };
        if self.released {
            let operation = Operation::ReadMarks;
            return State::Due(Place::GiveBack { operation, end });
        }
        State::Ended(end)
    }

    /// Whether a refusal leaves a GPU behind that is sick, or that one of our rungs could not bring back. What is in use and
    /// was never reset is left to its user as it was found.
    fn is_left_broken(&self, refusal: Refusal) -> bool {
        let attempts = self.tried.attempts();
        match refusal {
            Refusal::FabricUnknown => !attempts.is_empty() || self.facts.is_sick(),
            // A rung that failed may have taken the drivers off, and nobody is known to whom it would be left.
            Refusal::UseUnknown => !attempts.is_empty(),
            Refusal::NoReset => false,
            Refusal::InUse | Refusal::TdiLocked => attempts.iter().any(|attempt| attempt.reach != Reach::NotReset),
        }
    }

    /// Has the outcome of a rung written down.
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

/// What comes after an operation that gives functions back: marks are taken away before any driver has the functions.
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
