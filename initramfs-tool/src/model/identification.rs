//! The identification of a GPU after a reboot, behind other bus numbers, or in another slot.

use std::fmt;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::capability::serial_number::SerialNumber;
use reseat_core::header::Identity;
use serde::{Deserialize, Serialize};

use crate::model::inventory::Gpu;

/// The place of a GPU and its own identification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identification {
    /// The device number.
    pub device: DeviceAddress,
    /// The functions.
    pub functions: Vec<FunctionIdentity>,
    /// The physical slot, as the kernel names it, and the path through the card's own switch, if any.
    pub slot: Option<String>,
    /// The serial number.
    pub serial: Option<String>,
}

/// A function with its vendor:device ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionIdentity {
    /// The address.
    pub address: FunctionAddress,
    /// Vendor and device ID.
    pub identity: Identity,
}

/// The relation between two identifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The same GPU, or indistinguishable from it.
    Same,
    /// Another GPU in the same place.
    Replaced,
    /// Another GPU.
    Other,
}

impl Identification {
    /// Identifies a GPU. A serial number of 0 counts as none: the manufacturer left it out.
    pub fn new(gpu: &Gpu, slot: Option<String>, serial: Option<SerialNumber>) -> Self {
        let functions = gpu.functions.iter().map(|function| FunctionIdentity {
            address: function.address,
            identity: function.identity,
        });
        Self {
            device: gpu.device,
            functions: functions.collect(),
            slot,
            serial: serial
                .filter(|serial| *serial != SerialNumber(0))
                .map(|serial| serial.to_string()),
        }
    }

    /// Compares this GPU with `other`. If both serial numbers are known, they decide, wherever the GPU is now;
    /// otherwise the place and the vendor:device IDs do.
    pub fn likeness(&self, other: &Self) -> Likeness {
        let is_same = match (&self.serial, &other.serial) {
            (Some(serial), Some(others)) if serial == others => return Likeness::Same,
            (Some(_), Some(_)) => false,
            _ => self.may_be(other),
        };
        match (self.is_in_the_place_of(other), is_same) {
            (true, true) => Likeness::Same,
            (true, false) => Likeness::Replaced,
            (false, _) => Likeness::Other,
        }
    }

    /// Compares by slot if both are known, since bus numbers change when other cards are added.
    fn is_in_the_place_of(&self, other: &Self) -> bool {
        match (&self.slot, &other.slot) {
            (Some(slot), Some(others)) => slot == others,
            _ => self.device == other.device,
        }
    }

    /// Returns true if no function has another ID. A sick GPU may lack some or all functions; that alone does not make
    /// it another GPU.
    fn may_be(&self, other: &Self) -> bool {
        self.functions.iter().all(|function| {
            let number = function.address.function();
            let mut others = other.functions.iter();
            let there = others.find(|other| other.address.function() == number);
            there.is_none_or(|there| there.identity == function.identity)
        })
    }
}

impl fmt::Display for Identification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.device)?;
        if let Some(first) = self.functions.first() {
            write!(f, " [{}]", first.identity)?;
        }
        if let Some(slot) = &self.slot {
            write!(f, " in slot {slot}")?;
        }
        match &self.serial {
            Some(serial) => write!(f, ", serial number {serial}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::inventory;
    use crate::model::inventory::tests::twins;

    /// The GPU at 0000:01:00 of the tests' machine.
    pub(crate) fn first() -> Identification {
        Identification::new(&inventory::gpus(&twins()).remove(0), None, None)
    }

    /// Its identical twin at 0000:02:00.
    pub(crate) fn second() -> Identification {
        Identification::new(&inventory::gpus(&twins()).remove(1), None, None)
    }

    fn with(gpu: Identification, slot: &str, serial: &str) -> Identification {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Identification {
            slot: some(slot),
            serial: some(serial),
            ..gpu
        }
    }

    fn of_another_model(mut gpu: Identification) -> Identification {
        gpu.functions[0].identity.device ^= 1;
        gpu
    }

    #[test]
    fn likeness_is_by_serial_number_then_by_place_and_identity() {
        use Likeness::{Other, Replaced, Same};
        let without_functions = Identification {
            functions: Vec::new(),
            ..first()
        };
        for (name, one, other, expected) in [
            ("nothing changed", first(), first(), Same),
            ("its twin", first(), second(), Other),
            (
                "another model at its address",
                first(),
                of_another_model(first()),
                Replaced,
            ),
            ("no function left", first(), without_functions, Same),
            ("moved", with(first(), "1", "s"), with(second(), "2", "s"), Same),
            (
                "exchanged for the same model",
                with(first(), "", "s"),
                with(first(), "", "t"),
                Replaced,
            ),
            (
                "serial number not readable",
                with(first(), "", "s"),
                with(first(), "", ""),
                Same,
            ),
            (
                "other bus number, same slot",
                with(first(), "1", ""),
                with(second(), "1", ""),
                Same,
            ),
            (
                "same bus number, other slot",
                with(first(), "1", ""),
                with(first(), "2", ""),
                Other,
            ),
            (
                "slot known on one side",
                with(first(), "1", ""),
                with(first(), "", ""),
                Same,
            ),
        ] {
            assert_eq!(one.likeness(&other), expected, "{name}");
            assert_eq!(other.likeness(&one), expected, "{name}, the other way round");
        }
    }

    #[test]
    fn a_serial_number_of_zero_is_none() {
        let gpu = inventory::gpus(&twins()).remove(0);
        assert_eq!(Identification::new(&gpu, None, Some(SerialNumber(0))).serial, None);
        let serial = Identification::new(&gpu, None, Some(SerialNumber(0x0102))).serial;
        assert_eq!(serial.as_deref(), Some("00-00-00-00-00-00-01-02"));
    }

    #[test]
    fn words_name_address_identity_slot_and_serial_number() {
        let gpu = with(first(), "4-1", "48-b0-2d-00-00-00-00-01");
        assert_eq!(
            gpu.to_string(),
            "0000:01:00 [10de:2231] in slot 4-1, serial number 48-b0-2d-00-00-00-00-01"
        );
    }
}
