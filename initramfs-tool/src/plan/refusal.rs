//! Why a chosen GPU is not claimed.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::ClassCode;

use super::OutOfService;
use crate::model::display::Sign;
use crate::model::finding::{Finding, Severity, Subject, id};
use crate::model::iommu::Missing;
use crate::model::system_use::SystemUse;

/// Why a chosen GPU is not claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// One of its functions, or one beside a peer that a rule takes, cannot be read, so it is not known whether that could be
    /// claimed with it.
    CannotRead {
        /// Which.
        function: FunctionAddress,
        /// Why.
        problem: Finding,
    },
    /// On its device number stands what is no part of a GPU and has to stay where it is.
    Stranger {
        /// Which function.
        function: FunctionAddress,
        /// What it says it is.
        class: ClassCode,
    },
    /// Of its virtual functions, or of those of a peer that a rule takes, which would be gone, somebody may have one.
    VirtualFunctions {
        /// The physical function.
        function: FunctionAddress,
        /// How many there are.
        count: usize,
    },
    /// It is out of service, and its virtual functions would be gone if it were isolated.
    NotIsolated {
        /// Why it is out of service.
        why: OutOfService,
        /// The physical function.
        function: FunctionAddress,
        /// How many there are.
        count: usize,
    },
    /// Nothing in the machine would show a picture any more.
    OnlyDisplay(Sign),
    /// A function's DMA would not be isolated.
    NoIommu {
        /// The function without a group.
        function: FunctionAddress,
        /// Why it has none.
        missing: Missing,
    },
    /// A rule takes who is in its groups, and nobody knows yet who that is.
    PeersUnknown(FunctionAddress),
    /// A rule takes who is in its groups, and this is a virtual function, which is never claimed.
    VirtualPeer(FunctionAddress),
    /// A rule takes who is in its groups, and this one may carry the system; the rule does not name it.
    PeerUnnamed {
        /// The function.
        function: FunctionAddress,
        /// Its class.
        class: ClassCode,
    },
    /// A rule takes who is in its groups, and of these one carries the running system.
    PeerInSystem(SystemUse),
    /// A rule takes who is in its groups, and of these one may be at work on the running machine.
    PeerAtWork {
        /// Which.
        function: FunctionAddress,
        /// The driver that has it.
        driver: String,
    },
}

impl ClaimRefusal {
    /// The refusal of the GPU on `gpu`.
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
