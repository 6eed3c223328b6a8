//! Drivers, as sysfs lists them.

use super::attributes;
use super::root::Root;
use crate::claim::VFIO_PCI;

/// Returns true if a driver is vfio-pci or a variant of it: the kernel has all of them in modules that use vfio's core for PCI.
pub(crate) fn is_vfio(root: &Root, driver: &str) -> bool {
    if driver == VFIO_PCI {
        return true;
    }
    let module = attributes::link_name(&root.driver(driver).join("module"))
        .ok()
        .flatten();
    let users = root.path("/sys/module/vfio_pci_core/holders");
    module.is_some_and(|module| users.join(module).exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;

    #[test]
    fn a_driver_is_vfios_by_whom_its_module_uses() {
        let machine = TestRoot::new();
        let root = machine.root();
        machine.write(
            "/sys/module/vfio_pci_core/holders/nvgrace_gpu_vfio_pci/initstate",
            "live\n",
        );
        for (driver, module) in [("nvgrace-gpu", "nvgrace_gpu_vfio_pci"), ("nouveau", "nouveau")] {
            machine.link(
                &format!("/sys/bus/pci/drivers/{driver}/module"),
                &format!("../../../../module/{module}"),
            );
        }
        // Built in.
        machine.write("/sys/bus/pci/drivers/pcieport/bind", "");
        for (driver, is) in [
            ("vfio-pci", true),
            ("nvgrace-gpu", true),
            ("nouveau", false),
            ("pcieport", false),
        ] {
            assert_eq!(is_vfio(&root, driver), is, "{driver}");
        }
    }
}
