//! One GPU through the claim, and back if any of its functions fails.
//!
//! The order is the one that leaves no gap. Pass one makes every function ours to bind and nobody else's: override,
//! no D3cold, unbind. Pass two binds them and reads each `driver` link back. Only then is `power/control` written,
//! since vfio-pci's probe sets it to `auto`; and only a power state that was read back counts.

use std::time::Duration;

use reseat_core::address::FunctionAddress;

use super::operation::{Answer, Attribute, Change, Failure, FailureKind, Operation, PowerReading, Verb};
use super::outcome::{FunctionPower, Outcome, Rollback};
use super::{Target, VFIO_PCI, operation};

/// How long a bind that the kernel puts off (EAGAIN) is tried again.
const BIND_RETRY_LIMIT: Duration = Duration::from_secs(1);
const BIND_RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long a function may take to D0 after its pin. The kernel resumes it within the write; the rest is margin.
const D0_LIMIT: Duration = Duration::from_secs(1);
const D0_PAUSE: Duration = Duration::from_millis(10);

/// The claim of one GPU. Times are durations since any fixed moment.
#[derive(Debug)]
pub struct Claim {
    functions: Vec<Function>,
    changes: Vec<Change>,
    state: State,
}

#[derive(Debug)]
struct Function {
    address: FunctionAddress,
    driver: Option<String>,
    /// `power/control` before the claim.
    power_control: Option<String>,
    power: Option<PowerReading>,
    /// Why the bind was refused, until the `driver` link tells whether that matters.
    bind_refused: Option<Failure>,
}

#[derive(Debug)]
enum State {
    /// Working through the claim.
    Forward {
        script: Vec<Operation>,
        next: usize,
        /// When the operation was first tried, if it is being tried again, and before when not to try.
        retry: Option<Retry>,
    },
    /// Taking back what was done.
    Backward {
        rollback: Rollback,
        script: Vec<Operation>,
        next: usize,
    },
    Done(Outcome),
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
    /// The claim of all functions of `target`.
    pub fn new(target: &Target) -> Self {
        let functions: Vec<Function> = target
            .functions
            .iter()
            .map(|function| Function {
                address: function.address,
                driver: function.driver.clone(),
                power_control: None,
                power: None,
                bind_refused: None,
            })
            .collect();
        let script = forward(&functions);
        Self {
            functions,
            changes: Vec::new(),
            state: State::Forward {
                script,
                next: 0,
                retry: None,
            },
        }
    }

    /// Only the way back, for `changes` that a claim made before it was stopped.
    pub fn undo(changes: &[Change], rollback: Rollback) -> Self {
        Self {
            functions: Vec::new(),
            changes: Vec::new(),
            state: State::backward(changes, rollback),
        }
    }

    /// What to do at `now`.
    pub fn next(&mut self, now: Duration) -> Step {
        match &self.state {
            State::Forward { retry: Some(retry), .. } if now < retry.not_before => Step::WaitUntil(retry.not_before),
            State::Forward { script, next, .. } => match script.get(*next) {
                Some(operation) => Step::Do(operation.clone()),
                None => self.end(None),
            },
            State::Backward { script, next, rollback } => match script.get(*next) {
                Some(operation) => Step::Do(operation.clone()),
                None => {
                    let rollback = rollback.clone();
                    self.end(Some(rollback))
                }
            },
            State::Done(outcome) => Step::Done(outcome.clone()),
        }
    }

    /// Takes what the last operation brought, at `now`. Returns the changes that it made, for whoever would have to
    /// take them back if this process were stopped.
    pub fn tell(&mut self, now: Duration, answer: Result<Answer, Failure>) -> Vec<Change> {
        match &self.state {
            State::Forward { script, next, .. } => match script.get(*next).cloned() {
                Some(operation) => self.tell_forward(now, &operation, answer),
                None => Vec::new(),
            },
            State::Backward { script, next, .. } => {
                if let Some(operation) = script.get(*next).cloned() {
                    self.tell_backward(&operation, answer);
                }
                Vec::new()
            }
            State::Done(_) => Vec::new(),
        }
    }

    fn tell_forward(&mut self, now: Duration, operation: &Operation, answer: Result<Answer, Failure>) -> Vec<Change> {
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
        match self.judge(operation, answer) {
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

    fn judge(&mut self, operation: &Operation, answer: Answer) -> Judgement {
        let Some(function) = self.function(operation.function) else {
            return Judgement::Good;
        };
        match answer {
            Answer::Present { power_control } => {
                function.power_control = power_control;
                Judgement::Good
            }
            Answer::Driver(driver) => {
                function.driver = driver;
                function.has_vfio_pci()
            }
            Answer::Power(reading) => {
                let good = reading.is_d0();
                let message = format!("{} is not in D0: {reading}", operation.function);
                function.power = Some(reading);
                match good {
                    true => Judgement::Good,
                    false => Judgement::NotYet(Failure {
                        kind: FailureKind::Other,
                        message,
                    }),
                }
            }
            Answer::NoSuchAttribute => match &operation.verb {
                // Without them nothing can put the function to sleep, so there is nothing to forbid.
                Verb::Write {
                    attribute: Attribute::D3coldAllowed | Attribute::PowerControl,
                    ..
                } => Judgement::Good,
                _ => Judgement::Bad(Failure {
                    kind: FailureKind::Other,
                    message: format!("{operation}: this kernel has no such attribute"),
                }),
            },
            Answer::Written { .. } | Answer::Accepted => Judgement::Good,
        }
    }

    fn advance(&mut self) {
        if let State::Forward { next, retry, .. } = &mut self.state {
            *next = next.saturating_add(1);
            *retry = None;
        }
    }

    fn retry(&mut self, now: Duration, operation: &Operation, limit: Duration, pause: Duration, failure: Failure) {
        let State::Forward { retry, .. } = &mut self.state else {
            return;
        };
        let since = retry.map_or(now, |retry| retry.since);
        if now.saturating_sub(since) >= limit {
            self.roll_back(operation, failure);
        } else {
            let not_before = now.saturating_add(pause);
            *retry = Some(Retry { since, not_before });
        }
    }

    fn roll_back(&mut self, operation: &Operation, failure: Failure) {
        let rollback = Rollback {
            function: operation.function,
            during: operation.to_string(),
            failure,
            leftovers: Vec::new(),
        };
        self.state = State::backward(&self.changes, rollback);
    }

    fn tell_backward(&mut self, operation: &Operation, answer: Result<Answer, Failure>) {
        let State::Backward { rollback, next, .. } = &mut self.state else {
            return;
        };
        *next = next.saturating_add(1);
        if let Err(failure) = answer {
            rollback.leave(operation, &failure);
        }
    }

    fn end(&mut self, rollback: Option<Rollback>) -> Step {
        let power = self.functions.iter().filter_map(|function| {
            Some(FunctionPower {
                address: function.address,
                reading: function.power.clone()?,
            })
        });
        let outcome = Outcome {
            power: power.collect(),
            rollback,
        };
        self.state = State::Done(outcome.clone());
        Step::Done(outcome)
    }

    fn function(&mut self, address: FunctionAddress) -> Option<&mut Function> {
        self.functions.iter_mut().find(|function| function.address == address)
    }
}

impl State {
    fn backward(changes: &[Change], rollback: Rollback) -> Self {
        Self::Backward {
            rollback,
            script: operation::undo_script(changes),
            next: 0,
        }
    }
}

enum Judgement {
    Good,
    /// Bad as it stands, but it may become good by itself.
    NotYet(Failure),
    Bad(Failure),
}

impl Function {
    fn has_vfio_pci(&mut self) -> Judgement {
        let refused = self.bind_refused.take();
        let failure = match self.driver.as_deref() {
            Some(VFIO_PCI) => return Judgement::Good,
            Some(other) => Failure {
                kind: FailureKind::Busy,
                message: format!("{} is bound to {other} after the bind to {VFIO_PCI}", self.address),
            },
            None => refused.unwrap_or_else(|| Failure {
                kind: FailureKind::Other,
                message: format!("{} has no driver after the bind to {VFIO_PCI}", self.address),
            }),
        };
        Judgement::Bad(failure)
    }
}

fn forward(functions: &[Function]) -> Vec<Operation> {
    let mut script = Vec::new();
    let mut each = |verb: &dyn Fn(&Function) -> Option<Verb>| {
        script.extend(functions.iter().filter_map(|function| {
            Some(Operation {
                function: function.address,
                verb: verb(function)?,
            })
        }));
    };
    let write = |attribute: Attribute, value: &str| {
        Some(Verb::Write {
            attribute,
            value: value.to_owned(),
        })
    };
    // Before anything is changed, every function has to answer.
    each(&|_| Some(Verb::Probe));
    each(&|_| write(Attribute::DriverOverride, VFIO_PCI));
    each(&|_| write(Attribute::D3coldAllowed, "0"));
    each(&|function| {
        let driver = function.driver.clone().filter(|driver| driver != VFIO_PCI)?;
        Some(Verb::Unbind { driver })
    });
    each(&|function| match function.driver.as_deref() {
        Some(VFIO_PCI) => None,
        _ => Some(Verb::Bind {
            driver: VFIO_PCI.to_owned(),
        }),
    });
    each(&|_| Some(Verb::ReadDriver));
    each(&|_| write(Attribute::PowerControl, "on"));
    each(&|_| Some(Verb::ReadPower));
    script
}

#[cfg(test)]
mod tests;
