//! Why a chosen GPU is not claimed.

use std::fmt;

use reseat_core::address::FunctionAddress;
use reseat_core::header::ClassCode;

use crate::model::display::Sign;
use crate::model::iommu::Missing;

/// Why a chosen GPU is not claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One of its functions, or one beside a peer that a rule takes, cannot be read, so it is not known whether that could be
    /// claimed with it.
    CannotRead {
        /// Which.
        function: FunctionAddress,
        /// Which file and why.
        problem: String,
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
        why: String,
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
    /// A rule takes who is in its groups, and of these one may be at work on the running machine.
    PeerAtWork {
        /// Which.
        function: FunctionAddress,
        /// The driver that has it.
        driver: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotRead { problem, .. } => formatter.write_str(problem),
            Self::Stranger { function, class } => write!(
                formatter,
                "{function} stands on its device number and is no part of a GPU (its class is {class})"
            ),
            Self::VirtualFunctions { function, count } => write!(
                formatter,
                "{function} has {}, which would be gone: write 0 to its sriov_numvfs first",
                virtual_functions(*count)
            ),
            Self::NotIsolated { why, function, count } => write!(
                formatter,
                "it is out of service ({why}) and not isolated: {function} has {}, which would be gone",
                virtual_functions(*count)
            ),
            Self::OnlyDisplay(sign) => write!(
                formatter,
                "it is the only display of this machine ({sign}): `force-display = true` in its rule, or \
                 reseat.force-display on the kernel command line, takes it all the same"
            ),
            Self::NoIommu { function, missing } => write!(formatter, "{function}: {missing}"),
            Self::PeersUnknown(function) => write!(
                formatter,
                "{function}: this kernel knows its IOMMU group only once it has a driver, so `group-peers` cannot be met"
            ),
            Self::PeerAtWork { function, driver } => write!(
                formatter,
                "{function}, in its IOMMU group, is on driver {driver}, and somebody may be at work with it: unbind it, then \
                 claim the GPU by `reseat claim --function`"
            ),
            Self::VirtualPeer(function) => write!(
                formatter,
                "{function}, a virtual function, is in its IOMMU group and is never claimed, so `group-peers` cannot be met"
            ),
        }
    }
}

fn virtual_functions(count: usize) -> String {
    match count {
        1 => "a virtual function".to_owned(),
        _ => format!("{count} virtual functions"),
    }
}
