//! What the first register of a function says about the function.

use crate::config::{ConfigRead, Offset};
use crate::header::Identity;

/// Where Vendor ID and Device ID are.
const IDENTITY: Offset = Offset::at::<0x00>();

/// The Vendor ID that a root port returns in place of a request retry.
const RRS_VENDOR: u16 = 0x0001;

/// Whether the root port above the function answers for it while it asks for retries.
///
/// Its [`RootControl`](crate::capability::express::RootControl) says so; there is no default.
#[doc(alias = "CRSVisible")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RrsVisibility {
    /// Vendor ID `0001` means "not ready".
    Enabled,
    /// The root port retries by itself; Vendor ID `0001` is a vendor like any other.
    Disabled,
}

/// What the first register of a function says about the function.
///
/// Four different answers, none of which stands for another. A virtual function reads all-ones
/// here by design: its Command register tells whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Presence {
    /// All-ones: nothing answers.
    Absent,
    /// RRS: the function is there and asks for time.
    #[doc(alias = "CRS")]
    NotReady,
    /// All zeros: something answers, and not as a PCI function does.
    Zero,
    /// The function answers with its identity.
    Ready(Identity),
}

impl Presence {
    /// Interprets the register at offset 0.
    pub const fn from_register(register: u32, rrs: RrsVisibility) -> Self {
        let identity = Identity::from_register(register);
        match (register, rrs) {
            (u32::MAX, _) => Self::Absent,
            (0, _) => Self::Zero,
            (_, RrsVisibility::Enabled) if identity.vendor == RRS_VENDOR => Self::NotReady,
            _ => Self::Ready(identity),
        }
    }

    /// Reads the register at offset 0 and interprets it. One read.
    ///
    /// # Errors
    ///
    /// The reader's own error; it says nothing about the function.
    pub fn read<R: ConfigRead>(mut reader: R, rrs: RrsVisibility) -> Result<Self, R::Error> {
        Ok(Self::from_register(reader.read(IDENTITY)?, rrs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H100: Identity = Identity {
        vendor: 0x10de,
        device: 0x2330,
    };

    #[test]
    fn four_answers_are_told_apart() {
        for (register, presence) in [
            (0xffff_ffff, Presence::Absent),
            (0xffff_0001, Presence::NotReady),
            (0x0000_0000, Presence::Zero),
            (0x2330_10de, Presence::Ready(H100)),
        ] {
            assert_eq!(
                Presence::from_register(register, RrsVisibility::Enabled),
                presence,
                "{register:#010x}"
            );
        }
    }

    #[test]
    fn vendor_0001_is_a_vendor_where_the_root_port_retries_by_itself() {
        let identity = Identity {
            vendor: 0x0001,
            device: 0xffff,
        };
        assert_eq!(
            Presence::from_register(0xffff_0001, RrsVisibility::Disabled),
            Presence::Ready(identity)
        );
    }

    #[test]
    fn half_of_all_ones_is_not_absence() {
        for register in [0xffff_10de, 0x2330_ffff] {
            let presence = Presence::from_register(register, RrsVisibility::Enabled);
            assert_eq!(presence, Presence::Ready(Identity::from_register(register)));
        }
    }
}
