//! The forms of rows.

use std::fmt::Write;

use super::*;

fn gpu_bytes() -> Vec<u8> {
    bytes(&DumpedSpace::of_rows(GPU)).into_iter().flatten().collect()
}

/// The GPU in rows of another form.
fn rows(row: impl Fn(usize, &[u8]) -> String) -> String {
    let bytes = gpu_bytes();
    let rows = bytes.chunks(16).enumerate();
    rows.map(|(number, bytes)| row(number * 16, bytes) + "\n").collect()
}

/// Words of `width` bytes, as they stand or as numbers.
fn words(bytes: &[u8], width: usize, is_number: bool) -> Vec<String> {
    let word = |word: &[u8]| {
        let mut word = word.to_vec();
        if is_number {
            word.reverse();
        }
        word.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    bytes.chunks(width).map(word).collect()
}

fn spaced(bytes: &[u8]) -> String {
    words(bytes, 1, false).join(" ")
}

/// A column of characters that looks like bytes and offsets.
const COLUMN: &str = "ab 00 de: ad *..|";

#[test]
fn hexdump_c() {
    let text = rows(|at, row| format!("{at:08x}  {}  {}  |{COLUMN}|", spaced(&row[..8]), spaced(&row[8..])));
    assert_gpu(&format!("{text}00000040\n"), None);
}

#[test]
fn uefi_shell() {
    let row = |at: usize, row: &[u8]| {
        let (first, second) = (spaced(&row[..8]).to_uppercase(), spaced(&row[8..]).to_uppercase());
        format!("  {at:08X}: {first}-{second}  *{COLUMN}*")
    };
    let text = format!(
        "  PCI Segment 00 Bus 17 Device 1F Func 03 [EFI 00171F0300]\r\n{}",
        rows(row)
    );
    assert_gpu(&text, Some("0000:17:1f.3"));
    let memory = rows(|at, bytes| row(at + 0xe010_0000, bytes));
    assert_gpu(&format!("Memory Address 00000000E0100000 40 Bytes\n{memory}"), None);
    // Of a word's middle nothing is known to begin.
    let elsewhere = rows(|at, bytes| row(at + 0xe010_0008, bytes));
    assert_eq!(lengths(&read(&elsewhere)), []);
}

#[test]
fn words_of_hexdump_and_od() {
    for width in [2, 4] {
        let hexdump = rows(|at, row| format!("{at:07x} {}", words(row, width, true).join(" ")));
        assert_gpu(&format!("{hexdump}0000040\n"), None);
        let od = rows(|at, row| format!("{at:07o} {}", words(row, width, true).join(" ")));
        assert_gpu(&format!("{od}0000100\n"), None);
        let kernel = rows(|at, row| format!("{at:08x}: {}", words(row, width, true).join(" ")));
        assert_gpu(&kernel, None);
    }
    let wide = rows(|at, row| format!("{at:07x}    {}", words(row, 2, true).join("    ")));
    assert_gpu(&wide, None);
}

#[test]
fn bytes_of_od() {
    assert_gpu(&rows(|at, row| format!("{at:06x} {}", spaced(row))), None);
    assert_gpu(&rows(|at, row| format!("{at:06x} {}  >{COLUMN}<", spaced(row))), None);
    assert_gpu(&rows(|at, row| format!("{at:07o} {}", spaced(row))), None);
}

#[test]
fn xxd() {
    for width in [1, 2, 4] {
        let text = rows(|at, row| format!("{at:08x}: {}  {COLUMN}", words(row, width, false).join(" ")));
        assert_gpu(&text, None);
    }
    let bytes = gpu_bytes();
    let wide = bytes.chunks(32).enumerate();
    let wide = wide.map(|(at, row)| format!("{:08x}: {}  {COLUMN}\n", at * 32, words(row, 2, false).join(" ")));
    assert_gpu(&wide.collect::<String>(), None);
}

#[test]
fn rows_that_a_star_stands_for_are_filled_in() {
    let text = "01:00.0 x\n0000000  de 10 89 24 07 04 10 00  a1 00 00 03 10 00 80 00\n*\n0000040  01 02\n*\n";
    let dump = read(text);
    assert_eq!(lengths(&dump), [(Some("0000:01:00.0".to_owned()), 66)]);
    assert_eq!(dump.functions[0].space.get(0x38), Some(0xa1));
    for (end, length) in [("00000100", 256), ("0010000", 4096), ("0000400", 256)] {
        let ones = format!("0000000 {}\n*\n{end}\n", ["ffff"; 8].join(" "));
        assert_eq!(lengths(&read(&ones)), [(None, length)], "{ones}");
    }
}

#[test]
fn rows_of_four_bytes_with_remarks() {
    let bytes = gpu_bytes();
    let rows = bytes.chunks(4).enumerate();
    let rows = rows.map(|(at, row)| format!("{:08x}: {} <- BAR {at} * (type=mem)\n", at * 4, spaced(row)));
    let text = format!("pci 0000:01:00.0: config space:\n{}", rows.collect::<String>());
    assert_gpu(&text, Some("0000:01:00.0"));
}
