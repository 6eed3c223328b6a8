//! Random texts: nothing panics, prose has no function, and a function comes out of noise as it went in.
//!
//! The generator has a fixed seed, so that a failure comes again.

use super::*;

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % end
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// Words that dumps consist of, and words that look like them.
const PIECES: &[&str] = &[
    "00:",
    "10:",
    "100:",
    "ff0:",
    "00000000:",
    "00000000",
    "0000010",
    "0000020",
    "fffffff0:",
    "e0100000:",
    "de",
    "10",
    "00",
    "ff",
    "de10",
    "10de",
    "00100406",
    "00-A1",
    "[00]",
    "8g",
    "*",
    "|..|",
    "=",
    "\n",
    "\n",
    "\r\n",
    " ",
    "  ",
    "\t",
    "\u{a0}",
    "\u{feff}",
    "> ",
    "- ",
    "1. ",
    "[ 1.2] ",
    "<6>",
    "\x1b[0m",
    "\x1b",
    "&gt;",
    "01:00.0 ",
    "0000:01:00.0",
    "config",
    "PCI Bus 01 Device 00 Func 00",
    "Mar  3 12:00:00 host kernel: ",
    "2026-12-01T15:08:10 ",
    "quoted-printable",
    "é",
    "€",
    "\u{10ffff}",
    "0x",
    ":",
    ".",
    "-",
];
const PROSE: &[&str] = &[
    "Cc:",
    "be:",
    "add:",
    "fee:",
    "12:",
    "30",
    "10:",
    "20",
    "at",
    "feed",
    "dead",
    "beef",
    "a",
    "cafe",
    "01:00.0",
    "0000:01:00.0",
    "is",
    "the",
    "GPU",
    "\n",
    "\n\n",
    "> ",
    "* ",
    "- ",
    "1.",
    "2026-12-01",
    "12:34:56",
    "decade",
    "facade",
    "config",
    "00",
    "(10",
    "80)",
    "vfio-pci",
    "ab:cd:ef:01:02:03",
    "deadbeef",
    "effaced",
    "0x10",
    "[1]",
    "de",
    "ad",
];

#[test]
fn nothing_panics_and_limits_hold() {
    let mut random = Random(0x5eed);
    for _ in 0..300 {
        let length = random.below(400);
        let text: String = (0..length)
            .map(|_| random.one_of(PIECES).to_owned() + random.one_of(&["", " "]))
            .collect();
        let dump = read(&text);
        assert!(!dump.functions.is_empty() || !dump.problems.is_empty(), "{text}");
        for function in &dump.functions {
            assert!(function.space.length() > 0 && function.space.length() <= 4096, "{text}");
            assert!(function.line <= text.lines().count().max(1), "{text}");
        }
        read_binary(text.as_bytes());
    }
}

#[test]
fn prose_has_no_function() {
    let mut random = Random(0xc0ffee);
    for _ in 0..1000 {
        let length = random.below(200);
        let text: String = (0..length).map(|_| random.one_of(PROSE).to_owned() + " ").collect();
        assert_eq!(lengths(&read(&text)), [], "{text}");
    }
}

#[test]
fn function_comes_out_of_noise_as_it_went_in() {
    let mut random = Random(0xfeed);
    for _ in 0..100 {
        let prefix = random.one_of(&[
            "",
            "> ",
            "    ",
            "[ 12.345] ",
            "- ",
            "host kernel: [ 1.5] ",
            "Mar  3 12:00:00 h k: ",
        ]);
        let suffix = random.one_of(&["", "  |........|", " <- look", "\r"]);
        let between = random.one_of(&["", "\n", "\nYou see?\n", "\n02: not a row\n", "\nCc: a@b\n"]);
        let rows: String = GPU
            .lines()
            .map(|row| format!("{prefix}{row}{suffix}\n{between}"))
            .collect();
        assert_gpu(&format!("Hello,\n{between}{rows}Bye\n"), None);
    }
}
