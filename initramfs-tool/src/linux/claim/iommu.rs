//! What the machine says about its IOMMU.

use std::fs;

use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::inventory::{self, Function};
use crate::model::iommu::{IommuFacts, Processor, Table};

/// Gathers it, if one of the functions is in no group; else nobody asks for it. What cannot be read counts as not there: this
/// only words a refusal that is certain already.
pub(crate) fn gather(root: &Root, functions: &[Function], command_line: &str) -> IommuFacts {
    let is_asked_for =
        |function: &Function| function.iommu_group.is_none() && !inventory::is_neutral_in_iommu_group(function.class);
    // A list of all processors, for one.
    if !functions.iter().any(is_asked_for) {
        return IommuFacts::default();
    }
    let running = fs::read_dir(root.path("/sys/class/iommu")).is_ok_and(|mut units| units.next().is_some());
    let tables = root.path("/sys/firmware/acpi/tables");
    let table = [("DMAR", Table::Dmar), ("IVRS", Table::Ivrs), ("IORT", Table::Iort)]
        .into_iter()
        .find(|(name, _)| tables.join(name).exists())
        .map(|(_, table)| table);
    IommuFacts {
        running,
        table,
        processor: processor(root),
        command_line: command_line.to_owned(),
    }
}

fn processor(root: &Root) -> Processor {
    if cfg!(target_arch = "aarch64") {
        return Processor::Arm;
    }
    let text = attributes::read(&root.path("/proc/cpuinfo")).unwrap_or_default();
    let vendor = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "vendor_id")
        .map_or("", |(_, value)| value.trim());
    match vendor {
        "GenuineIntel" => Processor::Intel,
        "AuthenticAMD" | "HygonGenuine" => Processor::Amd,
        _ => Processor::Other,
    }
}
