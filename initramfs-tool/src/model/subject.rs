//! A GPU with its surroundings: the functions that are reset with it, and the ports above.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity, is_gpu};
use reseat_core::topology::Place;
use serde::{Deserialize, Serialize};

use super::inventory::{Function, FunctionSet, Gpu, belongs_to_a_gpu};

/// A GPU, and the functions that are reset with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverySubject {
    /// The device number that its functions share.
    pub device: DeviceAddress,
    /// The function for FLR: the GPU itself.
    pub function: FunctionAddress,
    /// All functions of the GPU.
    pub members: Vec<Member>,
    /// The bridges below the card root, by address: the card's own switch.
    pub switch: Vec<FunctionAddress>,
    /// The ports above the GPU, from the root port to the one directly above. None on a root bus.
    pub ports: Vec<FunctionAddress>,
    /// The first port off the card.
    pub card_root: Option<FunctionAddress>,
}

/// One function of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The address.
    pub address: FunctionAddress,
    /// Vendor and device ID, as cached by the kernel.
    pub identity: Identity,
    /// The class.
    pub class: ClassCode,
}

impl RecoverySubject {
    /// Returns the GPU with the function at `place`, if one of its functions is a GPU. If a rule names its functions,
    /// the others with its device number are foreign.
    pub fn at(place: Place<'_>, named: Option<FunctionSet>) -> Option<Self> {
        let device = place.address().device_address();
        let functions: Vec<Place<'_>> = std::iter::once(place).chain(place.on_same_bus()).collect();
        let mut members: Vec<Member> = functions
            .iter()
            .map(|place| place.function())
            .filter(|function| function.address.device_address() == device && function.physical_function.is_none())
            // Any other function with the GPU's device number, such as a disk, is foreign.
            .filter(|function| named.map_or_else(|| belongs_to_a_gpu(function.class), |set| set.has(function.address)))
            .map(|function| Member {
                address: function.address,
                identity: function.identity,
                class: function.class,
            })
            .collect();
        members.sort_by_key(|member| member.address);
        let gpu = members.iter().find(|member| is_gpu(member.identity, member.class))?;
        let function = gpu.address;
        let mut ports: Vec<Place<'_>> = std::iter::successors(place.port_above(), |port| port.port_above()).collect();
        ports.reverse();
        let card_root = place.card_root().map(Place::address);
        let below = place.card_root().into_iter().flat_map(Place::below);
        let switch = below
            .filter(|place| place.function().is_bridge())
            .map(Place::address)
            .collect();
        Some(Self {
            device,
            function,
            members,
            switch,
            ports: ports.into_iter().map(Place::address).collect(),
            card_root,
        })
    }

    /// Returns true if a function is part of the GPU, or a bridge of its card.
    pub fn has(&self, function: FunctionAddress) -> bool {
        self.members.iter().any(|member| member.address == function) || self.switch.contains(&function)
    }

    /// The GPU as in an inventory. It is available even if the GPU was removed and is not listed.
    pub fn gpu(&self) -> Gpu {
        let functions = self.members.iter().map(|member| Function {
            address: member.address,
            identity: member.identity,
            class: member.class,
            driver: None,
            iommu_group: None,
            physical: None,
        });
        Gpu {
            device: self.device,
            functions: functions.collect(),
        }
    }

    /// The GPU's functions.
    pub fn functions(&self) -> Vec<FunctionAddress> {
        self.members.iter().map(|member| member.address).collect()
    }
}

#[cfg(test)]
mod tests {
    use reseat_core::header::BusNumbers;
    use reseat_core::topology::function::{Bridge, Function, Role};
    use reseat_core::topology::{Node, Topology};

    use super::*;
    use crate::model::inventory::tests::first_two;

    fn function(address: &str, identity: &str, class: &str) -> Function {
        let mut function = Function::new(
            address.parse().unwrap(),
            identity.parse().unwrap(),
            class.parse().unwrap(),
        );
        function.role = Role::Endpoint;
        function
    }

    fn port(address: &str, secondary: u8, subordinate: u8) -> Function {
        let mut port = function(address, "8086:352a", "060400");
        port.role = Role::Bridge(Bridge::new(BusNumbers {
            primary: 0,
            secondary,
            subordinate,
        }));
        port
    }

    fn subject(functions: &[Function], at: &str) -> Option<RecoverySubject> {
        let mut room = vec![Node::EMPTY; functions.len()];
        let topology = Topology::new(functions, &mut room).unwrap();
        RecoverySubject::at(topology.find(at.parse().unwrap()).unwrap(), None)
    }

    #[test]
    fn a_disk_on_the_gpus_device_number_is_no_part_of_it() {
        let functions = [
            port("0000:00:01.0", 1, 1),
            function("0000:01:00.0", "10de:2489", "030000"),
            function("0000:01:00.1", "10de:228b", "040300"),
            function("0000:01:00.2", "1b36:0010", "010802"),
        ];
        let subject = subject(&functions, "0000:01:00.1").unwrap();
        let members: Vec<String> = subject.functions().iter().map(ToString::to_string).collect();
        assert_eq!(members, ["0000:01:00.0", "0000:01:00.1"]);
        assert!(!subject.has("0000:01:00.2".parse().unwrap()));
        assert_eq!(subject.function.to_string(), "0000:01:00.0");
    }

    #[test]
    fn of_a_processors_graphics_the_subject_is_what_the_rule_names() {
        let functions = [
            port("0000:00:08.1", 0x11, 0x11),
            function("0000:11:00.0", "1002:164e", "030000"),
            function("0000:11:00.1", "1002:1640", "040300"),
            function("0000:11:00.3", "1022:15b6", "0c0330"),
        ];
        let mut room = vec![Node::EMPTY; functions.len()];
        let topology = Topology::new(&functions, &mut room).unwrap();
        let place = topology.find("0000:11:00.0".parse().unwrap()).unwrap();
        assert_eq!(RecoverySubject::at(place, None).unwrap().functions().len(), 3);
        let subject = RecoverySubject::at(place, Some(first_two())).unwrap();
        assert_eq!(subject.functions().len(), 2);
        // A reset at the port above would also affect the keyboard.
        assert!(!subject.has("0000:11:00.3".parse().unwrap()));
    }

    #[test]
    fn a_cards_own_switch_is_part_of_it_and_its_root_is_not() {
        let mut upstream = port("0000:01:00.0", 2, 3);
        upstream.identity = "1002:1478".parse().unwrap();
        let mut downstream = port("0000:02:00.0", 3, 3);
        downstream.identity = "1002:1479".parse().unwrap();
        let functions = [
            port("0000:00:01.0", 1, 3),
            upstream,
            downstream,
            function("0000:03:00.0", "1002:73ff", "030000"),
            function("0000:03:00.1", "1002:ab28", "040300"),
        ];
        let subject = subject(&functions, "0000:03:00.0").unwrap();
        assert_eq!(
            subject.card_root.map(|root| root.to_string()).as_deref(),
            Some("0000:00:01.0")
        );
        let switch: Vec<String> = subject.switch.iter().map(ToString::to_string).collect();
        assert_eq!(switch, ["0000:01:00.0", "0000:02:00.0"]);
        let ports: Vec<String> = subject.ports.iter().map(ToString::to_string).collect();
        assert_eq!(ports, ["0000:00:01.0", "0000:01:00.0", "0000:02:00.0"]);
    }

    #[test]
    fn what_holds_no_gpu_is_none() {
        let disk = [function("0000:01:00.0", "1b36:0010", "010802")];
        assert_eq!(subject(&disk, "0000:01:00.0"), None);
    }
}
