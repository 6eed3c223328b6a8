//! The reasons why a selected GPU is not claimed.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::ClassCode;

use super::OutOfService;
use crate::model::display::Sign;
use crate::model::finding::{Finding, Severity, Subject, id};
use crate::model::iommu::Missing;
use crate::model::system_use::SystemUse;

/// The reason why a selected GPU is not claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// A function of the GPU, or one beside a peer that a rule claims, cannot be read. So it is unknown if it could be
    /// claimed with it.
    CannotRead {
        /// The function.
        function: FunctionAddress,
        /// The reason.
        problem: Finding,
    },
    /// A function with its device number is not part of a GPU and has to stay.
    Stranger {
        /// The function.
        function: FunctionAddress,
        /// The class of the function.
        class: ClassCode,
    },
    /// Its virtual functions, or those of a peer that a rule claims, would be removed, and one may be in use.
    VirtualFunctions {
        /// The physical function.
        function: FunctionAddress,
        /// The number of virtual functions.
        count: usize,
    },
    /// It is out of service, and isolating it would remove its virtual functions.
    NotIsolated {
        /// The reason why it is out of service.
        why: OutOfService,
        /// The physical function.
        function: FunctionAddress,
        /// The number of virtual functions.
        count: usize,
    },
    /// No GPU in the machine would show a picture any more.
    OnlyDisplay(Sign),
    /// The DMA of a function would not be isolated.
    NoIommu {
        /// The function without a group.
        function: FunctionAddress,
        /// The reason why it has none.
        missing: Missing,
    },
    /// A rule claims its peers, but they are not known yet.
    PeersUnknown(FunctionAddress),
    /// A rule claims its peers, and this one is a virtual function, which is never claimed.
    VirtualPeer(FunctionAddress),
    /// A rule claims its peers, and this one may carry the system; the rule does not name it.
    PeerUnnamed {
        /// The function.
        function: FunctionAddress,
        /// Its class.
        class: ClassCode,
    },
    /// A rule claims its peers, and this one carries the running system.
    PeerInSystem(SystemUse),
    /// A rule claims its peers, and this one may be in use on the running machine.
    PeerAtWork {
        /// The function.
        function: FunctionAddress,
        /// The driver that has it.
        driver: String,
    },
}

impl ClaimRefusal {
    /// The refusal of the GPU with device number `gpu`.
    pub fn finding(&self, gpu: DeviceAddress) -> Finding {
        let of = |id, function: &FunctionAddress| Finding::refusal(id, Subject::function(*function));
        match self {
            Self::CannotRead { problem, .. } => problem.clone(),
            Self::Stranger { function, class } => of(id::DEVICE_NUMBER_SHARED, function).with("class", class),
            Self::VirtualFunctions { function, count } => of(id::VIRTUAL_FUNCTIONS_PRESENT, function)
                .with("count", count)
                .remedy(id::REMOVE_VIRTUAL_FUNCTIONS),
            Self::NotIsolated { why, function, count } => {
                let refusal = of(id::ISOLATION_VIRTUAL_FUNCTIONS, function).with("count", count);
                match why {
                    OutOfService::Noted(reason) => refusal.with("reason", reason),
                    OutOfService::Unknown => refusal.with("reason", "unknown"),
                }
            }
            Self::OnlyDisplay(sign) => {
                let refusal = sign.finding().leads_to(id::ONLY_DISPLAY).severity(Severity::Refusal);
                refusal.remedy(id::FORCE_DISPLAY)
            }
            Self::NoIommu { function, missing } => missing.finding(*function),
            Self::PeersUnknown(function) => of(id::GROUP_PEERS_UNKNOWN, function),
            Self::PeerAtWork { function, driver } => of(id::GROUP_PEER_IN_USE, function)
                .with("driver", driver)
                .with("gpu", gpu)
                .remedy(id::UNBIND_PEER),
            Self::PeerUnnamed { function, class } => of(id::GROUP_PEER_UNNAMED, function)
                .with("class", class)
                .with("gpu", gpu)
                .remedy(id::NAME_PEER),
            Self::PeerInSystem(system) => {
                let refusal = system.finding().leads_to(id::GROUP_PEER_IN_SYSTEM);
                refusal
                    .severity(Severity::Refusal)
                    .with("gpu", gpu)
                    .remedy(id::MOVE_GPU)
            }
            Self::VirtualPeer(function) => of(id::GROUP_PEER_VIRTUAL, function),
        }
    }
}
