//! Inconsistent or missing facts in a set of functions.

use core::fmt;

use crate::address::FunctionAddress;

/// An inconsistent or missing fact about a function; the first one found if there are several.
///
/// The functions that a reset below it affects are then uncertain: no domain that contains the function or anything
/// below it is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Anomaly {
    /// It may be a bridge: its header layout is unknown.
    RoleUnknown,
    /// A bridge with unknown bus numbers.
    BusesUnknown,
    /// A bridge whose subordinate bus is below its secondary bus.
    BusesInverted {
        /// Its secondary bus.
        secondary: u8,
        /// Its subordinate bus.
        subordinate: u8,
    },
    /// A bridge that leads backwards: its secondary bus is its own or a lower one.
    BusesBackward {
        /// Its secondary bus.
        secondary: u8,
    },
    /// A bridge with the same secondary bus as another one.
    BusClaimedTwice(FunctionAddress),
    /// A bridge whose buses partly overlap those of another one.
    BusesOverlap(FunctionAddress),
    /// A bridge whose buses are outside those of the bridge above it.
    BusesOutside(FunctionAddress),
    /// On a bus within a bridge's range that no bridge leads to.
    NoBridge,
    /// A virtual function whose physical function is missing or not a physical one.
    PhysicalFunctionMissing(FunctionAddress),
    /// A virtual function that is below another bridge than its physical function.
    VirtualFunctionElsewhere(FunctionAddress),
    /// The number of enabled virtual functions is unknown.
    VirtualFunctionsUnknown,
    /// The number of virtual functions present differs from the number enabled.
    VirtualFunctionsMissing {
        /// The number enabled.
        enabled: u16,
    },
    /// On a fabric whose naming function is not a member, or a virtual function that is itself on a fabric.
    FabricUnclear(FunctionAddress),
}

/// An anomaly and its location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Doubt {
    /// The function with the anomaly.
    pub address: FunctionAddress,
    /// The anomaly.
    pub anomaly: Anomaly,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, anomaly } = self;
        write!(f, "{address}: {anomaly}")
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoleUnknown => f.write_str("may be a bridge"),
            Self::BusesUnknown => f.write_str("bridge with unknown bus numbers"),
            Self::BusesInverted { secondary, subordinate } => {
                write!(
                    f,
                    "subordinate bus {subordinate:02x} is below secondary bus {secondary:02x}"
                )
            }
            Self::BusesBackward { secondary } => write!(f, "secondary bus {secondary:02x} is not below it"),
            Self::BusClaimedTwice(other) => write!(f, "same secondary bus as {other}"),
            Self::BusesOverlap(other) => write!(f, "buses overlap those of {other}"),
            Self::BusesOutside(above) => write!(f, "buses are not among those of {above} above"),
            Self::NoBridge => f.write_str("no bridge leads to its bus"),
            Self::PhysicalFunctionMissing(physical) => write!(f, "physical function {physical} is missing"),
            Self::VirtualFunctionElsewhere(other) => write!(f, "not below the same bridge as {other}"),
            Self::VirtualFunctionsUnknown => f.write_str("unknown number of virtual functions"),
            Self::VirtualFunctionsMissing { enabled } => {
                write!(f, "number of virtual functions differs from the {enabled} enabled")
            }
            Self::FabricUnclear(leader) => write!(f, "not on a fabric that is named by {leader}"),
        }
    }
}
