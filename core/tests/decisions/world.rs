//! A machine that is a few fields: what is done to it takes time and has effects.

use core::time::Duration;

use reseat_core::decision::{Branch, Exclusivity, Facts, Tried, Use};
use reseat_core::header::Identity;
use reseat_core::health::{Aspect, Aspects, Verdict};
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::recovery::{
    Action, End, Failure, Heard, Observation, Operation, Progress, Record, Recovery, Waiting, Waits,
};

const IDENTITY: Identity = Identity {
    vendor: 0x10de,
    device: 0x2330,
};

/// What a reset does to the function.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Effect {
    Heals,
    Nothing,
    Kills,
    /// It asks for retries so long, and is well then.
    Delays(Duration),
}

/// What stands instead of an operation's own answer.
pub(crate) struct Fault {
    pub(crate) operation: Operation,
    pub(crate) observation: Observation,
    pub(crate) times: usize,
    /// Whether it has its effect all the same.
    pub(crate) acts: bool,
}

pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) usage: Use,
    /// Who uses it from the second look on.
    pub(crate) use_after_first_look: Option<Use>,
    /// With which operation the function leaves the bus.
    pub(crate) dies_at: Option<Operation>,
    /// What a look at the functions brings for as long as the kernel's FLR is the last reset.
    pub(crate) look_after_flr: Option<Observation>,
    /// Who is below the card root, seen directly before something is removed.
    pub(crate) domain: Exclusivity,
    pub(crate) link: PortLink,
    /// How long after a reset of the link it is active again; never, if none.
    pub(crate) trains_in: Option<Duration>,
    pub(crate) here: bool,
    pub(crate) sick: bool,
    /// What cannot be read in any state.
    pub(crate) unreadable: Aspects,
    pub(crate) removed: bool,
    pub(crate) flr: Effect,
    pub(crate) sbr: Effect,
    pub(crate) power: Effect,
    pub(crate) given: Waits,
    pub(crate) faults: Vec<Fault>,
    pub(crate) ready_at: Duration,
    link_at: Option<Duration>,
    pub(crate) log: Vec<Action>,
    /// The branches that the rule took, without repetition.
    pub(crate) branches: Vec<Branch>,
    pub(crate) waits: Vec<(Duration, Waiting)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: Duration::from_secs(1000),
            usage: Use::Free,
            use_after_first_look: None,
            dies_at: None,
            look_after_flr: None,
            domain: Exclusivity::Exclusive,
            link: PortLink::Active,
            trains_in: Some(Duration::from_millis(150)),
            here: true,
            sick: false,
            unreadable: Aspects::none(),
            removed: false,
            flr: Effect::Heals,
            sbr: Effect::Heals,
            power: Effect::Heals,
            given: Waits::default(),
            faults: Vec::new(),
            ready_at: Duration::ZERO,
            link_at: None,
            log: Vec::new(),
            branches: Vec::new(),
            waits: Vec::new(),
        }
    }

    pub(crate) fn failing(mut self, operation: Operation, observation: Observation, times: usize) -> Self {
        self.faults.push(Fault {
            operation,
            observation,
            times,
            acts: false,
        });
        self
    }

    /// Once, an operation has its effect and says that it failed.
    pub(crate) fn failing_after_all(mut self, operation: Operation, failure: Failure) -> Self {
        self.faults.push(Fault {
            operation,
            observation: Observation::Failed(failure),
            times: 1,
            acts: true,
        });
        self
    }

    /// Drives a recovery to its end, and says how long it took.
    pub(crate) fn recover(&mut self, facts: Facts) -> (End, Duration) {
        let begin = self.now;
        let mut recovery = Recovery::new(begin, facts, Tried::none()).with_waits(self.given);
        for _ in 0..10_000 {
            match recovery.poll(self.now) {
                Ok(Progress::Ended(end)) => return (end, self.now - begin),
                Ok(Progress::Do(order)) => {
                    self.log.push(order.action);
                    self.branches
                        .extend(recovery.decision().map(|decision| decision.branch));
                    self.branches.dedup();
                    self.waits.push((self.now, recovery.waiting().unwrap()));
                    let observation = self.act(order.action);
                    if self.now >= order.deadline {
                        assert_eq!(recovery.tell(self.now, order.ticket, observation), Heard::TooLate);
                    } else {
                        assert_eq!(recovery.tell(self.now, order.ticket, observation), Heard::Taken);
                        assert_eq!(recovery.tell(self.now, order.ticket, observation), Heard::TooLate);
                    }
                }
                Err(nb::Error::WouldBlock) => {
                    let waiting = recovery.waiting().expect("a wait is announced");
                    assert!(waiting.poll_at > self.now && waiting.until >= waiting.poll_at);
                    self.waits.push((self.now, waiting));
                    self.now = waiting.poll_at;
                }
                Err(nb::Error::Other(never)) => match never {},
            }
        }
        panic!("no end after {:?}", self.log);
    }

    pub(crate) fn did(&self, operation: Operation) -> usize {
        self.log
            .iter()
            .filter(|action| **action == Action::Do(operation))
            .count()
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let records = self.log.iter().filter_map(|action| match action {
            Action::Record(record) => Some(*record),
            _ => None,
        });
        records.collect()
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        let operations = self.log.iter().filter_map(|action| match action {
            Action::Do(operation) => Some(*operation),
            _ => None,
        });
        operations.collect()
    }

    fn act(&mut self, action: Action) -> Observation {
        self.now += Duration::from_millis(1);
        let Action::Do(operation) = action else {
            return Observation::Done;
        };
        let fault = self
            .faults
            .iter_mut()
            .find(|fault| fault.operation == operation && fault.times > 0);
        if let Some(fault) = fault {
            fault.times -= 1;
            let observation = fault.observation;
            if fault.acts {
                self.operate(operation);
            }
            return observation;
        }
        self.operate(operation)
    }

    fn operate(&mut self, operation: Operation) -> Observation {
        if operation.touches_function() {
            assert_ne!(self.link(), PortLink::Inactive, "{operation} below a link that is down");
        }
        if self.dies_at.take_if(|dies_at| *dies_at == operation).is_some() {
            self.here = false;
        }
        match operation {
            Operation::CheckUse => {
                let usage = self.usage;
                self.usage = self.use_after_first_look.unwrap_or(usage);
                return Observation::Use(usage);
            }
            Operation::LookAtFunctions if self.is_after_flr() && self.look_after_flr.is_some() => {
                return self.look_after_flr.unwrap();
            }
            Operation::CheckDomain => return Observation::Domain(self.domain),
            Operation::ReadLink => return Observation::Link(self.link()),
            Operation::LookAtFunctions => return Observation::Functions(self.readiness()),
            Operation::Verify => return Observation::Health(self.verdict()),
            Operation::Flr => return self.kernel_flr(),
            Operation::Detach => self.removed = true,
            Operation::SecondaryBusReset => {
                assert!(self.removed, "the bus is not empty");
                self.reset_link(self.sbr);
            }
            Operation::PowerOff => self.removed = true,
            Operation::PowerOn => {
                self.reset_link(self.power);
                // The kernel comes back when the link is there, or after it has waited for it.
                self.now += self.trains_in.unwrap_or(Duration::from_secs(1));
            }
            Operation::CyclePower => {
                assert!(self.removed, "the kernel still has it");
                self.now += Duration::from_secs(5);
                self.reset_link(self.power);
            }
            Operation::Rescan if self.here => self.removed = false,
            _ => {}
        }
        Observation::Done
    }

    fn is_after_flr(&self) -> bool {
        let last = self.operations().into_iter().rfind(|operation| operation.resets());
        last == Some(Operation::Flr)
    }

    fn kernel_flr(&mut self) -> Observation {
        self.now += Duration::from_millis(100);
        self.apply(self.flr);
        let ready_in = self.ready_at.saturating_sub(self.now);
        if self.here && ready_in < Duration::from_secs(60) {
            self.now += ready_in;
            return Observation::Done;
        }
        self.now += Duration::from_secs(66);
        Observation::Failed(Failure::NotSupported)
    }

    fn reset_link(&mut self, effect: Effect) {
        self.apply(effect);
        self.link = PortLink::Inactive;
        self.link_at = self.trains_in.map(|time| self.now + time);
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Heals => (self.here, self.sick) = (true, false),
            Effect::Nothing => {}
            Effect::Kills => self.here = false,
            Effect::Delays(time) => {
                (self.here, self.sick) = (true, false);
                self.ready_at = self.now + time;
            }
        }
    }

    fn link(&self) -> PortLink {
        match self.link_at {
            Some(at) if self.now >= at => PortLink::Active,
            _ => self.link,
        }
    }

    fn readiness(&self) -> Readiness {
        if !self.here || self.removed {
            Readiness::Absent
        } else if self.now < self.ready_at {
            Readiness::NotReady
        } else {
            Readiness::Ready(IDENTITY)
        }
    }

    fn verdict(&self) -> Verdict {
        assert!(self.here && !self.removed);
        if self.sick {
            Verdict::Sick(Aspects::none().with(Aspect::VendorRegister))
        } else if self.unreadable.is_empty() {
            Verdict::Verified
        } else {
            Verdict::Unverified {
                missing: self.unreadable,
                lasting: self.unreadable,
            }
        }
    }
}
