use reseat_core::config::{ConfigRead, Offset, ReadableSize, RegisterError};
use reseat_core::header::{Common, Header};

use super::space::NotDumped;
use super::*;

mod formats;
mod mails;
mod properties;

/// A GPU's header, of our own making.
const GPU: &str = "\
00: de 10 89 24 07 04 10 00 a1 00 00 03 10 00 80 00
10: 00 00 00 84 0c 00 00 00 00 00 00 00 0c 00 00 00
20: 00 00 00 00 01 00 00 00 00 00 00 00 58 14 77 40
30: 00 00 00 00 60 00 00 00 00 00 00 00 ff 01 00 00
";

fn problems(dump: &Dump) -> Vec<(usize, DumpFault)> {
    let parts = |problem: &DumpProblem| (problem.line, problem.fault.clone());
    dump.problems.iter().map(parts).collect()
}

fn lengths(dump: &Dump) -> Vec<(Option<String>, usize)> {
    let functions = dump.functions.iter();
    functions
        .map(|function| {
            (
                function.address.map(|address| address.to_string()),
                function.space.length(),
            )
        })
        .collect()
}

/// Checks that the text holds the GPU and nothing else.
#[track_caller]
fn assert_gpu(text: &str, address: Option<&str>) {
    let dump = read(text);
    assert_eq!(problems(&dump), [], "{text}");
    assert_eq!(lengths(&dump), [(address.map(str::to_owned), 64)], "{text}");
    assert_eq!(dump.functions[0].space.missing(), [], "{text}");
    assert_eq!(
        bytes(&dump.functions[0].space),
        bytes(&DumpedSpace::of_rows(GPU)),
        "{text}"
    );
}

fn bytes(space: &DumpedSpace) -> Vec<Option<u8>> {
    (0..64).map(|at| space.get(at)).collect()
}

#[test]
fn several_functions_with_text_between() {
    let dump = read("00:1f.3 Audio\n\tControl: I/O-\n00: 86 80 70 9d\n\n10000:01:00.0 NVMe\n00: 4d 14\n10: 01\n");
    assert_eq!(problems(&dump), []);
    assert_eq!(
        lengths(&dump),
        [
            (Some("0000:00:1f.3".to_owned()), 4),
            (Some("10000:01:00.0".to_owned()), 3)
        ]
    );
    assert_eq!(dump.functions[1].line, 5);
    assert_eq!(dump.functions[1].title.as_deref(), Some("10000:01:00.0 NVMe"));
}

#[test]
fn offsets_have_two_or_more_digits_and_lines_end_as_they_like() {
    let mut space = read("01:00.0 x\r\n00: de 10 89 24\r\n100: 01 00 02 60  \r\n0104: ff 00 00 80\n")
        .functions
        .remove(0)
        .space;
    assert_eq!(space.size(), ReadableSize::Extended);
    assert_eq!(space.read(Offset::at::<0x000>()), Ok(0x2489_10de));
    assert_eq!(space.read(Offset::at::<0x100>()), Ok(0x6002_0001));
    assert_eq!(space.read(Offset::at::<0x104>()), Ok(0x8000_00ff));
}

#[test]
fn rows_alone_begin_a_function_where_an_offset_comes_again() {
    let dump = read(&format!("# a comment\n{GPU}\n40: 01 02 03 04\n{GPU}"));
    assert_eq!(problems(&dump), []);
    assert_eq!(lengths(&dump), [(None, 68), (None, 64)]);
    assert_eq!((dump.functions[0].line, dump.functions[1].line), (2, 8));
}

#[test]
fn row_that_follows_the_last_one_belongs_to_it_whatever_stands_between() {
    let rows: Vec<&str> = GPU.lines().collect();
    let text = format!(
        "01:00.0 x\n{}\n\nNote the class!\n\n{}",
        rows[0],
        rows[1..].join("\n\n")
    );
    assert_gpu(&text, Some("0000:01:00.0"));
    let dump = read("01:00.0 x\n00: de 10\n\nThe train leaves at\n10: 30 and at\n20: 15\n");
    assert_eq!(lengths(&dump), [(Some("0000:01:00.0".to_owned()), 2)]);
}

#[test]
fn missing_bytes_are_no_zeros() {
    let mut space = read("01:00.0 x\n00: de 10 89 24 07 04 10\n40: 01\n")
        .functions
        .remove(0)
        .space;
    assert_eq!(space.size(), ReadableSize::Standard);
    assert!(!space.lacked());
    assert_eq!(space.read(Offset::at::<0x04>()), Err(NotDumped));
    assert_eq!(space.read(Offset::at::<0x40>()), Err(NotDumped));
    assert!(space.lacked());
    assert_eq!(space.missing(), [0x07..=0x3f, 0x41..=0xff]);
    let (at, error) = (Offset::at::<0x04>(), NotDumped);
    assert_eq!(Header::read(space), Err(RegisterError::Failed { at, error }));
}

#[test]
fn bad_row_is_named_and_the_rest_is_kept() {
    let dump = read("01:00.0 x\n00: de 10 8g 24\n04: 07 04 10 00\n02:00.0 y\n00: 86 80 |..|\n");
    assert_eq!(problems(&dump), [(2, DumpFault::NotAByte("8g".to_owned()))]);
    assert_eq!(
        lengths(&dump),
        [
            (Some("0000:01:00.0".to_owned()), 6),
            (Some("0000:02:00.0".to_owned()), 2)
        ]
    );
}

#[test]
fn row_beyond_the_space_is_named_once() {
    let dump = read("01:00.0 x\n00: de 10\nfff: 01 02\nffffffff: 00 00\n");
    assert_eq!(problems(&dump), [(3, DumpFault::BeyondSpace(0x1000))]);
    assert_eq!(lengths(&dump)[0].1, 3);
}

#[test]
fn byte_with_two_values_is_named_and_the_later_one_kept() {
    let mut dump = read("01:00.0 x\n00: de 10 89 24\n00: de 10 88 24\n");
    assert_eq!(problems(&dump), [(3, DumpFault::TwoValues(0x002))]);
    assert_eq!(dump.functions[0].space.read(Offset::at::<0x00>()), Ok(0x2488_10de));
}

#[test]
fn titles_without_rows_are_no_functions() {
    let (function, others) = ("0000:01:00.0".parse().unwrap(), 1);
    let dump = read("01:00.0 x\n\tControl: I/O-\n\n03:00.0 z\n\n02:00.0 y\n00: de 10\n");
    assert_eq!(problems(&dump), [(1, DumpFault::NoRows { function, others })]);
    assert_eq!(lengths(&dump), [(Some("0000:02:00.0".to_owned()), 2)]);
    assert_eq!(problems(&read("nothing\nof the kind\n")), [(1, DumpFault::NoFunction)]);
}

#[test]
fn the_last_title_of_a_list_does_not_get_the_rows_below_the_list() {
    let dump = read(&format!("01:00.0 x\n02:00.0 y\n\n{GPU}"));
    assert_eq!(lengths(&dump), [(None, 64)]);
    let dump = read(&format!("01:00.0 x\n\nAnd elsewhere:\n{GPU}"));
    assert_eq!(lengths(&dump), [(None, 64)]);
}

#[test]
fn what_looks_like_a_row_and_is_none_is_passed_over() {
    let dump = read("01:00.0 x\n00:de 10\n0: de\n12345678901234567: 00\nfeed\ndead:beef\n00: de 10 89 24\n");
    assert_eq!(problems(&dump), []);
    assert_eq!(lengths(&dump)[0].1, 4);
}

#[test]
fn rows_that_make_up_no_header_are_no_function() {
    let edid =
        "00: 00 ff ff ff ff ff ff 00 10 ac 01 02 03 04 05 06\n10: 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10\n";
    let packet = "0x0000: 4500 0034 a1b2 4000 4006 1234 c0a8 0001\n0x0010: c0a8 0002 d431 0016 1234 5678 9abc def0\n";
    let others = 1;
    let dump = read(&format!("{edid}\n{packet}\n{GPU}"));
    assert_eq!(problems(&dump), [(1, DumpFault::NotConfigurationSpace { others })]);
    assert_eq!(lengths(&dump), [(None, 64)]);
    // A title shows that it is meant as one.
    assert_eq!(lengths(&read(&format!("01:00.0 x\n{edid}"))).len(), 1);
}

#[test]
fn functions_and_defects_are_limited() {
    let dump = read(&GPU.repeat(MOST_FUNCTIONS + 2));
    assert_eq!(dump.functions.len(), MOST_FUNCTIONS);
    let line = MOST_FUNCTIONS * 4 + 1;
    assert_eq!(problems(&dump), [(line, DumpFault::TooManyFunctions)]);
    let bad_rows = "00: de zz\n".repeat(MOST_PROBLEMS + 7);
    assert_eq!(read(&format!("01:00.0 x\n{bad_rows}")).problems.len(), MOST_PROBLEMS);
}

#[test]
fn binary_files_are_read_if_they_have_a_header() {
    let mut binary: Vec<u8> = bytes(&DumpedSpace::of_rows(GPU)).into_iter().flatten().collect();
    for length in [64, 256, 4096] {
        binary.resize(length, 0);
        let dump = read_binary(&binary);
        assert_eq!(lengths(&dump), [(None, length)]);
        let common = Common::read(dump.functions[0].space.clone()).unwrap();
        assert_eq!(common.identity.to_string(), "10de:2489");
        assert_eq!(
            lengths(&read_binary(&vec![0xff; length])),
            [(None, length)],
            "no answer"
        );
    }
    binary.push(0);
    for other in [&binary[..], b"\0", &[0; 256], &[0xff; 100]] {
        let bytes = other.len();
        assert_eq!(
            problems(&read_binary(other)),
            [(1, DumpFault::NotConfigurationFile { bytes })]
        );
    }
}
