//! Whether a function answers, and whether it is ready.
//!
//! Nothing is read below a port before the port's own word about its link: on some hosts a read
//! below a link that is down ends in an error that the host does not survive. The types leave no
//! other order. Only [`PortLink::admit`] and [`Admission::on_root_bus`] make an [`Admission`], and
//! each judgement of a function takes one and uses it up:
//!
//! ```
//! # use reseat_core::config::Memory;
//! use reseat_core::presence::{Admission, PortLink, Readiness, RrsVisibility};
//!
//! # let function = Memory::new([0xff; 64])?;
//! let link = PortLink::Inactive; // as `Admission::link` reads it from the port above
//! let readiness = match link.admit() {
//!     Ok(admission) => admission.function(function, RrsVisibility::Enabled)?,
//!     Err(readiness) => readiness, // the function is not read at all
//! };
//! assert_eq!(readiness, Readiness::LinkInactive);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;

use crate::capability::express::{Express, LinkCapabilities, LinkStatus};
use crate::config::{ConfigRead, Offset};
use crate::header::Identity;

/// Where Vendor ID and Device ID are.
const IDENTITY: Offset = Offset::at::<0x00>();
/// Where Command and Status are. A virtual function answers here, not before.
const COMMAND_STATUS: Offset = Offset::at::<0x04>();
/// Where Revision ID and Class Code are.
const CLASS: Offset = Offset::at::<0x08>();
/// Where Header Type is.
const HEADER_TYPE: Offset = Offset::at::<0x0c>();

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

/// What a port says about the link below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PortLink {
    /// The port reports its link and the link is active.
    Active,
    /// The port reports its link and the link is not active.
    Inactive,
    /// The port does not report its link, or has none: only time tells what is below.
    NotReported,
    /// The port itself could not be read.
    Unreadable,
}

impl PortLink {
    /// What a port's own two registers say.
    #[doc(alias = "DLLLA")]
    pub const fn from_registers(capabilities: LinkCapabilities, status: LinkStatus) -> Self {
        match (
            capabilities.data_link_layer_link_active_reporting_capable(),
            status.data_link_layer_link_active(),
        ) {
            (true, true) => Self::Active,
            (true, false) => Self::Inactive,
            (false, _) => Self::NotReported,
        }
    }

    /// Leave to read one function below.
    ///
    /// # Errors
    ///
    /// What is to be said of the function instead, where it must not be read.
    pub const fn admit(self) -> Result<Admission, Readiness> {
        match self {
            Self::Active | Self::NotReported => Ok(Admission(())),
            Self::Inactive => Err(Readiness::LinkInactive),
            Self::Unreadable => Err(Readiness::LinkUnknown),
        }
    }
}

/// Leave to read one function once: the port above it was looked at.
#[derive(Debug)]
#[must_use = "a look at the port is for reading what is below it"]
pub struct Admission(());

impl Admission {
    /// For a function on a root bus: no port is above it.
    pub const fn on_root_bus() -> Self {
        Self(())
    }

    /// Reads what a port says of its own link: the admission to whatever is below, and with it a
    /// chain from the root bus down through every switch. Two reads.
    pub fn link<R: ConfigRead>(self, port: &mut Express<R>) -> PortLink {
        match (port.link_capabilities(), port.link()) {
            (Ok(Some(capabilities)), Ok(Some((_, status)))) => PortLink::from_registers(capabilities, status),
            (Ok(None), _) | (_, Ok(None)) => PortLink::NotReported,
            (Err(_), _) | (_, Err(_)) => PortLink::Unreadable,
        }
    }

    /// Judges a physical function. At most four reads; one where it does not answer.
    ///
    /// # Errors
    ///
    /// The reader's own error; it says nothing about the function.
    pub fn function<R: ConfigRead>(self, mut reader: R, rrs: RrsVisibility) -> Result<Readiness, R::Error> {
        let identity = match Presence::read(&mut reader, rrs)? {
            Presence::Absent => return Ok(Readiness::Absent),
            Presence::NotReady => return Ok(Readiness::NotReady),
            Presence::Zero => return Ok(Readiness::HalfInitialised(Half::Zero)),
            Presence::Ready(identity) => identity,
        };
        Ok(match Half::read(&mut reader)? {
            Some(half) => Readiness::HalfInitialised(half),
            None => Readiness::Ready(identity),
        })
    }

    /// Judges a virtual function, after its physical one. At most three reads, and none unless the
    /// physical function is ready.
    ///
    /// A virtual function's first register is all-ones by design; `identity` is what the physical
    /// function's SR-IOV capability says instead.
    ///
    /// # Errors
    ///
    /// As [`function`](Self::function).
    pub fn virtual_function<R: ConfigRead>(
        self,
        physical: Readiness,
        identity: Identity,
        mut reader: R,
    ) -> Result<Readiness, R::Error> {
        match physical {
            Readiness::Ready(_) => {}
            Readiness::LinkInactive | Readiness::LinkUnknown => return Ok(physical),
            Readiness::Absent
            | Readiness::NotReady
            | Readiness::HalfInitialised(_)
            | Readiness::PhysicalFunctionNotReady => return Ok(Readiness::PhysicalFunctionNotReady),
        }
        Ok(match Half::read(&mut reader)? {
            // There is no marker of its own for "not ready": gone and not yet there read the same.
            Some(Half::CommandAllOnes) => Readiness::Absent,
            Some(half) => Readiness::HalfInitialised(half),
            None => Readiness::Ready(identity),
        })
    }
}

/// Whether a function can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Readiness {
    /// The link of the port above is not active; the function was not read.
    LinkInactive,
    /// The port above could not be read; the function was not read.
    LinkUnknown,
    /// All-ones: nothing answers.
    Absent,
    /// RRS: the function is there and asks for time.
    #[doc(alias = "CRS")]
    NotReady,
    /// Something answers, but not all that every function answers.
    HalfInitialised(Half),
    /// Of a virtual function: its physical function is not ready; it was not read itself.
    PhysicalFunctionNotReady,
    /// Its header answers.
    Ready(Identity),
}

impl Readiness {
    /// The readiness of two functions together: that of the one that is further from ready. One
    /// that asks for time comes before one that is absent, since it has to be waited for longer.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if other.distance() > self.distance() {
            other
        } else {
            self
        }
    }

    const fn distance(self) -> u8 {
        match self {
            Self::Ready(_) => 0,
            Self::PhysicalFunctionNotReady => 1,
            Self::HalfInitialised(_) => 2,
            Self::Absent => 3,
            Self::NotReady => 4,
            Self::LinkUnknown => 5,
            Self::LinkInactive => 6,
        }
    }
}

/// What a function that answers lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Half {
    /// The identity reads zero.
    Zero,
    /// Command and Status read all-ones.
    CommandAllOnes,
    /// Revision ID and Class Code read all-ones.
    ClassAllOnes,
    /// The register with Header Type reads all-ones.
    HeaderTypeAllOnes,
}

impl fmt::Display for PortLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "link active",
            Self::Inactive => "link not active",
            Self::NotReported => "link not reported",
            Self::Unreadable => "link unknown: the port could not be read",
        })
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkInactive => f.write_str("not read: the link is not active"),
            Self::LinkUnknown => f.write_str("not read: the port above could not be read"),
            Self::Absent => f.write_str("absent: all-ones"),
            Self::NotReady => f.write_str("not ready: asks for retries (RRS)"),
            Self::HalfInitialised(half) => write!(f, "half initialised: {half}"),
            Self::PhysicalFunctionNotReady => f.write_str("not read: its physical function is not ready"),
            Self::Ready(identity) => write!(f, "ready: {identity}"),
        }
    }
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "the identity reads zero",
            Self::CommandAllOnes => "Command and Status read all-ones",
            Self::ClassAllOnes => "Class Code reads all-ones",
            Self::HeaderTypeAllOnes => "Header Type reads all-ones",
        })
    }
}

impl Half {
    /// Of a function with an identity, the first register that cannot be what it reads.
    fn read<R: ConfigRead>(reader: &mut R) -> Result<Option<Self>, R::Error> {
        for (at, half) in [
            (COMMAND_STATUS, Self::CommandAllOnes),
            (CLASS, Self::ClassAllOnes),
            (HEADER_TYPE, Self::HeaderTypeAllOnes),
        ] {
            if reader.read(at)? == u32::MAX {
                return Ok(Some(half));
            }
        }
        Ok(None)
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
