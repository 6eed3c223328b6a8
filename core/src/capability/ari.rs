//! The Alternative Routing-ID Interpretation capability (ARI): up to 256 functions per device.
//!
//! | offset | register |
//! | --- | --- |
//! | 0 | header |
//! | 4 | bits 0–15: ARI Capability, 16–31: ARI Control |
//!
//! The port above has to forward such addresses; its [`DeviceControl2`](super::express::DeviceControl2) shows if it
//! does.

use bitfield_struct::bitfield;

use super::view::{View, ViewError};
use super::{ExtendedId, taken_from_list};
use crate::config::{ConfigRead, Offset, halves};

/// ARI Capability and ARI Control, from the start of the capability.
const CAPABILITY_CONTROL: Offset = Offset::at::<0x04>();

/// A function's Alternative Routing-ID Interpretation capability.
#[derive(Clone, Debug)]
pub struct Ari<R> {
    view: View<R, ExtendedId>,
}

taken_from_list!(Ari, ExtendedId::ARI);

impl<R: ConfigRead> Ari<R> {
    /// ARI Capability and ARI Control. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn capability_control(&mut self) -> Result<(AriCapability, AriControl), ViewError<R::Error>> {
        let (capability, control) = halves(self.view.read_answer(CAPABILITY_CONTROL)?);
        Ok((capability.into(), control.into()))
    }
}

/// ARI Capability.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | MFVC Function Groups Capability |
/// | 1 | ACS Function Groups Capability |
/// | 8–15 | Next Function Number |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AriCapability {
    /// Can arbitrate by groups of functions. Function 0 only.
    pub mfvc_function_groups_capability: bool,
    /// Can control access by groups of functions. Function 0 only.
    pub acs_function_groups_capability: bool,
    #[bits(6)]
    __: u8,
    /// The number of the next physical function; 0 ends the list.
    pub next_function_number: u8,
}

/// ARI Control.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | MFVC Function Groups Enable |
/// | 1 | ACS Function Groups Enable |
/// | 4–6 | Function Group |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AriControl {
    /// Arbitrates by groups of functions.
    pub mfvc_function_groups_enable: bool,
    /// Controls access by groups of functions.
    pub acs_function_groups_enable: bool,
    #[bits(2)]
    __: u8,
    /// The group that this function belongs to.
    #[bits(3, access = RO)]
    pub function_group: u8,
    #[bits(9)]
    __: u16,
}
