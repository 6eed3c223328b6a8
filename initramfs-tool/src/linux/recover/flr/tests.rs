//! FLR of every function, on a directory that stands for `/`.

use std::fs;

use super::*;
use crate::linux::recover::witness::tests::{address, machine, subject};
use crate::linux::test_root::{DEVICES, TestRoot};

/// The machine, with what each function offers in `reset_method`.
fn offering(methods: [&str; 2]) -> TestRoot {
    let machine = machine();
    for (function, methods) in [0, 1].into_iter().zip(methods) {
        let attributes = [("reset_method", methods), ("reset", "")];
        machine.function(&address(function).to_string(), &attributes);
    }
    machine
}

fn read(machine: &TestRoot, function: u8, name: &str) -> String {
    machine.read(&format!("{DEVICES}/{}/{name}", address(function)))
}

fn resets(machine: &TestRoot) -> [String; 2] {
    [0, 1].map(|function| read(machine, function, "reset"))
}

fn only_noted(machine: &TestRoot) -> Option<Vec<FunctionAddress>> {
    journal::read(&machine.root(), &subject()).unwrap().witness.only
}

#[test]
fn every_function_with_flr_is_reset_and_no_other_method_used() {
    let machine = offering(["flr bus\n", "af_flr pm\n"]);
    every_function(&machine.root(), &subject(), &mut Vec::new()).unwrap();
    assert_eq!(resets(&machine), ["1\n", "1\n"]);
    assert_eq!(only_noted(&machine), None, "all of them");
}

#[test]
fn a_function_without_flr_is_left_and_noted_so() {
    let machine = offering(["flr bus\n", "pm bus\n"]);
    every_function(&machine.root(), &subject(), &mut Vec::new()).unwrap();
    assert_eq!(resets(&machine), ["1\n", ""]);
    assert_eq!(read(&machine, 1, "reset_method"), "pm bus\n");
    assert_eq!(only_noted(&machine), Some(vec![address(0)]));
}

#[test]
fn the_main_function_comes_last() {
    let machine = offering(["flr\n", "flr\n"]);
    // Its reset fails.
    fs::remove_file(machine.root().path(format!("{DEVICES}/{}/reset", address(0)))).unwrap();
    every_function(&machine.root(), &subject(), &mut Vec::new()).unwrap_err();
    assert_eq!(read(&machine, 1, "reset"), "1\n", "the other one was reset before");
}

#[test]
fn the_journal_names_the_functions_before_the_first_reset() {
    let machine = offering(["flr\n", "pm\n"]);
    fs::remove_file(machine.root().path(format!("{DEVICES}/{}/reset", address(0)))).unwrap();
    every_function(&machine.root(), &subject(), &mut Vec::new()).unwrap_err();
    assert_eq!(only_noted(&machine), Some(vec![address(0)]));
}
