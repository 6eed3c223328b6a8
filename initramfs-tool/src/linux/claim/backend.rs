//! The part of VFIO that maps a VM's memory, without which no VM can open what vfio-pci has.
//!
//! vfio names it only as a soft dependency, which busybox's modprobe does not load. Of the container that is all there is to
//! ask for: it offers what the loaded modules have registered, and a module is live only when it has done so.

use std::fs;
use std::time::Instant;

use super::modprobe::{self, ModprobeError};
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, SubjectKind, id};

/// The module that VFIO's container needs.
const TYPE1: &str = "vfio_iommu_type1";

/// The reason why no VM can map its memory.
#[derive(Debug, thiserror::Error)]
enum BackendError {
    #[error(transparent)]
    NotLoaded(#[from] ModprobeError),
    #[error("the kernel has it not after it was loaded")]
    NotThere,
    #[error("the kernel offers neither a VFIO container nor VFIO devices for iommufd")]
    NoContainer,
}

/// Sees to it that a VM can map its memory, by a container or by iommufd, or says why none can. Nobody is waited for after
/// `until`.
pub(crate) fn provide(root: &Root, until: Instant) -> Option<Finding> {
    let error = container(root, until).err()?;
    let finding = Finding::error(id::NO_IOMMU_BACKEND, Subject::named(SubjectKind::Module, TYPE1));
    (!has_iommufd(root)).then(|| finding.with("cause", error).remedy(id::LOAD_IOMMU_BACKEND))
}

fn container(root: &Root, until: Instant) -> Result<(), BackendError> {
    let misc = root.path("/sys/class/misc");
    // Every kernel has some of them: where they are not listed, this is no kernel's sysfs, and it says nothing of modules.
    if !misc.is_dir() {
        return Ok(());
    }
    if !is_live(root) {
        modprobe::modprobe(root, &[TYPE1], until)?;
    }
    match (is_live(root), misc.join("vfio").exists()) {
        (true, true) => Ok(()),
        (false, _) => Err(BackendError::NotThere),
        (true, false) => Err(BackendError::NoContainer),
    }
}

/// A module that is built in has no state.
fn is_live(root: &Root) -> bool {
    let module = root.path("/sys/module").join(TYPE1);
    match attributes::read_if_there(&module.join("initstate")) {
        Ok(Some(state)) => state == "live",
        Ok(None) => module.is_dir(),
        Err(_) => false,
    }
}

/// Functions can be opened without a container where the kernel makes files of their own for them.
fn has_iommufd(root: &Root) -> bool {
    let mut devices = fs::read_dir(root.path("/sys/class/vfio-dev"))
        .into_iter()
        .flatten()
        .flatten();
    root.path("/sys/class/misc/iommu").exists() && devices.any(|device| device.path().join("dev").exists())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::linux::test_root::TestRoot;

    /// A machine with a modprobe that does nothing, as busybox's does nothing about soft dependencies.
    fn machine() -> TestRoot {
        let machine = TestRoot::new();
        machine.link("/sbin/modprobe", "/bin/true");
        machine.write("/sys/class/misc/vfio/uevent", "");
        machine
    }

    fn provided(machine: &TestRoot) -> Option<String> {
        let until = Instant::now() + Duration::from_secs(30);
        let finding = provide(&machine.root(), until)?;
        Some(crate::messages::line(&finding))
    }

    #[test]
    fn a_live_module_and_a_built_in_one_are_enough() {
        for file in ["initstate", "parameters/dma_entry_limit"] {
            let machine = machine();
            machine.write(&format!("/sys/module/{TYPE1}/{file}"), "live\n");
            assert_eq!(provided(&machine), None, "{file}");
        }
    }

    #[test]
    fn without_a_container_the_module_is_not_enough() {
        let machine = TestRoot::new();
        machine.write("/sys/class/misc/hpet/uevent", "");
        machine.write(&format!("/sys/module/{TYPE1}/initstate"), "live\n");
        assert!(provided(&machine).unwrap().contains("neither a VFIO container"));
    }

    #[test]
    fn without_it_no_vm_can_open_anything() {
        let machine = machine();
        let why = provided(&machine).unwrap();
        assert!(why.contains("no VM can open") && why.contains(TYPE1), "{why}");
        machine.write(&format!("/sys/module/{TYPE1}/initstate"), "coming\n");
        assert!(provided(&machine).is_some());
    }

    #[test]
    fn a_modprobe_that_fails_is_quoted() {
        let machine = machine();
        fs::remove_file(machine.root().path("/sbin/modprobe")).unwrap();
        let why = provided(&machine).unwrap();
        assert!(why.contains(&format!("cannot run modprobe {TYPE1}")), "{why}");
    }

    #[test]
    fn iommufd_takes_the_containers_place_where_functions_have_files() {
        let machine = machine();
        machine.write("/sys/class/misc/iommu/dev", "10:2\n");
        assert!(provided(&machine).is_some());
        machine.write("/sys/class/vfio-dev/vfio0/dev", "511:0\n");
        assert_eq!(provided(&machine), None);
    }
}
