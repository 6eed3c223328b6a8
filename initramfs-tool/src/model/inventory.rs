//! What is in the machine: functions as the kernel lists them, and the GPUs that they make up.

mod details;

pub use details::{Detail, Details, Serial, WantedDetails};

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity, is_gpu};

/// A function as the kernel sees it. Everything here is what the kernel remembers: finding it out neither touched the
/// function nor waited for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Where it is.
    pub address: FunctionAddress,
    /// Vendor and device ID.
    pub identity: Identity,
    /// What it says it is.
    pub class: ClassCode,
    /// The driver it is bound to.
    pub driver: Option<String>,
    /// Its IOMMU group. Without one, nothing isolates its DMA.
    pub iommu_group: Option<String>,
    /// The physical function that it is a virtual one of (SR-IOV).
    pub physical: Option<FunctionAddress>,
}

/// A GPU: all functions on one device number, of which at least one is a display controller or an accelerator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// The device number that its functions share.
    pub device: DeviceAddress,
    /// Its functions, by address: the GPU itself, and audio, USB or UCSI beside it.
    pub functions: Vec<Function>,
}

impl Gpu {
    /// The function at `address`, if this GPU has it.
    pub fn function(&self, address: FunctionAddress) -> Option<&Function> {
        self.functions.iter().find(|function| function.address == address)
    }
}

/// Puts the GPUs together from all functions of the machine, in the order of their addresses.
///
/// Virtual functions are left out: they come and go with their physical function, and are nobody's whole GPU.
pub fn gpus(functions: &[Function]) -> Vec<Gpu> {
    let mut physical: Vec<&Function> = functions
        .iter()
        .filter(|function| function.physical.is_none())
        .collect();
    physical.sort_unstable_by_key(|function| function.address);
    physical
        .chunk_by(|one, other| one.address.device_address() == other.address.device_address())
        .filter(|chunk| chunk.iter().any(|function| is_gpu(function.identity, function.class)))
        .filter_map(|chunk| {
            let device = chunk.first()?.address.device_address();
            let functions = chunk.iter().copied().cloned().collect();
            Some(Gpu { device, functions })
        })
        .collect()
}

/// True if a function of this class leads to others or to the processor, and so says nothing of who uses an IOMMU group:
/// VFIO does not count PCI bridges, and host bridges have no driver.
pub fn is_neutral_in_iommu_group(class: ClassCode) -> bool {
    class.is_host_bridge() || class.is_pci_bridge()
}

/// Whether a function of this class is ever a part of a GPU: the GPU itself, audio, USB, and UCSI, which is a serial bus of
/// no particular kind. On the device number of a processor's own graphics stand others as well (a security processor,
/// say), which have to stay.
pub fn belongs_to_a_gpu(class: ClassCode) -> bool {
    matches!(
        (class.base_class, class.sub_class),
        (DISPLAY_CONTROLLER, _) | (PROCESSING_ACCELERATOR, 0) | (MULTIMEDIA, 0x01 | 0x03) | (SERIAL_BUS, 0x03 | 0x80)
    )
}

/// Whether a function of this class may be what the system runs from: storage, network, and USB, where its keyboard or its
/// disk may be.
pub fn may_carry_the_system(class: ClassCode) -> bool {
    matches!(
        (class.base_class, class.sub_class),
        (STORAGE | NETWORK, _) | (SERIAL_BUS, USB)
    )
}

const STORAGE: u8 = 0x01;
const NETWORK: u8 = 0x02;
const USB: u8 = 0x03;
const DISPLAY_CONTROLLER: u8 = 0x03;
const MULTIMEDIA: u8 = 0x04;
const SERIAL_BUS: u8 = 0x0c;
const PROCESSING_ACCELERATOR: u8 = 0x12;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A function of the tests: in IOMMU group 7, without a driver.
    pub(crate) fn function(address: &str, identity: &str, class: &str) -> Function {
        Function {
            address: address.parse().unwrap(),
            identity: identity.parse().unwrap(),
            class: class.parse().unwrap(),
            driver: None,
            iommu_group: Some("7".to_owned()),
            physical: None,
        }
    }

    /// Two identical GPUs with audio, and an NVMe device.
    pub(crate) fn twins() -> Vec<Function> {
        vec![
            function("0000:02:00.1", "10de:1aef", "040300"),
            function("0000:01:00.0", "10de:2231", "030000"),
            function("0000:01:00.1", "10de:1aef", "040300"),
            function("0000:02:00.0", "10de:2231", "030000"),
            Function {
                iommu_group: Some("9".to_owned()),
                ..function("0000:03:00.0", "1b36:0010", "010802")
            },
        ]
    }

    #[test]
    fn a_gpu_is_all_functions_on_its_device_number() {
        let gpus = gpus(&twins());
        let addresses: Vec<Vec<String>> = gpus
            .iter()
            .map(|gpu| {
                gpu.functions
                    .iter()
                    .map(|function| function.address.to_string())
                    .collect()
            })
            .collect();
        assert_eq!(
            addresses,
            [["0000:01:00.0", "0000:01:00.1"], ["0000:02:00.0", "0000:02:00.1"]]
        );
    }

    #[test]
    fn display_controllers_and_amds_accelerators_are_gpus() {
        for (identity, class, expected) in [
            ("10de:2489", "030000", true),
            ("10de:2330", "030200", true),
            ("1002:66a1", "038000", true),
            ("1002:74a1", "120000", true),
            ("8086:7d1d", "120000", false),
            ("10de:1aef", "040300", false),
            ("8086:352a", "060400", false),
        ] {
            assert_eq!(
                is_gpu(identity.parse().unwrap(), class.parse().unwrap()),
                expected,
                "{identity} {class}"
            );
        }
    }

    #[test]
    fn audio_usb_and_ucsi_belong_to_gpus_and_a_security_processor_does_not() {
        for (class, expected) in [
            ("030000", true),
            ("040300", true),
            ("0c0330", true),
            ("0c8000", true),
            ("108000", false),
            ("010802", false),
            ("060400", false),
        ] {
            assert_eq!(belongs_to_a_gpu(class.parse().unwrap()), expected, "{class}");
        }
    }

    #[test]
    fn a_virtual_function_is_no_gpu_of_its_own() {
        let mut functions = twins();
        let mut virtual_function = function("0000:01:00.4", "10de:2231", "030000");
        virtual_function.physical = Some("0000:01:00.0".parse().unwrap());
        functions.push(virtual_function);
        assert_eq!(gpus(&functions), gpus(&twins()));
    }
}
