//! The presence and readiness of a function.
//!
//! The port's link is always read before anything below the port: on some hosts a read below a link that is down
//! crashes the host. The types enforce this order. Only [`PortLink::admit`] and [`Admission::on_root_bus`] create an
//! [`Admission`], and each check of a function consumes one:
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

pub use crate::capability::express::root::RrsVisibility;
use crate::capability::express::{Express, LinkCapabilities, LinkStatus};
use crate::config::{ConfigRead, Offset};
use crate::header::Identity;

/// The register with Vendor ID and Device ID.
const IDENTITY: Offset = Offset::at::<0x00>();
/// The register with Command and Status. A virtual function answers here, but not in the register before.
const COMMAND_STATUS: Offset = Offset::at::<0x04>();
/// The register with Revision ID and Class Code.
const CLASS: Offset = Offset::at::<0x08>();
/// The register with Header Type.
const HEADER_TYPE: Offset = Offset::at::<0x0c>();

/// The Vendor ID that a root port returns while the function requests retries.
const RRS_VENDOR: u16 = 0x0001;

/// A function's answer in its first register.
///
/// There are four distinct answers. A virtual function reads all-ones here by design; its Command register shows if it
/// is present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Presence {
    /// All-ones: no function answers.
    Absent,
    /// RRS: the function is present and requests time.
    #[doc(alias = "CRS")]
    NotReady,
    /// All zeros: something answers, but not as a PCI function does.
    Zero,
    /// The function answers with its IDs.
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
    /// The reader's own error. It is no information about the function.
    pub fn read<R: ConfigRead>(mut reader: R, rrs: RrsVisibility) -> Result<Self, R::Error> {
        Ok(Self::from_register(reader.read(IDENTITY)?, rrs))
    }
}

/// The state of the link below a port, from the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PortLink {
    /// The port reports its link and the link is active.
    Active,
    /// The port reports its link and the link is not active.
    Inactive,
    /// The port has no link or does not report it; only waiting helps.
    NotReported,
    /// The port itself could not be read.
    Unreadable,
}

impl PortLink {
    /// Decodes the port's own two registers.
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

    /// Returns permission to read one function below the port.
    ///
    /// # Errors
    ///
    /// The readiness to report instead if the function must not be read.
    pub const fn admit(self) -> Result<Admission, Readiness> {
        match self {
            Self::Active | Self::NotReported => Ok(Admission(())),
            Self::Inactive => Err(Readiness::LinkInactive),
            Self::Unreadable => Err(Readiness::LinkUnknown),
        }
    }
}

/// Permission to read one function once: the port above it has been checked.
#[derive(Debug)]
#[must_use = "a look at the port is for reading what is below it"]
pub struct Admission(());

impl Admission {
    /// Permission for a function on a root bus, which has no port above.
    pub const fn on_root_bus() -> Self {
        Self(())
    }

    /// Reads a port's link state. It grants access to the function below, and so forms a chain from the root bus down
    /// through every switch. Two reads.
    pub fn link<R: ConfigRead>(self, port: &mut Express<R>) -> PortLink {
        match (port.link_capabilities(), port.link()) {
            (Ok(Some(capabilities)), Ok(Some((_, status)))) => PortLink::from_registers(capabilities, status),
            (Ok(None), _) | (_, Ok(None)) => PortLink::NotReported,
            (Err(_), _) | (_, Err(_)) => PortLink::Unreadable,
        }
    }

    /// Checks a physical function. At most four reads; one if it does not answer.
    ///
    /// # Errors
    ///
    /// The reader's own error. It is no information about the function.
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

    /// Checks a virtual function after its physical one. At most three reads, and none unless the physical function is
    /// ready.
    ///
    /// A virtual function's first register is all-ones by design; `identity` comes from the physical function's SR-IOV
    /// capability instead.
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
            // Virtual functions have no marker for "not ready": gone and not yet present read the same.
            Some(Half::CommandAllOnes) => Readiness::Absent,
            Some(half) => Readiness::HalfInitialised(half),
            None => Readiness::Ready(identity),
        })
    }
}

/// The readiness of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Readiness {
    /// The link of the port above is not active; the function was not read.
    LinkInactive,
    /// The port above could not be read; the function was not read.
    LinkUnknown,
    /// All-ones: no function answers.
    Absent,
    /// RRS: the function is present and requests time.
    #[doc(alias = "CRS")]
    NotReady,
    /// The function answers, but not in every register that all functions have.
    HalfInitialised(Half),
    /// A virtual function whose physical function is not ready; it was not read itself.
    PhysicalFunctionNotReady,
    /// Its header answers.
    Ready(Identity),
}

impl Readiness {
    /// The combined readiness of two functions: that of the one that is further from ready. Requesting time ranks
    /// before absent, since it needs the longer wait.
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

/// The part that a half-initialized function lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Half {
    /// Vendor ID and Device ID read zero.
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
    /// Returns the first register of a function with IDs whose value is impossible.
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
    fn four_answers_are_distinguished() {
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
