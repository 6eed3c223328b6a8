//! A simulated machine of a few fields: operations on it take time and have effects.

use core::time::Duration;

use reseat_core::decision::{Branch, Exclusivity, Facts, Known, Tried, Use};
use reseat_core::header::Identity;
use reseat_core::health::{Aspect, Aspects, Verdict};
use reseat_core::presence::{PortLink, Readiness};
use reseat_core::recovery::{
    Action, End, Failure, Heard, Marked, Observation, Operation, Progress, Record, Recovery, Waiting, Waits,
};
use reseat_core::witness::Proof;

const IDENTITY: Identity = Identity {
    vendor: 0x10de,
    device: 0x2330,
};

/// The effect of a reset on the functions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Effect {
    Heals,
    Nothing,
    /// It heals the main function, and the function beside it ignores it.
    Partly,
    /// It takes place and heals nothing.
    Vain,
    /// It takes place and makes the functions sick.
    Sickens,
    Kills,
    /// The functions request retries for this time, and are well then.
    Delays(Duration),
    /// It heals, and after this time the function is gone.
    DiesIn(Duration),
}

/// The kind of marks that the functions keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Marks {
    /// A mark that every reset clears.
    All,
    /// A mark that the kernel restores when it saves: only a reset after removal shows it.
    OfRemoval,
    None,
}

/// A function's record of its reset.
#[derive(Clone, Copy, Debug, Default)]
struct Witness {
    /// It was off the bus when the marks were placed.
    unreachable: bool,
    placed: bool,
    kept: bool,
    /// It was reset since then, observed or not.
    reset: bool,
}

/// The replacement for an operation's own answer.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) operation: Operation,
    pub(crate) observation: Observation,
    pub(crate) times: usize,
    /// True if the operation still takes effect.
    pub(crate) acts: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) usage: Use,
    /// The use from the second check on.
    pub(crate) use_after_first_look: Option<Use>,
    /// The operation during which the function leaves the bus.
    pub(crate) dies_at: Option<Operation>,
    /// The readiness that is reported while the kernel's FLR is the last reset.
    pub(crate) look_after_flr: Option<Observation>,
    /// The exclusivity below the card root directly before a removal.
    pub(crate) domain: Exclusivity,
    pub(crate) link: PortLink,
    /// The time from a link reset until the link is active again; none if it stays down.
    pub(crate) trains_in: Option<Duration>,
    pub(crate) here: bool,
    pub(crate) sick: bool,
    /// The aspects that can never be read.
    pub(crate) unreadable: Aspects,
    pub(crate) removed: bool,
    pub(crate) flr: Effect,
    /// The function beside the main one does not support FLR.
    pub(crate) flr_leaves_one: bool,
    pub(crate) pm: Effect,
    pub(crate) in_place: Effect,
    /// The effect of the platform's own resets.
    pub(crate) own: Effect,
    pub(crate) sbr: Effect,
    pub(crate) power: Effect,
    pub(crate) marks: Marks,
    pub(crate) given: Waits,
    pub(crate) faults: Vec<Fault>,
    pub(crate) ready_at: Duration,
    link_at: Option<Duration>,
    dies_when: Option<Duration>,
    /// The witnesses of the main function and of the one beside it.
    witnesses: [Witness; 2],
    /// The last operation that should have reset something.
    last_reset: Option<Operation>,
    pub(crate) reset_at: Duration,
    /// The verdicts and their times.
    pub(crate) verdicts: Vec<(Duration, Verdict)>,
    /// The facts that a recovery knew at its end.
    pub(crate) learned: Option<Known>,
    pub(crate) log: Vec<Action>,
    /// The branches that the rule took, without repeats.
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
            flr_leaves_one: false,
            pm: Effect::Nothing,
            in_place: Effect::Heals,
            own: Effect::Heals,
            sbr: Effect::Heals,
            power: Effect::Heals,
            marks: Marks::All,
            given: Waits::default(),
            faults: Vec::new(),
            ready_at: Duration::ZERO,
            link_at: None,
            dies_when: None,
            witnesses: [Witness::default(); 2],
            last_reset: None,
            reset_at: Duration::ZERO,
            verdicts: Vec::new(),
            learned: None,
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

    /// Makes an operation take effect once and still report failure.
    pub(crate) fn failing_after_all(mut self, operation: Operation, failure: Failure) -> Self {
        self.faults.push(Fault {
            operation,
            observation: Observation::Failed(failure),
            times: 1,
            acts: true,
        });
        self
    }

    /// Drives a recovery to its end, and returns its duration.
    pub(crate) fn recover(&mut self, facts: Facts) -> (End, Duration) {
        let begin = self.now;
        let mut recovery = Recovery::new(begin, facts, Tried::none()).with_waits(self.given);
        for _ in 0..10_000 {
            match recovery.poll(self.now) {
                Ok(Progress::Ended(end)) => {
                    self.learned = Some(recovery.facts().known);
                    return (end, self.now - begin);
                }
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
            Operation::Verify => {
                let verdict = self.verdict();
                self.verdicts.push((self.now, verdict));
                return Observation::Health(verdict);
            }
            Operation::Mark => return Observation::Marked(self.mark()),
            Operation::ReadMarks => return Observation::Witnessed(self.proof()),
            Operation::Flr => return self.kernel_reset(operation, self.flr),
            Operation::PmReset => return self.kernel_reset(operation, self.pm),
            Operation::BusResetInPlace => {
                assert!(!self.removed, "the functions are not in their place");
                // If the function has gone since its check, all-ones are saved and restored.
                let effect = if self.is_here() { self.in_place } else { Effect::Kills };
                return self.kernel_reset(operation, effect);
            }
            Operation::DeviceSpecificReset | Operation::AcpiReset => {
                assert!(!self.removed, "the functions are not in their place");
                return self.kernel_reset(operation, self.own);
            }
            Operation::Detach => self.removed = true,
            Operation::SecondaryBusReset => {
                assert!(self.removed, "the bus is not empty");
                self.reset_link(operation, self.sbr);
            }
            Operation::PowerOff => self.removed = true,
            Operation::PowerOn => {
                self.reset_link(operation, self.power);
                // The kernel returns when the link is active, or after it has waited for it.
                self.now += self.trains_in.unwrap_or(Duration::from_secs(1));
            }
            Operation::CyclePower => {
                assert!(self.removed, "the kernel still has it");
                self.now += Duration::from_secs(5);
                self.reset_link(operation, self.power);
            }
            Operation::Rescan if self.is_here() => self.removed = false,
            _ => {}
        }
        Observation::Done
    }

    fn is_after_flr(&self) -> bool {
        let last = self.operations().into_iter().rfind(|operation| operation.resets());
        last == Some(Operation::Flr)
    }

    /// Places a mark in every function that keeps one.
    fn mark(&mut self) -> Marked {
        let unreachable = !self.is_here();
        let answers = matches!(self.readiness(), Readiness::Ready(_)) && self.link() != PortLink::Inactive;
        let placed = answers && self.marks != Marks::None;
        self.witnesses = [Witness {
            unreachable,
            placed,
            kept: placed,
            reset: false,
        }; 2];
        match self.marks {
            Marks::All if placed => Marked::All,
            _ => Marked::NotAll,
        }
    }

    /// The weakest proof of the functions that the last reset targeted. A function that was off the bus before it and
    /// answers after it was reset.
    fn proof(&self) -> Proof {
        let Some(last) = self.last_reset else {
            return Proof::Unproven;
        };
        let by_own_means = matches!(last, Operation::DeviceSpecificReset | Operation::AcpiReset);
        let in_place = by_own_means || matches!(last, Operation::Flr | Operation::PmReset | Operation::BusResetInPlace);
        let shows = !in_place || self.marks == Marks::All;
        let proofs = self.meant_by(last).map(|witness| match witness {
            Witness { unreachable: true, .. } => Proof::Configuration,
            Witness { placed: false, .. } => Proof::Unproven,
            _ if !shows => Proof::Unproven,
            // No document specifies the state that it clears.
            Witness { kept: true, .. } if by_own_means => Proof::Unproven,
            Witness { kept: true, .. } => Proof::NotReset,
            Witness { kept: false, .. } => Proof::Configuration,
        });
        proofs.min().unwrap_or(Proof::Unproven)
    }

    fn meant_by(&self, reset: Operation) -> impl Iterator<Item = &Witness> {
        let alone = match reset {
            Operation::Flr => self.flr_leaves_one,
            other => other == Operation::PmReset,
        };
        self.witnesses.iter().take(if alone { 1 } else { 2 })
    }

    /// Returns true if the last reset took place in every function that it targeted, observed or not.
    pub(crate) fn was_reset(&self) -> bool {
        self.last_reset
            .is_some_and(|last| self.meant_by(last).all(|witness| witness.reset))
    }

    fn kernel_reset(&mut self, operation: Operation, effect: Effect) -> Observation {
        self.now += Duration::from_millis(100);
        self.apply(operation, effect);
        let ready_in = self.ready_at.saturating_sub(self.now);
        if self.is_here() && ready_in < Duration::from_secs(60) {
            self.now += ready_in;
            return Observation::Done;
        }
        self.now += Duration::from_secs(66);
        Observation::Failed(Failure::NotSupported)
    }

    fn reset_link(&mut self, operation: Operation, effect: Effect) {
        self.apply(operation, effect);
        self.link = PortLink::Inactive;
        self.link_at = self.trains_in.map(|time| self.now + time);
    }

    fn apply(&mut self, operation: Operation, effect: Effect) {
        self.last_reset = Some(operation);
        self.reset_at = self.now;
        let meant = self.meant_by(operation).count();
        let reached = match effect {
            Effect::Nothing => return,
            Effect::Partly => 1,
            Effect::Heals | Effect::Vain | Effect::Sickens | Effect::Kills | Effect::Delays(_) | Effect::DiesIn(_) => {
                meant
            }
        };
        for witness in self.witnesses.iter_mut().take(reached) {
            (witness.kept, witness.reset) = (false, true);
        }
        let one_stays_gone = effect == Effect::Partly && meant > 1 && !self.is_here();
        if effect == Effect::Vain || one_stays_gone {
            return;
        }
        (self.here, self.sick) = (effect != Effect::Kills, effect == Effect::Sickens);
        self.dies_when = None;
        match effect {
            Effect::Delays(time) => self.ready_at = self.now + time,
            Effect::DiesIn(time) => self.dies_when = Some(self.now + time),
            _ => {}
        }
    }

    pub(crate) fn is_here(&self) -> bool {
        self.here && self.dies_when.is_none_or(|when| self.now < when)
    }

    fn link(&self) -> PortLink {
        match self.link_at {
            Some(at) if self.now >= at => PortLink::Active,
            _ => self.link,
        }
    }

    fn readiness(&self) -> Readiness {
        if !self.is_here() || self.removed {
            Readiness::Absent
        } else if self.now < self.ready_at {
            Readiness::NotReady
        } else {
            Readiness::Ready(IDENTITY)
        }
    }

    fn verdict(&self) -> Verdict {
        assert!(!self.removed);
        if !self.is_here() {
            Verdict::Sick(Aspects::none().with(Aspect::Identity))
        } else if self.sick {
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
