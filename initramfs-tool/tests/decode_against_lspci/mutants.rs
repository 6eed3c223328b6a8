//! Broken copies of real functions: cut off, with headers and registers overwritten.
//!
//! The generator has a fixed seed, so that a failure comes again.

use std::fmt::Write;
use std::path::Path;

use reseat::decode::hex;
use reseat_core::config::{ConfigRead, Offset, SPACE_SIZE};

use crate::ours;

/// A file's worth of broken copies.
pub(crate) struct Mutants {
    /// As `lspci -xxxx` prints them.
    pub(crate) text: String,
    pub(crate) number: usize,
}

/// Functions in a file: each gets a bus of its own, since `lspci` prints less of functions that are not function 0 of
/// device 0.
const PER_FILE: usize = 256;
/// Of a whole tree, so many functions are enough.
const FUNCTIONS_PER_DUMP: usize = 6;

/// Broken copies of the functions in a file.
pub(crate) fn of(dump: &Path) -> Vec<Mutants> {
    let text = String::from_utf8_lossy(&std::fs::read(dump).unwrap()).into_owned();
    let decoded = ours::decode(dump);
    let mut random = Random(0x5eed);
    let mut copies = Vec::new();
    let functions = hex::read(&text).functions.into_iter().zip(decoded.functions);
    for (dumped, decoded) in functions
        .filter(|(dumped, _)| dumped.space.length() >= 64)
        .take(FUNCTIONS_PER_DUMP)
    {
        copies.extend(copies_of(&bytes(dumped.space), &decoded, &mut random));
    }
    copies.chunks(PER_FILE).map(file).collect()
}

/// A fixture of rows alone, with zeros for what is not in them, and a title.
pub(crate) fn filled(text: &str) -> String {
    let mut space = vec![0; SPACE_SIZE.into()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (offset, row) = line.split_once(": ").unwrap();
        let offset = usize::from_str_radix(offset, 16).unwrap();
        for (byte, token) in space[offset..].iter_mut().zip(row.split_whitespace()) {
            *byte = u8::from_str_radix(token, 16).unwrap();
        }
    }
    file(&[space]).text
}

fn copies_of(original: &[u8], decoded: &ours::Function, random: &mut Random) -> Vec<Vec<u8>> {
    let mut copies = vec![original.to_vec()];
    copies.extend(
        [64, 68, 96, 128, 254, 256, 260, 300, 512]
            .iter()
            .filter_map(|&length| Some(original.get(..length)?.to_vec())),
    );
    for at in 4..64 {
        copies.push(overwritten(original, at..at + 1, random));
    }
    copies.extend(grafts(original, decoded, random));
    // Pointers that lead nowhere, backwards, in circles, with reserved bits.
    for list in ["standard", "extended"] {
        let capabilities = decoded.list(list).unwrap_or_default();
        let places: Vec<usize> = capabilities
            .iter()
            .map(|capability| capability.offset().into())
            .collect();
        for capability in &capabilities {
            let (start, bound) = (usize::from(capability.offset()), usize::from(capability.bound()));
            for at in start..start + 4 {
                let [low, high] = places[random.below(places.len())].to_le_bytes()[..2] else {
                    unreachable!()
                };
                let link = [
                    0x00,
                    0x01,
                    0x02,
                    0x34,
                    0xff,
                    low,
                    low | 3,
                    low << 4,
                    (high << 4) | (low >> 4),
                ];
                for byte in link {
                    let mut copy = original.to_vec();
                    put(&mut copy, at, &[byte]);
                    copies.push(copy);
                }
            }
            for _ in 0..6 {
                copies.push(overwritten(original, start + 2..start + bound.min(96), random));
            }
            // One bit at a time is what finds a field that is not where it should be.
            for _ in 0..4 {
                let mut copy = original.to_vec();
                let (at, bit) = (start + 2 + random.below(bound.min(64) - 2), 1 << random.below(8));
                copy.get_mut(at).into_iter().for_each(|byte| *byte ^= bit);
                copies.push(copy);
            }
        }
    }
    copies
}

/// Copies in which a capability has become another one: what no function of the collection has, `lspci` knows as well.
fn grafts(original: &[u8], decoded: &ours::Function, random: &mut Random) -> Vec<Vec<u8>> {
    /// The first 10 bytes of CXL's DVSEC for ports, without the capability's header.
    const CXL_PORT: [u8; 6] = [0x98, 0x1e, 0x80, 0x02, 0x03, 0x00];
    const STANDARD: [u16; 3] = [0x01, 0x10, 0x13];
    const EXTENDED: [u16; 11] = [0x01, 0x03, 0x0b, 0x0d, 0x0e, 0x10, 0x15, 0x19, 0x1d, 0x23, 0x24];
    let mut copies = Vec::new();
    for (list, ids, own) in [("standard", &STANDARD[..], 2), ("extended", &EXTENDED[..], 4)] {
        for capability in decoded.list(list).unwrap_or_default().iter().take(4) {
            let (start, bound) = (usize::from(capability.offset()), usize::from(capability.bound()));
            for id in ids.iter().flat_map(|id| [id, id]) {
                let mut copy = overwritten(original, start + own..start + bound.min(96), random);
                let [low, high] = id.to_le_bytes();
                let bytes = if list == "standard" { &[low][..] } else { &[low, high] };
                put(&mut copy, start, bytes);
                if *id == 0x23 {
                    put(&mut copy, start + 4, &CXL_PORT);
                }
                copies.push(copy);
            }
        }
    }
    copies
}

fn put(copy: &mut [u8], at: usize, bytes: &[u8]) {
    copy.iter_mut().skip(at).zip(bytes).for_each(|(old, new)| *old = *new);
}

fn overwritten(original: &[u8], range: std::ops::Range<usize>, random: &mut Random) -> Vec<u8> {
    let mut copy = original.to_vec();
    for byte in copy.get_mut(range).into_iter().flatten() {
        *byte = random.byte();
    }
    copy
}

/// All bytes up to the first that is missing.
fn bytes(mut space: hex::space::DumpedSpace) -> Vec<u8> {
    let registers = (0..SPACE_SIZE)
        .step_by(4)
        .map(|at| space.read(Offset::new(at).unwrap()));
    registers.map_while(Result::ok).flat_map(u32::to_le_bytes).collect()
}

fn file(copies: &[Vec<u8>]) -> Mutants {
    let mut text = String::new();
    for (bus, copy) in copies.iter().enumerate() {
        writeln!(text, "{bus:02x}:00.0 copy {bus}").unwrap();
        for (row, bytes) in copy.chunks(16).enumerate() {
            write!(text, "{:02x}:", row * 16).unwrap();
            for byte in bytes {
                write!(text, " {byte:02x}").unwrap();
            }
            text.push('\n');
        }
        text.push('\n');
    }
    let number = copies.len();
    Mutants { text, number }
}

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % end
    }
}
