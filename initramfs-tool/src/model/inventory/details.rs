//! What rules may ask of a GPU's functions beyond what every listing has.

use reseat_core::address::FunctionAddress;
use reseat_core::capability::serial_number::SerialNumber;
use reseat_core::header::Identity;

use crate::model::finding::Finding;
use crate::model::topology_path::TopologyPath;

/// By function. Only what rules ask for is found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details(Vec<(FunctionAddress, Detail)>);

/// What is known of one function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Subsystem vendor and subsystem ID.
    pub subsystem: Option<Identity>,
    /// The way to it.
    pub path: Option<TopologyPath>,
    /// The physical slot that it is in, with the way through the switch of its card if it has one.
    pub slot: Option<String>,
    /// The serial number that it gives.
    pub serial: Serial,
}

/// A serial number, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Serial {
    /// Nobody has asked the function.
    #[default]
    NotAsked,
    /// It gives none.
    None,
    /// This one.
    Number(SerialNumber),
    /// It could not be read, and why.
    Unreadable(Finding),
}

/// What is to be found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WantedDetails {
    /// The subsystem.
    pub subsystem: bool,
    /// Path and slot.
    pub place: bool,
    /// Subsystem, path and slot of functions that belong to no GPU, too.
    pub of_peers: bool,
    /// The serial number, for which the function itself has to be asked.
    pub serial: bool,
}

impl WantedDetails {
    /// Everything.
    pub const ALL: Self = Self {
        subsystem: true,
        place: true,
        of_peers: false,
        serial: true,
    };
}

impl Serial {
    /// The number, if it gives one.
    pub const fn number(&self) -> Option<SerialNumber> {
        match self {
            Self::Number(number) => Some(*number),
            Self::NotAsked | Self::None | Self::Unreadable(_) => None,
        }
    }
}

impl Details {
    /// What is known of a function; nothing where nobody found anything out.
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
