//! The functions that the kernel lists, and the GPUs that they form.

mod details;

pub use details::{Detail, Details, Serial, WantedDetails};

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity, is_gpu};

/// A function as the kernel sees it. Everything here is cached by the kernel: reading it neither touches the function
/// nor waits for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The address.
    pub address: FunctionAddress,
    /// Vendor and device ID.
    pub identity: Identity,
    /// The class.
    pub class: ClassCode,
    /// The driver it is bound to.
    pub driver: Option<String>,
    /// Its IOMMU group. Without one, its DMA is not isolated.
    pub iommu_group: Option<String>,
    /// The physical function of a virtual function (SR-IOV).
    pub physical: Option<FunctionAddress>,
}

/// A GPU: all functions with one device number, at least one of them a display controller or an accelerator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// The device number that its functions share.
    pub device: DeviceAddress,
    /// Its functions, by address: the GPU itself, and audio, USB or UCSI functions.
    pub functions: Vec<Function>,
}

/// A set of function numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionSet(u8);

impl FunctionSet {
    /// Returns the set with one more number; `None` if no function can have it.
    #[must_use]
    pub fn with(self, number: u8) -> Option<Self> {
        let bit = 1_u8.checked_shl(u32::from(number))?;
        Some(Self(self.0 | bit))
    }

    /// True if the set contains a function's number.
    pub fn has(self, function: FunctionAddress) -> bool {
        1_u8.checked_shl(u32::from(function.function()))
            .is_some_and(|bit| self.0 & bit != 0)
    }
}

/// The functions that form each GPU, by device number, if a rule names them. Other functions with that number are not
/// part of the GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portions(Vec<(DeviceAddress, FunctionSet)>);

impl Portions {
    /// Records the functions of a GPU. The first record counts.
    pub fn add(&mut self, device: DeviceAddress, functions: FunctionSet) {
        if self.of(device).is_none() {
            self.0.push((device, functions));
        }
    }

    /// Returns the functions of the GPU with a device number, if a rule names them.
    pub fn of(&self, device: DeviceAddress) -> Option<FunctionSet> {
        let mut all = self.0.iter();
        all.find(|(known, _)| *known == device).map(|(_, functions)| *functions)
    }

    /// True if a function may belong to the GPU with its device number.
    pub fn allow(&self, function: FunctionAddress) -> bool {
        self.of(function.device_address())
            .is_none_or(|functions| functions.has(function))
    }
}

impl Gpu {
    /// Returns the function at `address`, if it belongs to this GPU.
    pub fn function(&self, address: FunctionAddress) -> Option<&Function> {
        self.functions.iter().find(|function| function.address == address)
    }
}

/// Forms the GPUs from all functions of the machine, in ascending order of their addresses.
///
/// Virtual functions are left out: they come and go with their physical function, and are never a whole GPU.
pub fn gpus(functions: &[Function]) -> Vec<Gpu> {
    gpus_of(functions, &Portions::default())
}

/// Forms the GPUs, with the functions that rules name for some of them.
pub fn gpus_of(functions: &[Function], portions: &Portions) -> Vec<Gpu> {
    let mut gpus = claimable(functions, portions);
    gpus.retain(|gpu| {
        gpu.functions
            .iter()
            .any(|function| is_gpu(function.identity, function.class))
    });
    gpus
}

/// GPUs and switches of `NVLink`.
pub fn claimable(functions: &[Function], portions: &Portions) -> Vec<Gpu> {
    let mut physical: Vec<&Function> = functions
        .iter()
        .filter(|function| function.physical.is_none() && portions.allow(function.address))
        .collect();
    physical.sort_unstable_by_key(|function| function.address);
    physical
        .chunk_by(|one, other| one.address.device_address() == other.address.device_address())
        .filter(|chunk| {
            chunk
                .iter()
                .any(|it| is_gpu(it.identity, it.class) || is_nvswitch(it.identity, it.class))
        })
        .filter_map(|chunk| {
            let device = chunk.first()?.address.device_address();
            let functions = chunk.iter().copied().cloned().collect();
            Some(Gpu { device, functions })
        })
        .collect()
}

/// True if this is an `NVLink` switch, which a VM gets with the GPUs that it joins: an "other" bridge.
pub fn is_nvswitch(identity: Identity, class: ClassCode) -> bool {
    identity.vendor == NVIDIA && (class.base_class, class.sub_class) == (BRIDGE, OTHER)
}

/// True if a function of this class does not affect the use of an IOMMU group: VFIO ignores PCI bridges, and host
/// bridges have no driver.
pub fn is_neutral_in_iommu_group(class: ClassCode) -> bool {
    class.is_host_bridge() || class.is_pci_bridge()
}

/// Returns true if a function of this class can be part of a GPU: the GPU itself, audio, USB, and UCSI, which has the
/// class of an "other" serial bus. A processor's own graphics shares its device number with others, such as a security
/// processor. Those have to stay.
pub fn belongs_to_a_gpu(class: ClassCode) -> bool {
    matches!(
        (class.base_class, class.sub_class),
        (DISPLAY_CONTROLLER, _) | (PROCESSING_ACCELERATOR, 0) | (MULTIMEDIA, 0x01 | 0x03) | (SERIAL_BUS, 0x03 | 0x80)
    )
}

/// True if the system may run from a function of this class: storage, network, and USB, for its keyboard or disk.
pub fn may_carry_the_system(class: ClassCode) -> bool {
    matches!(
        (class.base_class, class.sub_class),
        (STORAGE | NETWORK, _) | (SERIAL_BUS, USB)
    )
}

const NVIDIA: u16 = 0x10de;
const BRIDGE: u8 = 0x06;
const OTHER: u8 = 0x80;
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

    /// A test function in IOMMU group 7, without a driver.
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

    /// A processor's own graphics, with the functions beside it.
    pub(crate) fn processor_graphics() -> Vec<Function> {
        let of = |number: u8, identity, class| Function {
            iommu_group: Some((20 + number).to_string()),
            ..function(&format!("0000:11:00.{number}"), identity, class)
        };
        vec![
            of(0, "1002:164e", "030000"),
            of(1, "1002:1640", "040300"),
            of(2, "1022:1649", "108000"),
            of(3, "1022:15b6", "0c0330"),
            of(6, "1022:15e3", "040300"),
        ]
    }

    pub(crate) fn first_two() -> FunctionSet {
        FunctionSet::default().with(0).unwrap().with(1).unwrap()
    }

    #[test]
    fn of_a_gpu_whose_functions_a_rule_names_the_others_are_no_part() {
        let mut portions = Portions::default();
        portions.add("0000:11:00".parse().unwrap(), first_two());
        let gpus = gpus_of(&processor_graphics(), &portions);
        let functions: Vec<u8> = gpus[0].functions.iter().map(|it| it.address.function()).collect();
        assert_eq!(functions, [0, 1]);
        assert_eq!(gpus_of(&twins(), &portions), super::gpus(&twins()));
        assert_eq!(FunctionSet::default().with(8), None);
    }

    #[test]
    fn an_nvswitch_is_claimable_and_no_gpu() {
        let switches = [
            function("0000:1d:00.0", "10de:22a3", "068000"),
            function("0000:1e:00.0", "8086:22a3", "068000"),
        ];
        assert_eq!(gpus(&switches), []);
        assert_eq!(claimable(&switches, &Portions::default()).len(), 1);
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
