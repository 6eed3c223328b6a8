//! Arbitrary bytes as a dump: limits hold, and the bytes of a function with a title come back from clean rows.

#![no_main]

use std::fmt::Write;

use libfuzzer_sys::fuzz_target;
use reseat_core::config::{ConfigRead, Offset};

// The parser alone: the crate around it has dependencies that nothing here needs.
#[path = "../../initramfs-tool/src/decode/hex/mod.rs"]
#[allow(dead_code, reason = "the decoder uses more of it")]
mod hex;

fuzz_target!(|bytes: &[u8]| {
    let binary = hex::read_binary(bytes);
    assert_ne!(binary.functions.is_empty(), binary.problems.is_empty());
    let dump = hex::read(&String::from_utf8_lossy(bytes));
    assert!(!dump.functions.is_empty() || !dump.problems.is_empty());
    assert!(dump.functions.len() <= hex::MOST_FUNCTIONS && dump.problems.len() <= hex::MOST_PROBLEMS);
    for function in dump.functions {
        let length = function.space.length();
        assert!((1..=4096).contains(&length) && function.line > 0);
        again(function.space);
    }
});

/// Writes a space as `lspci` does, and reads it again.
fn again(mut space: hex::space::DumpedSpace) {
    let mut text = "01:00.0 x\n".to_owned();
    let mut row = |at: u16| -> Option<String> {
        let registers = (at..at + 16).step_by(4).filter_map(|at| Offset::new(at).ok());
        let registers: Option<Vec<u32>> = registers.map(|at| space.read(at).ok()).collect();
        let bytes = registers?.into_iter().flat_map(u32::to_le_bytes);
        Some(bytes.fold(String::new(), |row, byte| format!("{row} {byte:02x}")))
    };
    let mut rows = 0;
    while let Some(bytes) = (rows < 256).then(|| row(rows * 16)).flatten() {
        writeln!(text, "{:02x}:{bytes}", rows * 16).expect("a string has room");
        rows += 1;
    }
    let dump = hex::read(&text);
    let lengths: Vec<usize> = dump.functions.iter().map(|function| function.space.length()).collect();
    assert_eq!(
        lengths,
        if rows == 0 {
            vec![]
        } else {
            vec![usize::from(rows) * 16]
        }
    );
}
