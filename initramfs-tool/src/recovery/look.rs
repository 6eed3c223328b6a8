//! A look at the registers behind a BAR through VFIO, which is to be no reset.
//!
//! Opening a VFIO device resets the function by the methods in its `reset_method`: by none, where that is empty. Closing it
//! resets the bus, unless a function on it is on no driver at that time. So one sibling is taken off vfio-pci meanwhile.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use serde::{Deserialize, Serialize};

use super::Before;
use crate::claim::VFIO_PCI;

/// The form of the record; another form has another name.
pub const LOOK_SCHEMA: &str = "reseat.look/1";

/// What has to be put back after a look, written down before it is taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// [`LOOK_SCHEMA`].
    pub schema: String,
    /// The GPU.
    pub device: DeviceAddress,
    /// The function that is looked at.
    pub function: FunctionAddress,
    /// Its `reset_method`.
    pub reset_method: String,
    /// Who is taken off vfio-pci; nobody, where a sibling was on no driver before.
    pub unbound: Option<FunctionAddress>,
}

impl Look {
    /// Has a recovery's journal put back what this look has left behind: the function as it was before the look.
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

/// A function beside the one that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sibling {
    /// Which.
    pub address: FunctionAddress,
    /// Its driver.
    pub driver: Option<String>,
    /// Its `driver_override`: only what is reserved for vfio-pci is nobody else's while it is on no driver.
    pub driver_override: Option<String>,
}

/// Why a function cannot be looked at without a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWay {
    /// Nobody is there who could be on no driver meanwhile.
    #[error("it is the card's only function, and closing its VFIO device would reset it")]
    OnlyFunction,
    /// There are siblings, and none that may be unbound.
    #[error("none of its siblings is vfio-pci's alone, and closing its VFIO device would reset them all")]
    NoSiblingOfVfioPci,
}

/// Which of the functions beside the one that is looked at has to be taken off vfio-pci; nobody, where one is on no driver.
///
/// # Errors
/// When none may be.
pub fn to_be_unbound(siblings: &[Sibling]) -> Result<Option<FunctionAddress>, NoWay> {
    if siblings.is_empty() {
        return Err(NoWay::OnlyFunction);
    }
    if siblings.iter().any(|sibling| sibling.driver.is_none()) {
        return Ok(None);
    }
    let is_ours = |name: &Option<String>| name.as_deref() == Some(VFIO_PCI);
    let mut ours = siblings.iter().rev();
    let chosen = ours.find(|sibling| is_ours(&sibling.driver) && is_ours(&sibling.driver_override));
    chosen
        .map(|sibling| Some(sibling.address))
        .ok_or(NoWay::NoSiblingOfVfioPci)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

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
        assert_eq!(to_be_unbound(&[]), Err(NoWay::OnlyFunction));
        assert_eq!(to_be_unbound(&[one.clone(), two.clone()]), Ok(Some(two.address)));
        // Whoever is on no driver already does as well.
        let unbound = sibling("0000:01:00.3", None, None);
        assert_eq!(to_be_unbound(&[one.clone(), unbound]), Ok(None));
        for other in [
            sibling("0000:01:00.3", Some("snd_hda_intel"), None),
            sibling("0000:01:00.3", Some(VFIO_PCI), None),
        ] {
            assert_eq!(to_be_unbound(slice::from_ref(&other)), Err(NoWay::NoSiblingOfVfioPci));
            assert_eq!(to_be_unbound(&[one.clone(), other]), Ok(Some(one.address)));
        }
    }

    #[test]
    fn a_journal_takes_over_what_was_there_before_the_look() {
        let look = Look {
            schema: LOOK_SCHEMA.to_owned(),
            device: "0000:01:00".parse().unwrap(),
            function: "0000:01:00.0".parse().unwrap(),
            reset_method: "flr bus".to_owned(),
            unbound: Some("0000:01:00.1".parse().unwrap()),
        };
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
            look.hand_over(&mut as_found);
            assert_eq!(as_found, as_it_was);
        }
    }
}
