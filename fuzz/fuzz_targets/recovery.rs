//! An arbitrary stream of answers, times and silence as what a recovery is told.
//!
//! After the facts, each step takes a byte for the answer, one for its kind and one for the time;
//! where the bytes end, nobody answers any more.

#![no_main]

#[path = "support/facts.rs"]
mod facts;

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use reseat_core::decision::{Availability, Bmc, BusReset, Exclusivity, Rung, SlotPower, Tdi, Tried, Use};
use reseat_core::header::Identity;
use reseat_core::health::{Aspect, Aspects, Verdict};
use reseat_core::presence::{Half, PortLink, Readiness};
use reseat_core::recovery::{Action, End, Failure, Heard, Marked, Observation, Operation, Order, Progress, Recovery};
use reseat_core::topology::Fabric;
use reseat_core::topology::function::HotplugOwner;
use reseat_core::witness::Proof;

use crate::facts::{Input, LINKS};

const MARKED: [Marked; 2] = [Marked::All, Marked::NotAll];
const PROOFS: [Proof; 4] = [Proof::Configuration, Proof::Device, Proof::Unproven, Proof::NotReset];

/// More orders than any recovery gives: every wait is bounded, and its pauses grow.
const MOST_ORDERS: usize = 1500;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let facts = input.facts();
    let sbr_forbidden = facts.surroundings.bus_reset != BusReset::Allowed
        || facts.surroundings.exclusivity != Exclusivity::Exclusive
        || !matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody)
        || facts.surroundings.fabric == Fabric::Unknown
        || facts.known.tdi == Tdi::Locked
        || facts.known.highest < Rung::BusResetInPlace;
    let domain = Exclusivity::Exclusive;
    let power_forbidden = facts.surroundings.hotplug != HotplugOwner::Os
        || facts.surroundings.slot_power != SlotPower::Controller { domain }
        || facts.surroundings.fabric == Fabric::Unknown
        || facts.known.tdi == Tdi::Locked
        || facts.known.highest < Rung::SlotPower;
    let bmc_forbidden = facts.known.bmc != Bmc::Configured { domain }
        || facts.surroundings.exclusivity != domain
        || !matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody)
        || matches!(facts.surroundings.slot_power, SlotPower::Controller { .. })
        || facts.surroundings.fabric == Fabric::Unknown
        || facts.known.tdi == Tdi::Locked
        || facts.known.highest < Rung::BmcPower;
    let own_means_forbidden = |offer, rung| {
        offer != Availability::Available
            || facts.surroundings.exclusivity != domain
            || !matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody)
            || facts.surroundings.fabric == Fabric::Unknown
            || facts.known.tdi == Tdi::Locked
            || facts.known.highest < rung
    };
    let own_means = facts.known.own_means;
    let forbidden = [
        (
            own_means_forbidden(own_means.device_specific, Rung::DeviceSpecific),
            Operation::DeviceSpecificReset,
        ),
        (own_means_forbidden(own_means.acpi, Rung::Acpi), Operation::AcpiReset),
        (sbr_forbidden, Operation::BusResetInPlace),
        (
            sbr_forbidden || facts.known.highest < Rung::DetachSbr,
            Operation::SecondaryBusReset,
        ),
        (power_forbidden, Operation::PowerOff),
        (bmc_forbidden, Operation::CyclePower),
    ];
    let mut recovery = Recovery::new(Duration::ZERO, facts, Tried::none());
    let mut now = Duration::ZERO;
    let mut link = None;
    let mut verified = false;
    let mut proof = None;
    let mut previous: Option<Order> = None;
    let mut orders = 0;
    let end = loop {
        let order = match recovery.poll(now) {
            Ok(Progress::Ended(end)) => break end,
            Ok(Progress::Do(order)) => order,
            Err(nb::Error::WouldBlock) => {
                let waiting = recovery.waiting().expect("a wait is announced");
                assert!(waiting.poll_at > now && waiting.until >= waiting.poll_at);
                now = waiting.poll_at;
                continue;
            }
            Err(nb::Error::Other(never)) => match never {},
        };
        orders += 1;
        assert!(orders <= MOST_ORDERS && order.deadline > now);
        check(order, link, &forbidden);
        let link_before = link;
        if let Action::Do(operation) = order.action {
            verified &= !operation.resets();
            proof = proof.filter(|_| !operation.resets());
            // The link does not outlive what resets it.
            link = link.filter(|_| {
                !matches!(
                    operation,
                    Operation::BusResetInPlace
                        | Operation::SecondaryBusReset
                        | Operation::PowerOff
                        | Operation::CyclePower
                )
            });
        }
        let answer = input.byte();
        now += time(input.byte());
        let Some(observation) = observation(answer, order.action, &mut input) else {
            continue;
        };
        if answer.is_multiple_of(11)
            && let Some(previous) = previous
        {
            assert_eq!(recovery.tell(now, previous.ticket, observation), Heard::TooLate);
        }
        if recovery.tell(now, order.ticket, observation) == Heard::Taken {
            assert_eq!(recovery.tell(now, order.ticket, observation), Heard::TooLate);
            if observation == Observation::Failed(Failure::Busy) {
                // Somebody else has the lock: nothing was reset, and the same operation is due again.
                link = link_before;
            }
            note(order.action, observation, &mut link, &mut verified);
            if let (Action::Do(Operation::ReadMarks), Observation::Witnessed(told)) = (order.action, observation) {
                proof = Some(told);
            }
        }
        previous = Some(order);
    };
    if let End::Recovered { proof: claimed, .. } = end {
        assert!(verified && claimed >= Proof::Configuration && proof == Some(claimed));
    }
    assert!(!end.to_string().is_empty());
});

fn check(order: Order, link: Option<PortLink>, forbidden: &[(bool, Operation)]) {
    let Action::Do(operation) = order.action else {
        return;
    };
    assert!(!forbidden.contains(&(true, operation)));
    if operation.touches_function() {
        let link = link.expect("the link is looked at first");
        assert!(link.admit().is_ok(), "{operation} while the link is {link:?}");
    }
}

fn note(action: Action, observation: Observation, link: &mut Option<PortLink>, verified: &mut bool) {
    match (action, observation) {
        (Action::Do(Operation::ReadLink), Observation::Link(seen)) => *link = Some(seen),
        (Action::Do(Operation::ReadLink), _)
        | (
            Action::Do(Operation::LookAtFunctions),
            Observation::Functions(Readiness::LinkInactive | Readiness::LinkUnknown),
        ) => *link = None,
        (Action::Do(Operation::Verify), Observation::Health(Verdict::Verified)) => *verified = true,
        _ => {}
    }
}

fn time(byte: u8) -> Duration {
    Duration::from_millis(match byte % 8 {
        7 => u64::from(byte) * 1000,
        6 => u64::from(byte) * 20,
        _ => u64::from(byte % 16),
    })
}

/// What is told; most often what lets a rung go on. `None` is silence.
fn observation(answer: u8, action: Action, input: &mut Input<'_>) -> Option<Observation> {
    let ready = Readiness::Ready(Identity {
        vendor: 0x10de,
        device: 0x2330,
    });
    if answer == 0 {
        return None;
    }
    if answer < 160 {
        return Some(match action {
            Action::Do(Operation::CheckUse) => Observation::Use(Use::Free),
            Action::Do(Operation::CheckDomain) => Observation::Domain(Exclusivity::Exclusive),
            Action::Do(Operation::ReadLink) => Observation::Link(PortLink::Active),
            Action::Do(Operation::LookAtFunctions) => Observation::Functions(ready),
            Action::Do(Operation::Mark) => Observation::Marked(input.pick(&MARKED)),
            Action::Do(Operation::ReadMarks) => Observation::Witnessed(input.pick(&PROOFS)),
            Action::Do(Operation::Verify) => Observation::Health(verdict(input)),
            _ => Observation::Done,
        });
    }
    Some(match answer % 11 {
        10 => Observation::Marked(input.pick(&MARKED)),
        9 => Observation::Witnessed(input.pick(&PROOFS)),
        8 => Observation::Domain(input.pick(&[Exclusivity::Exclusive, Exclusivity::Shared, Exclusivity::Unknown])),
        0 => Observation::Done,
        1 => Observation::Use(input.pick(&[Use::Free, Use::Used, Use::Unknown])),
        2 => Observation::Link(input.pick(&LINKS)),
        3 => Observation::Functions(input.pick(&[
            ready,
            Readiness::Absent,
            Readiness::NotReady,
            Readiness::LinkInactive,
            Readiness::LinkUnknown,
            Readiness::PhysicalFunctionNotReady,
            Readiness::HalfInitialised(Half::Zero),
        ])),
        4 => Observation::Health(verdict(input)),
        5 => Observation::Blocked,
        6 => Observation::Vanished,
        _ => Observation::Failed(input.pick(&[
            Failure::NotSupported,
            Failure::Busy,
            Failure::Denied,
            Failure::Invalid,
            Failure::Io,
            Failure::TimedOut,
            Failure::NotEmpty,
            Failure::Other(5),
        ])),
    })
}

fn verdict(input: &mut Input<'_>) -> Verdict {
    let mut aspects = || {
        let chosen = input.byte();
        let all = Aspect::ALL.into_iter().enumerate();
        let some = all.filter(|(bit, _)| *bit < 8 && chosen >> bit & 1 != 0);
        some.map(|(_, aspect)| aspect).collect::<Aspects>()
    };
    let (first, second) = (aspects(), aspects());
    match input.byte() % 3 {
        0 => Verdict::Sick(first),
        1 => Verdict::Unverified {
            missing: first,
            lasting: second,
        },
        _ => Verdict::Verified,
    }
}
