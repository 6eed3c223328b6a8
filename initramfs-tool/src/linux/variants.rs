//! Which variants of vfio-pci the kernel has, and getting them into it.

use std::collections::BTreeMap;
use std::fs;

use reseat_core::address::FunctionAddress;

use super::{Root, attribute, details, module};
use crate::inventory::{Function, Gpu};
use crate::variants::{Subject, Variant, Variants};

/// The variants that are made for functions of `gpus`. Where `modules.alias` cannot be read there are none: plain vfio-pci
/// takes every function.
pub(super) fn choose(root: &Root, gpus: &[Gpu], problems: &mut Vec<String>) -> BTreeMap<FunctionAddress, Variant> {
    let variants = known(root);
    if variants.is_empty() {
        return BTreeMap::new();
    }
    let functions = gpus.iter().flat_map(|gpu| &gpu.functions);
    let variant = |function: &Function| {
        let subsystem = details::subsystem(root, function.address);
        let subsystem = subsystem.map_err(|problem| problems.push(problem)).ok()?;
        let module = variants.module_for(Subject {
            identity: function.identity,
            subsystem,
            class: function.class,
        })?;
        let module = module.to_owned();
        Some((function.address, Variant { module, driver: None }))
    };
    functions.filter_map(variant).collect()
}

fn known(root: &Root) -> Variants {
    let release = attribute::read(&root.path("/proc/sys/kernel/osrelease")).unwrap_or_default();
    let file = root.path("/lib/modules").join(release).join("modules.alias");
    Variants::parse(&attribute::read_untrimmed(&file).unwrap_or_default())
}

/// Loads the chosen variants, after vfio-pci, of which they take `disable_idle_d3`. One that cannot be had is given up for
/// plain vfio-pci.
pub(super) fn provide(root: &Root, variants: &mut BTreeMap<FunctionAddress, Variant>, problems: &mut Vec<String>) {
    let mut drivers: BTreeMap<String, Option<String>> = BTreeMap::new();
    for variant in variants.values_mut() {
        let driver = drivers.entry(variant.module.clone()).or_insert_with(|| {
            load(root, &variant.module)
                .map_err(|problem| problems.push(format!("{problem}: vfio-pci takes its place")))
                .ok()
        });
        variant.driver = driver.clone();
    }
    variants.retain(|_, variant| variant.driver.is_some());
}

/// Loads a module and tells the name of its PCI driver, which need not be the module's.
fn load(root: &Root, module: &str) -> Result<String, String> {
    module::modprobe(root, &[module])?;
    let directory = root.path("/sys/module").join(module).join("drivers");
    let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .find_map(|name| name.strip_prefix("pci:").map(str::to_owned))
        .ok_or_else(|| format!("loaded {module}, and no driver appeared in {}", directory.display()))
}
