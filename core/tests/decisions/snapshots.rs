//! Snapshots with gaps: compared, written and read back.

use reseat_core::address::FunctionAddress;
use reseat_core::config::{ConfigRead, Memory, Offset, ReadableSize};
use reseat_core::snapshot::{AddError, Answered, Change, Full, Hole, RUNS, Register, Snapshot};

fn address() -> FunctionAddress {
    FunctionAddress::new(0, 0x65, 0, 1).unwrap()
}

fn at(offset: u16) -> Offset {
    Offset::new(offset).unwrap()
}

/// A GPU's first registers with a PCI Express capability at 78.
fn space() -> [u8; 256] {
    let mut bytes = [0; 256];
    bytes[0x00..0x04].copy_from_slice(&[0xde, 0x10, 0x30, 0x23]);
    bytes[0x04..0x08].copy_from_slice(&[0x06, 0x04, 0x10, 0x00]);
    bytes[0x08..0x0c].copy_from_slice(&[0xa1, 0x00, 0x02, 0x03]);
    bytes[0x34] = 0x78;
    bytes[0x78..0x80].copy_from_slice(&[0x10, 0x00, 0x12, 0x00, 0xe1, 0x8d, 0x2c, 0x11]);
    bytes
}

/// Fails from one register on.
struct FailsFrom(Memory<[u8; 256]>, u16);

impl ConfigRead for FailsFrom {
    type Error = ();

    fn size(&self) -> ReadableSize {
        self.0.size()
    }

    fn read(&mut self, offset: Offset) -> Result<u32, ()> {
        if offset.get() >= self.1 {
            return Err(());
        }
        self.0.read(offset).map_err(|_| ())
    }
}

fn small(registers: &[(u16, Register)]) -> Snapshot<4> {
    let mut snapshot = Snapshot::new(address(), ReadableSize::Header);
    for (offset, register) in registers {
        snapshot.add(at(*offset), *register).unwrap();
    }
    snapshot
}

/// Reads everything that a reader reaches.
fn whole(reader: impl ConfigRead) -> Full {
    let taken = Full::take(address(), reader);
    assert_eq!(taken.cut, None);
    taken.snapshot
}

#[test]
fn gaps_stay_gaps() {
    let mut bytes = space();
    bytes[0x10..0x14].fill(0xff);
    let snapshot = whole(FailsFrom(Memory::new(bytes).unwrap(), 0x80));
    assert_eq!(snapshot.get(at(0x00)), Register::Value(0x2330_10de));
    assert_eq!(snapshot.get(at(0x10)), Register::AllOnes);
    assert_eq!(snapshot.get(at(0x78)), Register::Value(0x0012_0010));
    assert_eq!(snapshot.get(at(0x80)), Register::Failed);
    assert_eq!(snapshot.get(at(0x100)), Register::NotRead);
    let mut reader = &snapshot;
    assert_eq!(reader.read(at(0x10)), Ok(u32::MAX));
    assert_eq!(reader.read(at(0x80)), Err(Hole::Failed(at(0x80))));
    assert_eq!(reader.read(at(0x100)), Err(Hole::NotRead(at(0x100))));
}

#[test]
fn room_is_limited_and_a_refused_register_leaves_no_trace() {
    let value = Register::Value(7);
    let mut snapshot = small(&[(0, value), (4, value), (8, value), (12, value)]);
    assert_eq!(snapshot.add(at(16), value), Err(AddError::Full));
    assert_eq!(snapshot.get(at(16)), Register::NotRead);
    assert_eq!(snapshot.add(at(16), Register::AllOnes), Ok(()));
    assert_eq!(
        snapshot.add(at(16), Register::Failed),
        Err(AddError::OutOfOrder(at(16)))
    );
    assert_eq!(
        snapshot.add(at(0x40), Register::Failed),
        Err(AddError::BeyondSize(at(0x40)))
    );
    // The maximum number of runs, and no more.
    let mut holes = Full::new(address(), ReadableSize::Extended);
    let kinds = [Register::Failed, Register::AllOnes];
    let added = (0..1024_u16)
        .zip(kinds.into_iter().cycle())
        .take_while(|(register, kind)| holes.add(at(register * 4), *kind).is_ok());
    assert_eq!(added.count(), RUNS);
}

#[test]
fn snapshot_that_ends_early_reports_the_offset() {
    let taken = Snapshot::<4>::take(address(), Memory::new(space()).unwrap());
    assert_eq!(taken.cut, Some(at(0x10)));
    assert_eq!(taken.snapshot.get(at(0x0c)), Register::Value(0));
    assert_eq!(taken.snapshot.get(at(0x10)), Register::NotRead);
    let full = Snapshot::<64>::take(address(), Memory::new(space()).unwrap());
    assert_eq!(full.cut, None, "exactly as much room as registers");

    // All-ones and failures take no room among the values, but one run each.
    let mut bytes = [0; 4096];
    for register in bytes.as_chunks_mut::<8>().0 {
        register[..4].fill(0xff);
    }
    let taken = Full::take(address(), Memory::new(bytes).unwrap());
    assert_eq!(taken.cut, Some(at(u16::try_from(4 * RUNS).unwrap())));
}

#[test]
fn difference_is_described_in_words() {
    let earlier = whole(Memory::new(space()).unwrap());
    assert_eq!(earlier.difference(&earlier).to_string(), "no difference");

    let mut bytes = space();
    bytes[0x04] = 0x00;
    bytes[0x80..0x84].copy_from_slice(&[0x30, 0x29, 0x00, 0x00]);
    bytes[0x10..0x18].fill(0xff);
    let later = whole(FailsFrom(Memory::new(bytes).unwrap(), 0xf0));
    let difference = earlier.difference(&later);
    assert_eq!(
        difference.to_string(),
        "header at 0x004: was 0x00100406, is 0x00100400\n\
         header at 0x010 to 0x014: was a value, is all-ones\n\
         PCI Express + 0x08 at 0x080: was 0x00000000, is 0x00002930\n\
         PCI Express + 0x78 at 0x0f0 to 0x0fc: was a value, is unreadable"
    );
    assert_eq!(
        difference.changes().nth(1),
        Some(Change::Answer {
            first: at(0x10),
            last: at(0x14),
            was: Answered::Value,
            is: Answered::AllOnes,
        })
    );
    let other = Full::new(FunctionAddress::new(0, 0x66, 0, 0).unwrap(), ReadableSize::Standard);
    let text = earlier.difference(&other).to_string();
    assert!(text.starts_with("of another function: 0000:65:00.1 before, 0000:66:00.0 now\n"));
}

#[cfg(feature = "snapshot")]
mod wire {
    use proptest::prelude::*;
    use reseat_core::address::AddressError;
    use reseat_core::snapshot::wire::{DecodeError, EncodeError, room};

    use super::*;

    /// Version 1, written by hand. Never edited: a written snapshot stays readable forever.
    const FROZEN_1: &[u8] = &[
        0x01, // version
        0x00, 0x00, 0x01, 0x00, // segment 10000
        0x65, 0x1f, 0x07, // bus, device, function
        0x02, // extended
        0x03, 0x00, // three runs
        0x02, 0x00, // two values
        0x00, 0x00, 0x02, 0x00, 0x00, // from 0, two registers with values
        0x08, 0x00, 0x01, 0x00, 0x01, // from 8, one of all-ones
        0xfc, 0x0f, 0x01, 0x00, 0x02, // from ffc, one that failed
        0xde, 0x10, 0x30, 0x23, // 233010de
        0x06, 0x00, 0x00, 0x00, // 6
    ];

    fn frozen() -> Snapshot<4> {
        let address = FunctionAddress::new(0x1_0000, 0x65, 0x1f, 7).unwrap();
        let mut snapshot = Snapshot::new(address, ReadableSize::Extended);
        for (offset, register) in [
            (0x000, Register::Value(0x2330_10de)),
            (0x004, Register::Value(6)),
            (0x008, Register::AllOnes),
            (0xffc, Register::Failed),
        ] {
            snapshot.add(at(offset), register).unwrap();
        }
        snapshot
    }

    #[test]
    fn version_1_is_frozen() {
        assert_eq!(Snapshot::decode(FROZEN_1), Ok(frozen()));
        let mut buffer = [0; room(4)];
        assert_eq!(frozen().encode(&mut buffer), Ok(FROZEN_1));
    }

    #[test]
    fn each_wrong_form_has_its_name() {
        let decode = |bytes: &[u8]| Snapshot::<4>::decode(bytes).unwrap_err();
        for length in 0..FROZEN_1.len() {
            assert_eq!(decode(&FROZEN_1[..length]), DecodeError::Truncated, "{length} bytes");
        }
        let with = |index: usize, byte: u8| {
            let mut bytes = FROZEN_1.to_vec();
            bytes[index] = byte;
            bytes
        };
        assert_eq!(decode(&with(0, 2)), DecodeError::ForeignVersion(2));
        assert_eq!(decode(&with(0, 0)), DecodeError::ForeignVersion(0));
        assert_eq!(decode(&with(6, 32)), DecodeError::Address(AddressError::Device(32)));
        assert_eq!(decode(&with(8, 3)), DecodeError::Malformed);
        // Overlapping, misaligned, empty, beyond the size, and a number of values that does not match the runs.
        for (index, byte) in [(18, 0x04), (18, 0x09), (20, 0), (8, 1), (15, 1)] {
            assert_eq!(decode(&with(index, byte)), DecodeError::Unsound, "{index}: {byte}");
        }
        let mut longer = FROZEN_1.to_vec();
        longer.push(0);
        assert_eq!(decode(&longer), DecodeError::Trailing(1));
        assert_eq!(
            Snapshot::<1>::decode(FROZEN_1),
            Err(DecodeError::Malformed),
            "more than there is room for"
        );
    }

    #[test]
    fn split_run_is_unsound() {
        // In this form, the same registers would not equal those in one run.
        let mut bytes = vec![
            0x01, // version
            0x00, 0x00, 0x00, 0x00, // segment 0
            0x65, 0x00, 0x01, // bus, device, function
            0x01, // standard
            0x02, 0x00, // two runs
            0x02, 0x00, // two values
            0x00, 0x00, 0x01, 0x00, 0x00, // from 0, one register with a value
            0x04, 0x00, 0x01, 0x00, 0x00, // from 4, another one
            0xde, 0x10, 0x30, 0x23, // 233010de
            0x06, 0x00, 0x00, 0x00, // 6
        ];
        assert_eq!(Snapshot::<4>::decode(&bytes), Err(DecodeError::Unsound));
        // With a gap between them they are two runs.
        bytes[18] = 0x08;
        assert!(Snapshot::<4>::decode(&bytes).is_ok());
        for kind in [1, 2] {
            let mut bytes = bytes.clone();
            bytes.truncate(23);
            bytes[11] = 0;
            (bytes[17], bytes[22]) = (kind, kind);
            assert!(Snapshot::<4>::decode(&bytes).is_ok());
            bytes[18] = 0x04;
            assert_eq!(Snapshot::<4>::decode(&bytes), Err(DecodeError::Unsound));
            bytes[22] = 3 - kind;
            assert!(Snapshot::<4>::decode(&bytes).is_ok(), "neighbours of another kind");
        }
    }

    #[test]
    fn buffer_that_is_too_small_is_an_error() {
        let mut buffer = [0; FROZEN_1.len() - 1];
        assert_eq!(frozen().encode(&mut buffer), Err(EncodeError::NoRoom));
    }

    proptest! {
        #[test]
        fn every_snapshot_survives_the_wire(registers in prop::collection::vec(0..5_u32, 0..1024), high: u32) {
            let mut snapshot = Full::new(address(), ReadableSize::Extended);
            for (offset, register) in (0..).step_by(4).zip(registers) {
                let register = match register {
                    0 => Register::NotRead,
                    1 => Register::AllOnes,
                    2 => Register::Failed,
                    value => Register::Value(high.wrapping_mul(value)),
                };
                if snapshot.add(at(offset), register).is_err() {
                    break;
                }
            }
            let mut buffer = [0; room(1024)];
            let bytes = snapshot.encode(&mut buffer).unwrap();
            prop_assert_eq!(Full::decode(bytes), Ok(snapshot));
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_sound(mut bytes in prop::collection::vec(0..20_u8, 0..60), version in 0..3_u8) {
            bytes.insert(0, version);
            if let Ok(snapshot) = Snapshot::<8>::decode(&bytes) {
                let mut buffer = [0; room(8)];
                let again = snapshot.encode(&mut buffer).unwrap();
                prop_assert_eq!(Snapshot::decode(again), Ok(snapshot));
            }
        }
    }
}
