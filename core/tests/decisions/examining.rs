//! A function compared with its baseline: each aspect well, wrong, and not read.

use reseat_core::address::FunctionAddress;
use reseat_core::capability::express::{DeviceControl, LinkSpeed, PayloadSize};
use reseat_core::capability::power_management::PowerState;
use reseat_core::capability::serial_number::SerialNumber;
use reseat_core::header::Identity;
use reseat_core::health::*;

const IDENTITY: Identity = Identity {
    vendor: 0x10de,
    device: 0x2330,
};
const SERIAL: SerialNumber = SerialNumber(0x48b0_2d00_0000_0001);
const BARS: [u32; 6] = [0xe800_0000, 0x0000_000c, 0x0000_0070, 0x8000_000c, 0, 0x0000_d001];

fn port(device: u8) -> FunctionAddress {
    FunctionAddress::new(0, 0, device, 0).unwrap()
}

fn errors(counts: &[(u8, u64, u64)]) -> Reading<Errors> {
    let errors = counts.iter().map(|&(device, fatal, non_fatal)| ErrorsAt {
        at: port(device),
        counter: Counter::Continued,
        fatal,
        non_fatal,
    });
    Reading::Value(errors.collect())
}

fn well() -> Condition {
    Condition {
        identity: Reading::Value(IDENTITY),
        word_at_f0: Reading::Value(0x0010),
        power: Reading::Value(PowerState::D0),
        bars: Reading::Value(BARS),
        bar_sizes: Reading::Value([24, 36, 0, 25, 0, 7]),
        memory_decode: Reading::Value(true),
        device_control: Reading::Value(DeviceControl::new().with_max_payload_size(PayloadSize::Bytes256)),
        transactions_pending: Reading::Value(false),
        link: Reading::Value(LinkReading::Active {
            width: 16,
            speed: LinkSpeed::Gt32,
        }),
        errors: errors(&[(1, 0, 3), (2, 1, 0)]),
        vendor_register: Reading::Value(0x1800_00a1),
        boot: Reading::Value(Boot::Complete),
        serial_number: Reading::Value(SERIAL),
    }
}

fn examine(change: impl FnOnce(&mut Condition)) -> Examination {
    let mut now = well();
    change(&mut now);
    judged(&well(), &now)
}

/// Judges a function that was not reset: its errors are compared with the baseline's own.
fn judged(baseline: &Condition, now: &Condition) -> Examination {
    judge(baseline, &baseline.errors, now)
}

#[track_caller]
fn finds(change: impl FnOnce(&mut Condition), finding: Finding) {
    let examination = examine(change);
    assert_eq!(examination.findings, [finding]);
    assert_eq!(
        examination.verdict(),
        Verdict::Sick(Aspects::none().with(finding.aspect()))
    );
}

#[track_caller]
fn misses(change: impl FnOnce(&mut Condition), aspect: Aspect, lasts: bool) {
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
fn all_ones_and_gone_are_findings() {
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
fn unread_is_not_well() {
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
    let unread = judged(&well(), &Condition::unread());
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
    baseline.vendor_register = Reading::NotRead(NotRead::NoCheckKnown);
    baseline.errors = Reading::None;
    let examination = judged(&baseline, &baseline.clone());
    let missing = Aspects::none().with(Aspect::VendorRegister).with(Aspect::Errors);
    assert_eq!(
        examination.verdict(),
        Verdict::Unverified {
            missing,
            lasting: missing
        }
    );
    // A baseline of a dead function is not usable.
    let mut dead = well();
    dead.power = Reading::AllOnes;
    assert!(matches!(
        judged(&dead, &dead.clone()).verdict(),
        Verdict::Unverified { .. }
    ));
}

#[test]
fn unread_mandatory_aspect_is_never_well() {
    let without = |change: fn(&mut Condition), aspect| {
        let mut baseline = well();
        change(&mut baseline);
        let verdict = judged(&baseline, &baseline.clone()).verdict();
        assert!(matches!(verdict, Verdict::Unverified { missing, .. } if missing.contains(aspect)));
    };
    without(|reading| reading.identity = Reading::None, Aspect::Identity);
    without(|reading| reading.bars = Reading::None, Aspect::Bars);
    without(|reading| reading.bar_sizes = Reading::None, Aspect::BarSizes);
    without(|reading| reading.memory_decode = Reading::None, Aspect::MemoryDecode);
    // A baseline of a link that was down is not usable.
    let mut baseline = well();
    baseline.link = Reading::Value(LinkReading::Inactive);
    let missing = Aspects::none().with(Aspect::Link);
    assert_eq!(
        judged(&baseline, &well()).verdict(),
        Verdict::Unverified {
            missing,
            lasting: missing
        }
    );
}

#[test]
fn function_beside_the_gpu_needs_no_register_of_the_vendor() {
    let mut audio = well();
    audio.vendor_register = Reading::None;
    audio.boot = Reading::None;
    assert_eq!(judged(&audio, &audio.clone()).verdict(), Verdict::Verified);
    // A link that the baseline had is missed.
    finds(
        |now| now.vendor_register = Reading::None,
        Finding::Gone(Aspect::VendorRegister),
    );
}

#[test]
fn feature_that_never_existed_is_not_missing() {
    let mut baseline = well();
    baseline.link = Reading::None;
    baseline.boot = Reading::None;
    baseline.word_at_f0 = Reading::AllOnes;
    assert_eq!(judged(&baseline, &baseline.clone()).verdict(), Verdict::Verified);
}

#[test]
fn all_ones_that_a_reader_takes_for_a_value_verify_nothing() {
    let ones = |now: &mut Condition| now.vendor_register = Reading::Value(u32::MAX);
    finds(ones, Finding::AllOnes(Aspect::VendorRegister));
    let mut baseline = well();
    ones(&mut baseline);
    assert_ne!(judged(&baseline, &baseline).verdict(), Verdict::Verified);
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
    assert_ne!(judged(&lost, &lost).verdict(), Verdict::Verified);
}

#[test]
fn path_without_a_counter_proves_nothing() {
    let mut without = well();
    without.errors = errors(&[]);
    assert_ne!(judged(&without, &without).verdict(), Verdict::Verified);
}

#[test]
fn values_wrong_by_themselves_need_no_baseline() {
    let alone = |change: fn(&mut Condition), finding| {
        let mut now = well();
        change(&mut now);
        let examination = judged(&Condition::unread(), &now);
        assert_eq!(examination.findings, [finding]);
        assert!(!examination.missing.is_empty());
    };
    alone(
        |now| now.identity = Reading::AllOnes,
        Finding::AllOnes(Aspect::Identity),
    );
    alone(
        |now| now.power = Reading::Value(PowerState::D3hot),
        Finding::NotInD0(PowerState::D3hot),
    );
    alone(
        |now| now.transactions_pending = Reading::Value(true),
        Finding::TransactionsPending,
    );
    alone(
        |now| now.boot = Reading::Value(Boot::Incomplete),
        Finding::BootIncomplete,
    );
    alone(
        |now| now.vendor_register = Reading::Value(u32::MAX),
        Finding::AllOnes(Aspect::VendorRegister),
    );
    alone(
        |now| now.link = Reading::Value(LinkReading::Inactive),
        Finding::LinkInactive,
    );
    // No problem, and no baseline to compare with.
    let examination = judged(&Condition::unread(), &well());
    assert!(examination.findings.is_empty());
    assert_eq!(examination.missing, Aspect::ALL.into_iter().collect());
    assert_eq!(examination.lasting, examination.missing);
}

#[test]
fn link_that_is_down_is_found() {
    finds(
        |now| now.link = Reading::Value(LinkReading::Inactive),
        Finding::LinkInactive,
    );
}

#[test]
fn width_is_firm_and_speed_is_not() {
    let link = |width, speed| Reading::Value(LinkReading::Active { width, speed });
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
        move |now: &mut Condition| now.bars = Reading::Value(bars)
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
            counter: Counter::Continued,
            fatal,
            non_fatal,
        })
    };
    finds(|now| now.errors = errors(&[(1, 0, 4), (2, 1, 0)]), new(1, 0, 1));
    finds(|now| now.errors = errors(&[(1, 0, 3), (2, 3, 0)]), new(2, 2, 0));
    misses(|now| now.errors = errors(&[(1, 0, 3)]), Aspect::Errors, false);
    // A counter that goes backwards is not evidence, and neither is one without an earlier count.
    misses(
        |now| now.errors = errors(&[(1, 0, 2), (2, 1, 0)]),
        Aspect::Errors,
        false,
    );
    misses(
        |now| now.errors = errors(&[(1, 0, 3), (2, 1, 0), (3, 0, 0)]),
        Aspect::Errors,
        false,
    );
}

#[test]
fn errors_are_counted_across_the_reset() {
    // The function had counted five errors before its reset: not a fault of the reset.
    let before = errors(&[(1, 0, 3), (2, 5, 0)]);
    let mut now = well();
    now.errors = before.clone();
    assert_eq!(judge(&well(), &before, &now).verdict(), Verdict::Verified);
    // After removal and rediscovery it counts from zero: five more are new.
    let anew = |fatal| {
        let Reading::Value(mut counts) = before.clone() else {
            panic!()
        };
        counts[1].counter = Counter::Anew;
        counts[1].fatal = fatal;
        Reading::Value(counts)
    };
    now.errors = anew(0);
    assert_eq!(judge(&well(), &before, &now).verdict(), Verdict::Verified);
    now.errors = anew(5);
    let examination = judge(&well(), &before, &now);
    assert!(matches!(
        examination.findings[..],
        [Finding::NewErrors(ErrorsAt { fatal: 5, .. })]
    ));
    // Without a count before the reset, the new errors are unknown.
    let unknown = Reading::NotRead(NotRead::Failed);
    let verdict = judge(&well(), &unknown, &now).verdict();
    assert!(matches!(verdict, Verdict::Unverified { missing, .. } if missing.contains(Aspect::Errors)));
}

#[test]
fn gpu_is_as_well_as_the_worst_of_its_functions() {
    let sick = |aspect| Verdict::Sick(Aspects::none().with(aspect));
    let unverified = |missing: &[Aspect], lasting: &[Aspect]| Verdict::Unverified {
        missing: missing.iter().copied().collect(),
        lasting: lasting.iter().copied().collect(),
    };
    let verified = Verdict::Verified;
    assert_eq!(verified.and(verified), verified);
    let hidden = unverified(&[Aspect::Boot], &[Aspect::Boot]);
    assert_eq!(verified.and(hidden), hidden);
    assert_eq!(hidden.and(verified), hidden);
    assert_eq!(hidden.and(sick(Aspect::Link)), sick(Aspect::Link));
    let both = Verdict::Sick(Aspects::none().with(Aspect::Link).with(Aspect::Power));
    assert_eq!(sick(Aspect::Link).and(sick(Aspect::Power)), both);
    // An aspect that another reset may make readable in one of the two is not lasting.
    let failed = unverified(&[Aspect::Boot, Aspect::Link], &[Aspect::Link]);
    let together = unverified(&[Aspect::Boot, Aspect::Link], &[Aspect::Link]);
    assert_eq!(hidden.and(failed), together);
    assert_eq!(failed.and(hidden), together);
}

#[test]
fn findings_have_the_old_and_the_new_value() {
    let narrower = Finding::LinkNarrower { was: 16, is: 8 };
    assert_eq!(narrower.to_string(), "link had 16 lanes and has 8");
    let verdict = Verdict::Sick(Aspects::none().with(Aspect::Link).with(Aspect::Power));
    assert_eq!(verdict.to_string(), "sick: power state, link");
}

#[test]
fn dead_function_behind_a_good_header_is_sick() {
    let verdict = examine(|now| now.word_at_f0 = Reading::AllOnes).verdict();
    assert!(verdict.sickness().vendor_register());
    let verdict = examine(|now| now.memory_decode = Reading::Value(false)).verdict();
    assert!(!verdict.sickness().any());
}

/// Counts of a path of ports, each Continued up to `removed`.
fn path(ports: u8, removed: u8, fatal_at: Option<u8>) -> Reading<Errors> {
    let mut errors = Errors::new();
    for device in 0..ports {
        let counter = if device < removed {
            Counter::Continued
        } else {
            Counter::Anew
        };
        let (fatal, non_fatal) = (u64::from(fatal_at == Some(device)), 0);
        let at = port(device);
        count(
            &mut errors,
            ErrorsAt {
                at,
                counter,
                fatal,
                non_fatal,
            },
        );
    }
    Reading::Value(errors)
}

#[test]
fn more_counters_than_are_kept_apart_are_summed_and_still_compared() {
    let ports = 24;
    assert!(usize::from(ports) > PATH);
    let mut baseline = well();
    baseline.errors = path(ports, ports, None);
    for removed in [ports, ports - 4] {
        let now = |fatal_at| Condition {
            errors: path(ports, removed, fatal_at),
            ..well()
        };
        assert_eq!(judged(&baseline, &now(None)).verdict(), Verdict::Verified);
        for fatal_at in 0..ports {
            let examination = judged(&baseline, &now(Some(fatal_at)));
            assert_eq!(
                examination.verdict(),
                Verdict::Sick(Aspects::none().with(Aspect::Errors)),
                "at {fatal_at}, removed from {removed}"
            );
        }
    }
    // The function and its neighbour stay separate.
    let Reading::Value(errors) = path(ports, ports, Some(ports - 1)) else {
        panic!();
    };
    let last = errors.last().unwrap();
    assert_eq!((last.at, last.fatal), (port(ports - 1), 1));
}

#[test]
fn another_serial_number_is_another_gpu() {
    let (was, is) = (SERIAL, SerialNumber(SERIAL.0 ^ 1));
    finds(
        |now| now.serial_number = Reading::Value(is),
        Finding::OtherSerialNumber { was, is },
    );
    finds(
        |now| now.serial_number = Reading::None,
        Finding::Gone(Aspect::SerialNumber),
    );
    misses(
        |now| now.serial_number = Reading::NotRead(NotRead::Failed),
        Aspect::SerialNumber,
        false,
    );
}

#[test]
fn gpu_without_a_number_in_its_baseline_is_not_compared() {
    for was in [
        Reading::None,
        Reading::not_recorded(),
        Reading::NotRead(NotRead::Failed),
    ] {
        let mut baseline = well();
        baseline.serial_number = was;
        for is in [Reading::None, Reading::Value(SERIAL), Reading::NotRead(NotRead::Failed)] {
            let mut now = well();
            now.serial_number = is;
            assert_eq!(judged(&baseline, &now).verdict(), Verdict::Verified, "{was:?} {is:?}");
        }
    }
}

#[test]
fn each_aspect_that_is_missing_has_its_reason() {
    let examination = examine(|now| {
        now.vendor_register = Reading::NotRead(NotRead::Forbidden);
        now.boot = Reading::NotRead(NotRead::Forbidden);
        now.errors = Reading::NotRead(NotRead::FirmwareOwns);
    });
    let aspects = |aspects: &[Aspect]| aspects.iter().copied().collect::<Aspects>();
    let forbidden = aspects(&[Aspect::VendorRegister, Aspect::Boot]);
    assert_eq!(examination.missing_for(NotRead::Forbidden), forbidden);
    assert_eq!(
        examination.missing_for(NotRead::FirmwareOwns),
        aspects(&[Aspect::Errors])
    );
    assert_eq!(examination.missing_for(NotRead::Untried), Aspects::none());
    assert_eq!(examination.missing, forbidden.with(Aspect::Errors));
    // Without a baseline, every aspect is missing.
    let nothing = judged(&Condition::unread(), &Condition::unread());
    assert_eq!(nothing.reasons.len(), nothing.missing.iter().count());
}
