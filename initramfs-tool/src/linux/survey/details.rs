//! What rules ask of a GPU's functions beyond the listing.

use reseat_core::address::FunctionAddress;

use super::serial_numbers;
use crate::linux::sysfs::functions;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::slots::{Slots, directories_to};
use crate::model::finding::Finding;
use crate::model::inventory::{self, Detail, Details, Function, Serial, WantedDetails};
use crate::model::topology_path::TopologyPath;

/// Finds out what is `wanted` of all GPUs' functions, or of all functions where rules ask for their peers, with the errors. Only for serial numbers is a function touched. A rule
/// that asks for what could not be read matches nothing.
pub fn gather(root: &Root, functions: &[Function], wanted: WantedDetails) -> (Details, Vec<Finding>) {
    let mut problems = Vec::new();
    if wanted == WantedDetails::default() {
        return (Details::default(), problems);
    }
    let gpus = inventory::gpus(functions);
    let slots = match wanted.place.then(|| Slots::read(root)).transpose() {
        Ok(slots) => slots,
        Err(error) => {
            problems.push(error.finding());
            None
        }
    };
    let mut serials = match wanted.serial {
        true => serial_numbers::of_gpus(root, &gpus),
        false => Vec::new(),
    };
    let mut detail = |function: &Function| {
        let mut detail = Detail::default();
        if wanted.subsystem {
            detail.subsystem = functions::subsystem(root, function.address)
                .map_err(|problem| problems.push(problem))
                .ok();
        }
        if wanted.place {
            match directories_to(root, function.address) {
                Ok(directories) => {
                    detail.path = TopologyPath::from_directories(directories.iter().map(String::as_str));
                    let directories: Vec<FunctionAddress> =
                        directories.iter().filter_map(|name| name.parse().ok()).collect();
                    detail.slot = slots.as_ref().and_then(|slots| slots.slot_on(&directories));
                }
                Err(error) => problems.push(error.finding()),
            }
        }
        let serial = serials.iter_mut().find(|(address, _)| *address == function.address);
        detail.serial = serial.map_or(Serial::NotAsked, |(_, serial)| std::mem::take(serial));
        (function.address, detail)
    };
    let details = match wanted.of_peers {
        true => functions.iter().map(&mut detail).collect(),
        false => gpus.iter().flat_map(|gpu| &gpu.functions).map(&mut detail).collect(),
    };
    (details, problems)
}
