//! Arbitrary bytes as a snapshot's wire form: refused with a reason, or sound, the same when
//! written again, and comparable in words.

#![no_main]

use std::fmt::Write;

use libfuzzer_sys::fuzz_target;
use reseat_core::address::FunctionAddress;
use reseat_core::config::{ConfigRead, Offset, ReadableSize};
use reseat_core::snapshot::wire::{DecodeError, room};
use reseat_core::snapshot::{Full, Register};

fuzz_target!(|bytes: &[u8]| {
    let snapshot = match Full::decode(bytes) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(
                bytes.is_empty() || bytes == [1],
                error == DecodeError::Truncated && bytes.len() < 2
            );
            return;
        }
    };
    let mut buffer = [0; room(1024)];
    let written = snapshot.encode(&mut buffer).expect("room for any");
    assert_eq!(Full::decode(written).as_ref(), Ok(&snapshot));

    let mut reader = &snapshot;
    for at in (0..0x1000).step_by(4) {
        let at = Offset::new(at).expect("a multiple of 4");
        let known = match snapshot.get(at) {
            Register::Value(value) => Some(value),
            Register::AllOnes => Some(u32::MAX),
            Register::Failed | Register::NotRead => None,
        };
        assert_eq!(reader.read(at).ok(), known);
        assert!(known.is_none() || reader.size().contains(at));
    }

    let nothing = Full::new(address(), ReadableSize::Extended);
    let mut text = String::new();
    for difference in [snapshot.difference(&nothing), nothing.difference(&snapshot)] {
        assert!(difference.changes().count() <= 1024);
        write!(text, "{difference}").expect("a String takes all");
    }
    assert_eq!(snapshot.difference(&snapshot).changes().count(), 0);
});

fn address() -> FunctionAddress {
    FunctionAddress::new(0, 0x65, 0, 0).expect("in range")
}
