//! FLR kept out of the resets of all GPUs that are ours, at boot: the claim in the initramfs has no history.

use super::quarantine::with_domain;
use crate::linux::claim::flr_kept_out;
use crate::linux::survey::gpus;
use crate::linux::sysfs::drivers;
use crate::linux::sysfs::root::Root;
use crate::model::finding::Finding;
use crate::model::inventory::Gpu;

/// Keeps FLR out of `reset_method` of every GPU on vfio-pci for which it is known bad. One that is being recovered is left to its
/// recovery, which does the same.
pub fn keep_flr_out(root: &Root) -> Vec<Finding> {
    let mut findings = Vec::new();
    for gpu in gpus::gpus(root).iter().filter(|gpu| is_ours(root, gpu)) {
        let kept = with_domain(root, gpu.device, |_, _| {
            findings.extend(flr_kept_out::keep(root, gpu.device));
            Ok(())
        });
        findings.extend(kept.err().into_iter().flatten());
    }
    findings
}

fn is_ours(root: &Root, gpu: &Gpu) -> bool {
    let mut drivers = gpu.functions.iter().filter_map(|function| function.driver.as_deref());
    drivers.any(|driver| drivers::is_vfio(root, driver))
}
