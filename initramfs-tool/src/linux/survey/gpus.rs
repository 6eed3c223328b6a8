//! The GPUs of the machine, as the rules file has them: of some it names the functions.

use super::details;
use crate::linux::state::rules::rules_from_file;
use crate::linux::sysfs::functions;
use crate::linux::sysfs::root::Root;
use crate::model::inventory::{self, Function, Gpu, Portions};
use crate::model::iommu::IommuFacts;
use crate::plan::{self, PlanInputs};
use crate::rules::{self, Rule};

/// All GPUs.
pub fn gpus(root: &Root) -> Vec<Gpu> {
    let functions = functions::list(root).functions;
    inventory::gpus_of(&functions, &portions(root, &functions))
}

/// The functions of GPUs, where the rules file names them. Rules that cannot be read name none, and claim nothing either.
pub fn portions(root: &Root, functions: &[Function]) -> Portions {
    let mut rules = rules_from_file(root, None).unwrap_or_default();
    rules.retain(|rule: &Rule| rule.functions.is_some());
    if rules.is_empty() {
        return Portions::default();
    }
    let (details, _) = details::gather(root, functions, rules::wanted_details(&rules));
    let machine = PlanInputs {
        functions,
        unreadable: &[],
        details: &details,
        signs: &[],
        iommu: &IommuFacts::default(),
    };
    plan::portions(&rules, machine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;

    #[test]
    fn a_gpu_is_what_the_rules_file_names_of_it() {
        let machine = TestRoot::new();
        for (number, identity, class) in [(0, "164e", "030000"), (1, "1640", "040300"), (3, "15b6", "0c0330")] {
            let directory = format!("/sys/bus/pci/devices/0000:11:00.{number}");
            machine.write(&format!("{directory}/vendor"), "0x1002\n");
            machine.write(&format!("{directory}/device"), &format!("0x{identity}\n"));
            machine.write(&format!("{directory}/class"), &format!("0x{class}\n"));
        }
        let functions = || gpus(&machine.root()).remove(0).functions.len();
        assert_eq!(functions(), 3);
        let rule = "[[claim]]\nselect = \"1002:164e\"\nfunctions = [0, 1]\n";
        machine.write("/etc/reseat/reseat.toml", rule);
        assert_eq!(functions(), 2);
        machine.write("/etc/reseat/reseat.toml", &rule.replace("164e", "164f"));
        assert_eq!(functions(), 3);
    }
}
