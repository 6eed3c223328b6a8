//! The tests: every file as it is, and broken copies of its functions.

use std::path::{Path, PathBuf};

use reseat::decode::hex;

use crate::differences::Tally;
use crate::fields::ROWS;
use crate::{compare, lspci, mutants, ours};

/// All files below the folder that `RESEAT_DUMPS` names.
fn files() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let folder = std::env::var_os("RESEAT_DUMPS").expect("RESEAT_DUMPS names the folder of dumps");
    let mut found = Vec::new();
    below(Path::new(&folder), &mut found);
    found.sort();
    found
}

/// Files in which there is something to decode, and the number of the others.
fn dumps() -> (Vec<PathBuf>, usize) {
    let all = files();
    let number = all.len();
    let has_rows = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let dump = hex::read(&String::from_utf8_lossy(&bytes));
        dump.functions.iter().any(|function| function.space.length() > 0)
    };
    let dumps: Vec<PathBuf> = all.into_iter().filter(has_rows).collect();
    let others = number - dumps.len();
    (dumps, others)
}

#[test]
#[ignore = "needs RESEAT_DUMPS and lspci"]
fn every_dump_is_decoded_as_lspci_does() {
    let (dumps, without_rows) = dumps();
    let folder = tempfile::tempdir().unwrap();
    let (mut tally, mut refused) = (Tally::default(), 0);
    for path in &dumps {
        let decoded = ours::decode(path);
        match compare::file(path, &decoded, &mut tally) {
            Ok(()) => decoded
                .problems
                .iter()
                .for_each(|problem| println!("{}: {problem}", path.display())),
            // lspci takes no part of a file that has something wrong in it; ours names it and takes the rest.
            Err(complaint) => {
                refused += 1;
                println!(
                    "{}: lspci refuses it ({}); without that:",
                    path.display(),
                    complaint.trim()
                );
                let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
                let copy = folder.path().join(path.file_name().unwrap());
                std::fs::write(&copy, cleaned(&text)).unwrap();
                compare::file(&copy, &ours::decode(&copy), &mut tally).unwrap();
            }
        }
    }
    println!("{} files: {tally}", dumps.len());
    println!("{without_rows} files without hexadecimal rows, {refused} that lspci refuses");
    never_met(&tally);
    tally.assert_equal();
    assert!(!dumps.is_empty(), "nothing was compared");
    assert!(
        tally.fields >= 40 * dumps.len(),
        "only {} fields were compared",
        tally.fields
    );
}

/// What `lspci` takes of a text: short titles, rows of nothing but bytes, within the space, and an end of the last line.
fn cleaned(text: &str) -> String {
    let bytes = |row: &str| {
        let is_byte = |token: &&str| token.len() == 2 && token.bytes().all(|digit| digit.is_ascii_hexdigit());
        row.split_whitespace().take_while(is_byte).collect::<Vec<_>>().join(" ")
    };
    let line = |line: &str| match line.split_once(": ") {
        Some((offset, row)) if offset.len() <= 8 && offset.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            let is_within = u16::from_str_radix(offset, 16).is_ok_and(|offset| offset <= 0xff0);
            is_within.then(|| format!("{offset}: {}\n", bytes(row)))
        }
        _ => Some(format!("{}\n", line.trim_end().chars().take(60).collect::<String>())),
    };
    text.lines().filter_map(line).collect()
}

#[test]
#[ignore = "needs lspci"]
fn what_lspci_refuses_it_takes_cleaned() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/nvidia-rtx-3060-ti-2489.hex");
    let good = mutants::filled(&std::fs::read_to_string(fixture).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    let bad_row = format!("{good}01:00.0 y\n00: de 1\nff8: 0g");
    for bad in [
        good.trim_end().to_owned(),
        good.replace("copy", &"x".repeat(300)),
        bad_row,
    ] {
        std::fs::write(&path, &bad).unwrap();
        assert!(lspci::run(&path, "-vvv").is_err());
        ours::decode(&path);
        std::fs::write(&path, cleaned(&bad)).unwrap();
        let mut tally = Tally::default();
        compare::file(&path, &ours::decode(&path), &mut tally).unwrap();
        tally.assert_equal();
        assert!(tally.fields >= 200, "{tally}");
    }
}

#[test]
#[ignore = "needs RESEAT_DUMPS and lspci"]
fn broken_copies_are_decoded_as_lspci_does() {
    let folder = tempfile::tempdir().unwrap();
    let (mut tally, mut number) = (Tally::default(), 0);
    for dump in dumps().0 {
        for (n, mutants) in mutants::of(&dump).iter().enumerate() {
            number += mutants.number;
            let name = dump.file_name().unwrap().to_string_lossy().into_owned();
            let path = folder.path().join(format!("{name}.{n}"));
            std::fs::write(&path, &mutants.text).unwrap();
            let decoded = ours::decode(&path);
            compare::file(&path, &decoded, &mut tally).unwrap();
            std::fs::remove_file(&path).unwrap();
        }
    }
    println!("{number} broken copies: {tally}");
    never_met(&tally);
    if !tally.differences.is_empty() {
        println!("the seed is fixed: the copies are the same in the next run");
    }
    tally.assert_equal();
    assert!(number >= 500 && tally.fields >= 50_000, "{number} copies, {tally}");
}

/// Says which rows of the table no function had anything for.
fn never_met(tally: &Tally) {
    let never = (0..).zip(ROWS.iter()).filter(|(n, _)| !tally.rows.contains_key(n));
    let never: Vec<String> = never
        .map(|(_, row)| format!("{:?} {}.{}", row.place, row.register, row.field))
        .collect();
    println!(
        "{} of {} rows met; never: {}",
        ROWS.len() - never.len(),
        ROWS.len(),
        never.join(", ")
    );
}

#[test]
#[ignore = "needs lspci"]
fn fixtures_are_decoded_as_lspci_does() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures");
    let mut tally = Tally::default();
    for fixture in std::fs::read_dir(fixtures).unwrap() {
        let fixture = fixture.unwrap().path();
        // Ours are rows alone, with zeros between them.
        let path = folder.path().join(fixture.file_name().unwrap());
        std::fs::write(&path, mutants::filled(&std::fs::read_to_string(&fixture).unwrap())).unwrap();
        compare::file(&path, &ours::decode(&path), &mut tally).unwrap();
    }
    println!("fixtures: {tally}");
    tally.assert_equal();
    assert!(tally.functions >= 3 && tally.fields >= 300, "{tally}");
}

#[test]
fn row_of_the_table_has_its_own_place() {
    let mut places: Vec<_> = ROWS
        .iter()
        .map(|row| (format!("{:?}", row.place), row.line, row.after, row.key))
        .collect();
    let number = places.len();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), number);
}

#[test]
fn text_of_lspci_is_taken_apart() {
    let text = "00:1c.0 PCI bridge: X\n\tControl: I/O+ Mem-\n\tCapabilities: [78] \tCapabilities: [40] Express (v2) Endpoint\n\
                \t\tDevCap:\tMaxPayload 128 bytes\n\t\t\tExtTag+\n\t\tDevSta:\tCorrErr-\n\tCapabilities: [100 v1] Null\n\
                \tCapabilities: <access denied>\n";
    let functions = lspci::functions(text);
    let capabilities: Vec<_> = functions[0]
        .capabilities
        .iter()
        .map(|one| (one.offset, one.version))
        .collect();
    assert_eq!(
        capabilities,
        [
            (Some(0x78), None),
            (Some(0x40), None),
            (Some(0x100), Some(1)),
            (None, None)
        ]
    );
    assert_eq!(
        functions[0].capabilities[1].lines,
        [
            "Express (v2) Endpoint",
            "DevCap: MaxPayload 128 bytes ExtTag+",
            "DevSta: CorrErr-"
        ]
    );
}
