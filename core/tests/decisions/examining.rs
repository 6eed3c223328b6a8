//! A function held against its baseline: each aspect well, wrong, and not read.

use reseat_core::address::FunctionAddress;
use reseat_core::capability::express::{DeviceControl, LinkSpeed, PayloadSize};
use reseat_core::capability::power_management::PowerState;
use reseat_core::header::Identity;
use reseat_core::health::*;

const IDENTITY: Identity = Identity {
    vendor: 0x10de,
    device: 0x2330,
};
const BARS: [u32; 6] = [0xe800_0000, 0x0000_000c, 0x0000_0070, 0x8000_000c, 0, 0x0000_d001];

fn port(device: u8) -> FunctionAddress {
    FunctionAddress::new(0, 0, device, 0).unwrap()
}

fn errors(counts: &[(u8, u64, u64)]) -> Reading<Errors> {
    let errors = counts.iter().map(|&(device, fatal, non_fatal)| ErrorsAt {
        at: port(device),
        fatal,
        non_fatal,
    });
    Reading::Value(errors.collect())
}

fn well() -> Observation {
    Observation {
        identity: Reading::Value(IDENTITY),
        word_at_f0: Reading::Value(0x0010),
        power: Reading::Value(PowerState::D0),
        bars: Reading::Value(BARS),
        bar_sizes: Reading::Value([24, 36, 0, 25, 0, 7]),
        memory_decode: Reading::Value(true),
        device_control: Reading::Value(DeviceControl::new().with_max_payload_size(PayloadSize::Bytes256)),
        transactions_pending: Reading::Value(false),
        link: Reading::Value(LinkReading {
            width: 16,
            speed: LinkSpeed::Gt32,
        }),
        errors: errors(&[(1, 0, 3), (2, 1, 0)]),
        vendor_register: Reading::Value(0x1800_00a1),
        boot: Reading::Value(Boot::Complete),
    }
}

fn examine(change: impl FnOnce(&mut Observation)) -> Examination {
    let mut now = well();
    change(&mut now);
    judge(&well(), &now)
}

#[track_caller]
fn finds(change: impl FnOnce(&mut Observation), finding: Finding) {
    let examination = examine(change);
    assert_eq!(examination.findings, [finding]);
    assert_eq!(
        examination.verdict(),
        Verdict::Sick(Aspects::none().with(finding.aspect()))
    );
}

#[track_caller]
fn misses(change: impl FnOnce(&mut Observation), aspect: Aspect, lasts: bool) {
    let missing = Aspects::none().with(aspect);
    let lasting = if lasts { missing } else { Aspects::none() };
    assert_eq!(examine(change).verdict(), Verdict::Unverified { missing, lasting });
}

#[test]
fn same_as_before_is_verified() {
    let examination = examine(|_| ());
    assert_eq!(examination.verdict(), Verdict::Verified);
    assert!(examination.notes.is_empty());
}

#[test]
fn each_aspect_can_be_wrong() {
    let other = Identity {
        vendor: 0x10de,
        device: 0x2331,
    };
    finds(
        |now| now.identity = Reading::Value(other),
        Finding::OtherIdentity(other),
    );
    finds(
        |now| now.power = Reading::Value(PowerState::D3hot),
        Finding::NotInD0(PowerState::D3hot),
    );
    finds(
        |now| now.memory_decode = Reading::Value(false),
        Finding::MemoryDecodeOff,
    );
    finds(
        |now| now.transactions_pending = Reading::Value(true),
        Finding::TransactionsPending,
    );
    finds(
        |now| now.boot = Reading::Value(Boot::Incomplete),
        Finding::BootIncomplete,
    );
    let payload = DeviceControl::new().with_max_payload_size(PayloadSize::Bytes128);
    finds(
        |now| now.device_control = Reading::Value(payload),
        Finding::PayloadSizeChanged {
            was: PayloadSize::Bytes256,
            is: PayloadSize::Bytes128,
        },
    );
    finds(
        |now| now.vendor_register = Reading::Value(0xbadf_5040),
        Finding::VendorRegister {
            was: 0x1800_00a1,
            is: 0xbadf_5040,
        },
    );
    finds(
        |now| now.bar_sizes = Reading::Value([24, 28, 0, 25, 0, 7]),
        Finding::BarResized {
            bar: 1,
            was: 36,
            is: 28,
        },
    );
}

#[test]
fn all_ones_is_a_finding_and_what_is_gone_too() {
    finds(
        |now| now.word_at_f0 = Reading::AllOnes,
        Finding::AllOnes(Aspect::WordAtF0),
    );
    finds(|now| now.power = Reading::AllOnes, Finding::AllOnes(Aspect::Power));
    finds(
        |now| now.vendor_register = Reading::AllOnes,
        Finding::AllOnes(Aspect::VendorRegister),
    );
    finds(|now| now.link = Reading::None, Finding::Gone(Aspect::Link));
}

#[test]
fn what_was_not_read_is_not_well() {
    for (reason, lasts) in [
        (NotRead::Untried, false),
        (NotRead::Failed, false),
        (NotRead::Forbidden, true),
        (NotRead::FirmwareOwns, true),
        (NotRead::Opaque, true),
    ] {
        misses(|now| now.identity = Reading::NotRead(reason), Aspect::Identity, lasts);
        misses(|now| now.bars = Reading::NotRead(reason), Aspect::Bars, lasts);
        misses(|now| now.errors = Reading::NotRead(reason), Aspect::Errors, lasts);
        misses(
            |now| now.vendor_register = Reading::NotRead(reason),
            Aspect::VendorRegister,
            lasts,
        );
    }
    let unread = judge(&well(), &Observation::unread());
    assert_eq!(unread.missing.iter().count(), Aspect::ALL.len());
    assert!(unread.lasting.is_empty());
}

#[test]
fn finding_outweighs_what_is_missing() {
    let examination = examine(|now| {
        now.transactions_pending = Reading::Value(true);
        now.vendor_register = Reading::NotRead(NotRead::Forbidden);
    });
    assert!(matches!(examination.verdict(), Verdict::Sick(_)));
    assert!(examination.verdict().sickness().transactions_stuck());
    assert!(!examination.verdict().sickness().vendor_register());
}

#[test]
fn baseline_without_a_witness_verifies_nothing() {
    let mut baseline = well();
    baseline.vendor_register = Reading::None;
    baseline.errors = Reading::None;
    let examination = judge(&baseline, &baseline.clone());
    let missing = Aspects::none().with(Aspect::VendorRegister).with(Aspect::Errors);
    assert_eq!(
        examination.verdict(),
        Verdict::Unverified {
            missing,
            lasting: missing
        }
    );
    // A baseline of a dead function is none.
    let mut dead = well();
    dead.power = Reading::AllOnes;
    assert!(matches!(
        judge(&dead, &dead.clone()).verdict(),
        Verdict::Unverified { .. }
    ));
}

#[test]
fn what_a_function_never_had_is_not_missing() {
    let mut baseline = well();
    baseline.link = Reading::None;
    baseline.boot = Reading::None;
    baseline.word_at_f0 = Reading::AllOnes;
    assert_eq!(judge(&baseline, &baseline.clone()).verdict(), Verdict::Verified);
}

#[test]
fn all_ones_that_a_reader_takes_for_a_value_verify_nothing() {
    let ones = |now: &mut Observation| now.vendor_register = Reading::Value(u32::MAX);
    finds(ones, Finding::AllOnes(Aspect::VendorRegister));
    let mut baseline = well();
    ones(&mut baseline);
    assert_ne!(judge(&baseline, &baseline).verdict(), Verdict::Verified);
    finds(
        |now| now.word_at_f0 = Reading::Value(u16::MAX),
        Finding::AllOnes(Aspect::WordAtF0),
    );
    finds(
        |now| now.identity = Reading::Value(Identity::from_register(u32::MAX)),
        Finding::AllOnes(Aspect::Identity),
    );
    let mut lost = well();
    lost.bars = Reading::Value([u32::MAX; 6]);
    assert_ne!(judge(&lost, &lost).verdict(), Verdict::Verified);
}

#[test]
fn a_path_without_a_counter_witnesses_nothing() {
    let mut without = well();
    without.errors = errors(&[]);
    assert_ne!(judge(&without, &without).verdict(), Verdict::Verified);
}

#[test]
fn all_ones_is_a_finding_without_a_baseline_too() {
    let mut now = well();
    now.identity = Reading::AllOnes;
    let examination = judge(&Observation::unread(), &now);
    assert!(examination.findings.contains(&Finding::AllOnes(Aspect::Identity)));
}

#[test]
fn width_is_firm_and_speed_is_not() {
    let link = |width, speed| Reading::Value(LinkReading { width, speed });
    finds(
        |now| now.link = link(8, LinkSpeed::Gt32),
        Finding::LinkNarrower { was: 16, is: 8 },
    );
    let idle = examine(|now| now.link = link(16, LinkSpeed::Gt2_5));
    assert_eq!(idle.verdict(), Verdict::Verified);
    let (was, is) = (LinkSpeed::Gt32, LinkSpeed::Gt2_5);
    assert_eq!(idle.notes, [Note::LinkSlower { was, is }]);
}

#[test]
fn bar_is_lost_changed_or_only_moved() {
    let with = |changes: &[(usize, u32)]| {
        let mut bars = BARS;
        for &(bar, value) in changes {
            bars[bar] = value;
        }
        move |now: &mut Observation| now.bars = Reading::Value(bars)
    };
    finds(with(&[(0, 0)]), Finding::BarLost { bar: 0 });
    finds(with(&[(0, u32::MAX)]), Finding::BarLost { bar: 0 });
    // The lower half of a 64-bit BAR may be zero; both halves may not.
    finds(with(&[(2, 0)]), Finding::BarLost { bar: 1 });
    finds(with(&[(5, 0x0000_0001)]), Finding::BarLost { bar: 5 });
    finds(with(&[(0, 0xe800_0008)]), Finding::BarChanged { bar: 0 });
    let moved = examine(with(&[(0, 0xe900_0000), (2, 0x71)]));
    assert_eq!(moved.verdict(), Verdict::Verified);
    assert_eq!(moved.notes, [Note::BarMoved { bar: 0 }, Note::BarMoved { bar: 1 }]);
}

#[test]
fn new_errors_anywhere_on_the_path_are_found() {
    let new = |device, fatal, non_fatal| {
        Finding::NewErrors(ErrorsAt {
            at: port(device),
            fatal,
            non_fatal,
        })
    };
    finds(|now| now.errors = errors(&[(1, 0, 4), (2, 1, 0)]), new(1, 0, 1));
    finds(|now| now.errors = errors(&[(1, 0, 3), (2, 3, 0)]), new(2, 2, 0));
    // Counters that began anew with a function that was removed.
    finds(|now| now.errors = errors(&[(1, 0, 2), (2, 1, 0)]), new(1, 0, 2));
    let anew = examine(|now| now.errors = errors(&[(1, 0, 0), (2, 1, 0)]));
    assert_eq!(anew.verdict(), Verdict::Verified);
    misses(|now| now.errors = errors(&[(1, 0, 3)]), Aspect::Errors, false);
}

#[test]
fn findings_say_what_was_and_what_is() {
    let narrower = Finding::LinkNarrower { was: 16, is: 8 };
    assert_eq!(narrower.to_string(), "link had 16 lanes and has 8");
    let verdict = Verdict::Sick(Aspects::none().with(Aspect::Link).with(Aspect::Power));
    assert_eq!(verdict.to_string(), "sick: power state, link");
}
