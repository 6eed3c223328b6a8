//! What in a set of functions does not fit together, or is not known.

use core::fmt;

use crate::address::FunctionAddress;

/// What does not fit together at a function, or is not known of it. Of several, the first found.
///
/// Who is hit by a reset below such a function cannot be said for sure: no domain that holds it,
/// or is below it, is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Anomaly {
    /// It may be a bridge: its layout is not known.
    RoleUnknown,
    /// A bridge whose bus numbers are not known.
    BusesUnknown,
    /// A bridge whose subordinate bus is below its secondary bus.
    BusesInverted {
        /// Its secondary bus.
        secondary: u8,
        /// Its subordinate bus.
        subordinate: u8,
    },
    /// A bridge that leads back: its secondary bus is its own or a lower one.
    BusesBackward {
        /// Its secondary bus.
        secondary: u8,
    },
    /// A bridge whose secondary bus is that of another one.
    BusClaimedTwice(FunctionAddress),
    /// A bridge whose buses are neither within those of another one nor apart from them.
    BusesOverlap(FunctionAddress),
    /// A bridge whose buses are not among those of the bridge above it.
    BusesOutside(FunctionAddress),
    /// On a bus within a bridge's range to which no bridge leads.
    NoBridge,
    /// A virtual function whose physical one is not among the functions, or is none.
    PhysicalFunctionMissing(FunctionAddress),
    /// A virtual function and its physical one that are not below the same bridge.
    VirtualFunctionElsewhere(FunctionAddress),
    /// How many virtual functions are enabled is not known.
    VirtualFunctionsUnknown,
    /// Not as many virtual functions as are enabled are among the functions.
    VirtualFunctionsMissing {
        /// How many are enabled.
        enabled: u16,
    },
    /// On a fabric whose members are named by a function that is not on it, or a virtual function
    /// that is on one itself.
    FabricUnclear(FunctionAddress),
}

/// An anomaly, and the function where it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Doubt {
    /// The function.
    pub address: FunctionAddress,
    /// What does not fit together there.
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
                write!(f, "not all of its {enabled} virtual functions are there, or more")
            }
            Self::FabricUnclear(leader) => write!(f, "not on a fabric that is named by {leader}"),
        }
    }
}
