//! Which variants of vfio-pci the kernel has, and getting them into it.

use std::fmt::Display;
use std::fs;
use std::time::Instant;

use reseat_core::address::FunctionAddress;
use reseat_core::header::{ClassCode, Identity};

use super::modprobe;
use crate::claim::Limits;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, SubjectKind, id};
use crate::model::inventory::{self, Gpu};
use crate::model::variants::{self, AliasFields, VFIO_PCI_MODULE, Variant, Variants};

/// Where mkinitcpio's image has the lines about variants: it keeps none of the kernel's own lists that are text.
const KEPT_ALIASES: &str = "/etc/reseat/vfio.alias";

/// The variants that are made for functions of `gpus`. Where no list can be read there are none: plain vfio-pci takes every
/// function. So it does where a variant would bring more along than itself, and where that is not known at `until`.
pub(crate) fn choose(root: &Root, gpus: &[Gpu], until: Instant) -> (Vec<(FunctionAddress, Variant)>, Vec<Finding>) {
    let kernel = running(root);
    let (mut chosen, mut problems) = made_for(root, &kernel, gpus);
    let mut known: Vec<(String, bool)> = Vec::new();
    chosen.retain(|(_, variant)| {
        if let Some((_, alone)) = known.iter().find(|(module, _)| *module == variant.module) {
            return *alone;
        }
        let alone = match is_loaded(root, &variant.module) {
            true => Ok(true),
            false => comes_alone(root, &kernel, &variant.module, until),
        };
        let alone = alone.unwrap_or_else(|problem| {
            problems.push(problem.leads_to(id::VARIANT_GIVEN_UP));
            false
        });
        known.push((variant.module.clone(), alone));
        alone
    });
    (chosen, problems)
}

/// The modules of the variants that an image for a kernel is to have on this machine.
pub(crate) fn of_this_machine(root: &Root, kernel: &str) -> Vec<String> {
    let gpus = inventory::gpus(&functions::list(root).functions);
    let (chosen, _) = made_for(root, kernel, &gpus);
    let mut modules: Vec<String> = chosen.into_iter().map(|(_, variant)| variant.module).collect();
    modules.sort_unstable();
    modules.dedup();
    let until = Instant::now() + Limits::RUNNING.loading_ends;
    modules.retain(|module| comes_alone(root, kernel, module, until).is_ok_and(|alone| alone));
    modules
}

/// The variant for each function that one is made for.
fn made_for(root: &Root, kernel: &str, gpus: &[Gpu]) -> (Vec<(FunctionAddress, Variant)>, Vec<Finding>) {
    let variants = known(root, kernel);
    let mut problems = Vec::new();
    let functions = gpus.iter().flat_map(|gpu| &gpu.functions);
    let variant = functions.filter_map(|function| {
        let module = module_for(root, &variants, function.address, function.identity, function.class);
        let module = module.unwrap_or_else(|problem| {
            problems.push(problem);
            None
        })?;
        Some((function.address, Variant { module, driver: None }))
    });
    let variants = variant.collect();
    (variants, problems)
}

fn module_for(
    root: &Root,
    variants: &Variants,
    function: FunctionAddress,
    identity: Identity,
    class: ClassCode,
) -> Result<Option<String>, Finding> {
    if variants.is_empty() {
        return Ok(None);
    }
    let subsystem = functions::subsystem(root, function)?;
    let fields = AliasFields {
        identity,
        subsystem,
        class,
    };
    Ok(variants.module_for(fields).map(str::to_owned))
}

/// The release of the kernel that runs; empty where it does not say.
pub(crate) fn running(root: &Root) -> String {
    attributes::read(&root.path("/proc/sys/kernel/osrelease")).unwrap_or_default()
}

fn known(root: &Root, kernel: &str) -> Variants {
    let list = root.path("/lib/modules").join(kernel).join("modules.alias");
    let text = attributes::read_untrimmed(&list).or_else(|_| attributes::read_untrimmed(&root.path(KEPT_ALIASES)));
    Variants::parse(&text.unwrap_or_default())
}

/// Whether loading a variant loads nothing else that is not in the kernel, or comes with vfio-pci.
fn comes_alone(root: &Root, kernel: &str, module: &str, until: Instant) -> Result<bool, Finding> {
    let depends = |of| modprobe::depends(root, kernel, of, until).map_err(|error| not_loaded(module, error));
    let (with_vfio_pci, loads) = (depends(VFIO_PCI_MODULE)?, depends(module)?);
    let is_there = |module: &str| with_vfio_pci.iter().any(|other| other == module) || is_loaded(root, module);
    Ok(variants::brings(module, &loads, is_there).is_empty())
}

/// Loads the chosen variants, after vfio-pci, of which they take `disable_idle_d3`. One that cannot be had is given up for
/// plain vfio-pci, and so is one that has not come at `until`.
pub(crate) fn provide(root: &Root, variants: &mut Vec<(FunctionAddress, Variant)>, until: Instant) -> Vec<Finding> {
    let mut problems = Vec::new();
    let mut known: Vec<(String, Option<String>)> = Vec::new();
    variants.retain_mut(|(_, variant)| {
        variant.driver = match known.iter().find(|(module, _)| *module == variant.module) {
            Some((_, driver)) => driver.clone(),
            None => {
                let driver = load(root, &variant.module, until)
                    .map_err(|problem| problems.push(problem.leads_to(id::VARIANT_GIVEN_UP)))
                    .ok();
                known.push((variant.module.clone(), driver.clone()));
                driver
            }
        };
        variant.driver.is_some()
    });
    problems
}

/// Returns true if a module is in the kernel: it needs no modprobe, and brings nothing more.
fn is_loaded(root: &Root, module: &str) -> bool {
    root.path("/sys/module").join(module).exists()
}

fn load(root: &Root, module: &str, until: Instant) -> Result<String, Finding> {
    if !is_loaded(root, module) {
        modprobe::modprobe(root, &[module], until).map_err(|error| not_loaded(module, error))?;
    }
    driver_of(root, module)
}

fn not_loaded(module: &str, cause: impl Display) -> Finding {
    Finding::error(id::MODULE_NOT_LOADED, Subject::named(SubjectKind::Module, module)).with("cause", cause)
}

/// The name of a loaded module's PCI driver, which need not be the module's.
fn driver_of(root: &Root, module: &str) -> Result<String, Finding> {
    let directory = root.path("/sys/module").join(module).join("drivers");
    let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .find_map(|name| name.strip_prefix("pci:").map(str::to_owned))
        .ok_or_else(|| {
            Finding::error(id::MODULE_WITHOUT_DRIVER, Subject::named(SubjectKind::Module, module))
                .with("directory", directory.display())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;
    use crate::model::inventory::tests::function;

    const ALIASES: &str = "\
alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci
alias vfio_pci:v000010DEd00002342sv*sd*bc*sc*i* nvgrace_gpu_vfio_pci
alias vfio_pci:v00008086d0000E20Bsv*sd*bc03sc*i* xe_vfio_pci
";

    /// Answers as kmod does. A file of the source, since one that a test has only just written may be too busy to be run.
    const MODPROBE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modprobe.sh");

    /// NVIDIA's for which there is a variant, with audio, and Intel's.
    fn machine() -> (TestRoot, Vec<Gpu>) {
        let machine = TestRoot::new();
        machine.write("/proc/sys/kernel/osrelease", "7.3\n");
        machine.write("/lib/modules/7.3/modules.alias", ALIASES);
        let functions = [
            function("0000:01:00.0", "10de:2342", "030200"),
            function("0000:01:00.1", "10de:1aef", "040300"),
            function("0000:02:00.0", "8086:e20b", "030000"),
        ];
        for function in &functions {
            let directory = format!("/sys/bus/pci/devices/{}", function.address);
            machine.write(&format!("{directory}/subsystem_vendor"), "0x10de\n");
            machine.write(&format!("{directory}/subsystem_device"), "0x1809\n");
        }
        (machine, inventory::gpus(&functions))
    }

    fn chosen(machine: &TestRoot, gpus: &[Gpu]) -> (Vec<(String, String)>, Vec<Finding>) {
        let until = Instant::now() + Limits::RUNNING.loading_ends;
        let (chosen, problems) = choose(&machine.root(), gpus, until);
        let chosen = chosen
            .into_iter()
            .map(|(function, variant)| (function.to_string(), variant.module));
        (chosen.collect(), problems)
    }

    #[test]
    fn one_that_would_bring_a_driver_along_is_not_chosen() {
        let (machine, gpus) = machine();
        machine.link("/sbin/modprobe", MODPROBE);
        let nvidia = ("0000:01:00.0".to_owned(), "nvgrace_gpu_vfio_pci".to_owned());
        assert_eq!(chosen(&machine, &gpus), (vec![nvidia.clone()], Vec::new()));
        // It is there already: nothing changes by it.
        machine.write("/sys/module/xe/initstate", "live\n");
        let intel = ("0000:02:00.0".to_owned(), "xe_vfio_pci".to_owned());
        assert_eq!(chosen(&machine, &gpus), (vec![nvidia, intel], Vec::new()));
    }

    #[test]
    fn of_which_nobody_can_tell_what_it_brings_is_not_chosen() {
        let (machine, gpus) = machine();
        let (chosen, problems) = chosen(&machine, &gpus);
        assert_eq!(chosen, []);
        assert!(
            problems.len() == 2
                && problems
                    .iter()
                    .all(|problem| crate::messages::sentence(problem).ends_with("vfio-pci takes its place")),
            "{problems:?}"
        );
    }

    /// A GPU that returns to service on a root without modprobe gets the variant that it had.
    #[test]
    fn one_that_is_loaded_is_chosen_and_provided_without_modprobe() {
        let (machine, gpus) = machine();
        machine.link(
            "/sys/module/nvgrace_gpu_vfio_pci/drivers/pci:nvgrace-gpu",
            "../../../bus/pci/drivers/nvgrace-gpu",
        );
        let until = Instant::now() + Limits::RUNNING.loading_ends;
        let (mut variants, _) = choose(&machine.root(), &gpus, until);
        let problems = provide(&machine.root(), &mut variants, until);
        let drivers: Vec<_> = variants.into_iter().map(|(_, variant)| variant.driver).collect();
        assert_eq!((drivers, problems), (vec![Some("nvgrace-gpu".to_owned())], Vec::new()));
    }

    #[test]
    fn an_image_without_the_kernels_list_has_one_of_its_own() {
        let (machine, gpus) = machine();
        machine.link("/sbin/modprobe", MODPROBE);
        fs::remove_file(machine.root().path("/lib/modules/7.3/modules.alias")).unwrap();
        assert_eq!(chosen(&machine, &gpus).0, []);
        machine.write(KEPT_ALIASES, ALIASES);
        assert_eq!(chosen(&machine, &gpus).0.len(), 1);
    }

    #[test]
    fn a_claim_gives_the_variant_only_where_it_is_loaded() {
        let (machine, _) = machine();
        let driver = || driver_of(&machine.root(), "nvgrace_gpu_vfio_pci");
        assert!(driver().is_err());
        machine.link(
            "/sys/module/nvgrace_gpu_vfio_pci/drivers/pci:nvgrace-gpu",
            "../../../bus/pci/drivers/nvgrace-gpu",
        );
        assert_eq!(driver().unwrap(), "nvgrace-gpu");
    }
}
