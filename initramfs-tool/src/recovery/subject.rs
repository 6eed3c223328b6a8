//! A GPU as the ladder has it.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity};
use reseat_core::topology::Place;
use serde::{Deserialize, Serialize};

use crate::inventory::is_gpu;

/// A GPU, and what is reset with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The device number that its functions share.
    pub device: DeviceAddress,
    /// The function that FLR is done to: the GPU itself.
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
    /// Where it is.
    pub address: FunctionAddress,
    /// Vendor and device ID, as the kernel remembers them.
    pub identity: Identity,
    /// Class.
    pub class: ClassCode,
}

impl Subject {
    /// The GPU that has the function at `place`, if one of its functions is a GPU.
    pub fn at(place: Place<'_>) -> Option<Self> {
        let device = place.address().device_address();
        let functions: Vec<Place<'_>> = std::iter::once(place).chain(place.on_same_bus()).collect();
        let mut members: Vec<Member> = functions
            .iter()
            .map(|place| place.function())
            .filter(|function| function.address.device_address() == device && function.physical_function.is_none())
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

    /// Whether a function is one of the GPU's, or a bridge of its card.
    pub fn has(&self, function: FunctionAddress) -> bool {
        self.members.iter().any(|member| member.address == function) || self.switch.contains(&function)
    }

    /// The GPU's functions.
    pub fn functions(&self) -> Vec<FunctionAddress> {
        self.members.iter().map(|member| member.address).collect()
    }
}
