//! The details of a GPU's functions that rules may need beyond the usual listing.

use reseat_core::address::FunctionAddress;
use reseat_core::capability::serial_number::SerialNumber;
use reseat_core::header::Identity;

use crate::model::finding::Finding;
use crate::model::topology_path::TopologyPath;

/// The details by function. Only those that rules need are collected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details(Vec<(FunctionAddress, Detail)>);

/// The details of one function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Subsystem vendor and subsystem ID.
    pub subsystem: Option<Identity>,
    /// The path in the topology.
    pub path: Option<TopologyPath>,
    /// The physical slot, and the path through the card's own switch, if any.
    pub slot: Option<String>,
    /// The serial number.
    pub serial: Serial,
}

/// A serial number, or the reason why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Serial {
    /// It was not read.
    #[default]
    NotAsked,
    /// The function has none.
    None,
    /// This serial number.
    Number(SerialNumber),
    /// It could not be read, for this reason.
    Unreadable(Finding),
}

/// The details to collect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WantedDetails {
    /// The subsystem.
    pub subsystem: bool,
    /// Path and slot.
    pub place: bool,
    /// Subsystem, path and slot of functions that are not part of a GPU, too.
    pub of_peers: bool,
    /// The serial number, which has to be read from the function itself.
    pub serial: bool,
}

impl WantedDetails {
    /// All details.
    pub const ALL: Self = Self {
        subsystem: true,
        place: true,
        of_peers: false,
        serial: true,
    };
}

impl Serial {
    /// The number, if the function has one.
    pub const fn number(&self) -> Option<SerialNumber> {
        match self {
            Self::Number(number) => Some(*number),
            Self::NotAsked | Self::None | Self::Unreadable(_) => None,
        }
    }
}

impl Details {
    /// Returns the details of a function, if they were collected.
    pub fn of(&self, function: FunctionAddress) -> Option<&Detail> {
        let mut known = self.0.iter();
        known
            .find(|(address, _)| *address == function)
            .map(|(_, detail)| detail)
    }
}

impl FromIterator<(FunctionAddress, Detail)> for Details {
    fn from_iter<I: IntoIterator<Item = (FunctionAddress, Detail)>>(details: I) -> Self {
        Self(details.into_iter().collect())
    }
}
