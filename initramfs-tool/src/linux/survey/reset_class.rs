//! The reset class of a function.

use reseat_core::address::FunctionAddress;
use reseat_core::header::Identity;

use crate::linux::sysfs::attributes;
use crate::linux::sysfs::attributes::FileError;
use crate::linux::sysfs::root::Root;
use crate::model::identification::Identification;
use crate::model::inventory::{Function, Gpu};
use crate::records::history::ResetClass;
use crate::recovery::Baseline;

/// The reset class of a GPU by its main function, with the VBIOS of its own baseline: that of a GPU that is sick is not read.
///
/// # Errors
/// As [`reset_class_of`].
pub(crate) fn of_gpu(
    root: &Root,
    gpu: &Gpu,
    main: FunctionAddress,
    identification: &Identification,
    baseline: Option<&Baseline>,
) -> Result<Option<ResetClass>, FileError> {
    let own = baseline.filter(|baseline| baseline.is_of(identification));
    let vbios = own.and_then(|baseline| baseline.vbios.clone());
    let function = gpu.function(main);
    function
        .map(|function| reset_class_of(root, function, vbios))
        .transpose()
}

/// The reset class of a function, from what the kernel remembers of it. Only a driver, or the function's ROM, knows the VBIOS.
///
/// # Errors
/// When one of the files is there and cannot be read, or the kernel does not say which it is.
pub fn reset_class_of(root: &Root, function: &Function, vbios: Option<String>) -> Result<ResetClass, FileError> {
    let directory = root.function(function.address);
    let number = |file| -> Result<Option<u16>, FileError> {
        let text = attributes::read_if_there(&directory.join(file))?;
        let digits = text.as_deref().and_then(|text| text.strip_prefix("0x"));
        Ok(digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()))
    };
    let subsystem = number("subsystem_vendor")?.zip(number("subsystem_device")?);
    Ok(ResetClass {
        identity: function.identity,
        subsystem: subsystem.map(|(vendor, device)| Identity { vendor, device }),
        vbios,
        kernel: attributes::read(&root.path("/proc/sys/kernel/osrelease"))?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::inventory::tests::twins;

    #[test]
    fn a_class_is_model_board_firmware_and_kernel() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        let function = twins().remove(1);
        let write = |path: &str, content: &str| {
            let path = root.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        assert!(reset_class_of(&root, &function, None).is_err());
        write("/proc/sys/kernel/osrelease", "6.12.95\n");
        let class = reset_class_of(&root, &function, None).unwrap();
        assert_eq!(class.to_string(), "10de:2231, VBIOS unknown, kernel 6.12.95");
        write("/sys/bus/pci/devices/0000:01:00.0/subsystem_vendor", "0x10de\n");
        write("/sys/bus/pci/devices/0000:01:00.0/subsystem_device", "0x1458\n");
        let class = reset_class_of(&root, &function, Some("94.02".to_owned())).unwrap();
        assert_eq!(
            class.to_string(),
            "10de:2231 (subsystem 10de:1458), VBIOS 94.02, kernel 6.12.95"
        );
    }
}
