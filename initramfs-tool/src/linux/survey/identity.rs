//! By what a GPU is known: its place, and the serial number that it gives, or gave while it was well.
//!
//! A GPU that is sick may not say its number, and who asks is held up for two seconds at most.

use std::slice;

use reseat_core::address::FunctionAddress;

use super::serial_numbers;
use crate::linux::state::recovery_files;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::slots;
use crate::model::identification::Identification;
use crate::model::inventory::{Gpu, Serial};
use crate::records::quarantine::State;
use crate::recovery::Baseline;

/// What is known of a GPU. Its number is asked of itself, since it may be another one than was recorded in its place; only
/// where it does not say, the one in its baseline counts.
pub(crate) fn of(root: &Root, gpu: &Gpu) -> Identification {
    let said = serial_numbers::of_gpus(root, slice::from_ref(gpu));
    identify(root, gpu, &said)
}

/// What is known of each GPU. Where no serial number stands in the quarantine, none is asked for.
///
/// In the order of `gpus`.
pub fn identify_all(root: &Root, gpus: &[Gpu], quarantine: &State) -> Vec<Identification> {
    let said = match quarantine.knows_serials() {
        true => serial_numbers::of_gpus(root, gpus),
        false => Vec::new(),
    };
    gpus.iter().map(|gpu| identify(root, gpu, &said)).collect()
}

fn identify(root: &Root, gpu: &Gpu, said: &[(FunctionAddress, Serial)]) -> Identification {
    let serial = serial_numbers::of(said, gpu);
    // Without its slot where that cannot be read: its device number has to do.
    let now =
        slots::identify(root, gpu, serial.number()).unwrap_or_else(|_| Identification::new(gpu, None, serial.number()));
    match serial {
        Serial::Unreadable(_) => Baseline::complete(now, baseline(root, gpu).as_ref()),
        Serial::NotAsked | Serial::None | Serial::Number(_) => now,
    }
}

/// A recovery says that a baseline cannot be read; whom the GPU belongs to is told without it.
fn baseline(root: &Root, gpu: &Gpu) -> Option<Baseline> {
    recovery_files::baseline(root, gpu.device).ok().flatten()
}
