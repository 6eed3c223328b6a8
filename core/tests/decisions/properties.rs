//! Properties of the rule for all facts, and of a recovery for any answers at any time.

use core::time::Duration;

use proptest::prelude::*;
use reseat_core::decision::*;
use reseat_core::header::Identity;
use reseat_core::health::{Aspect, Aspects, Verdict};
use reseat_core::presence::{Half, PortLink, Readiness};
use reseat_core::recovery::{
    Action, End, Failure, Heard, Marked, Observation, Operation, Order, Outcome, Progress, Record, Recovery,
    SETTLE_TIME, Ticket, Trouble,
};
use reseat_core::topology::Fabric;
use reseat_core::topology::function::HotplugOwner;
use reseat_core::witness::Proof;

fn one_of<T: Clone + core::fmt::Debug + 'static>(values: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(values.to_vec())
}

fn link() -> impl Strategy<Value = PortLink> {
    one_of(&[
        PortLink::Active,
        PortLink::Active,
        PortLink::Inactive,
        PortLink::NotReported,
        PortLink::Unreadable,
    ])
}

fn exclusivity() -> impl Strategy<Value = Exclusivity> {
    one_of(&[
        Exclusivity::Exclusive,
        Exclusivity::Exclusive,
        Exclusivity::Shared,
        Exclusivity::Unknown,
    ])
}

fn availability() -> impl Strategy<Value = Availability> {
    one_of(&[
        Availability::Available,
        Availability::Available,
        Availability::Unavailable,
        Availability::Unknown,
    ])
}

fn rung() -> impl Strategy<Value = Rung> {
    one_of(&Rung::ALL)
}

prop_compose! {
    fn surroundings()(
        usage in one_of(&[Use::Free, Use::Free, Use::Free, Use::Used, Use::Unknown]),
        tdi in one_of(&[Tdi::Unlocked, Tdi::Unlocked, Tdi::Unlocked, Tdi::Locked]),
        fabric in one_of(&[Fabric::None, Fabric::None, Fabric::Peers, Fabric::Unknown]),
        exclusivity in exclusivity(),
        hotplug in one_of(&[HotplugOwner::Os, HotplugOwner::Os, HotplugOwner::Nobody, HotplugOwner::Firmware, HotplugOwner::Acpi, HotplugOwner::Unknown]),
        bus_reset in one_of(&[BusReset::Allowed, BusReset::Allowed, BusReset::ForbiddenAtChild, BusReset::ForbiddenAtPort, BusReset::Unknown]),
        slot_power in prop_oneof![
            exclusivity().prop_map(|domain| SlotPower::Controller { domain }),
            one_of(&[SlotPower::None, SlotPower::Unknown]),
        ],
        bmc in prop_oneof![
            exclusivity().prop_map(|domain| Bmc::Configured { domain }),
            Just(Bmc::NotConfigured),
        ],
    ) -> Facts {
        let Facts { surroundings, known } = crate::rule::WELL;
        Facts {
            surroundings: Surroundings { fabric, exclusivity, hotplug, bus_reset, slot_power, ..surroundings },
            known: Known { usage, tdi, bmc, ..known },
        }
    }
}

prop_compose! {
    fn facts()(
        around in surroundings(),
        reported in any::<[bool; 3]>().prop_map(|[flr, bus_reset, vendor_reset]| Reported { flr, bus_reset, vendor_reset }),
        own_means in (availability(), availability()).prop_map(|(device_specific, acpi)| OwnMeans { device_specific, acpi }),
        link in link(),
        flr_reach in one_of(&[FlrReach::All, FlrReach::LeavesSome]),
        answer in one_of(&[Answer::Ready, Answer::Half, Answer::Absent, Answer::NotReady, Answer::Unknown]),
        (flr, pm, secondary_bus_reset) in (availability(), availability(), availability()),
        class in one_of(&[ClassHistory::Unknown, ClassHistory::Good, ClassHistory::Bad]),
        in_place in (one_of(&[ClassHistory::Unknown, ClassHistory::Good, ClassHistory::Bad]), any::<bool>()),
        sickness in (0..16_u8).prop_map(Sickness::from_bits),
        preference in one_of(&[Preference::Rule, Preference::Flr, Preference::Sbr]),
        highest in rung(),
        only in prop_oneof![3 => Just(None), 1 => rung().prop_map(Some)],
    ) -> Facts {
        let Facts { surroundings, known } = around;
        Facts {
            surroundings: Surroundings { link, answer, flr, flr_reach, pm, secondary_bus_reset, reported, ..surroundings },
            known: Known { reset_class: class, in_place: in_place.0, in_place_shows: in_place.1, own_means, sickness, preference, highest, only, ..known },
        }
    }
}

fn tried() -> impl Strategy<Value = Tried> {
    let reach = one_of(&[Reach::NotReset, Reach::Reset, Reach::Ignored]);
    prop::collection::vec((rung(), reach), 0..3).prop_map(|attempts| {
        let mut tried = Tried::none();
        for (rung, reach) in attempts {
            tried.note(Attempt { rung, reach });
        }
        tried
    })
}

fn aspects() -> impl Strategy<Value = Aspects> {
    prop::collection::vec(one_of(&Aspect::ALL), 0..3).prop_map(|aspects| aspects.into_iter().collect())
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Verified),
        (aspects(), aspects()).prop_map(|(missing, lasting)| Verdict::Unverified { missing, lasting }),
        aspects().prop_map(Verdict::Sick),
    ]
}

fn marked() -> impl Strategy<Value = Marked> {
    one_of(&[Marked::All, Marked::NotAll])
}

fn proof() -> impl Strategy<Value = Proof> {
    one_of(&[Proof::NotReset, Proof::Unproven, Proof::Configuration, Proof::Device])
}

fn observation() -> impl Strategy<Value = Observation> {
    let identity = Identity {
        vendor: 0x10de,
        device: 1,
    };
    prop_oneof![
        4 => Just(Observation::Done),
        2 => one_of(&[Use::Free, Use::Used, Use::Unknown]).prop_map(Observation::Use),
        2 => link().prop_map(Observation::Link),
        2 => one_of(&[
            Readiness::Ready(identity),
            Readiness::Absent,
            Readiness::NotReady,
            Readiness::LinkInactive,
            Readiness::LinkUnknown,
            Readiness::PhysicalFunctionNotReady,
            Readiness::HalfInitialised(Half::Zero),
        ]).prop_map(Observation::Functions),
        1 => exclusivity().prop_map(Observation::Domain),
        2 => verdict().prop_map(Observation::Health),
        1 => marked().prop_map(Observation::Marked),
        1 => proof().prop_map(Observation::Witnessed),
        1 => Just(Observation::Blocked),
        1 => Just(Observation::Vanished),
        1 => refusal(),
    ]
}

fn refusal() -> impl Strategy<Value = Observation> {
    let failure = one_of(&[
        Failure::NotSupported,
        Failure::Busy,
        Failure::Denied,
        Failure::Invalid,
        Failure::Io,
        Failure::TimedOut,
        Failure::NotEmpty,
        Failure::Other(5),
    ]);
    prop_oneof![8 => failure.prop_map(Observation::Failed), 1 => Just(Observation::Vanished)]
}

/// Returns the answer that lets a rung continue: arbitrary streams alone seldom get far. The answers about marks and at
/// the end of a rung are the drawn ones.
fn good(operation: Operation, drawn: Drawn) -> Observation {
    let identity = Identity {
        vendor: 0x10de,
        device: 1,
    };
    match operation {
        Operation::CheckUse => Observation::Use(Use::Free),
        Operation::CheckDomain => Observation::Domain(Exclusivity::Exclusive),
        Operation::ReadLink => Observation::Link(PortLink::Active),
        Operation::LookAtFunctions => Observation::Functions(Readiness::Ready(identity)),
        Operation::Mark => Observation::Marked(drawn.marked),
        Operation::ReadMarks => Observation::Witnessed(drawn.proof),
        Operation::Verify => Observation::Health(drawn.verdict),
        _ => Observation::Done,
    }
}

/// The answers to operations with more than one good answer.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    verdict: Verdict,
    marked: Marked,
    proof: Proof,
}

prop_compose! {
    fn drawn()(verdict in verdict(), marked in marked(), proof in proof()) -> Drawn {
        Drawn { verdict, marked, proof }
    }
}

/// The driver's response to an order.
#[derive(Clone, Debug)]
enum Event {
    /// A good answer.
    Good(Drawn),
    /// Any answer.
    Tell(Observation),
    /// An answer to an earlier order.
    Stale(usize, Observation),
    /// Two different answers.
    Twice(Observation, Observation),
    /// No answer.
    Silence,
}

fn event() -> impl Strategy<Value = (Event, u64)> {
    let event = prop_oneof![
        40 => drawn().prop_map(Event::Good),
        3 => observation().prop_map(Event::Tell),
        2 => refusal().prop_map(Event::Tell),
        1 => (any::<usize>(), observation()).prop_map(|(which, observation)| Event::Stale(which, observation)),
        1 => (observation(), observation()).prop_map(|(first, second)| Event::Twice(first, second)),
        1 => Just(Event::Silence),
    ];
    let milliseconds = prop_oneof![40 => 0..20_u64, 2 => 0..2_000_u64, 1 => 0..100_000_u64];
    (event, milliseconds)
}

/// The external observer's record.
#[derive(Default)]
struct Watch {
    orders: Vec<(Order, Option<Observation>)>,
    /// The verdicts since the last reset, with the times of their orders.
    verdicts: Vec<(Duration, Verdict)>,
    /// The time of the last order.
    asked: Duration,
    /// The proof of the last reset.
    proof: Option<Proof>,
    link: Option<PortLink>,
    /// The last check of the domain found it exclusive, and nothing was removed since.
    exclusive: bool,
    /// An operation that changes the machine hangs.
    stuck: bool,
    /// Functions may be gone, and the bus has not been scanned since.
    removed: bool,
    /// The power may be off.
    off: bool,
}

impl Watch {
    fn order(&mut self, now: Duration, order: Order, forbidden: &[Operation]) {
        assert!(order.deadline > now, "no deadline: {order:?}");
        if let Action::Do(operation) = order.action {
            assert!(!forbidden.contains(&operation), "a forbidden reset");
            assert!(!self.stuck, "{operation} while the kernel is stuck");
            if matches!(
                operation,
                Operation::Detach | Operation::PowerOff | Operation::BusResetInPlace
            ) {
                assert!(self.exclusive, "{operation} in a domain that was not looked at");
            }
            if operation.touches_function() {
                let link = self.link.expect("the link is looked at first");
                assert!(link.admit().is_ok(), "{operation} while the link is {link:?}");
            }
        }
        if let Action::Record(record) = order.action {
            self.record(record);
        }
        if matches!(order.action, Action::Do(operation) if operation.resets()) {
            self.verdicts.clear();
            self.proof = None;
        }
        self.asked = now;
        self.orders.push((order, None));
    }

    /// A rung has ended: everything it removed is back, as far as possible.
    fn record(&mut self, record: Record) {
        let is_stuck = matches!(
            record.outcome,
            Outcome::Failed { operation, trouble: Trouble::Blocked } if !operation.only_looks()
        );
        let link_is_up = self.link.is_some_and(|link| link.admit().is_ok());
        assert!(is_stuck || !self.off, "the power stays off");
        assert!(is_stuck || !link_is_up || !self.removed, "functions stay removed");
        (self.off, self.removed) = (false, false);
    }

    /// The last order got no answer in time.
    fn unanswered(&mut self) {
        let last = self.orders.last().map(|(order, _)| order.action);
        if last == Some(Action::Do(Operation::ReadLink)) {
            self.link = None;
        }
    }

    fn answer(&mut self, ticket: Ticket, observation: Observation) {
        let last = self.orders.last_mut().expect("an order was given");
        assert_eq!(last.0.ticket, ticket);
        last.1 = Some(observation);
        match (last.0.action, observation) {
            (Action::Do(Operation::Verify), Observation::Health(verdict)) => self.verdicts.push((self.asked, verdict)),
            (Action::Do(Operation::ReadMarks), Observation::Witnessed(proof)) => self.proof = Some(proof),
            _ => {}
        }
        if let Action::Do(operation) = last.0.action {
            self.stuck |= observation == Observation::Blocked && !operation.only_looks();
            match operation {
                Operation::Detach => self.removed = true,
                Operation::PowerOff => {
                    self.off |= !is_refusal(observation);
                    self.removed |= self.off;
                }
                Operation::PowerOn => self.off = false,
                Operation::Rescan => self.removed = false,
                _ => {}
            }
            self.exclusive = match operation {
                Operation::CheckDomain => observation == Observation::Domain(Exclusivity::Exclusive),
                Operation::Detach | Operation::PowerOff | Operation::BusResetInPlace => {
                    observation == Observation::Failed(Failure::Busy) && self.exclusive
                }
                _ => self.exclusive,
            };
        }
        self.link = match (last.0.action, observation) {
            (Action::Do(Operation::ReadLink), Observation::Link(link)) => Some(link),
            (Action::Do(Operation::ReadLink), _) => None,
            (Action::Do(Operation::LookAtFunctions), Observation::Functions(Readiness::LinkInactive)) => {
                Some(PortLink::Inactive)
            }
            (Action::Do(Operation::LookAtFunctions), Observation::Functions(Readiness::LinkUnknown)) => None,
            // The link goes down in such a reset.
            (Action::Do(operation), _) if takes_link_down(operation) => None,
            _ => self.link,
        };
    }

    /// Returns true if the last two verdicts after the last reset are "verified", with time to settle between them.
    fn verified_twice(&self) -> bool {
        match self.verdicts[..] {
            [.., (first, Verdict::Verified), (second, Verdict::Verified)] => second >= first + SETTLE_TIME,
            _ => false,
        }
    }

    /// Returns true if this rung left the functions well and unproven, and their power stayed on.
    fn is_well_after(&self, rung: Rung) -> bool {
        let unproven = |action| {
            matches!(action, Action::Record(record) if record.rung == rung
                && matches!(record.outcome, Outcome::Unproven(proof) if proof < Proof::Configuration))
        };
        let mut since = self
            .orders
            .iter()
            .skip_while(|(order, _)| !unproven(order.action))
            .peekable();
        since.peek().is_some()
            && since.all(|(order, _)| {
                !matches!(
                    order.action,
                    Action::Do(Operation::PowerOff | Operation::CyclePower) | Action::Quarantine(_)
                )
            })
    }
}

const fn takes_link_down(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::BusResetInPlace
            | Operation::DeviceSpecificReset
            | Operation::AcpiReset
            | Operation::SecondaryBusReset
            | Operation::PowerOff
            | Operation::CyclePower
    )
}

/// Returns true if nothing was done.
fn is_refusal(observation: Observation) -> bool {
    match observation {
        Observation::Vanished => true,
        Observation::Failed(failure) => !matches!(failure, Failure::Io | Failure::TimedOut | Failure::Other(_)),
        _ => false,
    }
}

/// Returns the resets that the initial facts forbid.
fn forbidden(facts: &Facts) -> Vec<Operation> {
    let above_flr = facts.surroundings.fabric == Fabric::Unknown || facts.known.tdi == Tdi::Locked;
    let card = above_flr
        || facts.surroundings.exclusivity != Exclusivity::Exclusive
        || !matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody);
    let bus_reset =
        card || facts.surroundings.bus_reset != BusReset::Allowed || facts.known.highest < Rung::BusResetInPlace;
    let OwnMeans { device_specific, acpi } = facts.known.own_means;
    let by_own_means = |offer, rung| card || offer != Availability::Available || facts.known.highest < rung;
    let detached = bus_reset || facts.known.highest < Rung::DetachSbr;
    let domain = Exclusivity::Exclusive;
    let power = above_flr
        || facts.surroundings.hotplug != HotplugOwner::Os
        || facts.surroundings.slot_power != SlotPower::Controller { domain }
        || facts.known.highest < Rung::SlotPower;
    let bmc = above_flr
        || facts.surroundings.exclusivity != Exclusivity::Exclusive
        || !matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody)
        || facts.known.bmc != Bmc::Configured { domain }
        || matches!(facts.surroundings.slot_power, SlotPower::Controller { .. })
        || facts.known.highest < Rung::BmcPower;
    let resets = [
        (bus_reset, Operation::BusResetInPlace),
        (
            by_own_means(device_specific, Rung::DeviceSpecific),
            Operation::DeviceSpecificReset,
        ),
        (by_own_means(acpi, Rung::Acpi), Operation::AcpiReset),
        (detached, Operation::SecondaryBusReset),
        (power, Operation::PowerOff),
        (bmc, Operation::CyclePower),
    ];
    let forbidden = resets.into_iter().filter(|(is_forbidden, _)| *is_forbidden);
    forbidden.map(|(_, operation)| operation).collect()
}

/// Drives a recovery through `events`, and then without answers to its end.
fn drive(facts: Facts, tried: Tried, events: &[(Event, u64)]) -> (End, Watch) {
    let mut watch = Watch::default();
    let forbidden = forbidden(&facts);
    let mut now = Duration::ZERO;
    let mut recovery = Recovery::new(now, facts, tried);
    let mut events = events.iter();
    for _ in 0..20_000 {
        match recovery.poll(now) {
            Ok(Progress::Ended(end)) => {
                assert_eq!(
                    recovery.poll(Duration::ZERO),
                    Ok(Progress::Ended(end)),
                    "an end is final"
                );
                return (end, watch);
            }
            Ok(Progress::Do(order)) => {
                watch.order(now, order, &forbidden);
                let (event, milliseconds) = events.next().cloned().unwrap_or((Event::Silence, 0));
                now += Duration::from_millis(milliseconds);
                answer(&mut recovery, &mut watch, now, order, event);
            }
            Err(nb::Error::WouldBlock) => {
                let waiting = recovery.waiting().expect("a wait is announced");
                assert!(waiting.poll_at <= waiting.until && waiting.poll_at > now);
                now = waiting.poll_at;
            }
            Err(nb::Error::Other(never)) => match never {},
        }
    }
    panic!("no end");
}

fn answer(recovery: &mut Recovery, watch: &mut Watch, now: Duration, order: Order, event: Event) {
    let (told, then) = match (event, order.action) {
        (Event::Good(drawn), Action::Do(operation)) => (good(operation, drawn), None),
        (Event::Good(_), _) => (Observation::Done, None),
        (Event::Tell(observation), _) => (observation, None),
        (Event::Twice(first, second), _) => (first, Some(second)),
        (Event::Stale(which, observation), _) => {
            let earlier = &watch.orders[..watch.orders.len() - 1];
            if let Some((earlier, _)) = earlier.get(which % earlier.len().max(1)) {
                assert_eq!(recovery.tell(now, earlier.ticket, observation), Heard::TooLate);
            }
            return watch.unanswered();
        }
        (Event::Silence, _) => return watch.unanswered(),
    };
    if recovery.tell(now, order.ticket, told) == Heard::Taken {
        assert!(now < order.deadline);
        watch.answer(order.ticket, told);
    } else {
        assert!(now >= order.deadline);
        watch.unanswered();
    }
    if let Some(then) = then {
        assert_eq!(recovery.tell(now, order.ticket, then), Heard::TooLate);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn recovery_is_bounded_and_never_recovers_unseen(
        facts in facts(),
        tried in tried(),
        events in prop::collection::vec(event(), 0..120),
    ) {
        let (end, watch) = drive(facts, tried.clone(), &events);
        prop_assert!(watch.orders.len() <= 1500, "{} orders", watch.orders.len());
        match end {
            End::Recovered { by, proof } => {
                prop_assert!(watch.verified_twice());
                prop_assert!(proof >= Proof::Configuration);
                prop_assert_eq!(watch.proof, Some(proof));
                prop_assert!(!tried.contains(by));
            }
            End::OutOfService { why, .. } => {
                let last = watch.orders.last().map(|(order, _)| order.action);
                prop_assert_eq!(last, Some(Action::Quarantine(why)));
            }
            End::Unproven { after } => prop_assert!(!tried.contains(after) && watch.is_well_after(after)),
            End::Unverified { missing, .. } => {
                let lasting = missing;
                let last = watch.verdicts.last().map(|(_, verdict)| *verdict);
                prop_assert_eq!(last, Some(Verdict::Unverified { missing, lasting }));
            }
            End::Refused(_) => {}
        }
        for operation in [Operation::Flr, Operation::PmReset] {
            let known = if operation == Operation::Flr { facts.surroundings.flr } else { facts.surroundings.pm };
            let done = watch.orders.iter().any(|(order, _)| order.action == Action::Do(operation));
            prop_assert!(!done || known == Availability::Available);
        }
    }

    #[test]
    fn time_that_goes_back_changes_nothing(facts in facts(), times in prop::collection::vec(0..200_000_u64, 1..200)) {
        let mut recovery = Recovery::new(Duration::from_secs(100), facts, Tried::none());
        let mut orders = 0;
        for milliseconds in times {
            match recovery.poll(Duration::from_millis(milliseconds)) {
                Ok(Progress::Do(order)) => {
                    orders += 1;
                    prop_assert!(order.deadline > Duration::from_secs(100));
                }
                Ok(Progress::Ended(end)) => {
                    let recovered = matches!(end, End::Recovered { .. });
                    prop_assert!(!recovered);
                }
                Err(_) => prop_assert!(recovery.waiting().is_some()),
            }
        }
        prop_assert!(orders <= 200);
    }

    #[test]
    fn rule_never_permits_by_what_is_unknown(facts in facts(), tried in tried()) {
        let decision = decide(&facts, &tried);
        let Some(rung) = decision.next.rung() else { return Ok(()) };
        prop_assert_eq!((facts.known.usage, facts.known.tdi), (Use::Free, Tdi::Unlocked));
        prop_assert!(rung <= facts.known.highest && !tried.contains(rung));
        prop_assert!(facts.known.only.is_none_or(|only| only == rung));
        prop_assert!(decision.skipped.iter().all(|skipped| skipped.rung != rung));
        if rung.above_flr() {
            prop_assert_ne!(facts.surroundings.fabric, Fabric::Unknown);
        }
        match rung {
            Rung::BusResetInPlace | Rung::DetachSbr => {
                prop_assert!(rung == Rung::DetachSbr || facts.surroundings.answer == Answer::Ready);
                prop_assert!(rung == Rung::DetachSbr || facts.surroundings.link.admit().is_ok());
                prop_assert!(matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody));
                prop_assert_eq!(facts.surroundings.exclusivity, Exclusivity::Exclusive);
                prop_assert_eq!(facts.surroundings.bus_reset, BusReset::Allowed);
                prop_assert_eq!(facts.surroundings.secondary_bus_reset, Availability::Available);
            }
            Rung::DeviceSpecific | Rung::Acpi => {
                let OwnMeans { device_specific, acpi } = facts.known.own_means;
                let offer = if rung == Rung::Acpi { acpi } else { device_specific };
                prop_assert_eq!(offer, Availability::Available);
                prop_assert!(facts.surroundings.answer == Answer::Ready && facts.surroundings.link.admit().is_ok());
                prop_assert!(matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody));
                prop_assert_eq!(facts.surroundings.exclusivity, Exclusivity::Exclusive);
            }
            Rung::SlotPower => {
                prop_assert_eq!(facts.surroundings.hotplug, HotplugOwner::Os);
                let domain = Exclusivity::Exclusive;
                prop_assert_eq!(facts.surroundings.slot_power, SlotPower::Controller { domain });
            }
            Rung::BmcPower => {
                prop_assert!(matches!(facts.surroundings.hotplug, HotplugOwner::Os | HotplugOwner::Nobody));
                let domain = Exclusivity::Exclusive;
                prop_assert_eq!((facts.surroundings.exclusivity, facts.known.bmc), (domain, Bmc::Configured { domain }));
                let has_controller = matches!(facts.surroundings.slot_power, SlotPower::Controller { .. });
                prop_assert!(!has_controller);
            }
            Rung::KernelFlr | Rung::KernelPm => {
                prop_assert!(facts.surroundings.link.admit().is_ok());
                prop_assert!(matches!(facts.surroundings.answer, Answer::Ready | Answer::Half));
            }
        }
    }
}
