//! A reading of the registers behind a BAR through VFIO, which must not reset the GPU.
//!
//! Opening a VFIO device resets the function by the methods in its `reset_method`: by none, where that is empty. Closing it
//! resets the bus, unless a function on it is on no driver at that time. So one sibling is taken off vfio-pci meanwhile.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Before;
use crate::claim::VFIO_PCI;
use crate::model::finding::{Finding, Subject, id};
use crate::records::versioned::{VersionError, Versioned};

/// What has to be restored after a reading, recorded before it is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Document")]
pub struct VfioReading {
    /// The GPU.
    pub device: DeviceAddress,
    /// The function that is read.
    pub function: FunctionAddress,
    /// Its `reset_method`.
    pub reset_method: String,
    /// The sibling that is unbound from vfio-pci; none, where one had no driver before.
    pub unbound: Option<FunctionAddress>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Document {
    schema: String,
    device: DeviceAddress,
    function: FunctionAddress,
    reset_method: String,
    unbound: Option<FunctionAddress>,
}

impl From<VfioReading> for Document {
    fn from(reading: VfioReading) -> Self {
        Self {
            schema: VfioReading::SCHEMA.to_owned(),
            device: reading.device,
            function: reading.function,
            reset_method: reading.reset_method,
            unbound: reading.unbound,
        }
    }
}

impl Versioned for VfioReading {
    const SCHEMA: &'static str = "reseat.vfio-reading/2";

    fn from_version(schema: &str, value: Value) -> Result<Self, VersionError> {
        match schema {
            Self::SCHEMA | "reseat.look/1" => {
                let document: Document = serde_json::from_value(value)?;
                Ok(Self {
                    device: document.device,
                    function: document.function,
                    reset_method: document.reset_method,
                    unbound: document.unbound,
                })
            }
            other => Err(VersionError::unknown::<Self>(other)),
        }
    }
}

impl VfioReading {
    /// Has a recovery's journal restore what this reading has left behind: the function as it was before.
    pub fn hand_over(&self, before: &mut Before) {
        let is_empty = |methods: &String| methods.is_empty();
        if before.address == self.function && before.reset_method.as_ref().is_some_and(is_empty) {
            before.reset_method = Some(self.reset_method.clone());
        }
        if Some(before.address) == self.unbound && before.driver.is_none() {
            before.driver = Some(VFIO_PCI.to_owned());
        }
    }
}

/// A function beside the one that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sibling {
    /// Its address.
    pub address: FunctionAddress,
    /// Its driver.
    pub driver: Option<String>,
    /// Its `driver_override`: only what is reserved for vfio-pci is nobody else's while it is on no driver.
    pub driver_override: Option<String>,
}

/// The reason for which a function cannot be read without a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetUnavoidable {
    /// No sibling is there that could have no driver meanwhile.
    OnlyFunction,
    /// There are siblings, and none that may be unbound.
    NoSiblingOfVfioPci,
}

impl ResetUnavoidable {
    /// The reason as a finding on a function.
    pub fn finding(self, function: FunctionAddress) -> Finding {
        let id = match self {
            Self::OnlyFunction => id::ONLY_FUNCTION,
            Self::NoSiblingOfVfioPci => id::NO_SIBLING_TO_UNBIND,
        };
        Finding::warning(id, Subject::function(function))
    }
}

/// The sibling that has to be unbound from vfio-pci for the time of the reading; none, where one has no driver.
///
/// # Errors
/// When none may be.
pub fn to_be_unbound(siblings: &[Sibling]) -> Result<Option<FunctionAddress>, ResetUnavoidable> {
    if siblings.is_empty() {
        return Err(ResetUnavoidable::OnlyFunction);
    }
    if siblings.iter().any(|sibling| sibling.driver.is_none()) {
        return Ok(None);
    }
    let is_ours = |name: &Option<String>| name.as_deref() == Some(VFIO_PCI);
    let mut ours = siblings.iter().rev();
    let chosen = ours.find(|sibling| is_ours(&sibling.driver) && is_ours(&sibling.driver_override));
    chosen
        .map(|sibling| Some(sibling.address))
        .ok_or(ResetUnavoidable::NoSiblingOfVfioPci)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::records::versioned::from_slice;

    fn sibling(address: &str, driver: Option<&str>, reserved: Option<&str>) -> Sibling {
        Sibling {
            address: address.parse().unwrap(),
            driver: driver.map(str::to_owned),
            driver_override: reserved.map(str::to_owned),
        }
    }

    #[test]
    fn the_last_sibling_that_is_vfio_pcis_is_unbound() {
        let ours = |address| sibling(address, Some(VFIO_PCI), Some(VFIO_PCI));
        let (one, two) = (ours("0000:01:00.1"), ours("0000:01:00.2"));
        assert_eq!(to_be_unbound(&[]), Err(ResetUnavoidable::OnlyFunction));
        assert_eq!(to_be_unbound(&[one.clone(), two.clone()]), Ok(Some(two.address)));
        // Whoever is on no driver already does as well.
        let unbound = sibling("0000:01:00.3", None, None);
        assert_eq!(to_be_unbound(&[one.clone(), unbound]), Ok(None));
        for other in [
            sibling("0000:01:00.3", Some("snd_hda_intel"), None),
            sibling("0000:01:00.3", Some(VFIO_PCI), None),
        ] {
            assert_eq!(
                to_be_unbound(slice::from_ref(&other)),
                Err(ResetUnavoidable::NoSiblingOfVfioPci)
            );
            assert_eq!(to_be_unbound(&[one.clone(), other]), Ok(Some(one.address)));
        }
    }

    #[test]
    fn the_form_is_frozen_and_version_1_is_read() {
        let frozen = "{\"schema\":\"reseat.vfio-reading/2\",\"device\":\"0000:01:00\",\"function\":\"0000:01:00.0\",\
                      \"reset_method\":\"flr bus\",\"unbound\":\"0000:01:00.1\"}";
        assert_eq!(serde_json::to_string(&reading()).unwrap(), frozen);
        let former = frozen.replace("reseat.vfio-reading/2", "reseat.look/1");
        for text in [frozen, &former] {
            assert_eq!(from_slice::<VfioReading>(text.as_bytes()).unwrap(), reading());
        }
    }

    fn reading() -> VfioReading {
        VfioReading {
            device: "0000:01:00".parse().unwrap(),
            function: "0000:01:00.0".parse().unwrap(),
            reset_method: "flr bus".to_owned(),
            unbound: Some("0000:01:00.1".parse().unwrap()),
        }
    }

    #[test]
    fn a_journal_takes_over_what_was_there_before_the_reading() {
        let before = |address: &str, driver: Option<&str>, methods: &str| Before {
            address: address.parse().unwrap(),
            driver: driver.map(str::to_owned),
            iommu_group: None,
            driver_override: None,
            reset_method: Some(methods.to_owned()),
            bar_sizes: [0; 6],
        };
        for (mut as_found, as_it_was) in [
            (
                before("0000:01:00.0", Some(VFIO_PCI), ""),
                before("0000:01:00.0", Some(VFIO_PCI), "flr bus"),
            ),
            // Chosen by somebody since.
            (
                before("0000:01:00.0", Some(VFIO_PCI), "bus"),
                before("0000:01:00.0", Some(VFIO_PCI), "bus"),
            ),
            (
                before("0000:01:00.1", None, "flr"),
                before("0000:01:00.1", Some(VFIO_PCI), "flr"),
            ),
            (before("0000:01:00.2", None, ""), before("0000:01:00.2", None, "")),
        ] {
            reading().hand_over(&mut as_found);
            assert_eq!(as_found, as_it_was);
        }
    }
}
