//! The registers that are requested, and the meaning of values from real GPUs.

use proptest::prelude::*;
use reseat_core::header::{ClassCode, Identity};
use reseat_core::health::{Boot, NotRead, Reading};
use reseat_core::vendor::{BarRegister, Check, Inquiry, device_mark, device_sign};

const BOOT_0: BarRegister = BarRegister { bar: 0, offset: 0 };
const GFW_BOOT: BarRegister = BarRegister {
    bar: 0,
    offset: 0x11_8234,
};
const FSP: BarRegister = BarRegister {
    bar: 0,
    offset: 0x2_00bc,
};
const FSP_GB20X: BarRegister = BarRegister {
    bar: 0,
    offset: 0xad_00bc,
};
const MEMSIZE: BarRegister = BarRegister { bar: 5, offset: 0x378c };

const SINCE_BONAIRE: Check = Check::Radeon { bar: 5 };

/// Registers of 16 MiB behind BAR 0, memory behind BAR 1.
const BARS: Reading<[u32; 6]> = Reading::Value([0xfb00_0000, 0xe000_000c, 0x20, 0, 0, 0xd001]);

fn check(identity: &str, class: &str) -> Check {
    Check::of(identity.parse().unwrap(), class.parse().unwrap())
}

/// Answers an inquiry with the registers in `script`, in that order and no others.
#[track_caller]
fn result(check: Check, script: &[(BarRegister, Result<u32, NotRead>)]) -> (Reading<u32>, Reading<Boot>) {
    let mut inquiry = check.begin(&BARS);
    for (register, answer) in script {
        assert_eq!(inquiry.next_register(), Some(*register));
        inquiry.tell(*answer);
    }
    assert_eq!(inquiry.next_register(), None);
    inquiry.result()
}

/// Returns the boot reading after `NV_PMC_BOOT_0` was `chip`.
#[track_caller]
fn boot(chip: u32, register: BarRegister, answer: u32) -> Reading<Boot> {
    let (vendor_register, boot) = result(Check::Nvidia, &[(BOOT_0, Ok(chip)), (register, Ok(answer))]);
    assert_eq!(vendor_register, Reading::Value(chip));
    boot
}

const COMPLETE: Reading<Boot> = Reading::Value(Boot::Complete);
const INCOMPLETE: Reading<Boot> = Reading::Value(Boot::Incomplete);

#[test]
fn only_gpus_are_read() {
    for (identity, class, expected) in [
        ("10de:2330", "030200", Check::Nvidia),
        ("10de:2489", "030000", Check::Nvidia),
        ("10de:228b", "040300", Check::NotNeeded),
        ("10de:22a3", "068000", Check::NotNeeded),
        ("1002:744c", "030000", Check::Amd),
        ("1002:740f", "038000", Check::Amd),
        ("1002:74a1", "120000", Check::Amd),
        ("1002:ab28", "040300", Check::NotNeeded),
        ("1002:1479", "060400", Check::NotNeeded),
        ("8086:56c0", "038000", Check::IntelDiscrete),
        ("8086:56a0", "030000", Check::IntelDiscrete),
        ("8086:e20b", "030000", Check::IntelDiscrete),
        ("8086:0bd5", "038000", Check::IntelDiscrete),
        ("8086:4f90", "040300", Check::NotNeeded),
        // A processor's own graphics.
        ("8086:4680", "030000", Check::Unknown),
        ("1a03:2000", "030000", Check::Unknown),
        ("1da3:1020", "120000", Check::Unknown),
        ("144d:a824", "010802", Check::NotNeeded),
    ] {
        assert_eq!(check(identity, class), expected, "{identity} {class}");
    }
}

#[test]
fn the_register_of_amd_is_elsewhere_since_vega_10() {
    for (identity, expected) in [
        ("1002:67df", SINCE_BONAIRE),            // Polaris 10
        ("1002:67ef", SINCE_BONAIRE),            // Polaris 11
        ("1002:699f", SINCE_BONAIRE),            // Polaris 12
        ("1002:7300", SINCE_BONAIRE),            // Fiji
        ("1002:6939", SINCE_BONAIRE),            // Tonga
        ("1002:67b0", SINCE_BONAIRE),            // Hawaii
        ("1002:6658", SINCE_BONAIRE),            // Bonaire
        ("1002:1304", SINCE_BONAIRE),            // Kaveri
        ("1002:98e4", SINCE_BONAIRE),            // Stoney
        ("1002:6798", Check::Radeon { bar: 2 }), // Tahiti
        ("1002:6819", Check::Radeon { bar: 2 }), // Pitcairn
        ("1002:6610", Check::Radeon { bar: 2 }), // Oland
        ("1002:6665", Check::Radeon { bar: 2 }), // Hainan
        ("1002:6738", Check::Unknown),           // Barts
        ("1002:9996", Check::Unknown),           // Trinity
        ("1002:7149", Check::Unknown),           // R500
        ("1002:687f", Check::Amd),               // Vega 10
        ("1002:66af", Check::Amd),               // Vega 20
        ("1002:731f", Check::Amd),               // Navi 10
        ("1002:7550", Check::Amd),               // Navi 48
        ("1002:738c", Check::Amd),               // Arcturus
        ("1002:15dd", Check::Amd),               // Raven
        ("1002:164e", Check::Amd),               // Raphael
    ] {
        assert_eq!(check(identity, "030000"), expected, "{identity}");
    }
}

#[test]
fn function_without_a_usable_register_is_not_read() {
    assert_eq!(result(Check::NotNeeded, &[]), (Reading::None, Reading::None));
    for (bars, why) in [
        (Reading::Value([0; 6]), NotRead::NoCheckKnown),
        (Reading::Value([0xd001, 0, 0, 0, 0, 0]), NotRead::NoCheckKnown),
        (Reading::None, NotRead::NoCheckKnown),
        (Reading::AllOnes, NotRead::Untried),
        (Reading::NotRead(NotRead::Failed), NotRead::Untried),
    ] {
        let inquiry = Check::Unknown.begin(&bars);
        assert_eq!(inquiry.next_register(), None);
        assert_eq!(inquiry.result(), (Reading::NotRead(why), Reading::None), "{bars:?}");
    }
}

#[test]
fn each_architecture_has_its_boot_register() {
    for (chip, register, complete) in [
        (0x1640_00a1, GFW_BOOT, 0x3ff), // TU104: T4
        (0x1700_00a1, GFW_BOOT, 0x3ff), // GA100: A100
        (0xb740_00a1, GFW_BOOT, 0x3ff), // GA104
        (0x1940_00a1, GFW_BOOT, 0x3ff), // AD104: L4
        (0x1800_00a1, FSP, 0xff),       // GH100: H100
        (0x1a00_00a1, FSP, 0xff),       // GB100
        (0x1b20_00a1, FSP_GB20X, 0xff), // GB202
    ] {
        assert_eq!(boot(chip, register, complete), COMPLETE, "{chip:#x}");
        assert_eq!(boot(chip, register, 0), INCOMPLETE, "{chip:#x}");
        assert_eq!(boot(chip, register, complete ^ 1), INCOMPLETE, "{chip:#x}");
        assert_eq!(boot(chip, register, u32::MAX), Reading::AllOnes, "{chip:#x}");
        assert_eq!(boot(chip, register, 0xbadf_57ff), INCOMPLETE, "{chip:#x}");
    }
}

#[test]
fn the_fsp_writes_the_whole_register_and_earlier_firmware_a_byte() {
    assert_eq!(boot(0xb740_00a1, GFW_BOOT, 0xff), COMPLETE);
    assert_eq!(boot(0x1800_00a1, FSP, 0x3ff), INCOMPLETE);
}

#[test]
fn before_turing_no_register_shows_the_boot() {
    for chip in [0x1400_00a1, 0x1340_00a1, 0x1243_20a1] {
        let (vendor_register, boot) = result(Check::Nvidia, &[(BOOT_0, Ok(chip))]);
        assert_eq!((vendor_register, boot), (Reading::Value(chip), Reading::None));
    }
}

#[test]
fn unknown_chips_are_not_read_further() {
    // GB10B and GB20B are part of a system on a chip; 1c and 20 (by bit 8) are to come.
    for chip in [0x1ab0_00a1, 0x1bb0_00a1, 0x1c00_00a1, 0x0000_01a1, 0xb740_01a1] {
        let (vendor_register, boot) = result(Check::Nvidia, &[(BOOT_0, Ok(chip))]);
        assert_eq!(vendor_register, Reading::Value(chip));
        assert_eq!(boot, Reading::NotRead(NotRead::NoCheckKnown), "{chip:#x}");
    }
}

#[test]
fn first_register_without_a_chip_ends_the_inquiry() {
    let untried = Reading::NotRead(NotRead::Untried);
    // Recovery mode, and a refused access: values, which cannot be the baseline's.
    for value in [0, 0xbadf_0200, 0xbadf_5040, 0xbad0_0200] {
        let results = result(Check::Nvidia, &[(BOOT_0, Ok(value))]);
        assert_eq!(results, (Reading::Value(value), untried), "{value:#x}");
    }
    let gone = result(Check::Nvidia, &[(BOOT_0, Ok(u32::MAX))]);
    assert_eq!(gone, (Reading::AllOnes, untried));
}

#[test]
fn a_reason_not_to_read_is_kept() {
    for why in [NotRead::Failed, NotRead::NoCheckKnown, NotRead::Opaque] {
        let reading = Reading::NotRead(why);
        let first = result(Check::Nvidia, &[(BOOT_0, Err(why))]);
        assert_eq!(first, (reading, Reading::NotRead(why)));
        let chip = 0x1700_00a1;
        let second = result(Check::Nvidia, &[(BOOT_0, Ok(chip)), (GFW_BOOT, Err(why))]);
        assert_eq!(second, (Reading::Value(chip), Reading::NotRead(why)));
        let memory = result(Check::Amd, &[(MEMSIZE, Err(why))]);
        assert_eq!(memory, (reading, Reading::None));
    }
}

#[test]
fn amd_tells_the_size_of_its_memory() {
    for (answer, expected) in [
        (0x5ff0, Reading::Value(0x5ff0)),
        (0, Reading::Value(0)),
        (u32::MAX, Reading::AllOnes),
    ] {
        assert_eq!(result(Check::Amd, &[(MEMSIZE, Ok(answer))]), (expected, Reading::None));
    }
}

#[test]
fn unrequested_registers_are_ignored() {
    let mut inquiry: Inquiry = Check::Amd.begin(&BARS);
    inquiry.tell(Ok(0x2000));
    let before = inquiry.clone();
    inquiry.tell(Ok(0));
    assert_eq!(inquiry, before);
    let begun = Check::Nvidia.begin(&BARS);
    let untried = NotRead::Untried;
    assert_eq!(begun.result(), (Reading::NotRead(untried), Reading::NotRead(untried)));
}

fn answer() -> impl Strategy<Value = Result<u32, NotRead>> {
    prop_oneof![
        6 => any::<u32>().prop_map(Ok),
        // Chips that there are, and what stands for none.
        6 => (0x14..0x1e_u32, 0..16_u32).prop_map(|(chip, variant)| Ok(chip << 24 | variant << 20 | 0xa1)),
        4 => prop::sample::select(vec![0, 0xff, 0x3ff, 0xbad0_0200, 0xbadf_57ff, u32::MAX]).prop_map(Ok),
        1 => Just(Err(NotRead::Failed)),
        1 => Just(Err(NotRead::Forbidden)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn questions_end_and_nothing_is_made_up(
        identity in prop_oneof![
            (prop::sample::select(vec![0x10de_u16, 0x1002, 0x8086]), any::<u16>()),
            any::<(u16, u16)>(),
        ],
        class in prop::sample::select(vec![0x03_u8, 0x12, 0x04, 0x06, 0xff]),
        sub_class: u8,
        bars: [u32; 6],
        answers in prop::collection::vec(answer(), 4),
    ) {
        let (vendor, device) = identity;
        let class = ClassCode { base_class: class, sub_class, interface: 0 };
        let check = Check::of(Identity { vendor, device }, class);
        let is_gpu = matches!(class.base_class, 0x03 | 0x12);
        prop_assert_eq!(check == Check::NotNeeded, !is_gpu);
        let mut inquiry = check.begin(&Reading::Value(bars));
        let mut asked = Vec::new();
        for answer in &answers {
            let Some(register) = inquiry.next_register() else { break };
            prop_assert!(register.bar < 6 && register.offset.is_multiple_of(4));
            asked.push((register, *answer));
            inquiry.tell(*answer);
        }
        prop_assert_eq!(inquiry.next_register(), None, "four registers at most");
        let (vendor_register, boot) = inquiry.result();
        // A GPU's readings come only from registers that were read; for other functions nothing is read.
        let compared = match check {
            Check::Nvidia | Check::Amd => u32::MAX,
            Check::IntelDiscrete => 0x80,
            Check::Radeon { .. } | Check::Unknown | Check::NotNeeded => 0,
        };
        // For an unknown GPU the last register counts: those before were all-ones.
        let told = if check == Check::Unknown { asked.last() } else { asked.first() };
        let told = told.map(|(_, answer)| *answer);
        match vendor_register {
            Reading::Value(value) => {
                let told = told.unwrap().unwrap();
                prop_assert!(told != u32::MAX && told & compared == value);
            }
            Reading::AllOnes => prop_assert_eq!(told, Some(Ok(u32::MAX))),
            Reading::None => prop_assert!(!is_gpu && asked.is_empty()),
            Reading::NotRead(_) => prop_assert!(told.is_none_or(|answer| answer.is_err())),
        }
        if boot == Reading::Value(Boot::Complete) {
            prop_assert!(asked.len() == 2 && asked[1].1.is_ok_and(|value| value & 0xff == 0xff && value != u32::MAX));
        }
    }
}

fn mark(identity: &str, class: &str, boot_0: Option<u32>) -> Option<(u8, u32, u32)> {
    let mark = device_mark(identity.parse().unwrap(), class.parse().unwrap(), boot_0)?;
    Some((mark.register.bar, mark.register.offset, mark.mask))
}

#[test]
fn nvidias_scratch_register_is_a_mark_by_architecture() {
    let turing_and_later = Some((0, 0x1478, 0xffff_0000));
    for (boot_0, expected) in [
        // GV100, TU104, GA100, GA104, AD102, GH100, GB100, GB202.
        (0x1400_00a1, Some((0, 0x15f8, 0xffff_0000))),
        (0x1640_00a1, turing_and_later),
        (0x1700_00a1, turing_and_later),
        (0x1740_00a1, turing_and_later),
        (0x1920_00a1, turing_and_later),
        (0x1800_00a1, turing_and_later),
        (0x1a00_00a1, turing_and_later),
        (0x1b20_00a1, turing_and_later),
        // GP102, GB20B, a successor of Blackwell, and a value that is no chip.
        (0x1320_00a1, None),
        (0x1bb0_00a1, None),
        (0x1c00_00a1, None),
        (0xbadf_5040, None),
        (0, None),
        (u32::MAX, None),
    ] {
        assert_eq!(mark("10de:2330", "030200", Some(boot_0)), expected, "{boot_0:#x}");
    }
    assert_eq!(mark("10de:2330", "030200", None), None);
    assert_eq!(mark("10de:228b", "040300", Some(0x1740_00a1)), None, "audio");
    assert_eq!(mark("1002:744c", "030000", Some(0x1740_00a1)), None);
    assert_eq!(mark("8086:56a0", "030000", Some(0x1740_00a1)), None);
}

#[test]
fn the_mark_leaves_nvidias_own_bits_alone() {
    let mark = device_mark(
        "10de:2330".parse().unwrap(),
        "030200".parse().unwrap(),
        Some(0x1800_00a1),
    );
    // Reset required, drain and reset recommended.
    assert_eq!(mark.unwrap().mask & 0b11, 0);
}

#[test]
fn signs_are_set_by_the_device_itself() {
    let sign = |identity: &str, class: &str, boot_0| {
        device_sign(identity.parse().unwrap(), class.parse().unwrap(), boot_0).copied()
    };
    let gfw = sign("10de:2489", "030000", Some(0x1740_00a1)).unwrap();
    assert_eq!(
        gfw.register,
        BarRegister {
            bar: 0,
            offset: 0x11_8234
        }
    );
    for (value, is_set) in [
        (0x3ff, Some(true)),
        (0x3fe, Some(false)),
        (0xbadf_50ff, Some(false)),
        (u32::MAX, None),
    ] {
        assert_eq!(gfw.is_set(value), is_set, "{value:#x}");
    }
    assert_eq!(
        sign("10de:2330", "030200", Some(0x1800_00a1)),
        None,
        "Hopper's is set by the FSP"
    );
    assert_eq!(sign("10de:2489", "030000", None), None);
    let sos = sign("1002:73ff", "030000", None).unwrap();
    assert_eq!(
        sos.register,
        BarRegister {
            bar: 5,
            offset: 0x5_8244
        }
    );
    assert_eq!((sos.is_set(0), sos.is_set(0x21_0a0c)), (Some(false), Some(true)));
    assert_eq!(sign("1002:1638", "030000", None), None, "a processor's own graphics");
    assert_eq!(sign("1002:67df", "030000", None), None, "Polaris");
    let memory = sign("8086:56a0", "030000", None).unwrap();
    assert_eq!(
        memory.register,
        BarRegister {
            bar: 0,
            offset: 0x10_1010
        }
    );
    assert_eq!((memory.is_set(0x80), memory.is_set(0x7f)), (Some(true), Some(false)));
    assert_eq!(sign("8086:4680", "030000", None), None, "a processor's own graphics");
}

#[test]
fn radeon_before_vega_10_only_shows_that_it_responds() {
    for bar in [2, 5] {
        let memsize = BarRegister { bar, offset: 0x5428 };
        let told = |answer| result(Check::Radeon { bar }, &[(memsize, answer)]);
        // Its VBIOS has not run again: the register reads 0 until then.
        for value in [0x2000, 0, 0x22_2000] {
            assert_eq!(told(Ok(value)), (Reading::Value(0), Reading::None));
        }
        assert_eq!(told(Ok(u32::MAX)), (Reading::AllOnes, Reading::None));
        let failed = NotRead::Failed;
        assert_eq!(told(Err(failed)), (Reading::NotRead(failed), Reading::None));
    }
}

#[test]
fn discrete_intel_gpu_reports_trained_memory() {
    let gu_cntl = BarRegister {
        bar: 0,
        offset: 0x10_1010,
    };
    for (answer, expected) in [
        (0x80, Reading::Value(0x80)),
        (0xc8, Reading::Value(0x80)),
        (0x48, Reading::Value(0)),
        (u32::MAX, Reading::AllOnes),
    ] {
        let told = result(Check::IntelDiscrete, &[(gu_cntl, Ok(answer))]);
        assert_eq!(told, (expected, Reading::None), "{answer:#x}");
    }
}

/// Returns the registers that are read of a GPU with known BARs only, if all read all-ones.
fn asked_behind(bars: [u32; 6]) -> Vec<(u8, u32)> {
    let mut inquiry = Check::Unknown.begin(&Reading::Value(bars));
    let mut asked = Vec::new();
    while let Some(register) = inquiry.next_register() {
        asked.push((register.bar, register.offset));
        inquiry.tell(Ok(u32::MAX));
    }
    let expected = if asked.is_empty() {
        Reading::NotRead(NotRead::NoCheckKnown)
    } else {
        Reading::AllOnes
    };
    assert_eq!(inquiry.result().0, expected);
    asked
}

#[test]
fn unknown_gpu_gets_only_harmless_reads() {
    let four = |bar| vec![(bar, 0), (bar, 0x400), (bar, 0x800), (bar, 0xc00)];
    for (bars, expected) in [
        // Registers, then memory.
        ([0xfb00_0000, 0xe000_000c, 0x20, 0, 0, 0xd001], vec![(0, 0)]),
        // Memory, then registers, as Matrox, ASPEED and old Radeons have them.
        ([0xe000_0008, 0xfb00_0000, 0, 0, 0, 0], vec![(1, 0)]),
        ([0xe000_000c, 0x0, 0xfb00_0004, 0x0, 0, 0], vec![(2, 0)]),
        // All of 64 bits and prefetchable, the first at 1 TiB.
        ([0xc, 0x100, 0x8000_000c, 0x101, 0, 0], four(0)),
        // The first BAR has no address.
        ([0xc, 0, 0x8000_000c, 0, 0, 0], four(2)),
        ([0x4, 0, 0, 0, 0xfb00_0000, 0], vec![(4, 0)]),
        // An I/O BAR does not count.
        ([0xd001, 0xe000_0008, 0, 0, 0, 0], four(1)),
        ([0xd001, 0, 0, 0, 0, 0], vec![]),
    ] {
        assert_eq!(asked_behind(bars), expected, "{bars:x?}");
    }
}

#[test]
fn an_unknown_gpu_answers_if_one_dword_is_not_all_ones() {
    let bars = Reading::Value([0xc, 0x100, 0, 0, 0, 0]);
    let mut inquiry = Check::Unknown.begin(&bars);
    inquiry.tell(Ok(u32::MAX));
    inquiry.tell(Ok(0x1234_5678));
    assert_eq!(inquiry.next_register(), None);
    // Its value is not compared: it may change.
    assert_eq!(inquiry.result(), (Reading::Value(0), Reading::None));
    let mut forbidden = Check::Unknown.begin(&bars);
    forbidden.tell(Err(NotRead::Forbidden));
    assert_eq!(forbidden.next_register(), None);
    assert_eq!(forbidden.result().0, Reading::NotRead(NotRead::Forbidden));
}

#[test]
fn only_a_gpu_that_may_still_boot_is_waited_for() {
    let boot_0 = Reading::Value(0x1750_00a1);
    let untried = Reading::NotRead(NotRead::Untried);
    let forbidden = NotRead::Forbidden;
    let unrecorded = Reading::not_recorded();
    for (check, was, result, waits) in [
        (Check::Nvidia, boot_0, (Reading::AllOnes, untried), true),
        (Check::Nvidia, boot_0, (boot_0, INCOMPLETE), true),
        (Check::Nvidia, boot_0, (Reading::Value(0xbadf_5040), untried), true),
        (Check::Nvidia, unrecorded, (boot_0, INCOMPLETE), true),
        (Check::Nvidia, boot_0, (boot_0, COMPLETE), false),
        (Check::Nvidia, boot_0, (boot_0, Reading::None), false),
        (
            Check::Nvidia,
            boot_0,
            (boot_0, Reading::NotRead(NotRead::NoCheckKnown)),
            false,
        ),
        (
            Check::Nvidia,
            boot_0,
            (Reading::NotRead(forbidden), Reading::NotRead(forbidden)),
            false,
        ),
        (Check::NotNeeded, Reading::None, (Reading::None, Reading::None), false),
        (
            Check::IntelDiscrete,
            Reading::Value(0x80),
            (Reading::Value(0), Reading::None),
            true,
        ),
        (
            Check::IntelDiscrete,
            Reading::Value(0x80),
            (Reading::Value(0x80), Reading::None),
            false,
        ),
        (
            Check::IntelDiscrete,
            Reading::Value(0),
            (Reading::Value(0), Reading::None),
            false,
        ),
        (
            Check::IntelDiscrete,
            unrecorded,
            (Reading::Value(0), Reading::None),
            false,
        ),
        (
            SINCE_BONAIRE,
            Reading::Value(0),
            (Reading::Value(0), Reading::None),
            false,
        ),
        (
            Check::Unknown,
            Reading::Value(0),
            (Reading::AllOnes, Reading::None),
            true,
        ),
        (
            Check::Unknown,
            Reading::AllOnes,
            (Reading::AllOnes, Reading::None),
            false,
        ),
    ] {
        assert_eq!(
            check.may_be_booting(&was, result),
            waits,
            "{check:?} {was:?} {result:?}"
        );
    }
}
