//! Resets by the kernel, each by exactly one method.

use std::path::Path;

use reseat_core::address::FunctionAddress;
use reseat_core::recovery::Failure;
use rustix::io::Errno;

use super::trouble::Stop;
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::reset_methods::{self, Chosen};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
pub(super) use crate::recovery::kept_out::FLR;

/// The kernel's name for the D3hot→D0 reset.
pub(super) const PM: &[&str] = &["pm"];
/// The kernel's name for the reset that it, or a module beside it, has for a model.
pub(super) const DEVICE_SPECIFIC: &str = "device_specific";
/// The kernel's name for ACPI's `_RST`.
pub(super) const ACPI: &str = "acpi";

/// Resets a function by the first of `methods` that the kernel takes, and puts `reset_method` back as it was: the list of
/// methods may be an administrator's choice.
pub(super) fn function(
    root: &Root,
    function: FunctionAddress,
    methods: &[&str],
    findings: &mut Vec<Finding>,
) -> Result<(), Stop> {
    let directory = root.function(function);
    let choice = directory.join("reset_method");
    let Some(before) = attributes::read_if_there(&choice)? else {
        let missing = Finding::error(id::RESET_METHOD_MISSING, Subject::file(&choice));
        return Err(Stop::failed(Failure::NotSupported, missing));
    };
    let mut refusal = None;
    for method in methods {
        match attributes::write(&choice, method) {
            Ok(()) => {
                refusal = None;
                break;
            }
            // Not supported now.
            Err(error) if Errno::from_io_error(error.cause()) == Some(Errno::INVAL) => {
                refusal = Some(Stop::failed(Failure::NotSupported, error.finding()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let reset = match refusal {
        Some(refusal) => Err(refusal),
        None => attributes::write(&directory.join("reset"), "1").map_err(Stop::from),
    };
    restore(&choice, &before, findings);
    reset
}

/// Puts the list of methods back.
pub(super) fn restore(choice: &Path, before: &str, findings: &mut Vec<Finding>) {
    let warning = |id| Finding::warning(id, Subject::file(choice)).with("was", before);
    match reset_methods::choose(choice, before) {
        Ok(Chosen::All) => {}
        Ok(Chosen::Some(taken)) => findings.push(warning(id::RESET_METHODS_REDUCED).with("is", taken)),
        Err(error) => findings.push(warning(id::RESET_METHODS_LOST).with("cause", error)),
    }
}
