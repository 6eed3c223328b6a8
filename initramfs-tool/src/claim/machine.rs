//! One GPU through the claim, and back if any of its functions fails.
//!
//! The order is the one that leaves no gap. First every function has to answer, and in time; nothing is changed before.
//! Pass one makes every function ours to bind and nobody else's: override, no D3cold, unbind. Pass two binds them and reads
//! each `driver` link back; and where a group comes only with a driver, that it has come. Only then is `power/control` written, since
//! vfio-pci's probe sets it to `auto`; and only a power state and a pin that were read back count.
//!
//! A GPU that is out of service is isolated instead: it is not asked, since it may not answer, and nothing is taken back,
//! since half of it out of reach is better than none.

mod scripts;

use std::time::Duration;

use reseat_core::address::FunctionAddress;
use reseat_core::header::Identity;

use super::change::{self, Change};
use super::failure::{Failure, FailureKind};
use super::operation::{Attribute, Operation, OperationAnswer, Verb};
use super::outcome::{FunctionPower, Outcome, Rollback};
use super::power::PowerReading;
use super::{Aim, DmaIsolation, Memory, Target};
use crate::model::display::Framebuffer;
use crate::model::finding::{Finding, Id, Subject, id};
use crate::model::memory_map;

/// How long a bind that the kernel puts off (EAGAIN) is tried again.
const BIND_RETRY_LIMIT: Duration = Duration::from_secs(1);
const BIND_RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long a function may take to D0 after its pin. The kernel resumes it within the write; the rest is margin.
const D0_LIMIT: Duration = Duration::from_secs(1);
/// Each look costs a read of the function's configuration space, of which few are to be made.
const D0_PAUSE: Duration = Duration::from_millis(100);

/// A function whose probe takes longer is slow. Nothing of it is begun: within a bind, or to wake it, the kernel reads up to ten
/// times as many registers, and nobody can stop it there.
const PROBE_LIMIT: Duration = Duration::from_millis(500);

/// The claim of one GPU, or its isolation. Times are durations since any fixed moment.
#[derive(Debug)]
pub struct Claim {
    aim: Aim,
    functions: Vec<Function>,
    changes: Vec<Change>,
    /// What an isolation has not reached.
    shortfall: Option<Rollback>,
    state: State,
    /// The time at which the last operation was given out.
    asked: Duration,
}

#[derive(Debug)]
struct Function {
    address: FunctionAddress,
    identity: Identity,
    /// The driver that it is to get.
    vfio: String,
    isolation: DmaIsolation,
    framebuffers: Vec<Framebuffer>,
    memory: Memory,
    driver: Option<String>,
    /// `power/control` before the claim.
    power_control: Option<String>,
    power: Option<PowerReading>,
    /// Why the bind was refused, until the `driver` link tells whether that matters.
    bind_refused: Option<Failure>,
}

#[derive(Debug)]
enum State {
    /// Asking every function whether it is there; for an isolation, the kernel who has it.
    Asking(Script),
    /// Claiming them, or isolating them.
    Claiming(Script),
    /// Taking back what was done.
    Undoing(Rollback, Script),
    Done(Outcome),
}

/// Operations in their order.
#[derive(Debug)]
struct Script {
    operations: Vec<Operation>,
    next: usize,
    /// Set while the next operation is one that is tried again.
    retry: Option<Retry>,
}

#[derive(Clone, Copy, Debug)]
struct Retry {
    since: Duration,
    not_before: Duration,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Do this and [`Claim::tell`] what came of it.
    Do(Operation),
    /// Nothing to do before this time.
    WaitUntil(Duration),
    /// The claim has ended.
    Done(Outcome),
}

impl Claim {
    /// What `target` aims at, for all its functions.
    pub fn new(target: &Target) -> Self {
        let functions: Vec<Function> = target
            .functions
            .iter()
            .map(|function| Function {
                address: function.address,
                identity: function.identity,
                vfio: function.driver.clone(),
                isolation: function.isolation,
                framebuffers: function.framebuffers.clone(),
                memory: function.memory,
                driver: None,
                power_control: None,
                power: None,
                bind_refused: None,
            })
            .collect();
        let asking = functions.iter().map(|function| Operation {
            function: function.address,
            verb: match target.aim {
                Aim::Claim => Verb::Probe,
                Aim::Isolate => Verb::ReadDriver,
            },
        });
        let state = State::Asking(Script::new(asking.collect()));
        Self {
            aim: target.aim,
            functions,
            changes: Vec::new(),
            shortfall: None,
            state,
            asked: Duration::ZERO,
        }
    }

    /// Only the way back, for `changes` that a claim made before it was stopped.
    pub fn undo(changes: &[Change], rollback: Rollback) -> Self {
        Self {
            aim: Aim::Claim,
            functions: Vec::new(),
            changes: Vec::new(),
            shortfall: None,
            state: {
                let script = Script::new(change::undo_script(changes, rollback.function));
                State::Undoing(rollback, script)
            },
            asked: Duration::ZERO,
        }
    }

    /// Why the claim is being taken back, and what could not be so far, once it has turned round.
    pub fn rollback(&self) -> Option<&Rollback> {
        match &self.state {
            State::Asking(_) | State::Claiming(_) => None,
            State::Undoing(rollback, _) => Some(rollback),
            State::Done(outcome) => outcome.rollback.as_ref(),
        }
    }

    /// What to do at `now`.
    pub fn next(&mut self, now: Duration) -> Step {
        while let State::Asking(script) | State::Claiming(script) | State::Undoing(_, script) = &self.state {
            if let Some(retry) = script.retry.filter(|retry| now < retry.not_before) {
                return Step::WaitUntil(retry.not_before);
            }
            if let Some(operation) = script.current() {
                self.asked = now;
                return Step::Do(operation.clone());
            }
            self.next_stage();
        }
        match &self.state {
            State::Done(outcome) => Step::Done(outcome.clone()),
            // Unreachable by the loop above; to wait for nothing is still better than to panic.
            State::Asking(_) | State::Claiming(_) | State::Undoing(..) => Step::WaitUntil(now),
        }
    }

    /// Goes on to what follows when a script has come to its end.
    fn next_stage(&mut self) {
        self.state = match &self.state {
            State::Asking(_) => State::Claiming(Script::new(match self.aim {
                Aim::Claim => scripts::claiming(&self.functions),
                Aim::Isolate => scripts::isolating(&self.functions),
            })),
            State::Claiming(_) => State::Done(self.outcome(self.shortfall.clone())),
            State::Undoing(rollback, _) => State::Done(self.outcome(Some(rollback.clone()))),
            State::Done(outcome) => State::Done(outcome.clone()),
        };
    }

    /// Takes what the last operation brought, at `now`. Returns the changes that it made, for whoever would have to take
    /// them back if this process were stopped.
    pub fn tell(&mut self, now: Duration, answer: Result<OperationAnswer, Failure>) -> Vec<Change> {
        match &mut self.state {
            State::Asking(script) | State::Claiming(script) => match (script.current().cloned(), self.aim) {
                (Some(operation), Aim::Claim) => self.tell_forward(now, &operation, answer),
                (Some(operation), Aim::Isolate) => {
                    self.tell_isolating(&operation, answer);
                    Vec::new()
                }
                (None, _) => Vec::new(),
            },
            State::Undoing(rollback, script) => {
                if let (Some(operation), Err(failure)) = (script.current(), &answer) {
                    rollback.leave(operation, failure);
                }
                script.advance();
                Vec::new()
            }
            State::Done(_) => Vec::new(),
        }
    }

    /// What an isolation has not reached is noted, and it goes on.
    fn tell_isolating(&mut self, operation: &Operation, answer: Result<OperationAnswer, Failure>) {
        let is_asking = matches!(self.state, State::Asking(_));
        let failure = match answer {
            Ok(OperationAnswer::Driver(driver)) => {
                let still = driver.clone().filter(|_| !is_asking);
                if let Some(function) = self.function(operation.function) {
                    function.driver = driver;
                }
                still.map(|driver| Failure::other(about(operation, id::STILL_BOUND).with("driver", driver)))
            }
            Ok(OperationAnswer::NoSuchAttribute) => Some(Failure::other(about(operation, id::ATTRIBUTE_MISSING))),
            Ok(_) => None,
            // Nobody has what is not there.
            Err(failure) => (failure.kind != FailureKind::Vanished).then_some(failure),
        };
        if let Some(failure) = failure {
            match &mut self.shortfall {
                Some(shortfall) => shortfall.leave(operation, &failure),
                None => {
                    self.shortfall = Some(Rollback {
                        function: Some(operation.function),
                        during: Some(operation.clone()),
                        failure,
                        leftovers: Vec::new(),
                    });
                }
            }
        }
        self.advance();
    }

    fn tell_forward(
        &mut self,
        now: Duration,
        operation: &Operation,
        answer: Result<OperationAnswer, Failure>,
    ) -> Vec<Change> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                self.refused(now, operation, failure);
                return Vec::new();
            }
        };
        let power_control = self
            .function(operation.function)
            .and_then(|function| function.power_control.clone());
        let changes = Change::of(operation, &answer, power_control.as_deref());
        self.changes.extend_from_slice(&changes);
        let took = now.saturating_sub(self.asked);
        match self.judge(operation, answer) {
            // It may have been asleep: then it is faster when it is asked again.
            Judgement::Good if operation.verb == Verb::Probe && took > PROBE_LIMIT => {
                self.retry(now, operation, D0_LIMIT, D0_PAUSE, slow(operation, took));
            }
            Judgement::Good => self.advance(),
            Judgement::NotYet(failure) => self.retry(now, operation, D0_LIMIT, D0_PAUSE, failure),
            Judgement::Bad(failure) => self.roll_back(operation, failure),
        }
        changes
    }

    /// An operation that the kernel refused: worth another try, worth a look, or the end.
    fn refused(&mut self, now: Duration, operation: &Operation, failure: Failure) {
        match (&operation.verb, failure.kind) {
            (Verb::Bind { .. }, FailureKind::Again) => {
                self.retry(now, operation, BIND_RETRY_LIMIT, BIND_RETRY_PAUSE, failure);
            }
            (Verb::Bind { .. }, FailureKind::Busy) => {
                if let Some(function) = self.function(operation.function) {
                    function.bind_refused = Some(failure);
                }
                self.advance();
            }
            _ => self.roll_back(operation, failure),
        }
    }

    fn judge(&mut self, operation: &Operation, answer: OperationAnswer) -> Judgement {
        let Some(function) = self.function(operation.function) else {
            return Judgement::Good;
        };
        match answer {
            OperationAnswer::Present {
                identity,
                driver,
                power_control,
            } => {
                function.driver = driver;
                function.power_control = power_control;
                function.is_who_it_has_to_be(identity)
            }
            OperationAnswer::Driver(driver) => {
                function.driver = driver;
                function.has_vfio_pci()
            }
            OperationAnswer::Iommu(Some(_)) => Judgement::Good,
            // The bind may succeed all the same: vfio has a mode without.
            OperationAnswer::Iommu(None) => Judgement::Bad(Failure::other(
                about(operation, id::IOMMU_ABSENT_AFTER_BIND).with("driver", &function.vfio),
            )),
            OperationAnswer::Memory(owners) => match owners.first() {
                None => Judgement::Good,
                Some(owner) => Judgement::Bad(Failure::other(occupied(operation.function, owner))),
            },
            OperationAnswer::Power(reading) => {
                let judgement = match reading.is_pinned_in_d0() {
                    true => Judgement::Good,
                    false => Judgement::NotYet(Failure::other(reading.facts(about(operation, id::NOT_PINNED_IN_D0)))),
                };
                function.power = Some(reading);
                judgement
            }
            OperationAnswer::NoSuchAttribute => match &operation.verb {
                // Without them nothing can put the function to sleep, so there is nothing to forbid.
                Verb::Write {
                    attribute: Attribute::D3coldAllowed | Attribute::PowerControl,
                    ..
                } => Judgement::Good,
                _ => Judgement::Bad(Failure::other(about(operation, id::ATTRIBUTE_MISSING))),
            },
            OperationAnswer::Written { .. } | OperationAnswer::Accepted => Judgement::Good,
        }
    }

    fn script(&mut self) -> Option<&mut Script> {
        match &mut self.state {
            State::Asking(script) | State::Claiming(script) => Some(script),
            State::Undoing(..) | State::Done(_) => None,
        }
    }

    fn advance(&mut self) {
        if let Some(script) = self.script() {
            script.advance();
        }
    }

    fn retry(&mut self, now: Duration, operation: &Operation, limit: Duration, pause: Duration, failure: Failure) {
        let Some(script) = self.script() else {
            return;
        };
        let since = script.retry.map_or(now, |retry| retry.since);
        if now.saturating_sub(since) >= limit {
            self.roll_back(operation, failure);
        } else {
            let not_before = now.saturating_add(pause);
            script.retry = Some(Retry { since, not_before });
        }
    }

    fn roll_back(&mut self, operation: &Operation, failure: Failure) {
        let rollback = Rollback {
            function: Some(operation.function),
            during: Some(operation.clone()),
            failure,
            leftovers: Vec::new(),
        };
        self.state = State::Undoing(rollback, Script::new(change::undo_script(&self.changes, None)));
    }

    fn outcome(&self, rollback: Option<Rollback>) -> Outcome {
        let power = self.functions.iter().filter_map(|function| {
            Some(FunctionPower {
                address: function.address,
                reading: function.power.clone()?,
            })
        });
        Outcome {
            begun: true,
            power: power.collect(),
            rollback,
        }
    }

    fn function(&mut self, address: FunctionAddress) -> Option<&mut Function> {
        self.functions.iter_mut().find(|function| function.address == address)
    }
}

/// The finding on a function in whose memory somebody else lies.
pub(crate) fn occupied(function: FunctionAddress, owner: &str) -> Finding {
    let finding = Finding::error(id::BAR_OCCUPIED, Subject::function(function)).with("owner", owner);
    match memory_map::is_framebuffer(owner) {
        true => finding.remedy(id::BLACKLIST_SYSFB),
        false => finding,
    }
}

fn slow(operation: &Operation, took: Duration) -> Failure {
    let seconds = format!("{:.1}", took.as_secs_f64());
    Failure::other(about(operation, id::FUNCTION_SLOW).with("seconds", seconds))
}

fn about(operation: &Operation, id: Id) -> Finding {
    Finding::error(id, Subject::function(operation.function))
}

impl Script {
    fn new(operations: Vec<Operation>) -> Self {
        Self {
            operations,
            next: 0,
            retry: None,
        }
    }

    fn current(&self) -> Option<&Operation> {
        self.operations.get(self.next)
    }

    fn advance(&mut self) {
        self.next = self.next.saturating_add(1);
        self.retry = None;
    }
}

enum Judgement {
    Good,
    /// Bad as it stands, but it may become good by itself.
    NotYet(Failure),
    Bad(Failure),
}

impl Function {
    fn is_who_it_has_to_be(&self, found: Identity) -> Judgement {
        if found == self.identity {
            return Judgement::Good;
        }
        let changed = Finding::error(id::IDENTITY_CHANGED, Subject::function(self.address));
        Judgement::Bad(Failure::other(
            changed.with("found", found).with("listed", self.identity),
        ))
    }

    fn has_vfio_pci(&mut self) -> Judgement {
        let refused = self.bind_refused.take();
        let about = |id| Finding::error(id, Subject::function(self.address));
        let failure = match self.driver.as_deref() {
            Some(driver) if driver == self.vfio => return Judgement::Good,
            Some(other) => Failure {
                kind: FailureKind::Busy,
                finding: about(id::BOUND_TO_ANOTHER)
                    .with("found", other)
                    .with("driver", &self.vfio),
            },
            None => {
                refused.unwrap_or_else(|| Failure::other(about(id::NO_DRIVER_AFTER_BIND).with("driver", &self.vfio)))
            }
        };
        Judgement::Bad(failure)
    }
}

#[cfg(test)]
mod tests;
