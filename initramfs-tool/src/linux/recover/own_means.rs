//! Resets of which nobody has specified what they clear: the device-specific one, and ACPI's.
//!
//! The kernel restores the function that it resets. What such a reset does to the functions beside it, nobody restores: the
//! verdict finds that, and the next rung comes.

use reseat_core::address::FunctionAddress;
use reseat_core::decision::{Availability, OwnMeans};

use super::trouble::Stop;
use super::{journal, reset};
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::finding::Finding;
use crate::model::subject::RecoverySubject;

/// The resets of this kind that the kernel lists for the GPU. Nothing is written: a method that a module brought after the
/// function was found is not listed until somebody chooses it.
pub(super) fn offered(root: &Root, function: FunctionAddress) -> OwnMeans {
    let method = |method| match lists(root, function, method) {
        Ok(true) => Availability::Available,
        Ok(false) => Availability::Unavailable,
        Err(_) => Availability::Unknown,
    };
    OwnMeans {
        device_specific: method(reset::DEVICE_SPECIFIC),
        acpi: method(reset::ACPI),
    }
}

/// Resets the card by the method that the kernel has for its model, of the GPU's main function.
pub(super) fn device_specific(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    note(root, subject)?;
    reset::function(root, subject.function, &[reset::DEVICE_SPECIFIC], findings)
}

/// Resets every function for which firmware has a method, the main one last.
pub(super) fn acpi(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    note(root, subject)?;
    let mut siblings = subject.functions();
    siblings.retain(|sibling| *sibling != subject.function);
    for function in siblings.into_iter().rev() {
        if lists(root, function, reset::ACPI)? {
            reset::function(root, function, &[reset::ACPI], findings)?;
        }
    }
    reset::function(root, subject.function, &[reset::ACPI], findings)
}

/// Notes what the marks can show of the reset that comes.
fn note(root: &Root, subject: &RecoverySubject) -> Result<(), Stop> {
    journal::note(root, subject, |journal| journal.witness.unspecified = true)
}

fn lists(root: &Root, function: FunctionAddress, method: &str) -> Result<bool, Stop> {
    let methods = attributes::read_if_there(&root.function(function).join("reset_method"))?;
    Ok(methods.is_some_and(|methods| methods.split_whitespace().any(|listed| listed == method)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::recover::isolate::tests::subject;
    use crate::linux::state::recovery_files;
    use crate::linux::test_root::{DEVICES, TestRoot};
    use crate::recovery::Journal;

    /// A GPU of two functions with these methods, about to be reset.
    fn machine(methods: [&str; 2]) -> TestRoot {
        let machine = TestRoot::new();
        for (address, methods) in ["0000:01:00.0", "0000:01:00.1"].into_iter().zip(methods) {
            machine.function(address, &[("reset_method", methods), ("reset", "")]);
        }
        recovery_files::write_journal(&machine.root(), &Journal::new(subject(), Vec::new())).unwrap();
        machine
    }

    /// The content of an attribute of each function.
    fn read(machine: &TestRoot, name: &str) -> [String; 2] {
        [0, 1].map(|function| {
            let content = machine.read(&format!("{DEVICES}/0000:01:00.{function}/{name}"));
            content.trim_end().to_owned()
        })
    }

    #[test]
    fn only_what_is_listed_is_offered() {
        use Availability::{Available, Unavailable};
        for (methods, device_specific, acpi) in [
            ("device_specific flr bus\n", Available, Unavailable),
            ("acpi flr\n", Unavailable, Available),
            ("flr af_flr pm bus cxl_bus\n", Unavailable, Unavailable),
            ("\n", Unavailable, Unavailable),
        ] {
            let machine = machine([methods, "device_specific acpi\n"]);
            let expected = OwnMeans { device_specific, acpi };
            assert_eq!(offered(&machine.root(), subject().function), expected, "{methods}");
        }
        assert_eq!(offered(&TestRoot::new().root(), subject().function), OwnMeans::NONE);
    }

    #[test]
    fn device_specific_reset_is_one_of_the_main_function() {
        let methods = ["device_specific flr", "device_specific"];
        let machine = machine(methods);
        device_specific(&machine.root(), &subject(), &mut Vec::new()).unwrap();
        assert_eq!(read(&machine, "reset"), ["1", ""]);
        assert_eq!(read(&machine, "reset_method"), methods);
        assert!(journal::read(&machine.root(), &subject()).unwrap().witness.unspecified);
    }

    #[test]
    fn acpi_resets_each_function_that_lists_it() {
        for (sibling, reset) in [("acpi", "1"), ("flr", "")] {
            let methods = ["acpi flr", sibling];
            let machine = machine(methods);
            acpi(&machine.root(), &subject(), &mut Vec::new()).unwrap();
            assert_eq!(read(&machine, "reset"), ["1", reset]);
            assert_eq!(read(&machine, "reset_method"), methods);
        }
    }
}
