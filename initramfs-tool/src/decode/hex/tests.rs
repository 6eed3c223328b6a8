use reseat_core::config::RegisterError;
use reseat_core::header::Header;

use super::*;

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
    let dump = read("# a comment\n00: de 10\n\n10: 01\n00: 86 80\n");
    assert_eq!(problems(&dump), []);
    assert_eq!(lengths(&dump), [(None, 3), (None, 2)]);
    assert_eq!((dump.functions[0].line, dump.functions[1].line), (2, 5));
}

#[test]
fn empty_line_ends_a_titled_function() {
    let dump = read("01:00.0 x\n00: de 10\n\n10: 01 02\n");
    assert_eq!(lengths(&dump), [(Some("0000:01:00.0".to_owned()), 2), (None, 2)]);
}

#[test]
fn missing_bytes_are_no_zeros() {
    let mut space = read("01:00.0 x\n00: de 10 89 24 07 04 10\n40: 01\n")
        .functions
        .remove(0)
        .space;
    assert_eq!(space.size(), ReadableSize::Standard);
    assert_eq!(space.read(Offset::at::<0x04>()), Err(NotDumped));
    assert_eq!(space.read(Offset::at::<0x40>()), Err(NotDumped));
    let (at, error) = (Offset::at::<0x04>(), NotDumped);
    assert_eq!(Header::read(space), Err(RegisterError::Failed { at, error }));
}

#[test]
fn bad_row_is_named_and_the_rest_is_kept() {
    let dump = read("01:00.0 x\n00: de 10 8g 24\n04: 07 04 10 00\n02:00.0 y\n00: 86 80 |..|\n");
    assert_eq!(
        problems(&dump),
        [
            (2, DumpFault::NotAByte("8g".to_owned())),
            (5, DumpFault::NotAByte("|..|".to_owned()))
        ]
    );
    assert_eq!(
        lengths(&dump),
        [
            (Some("0000:01:00.0".to_owned()), 6),
            (Some("0000:02:00.0".to_owned()), 2)
        ]
    );
}

#[test]
fn row_beyond_the_space_is_named() {
    let dump = read("01:00.0 x\n00: de 10\nfff: 01 02\nffffffff: 00 00\n");
    assert_eq!(
        problems(&dump),
        [
            (3, DumpFault::BeyondSpace(0x1000)),
            (4, DumpFault::BeyondSpace(0xffff_ffff))
        ]
    );
    assert_eq!(lengths(&dump)[0].1, 3);
}

#[test]
fn byte_with_two_values_is_named_and_the_later_one_kept() {
    let mut dump = read("01:00.0 x\n00: de 10 89 24\n00: de 10 88 24\n");
    assert_eq!(problems(&dump), [(3, DumpFault::TwoValues(0x002))]);
    assert_eq!(dump.functions[0].space.read(Offset::at::<0x00>()), Ok(0x2488_10de));
}

#[test]
fn function_without_rows_and_text_without_functions_are_named() {
    assert_eq!(
        problems(&read("01:00.0 x\n\tControl: I/O-\n\n02:00.0 y\n00: de 10\n")),
        [(1, DumpFault::NoRows(Some("0000:01:00.0".parse().unwrap())))]
    );
    assert_eq!(problems(&read("nothing\nof the kind\n")), [(1, DumpFault::NoFunction)]);
}

#[test]
fn what_looks_like_a_row_and_is_none_is_passed_over() {
    let dump = read("01:00.0 x\n00:de 10\n0: de\n 00: de\n123456789: 00\nfeed\ndead:beef\n00: de\n");
    assert_eq!(problems(&dump), []);
    assert_eq!(lengths(&dump)[0].1, 1);
}

#[test]
fn a_defect_is_a_finding_on_its_line() {
    let dump = read("01:00.0 x\n00: de 10\nfff: 01 02\n00: df\n");
    let found: Vec<_> = dump
        .problems
        .iter()
        .map(|problem| problem.finding("dump.txt".as_ref()))
        .collect();
    assert_eq!(
        found,
        [
            Finding::error(id::DUMP_OFFSET_BEYOND_SPACE, Subject::file("dump.txt"))
                .with("line", 3)
                .with("offset", "0x1000"),
            Finding::error(id::DUMP_BYTE_TWICE, Subject::file("dump.txt"))
                .with("line", 4)
                .with("offset", "0x000"),
        ]
    );
}
