//! The Access Control Services capability (ACS): whether functions below one port reach each other past the IOMMU.
//!
//! | offset | register |
//! | --- | --- |
//! | 0 | header |
//! | 4 | bits 0–15: ACS Capability, 16–31: ACS Control |

use bitfield_struct::bitfield;

use super::view::{View, ViewError};
use super::{ExtendedId, taken_from_list};
use crate::config::{ConfigRead, Offset, halves};

/// ACS Capability and ACS Control, from the start of the capability.
const CAPABILITY_CONTROL: Offset = Offset::at::<0x04>();

/// A function's Access Control Services capability.
#[derive(Clone, Debug)]
pub struct Acs<R> {
    view: View<R, ExtendedId>,
}

taken_from_list!(Acs, ExtendedId::ACS);

impl<R: ConfigRead> Acs<R> {
    /// ACS Capability and ACS Control. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn capability_control(&mut self) -> Result<(AcsCapability, AcsControl), ViewError<R::Error>> {
        let (capability, control) = halves(self.view.read_answer(CAPABILITY_CONTROL)?);
        Ok((capability.into(), control.into()))
    }
}

/// ACS Capability: what the function can do. A function without a bit either does so always or never needs to.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | ACS Source Validation |
/// | 1 | ACS Translation Blocking |
/// | 2 | ACS P2P Request Redirect |
/// | 3 | ACS P2P Completion Redirect |
/// | 4 | ACS Upstream Forwarding |
/// | 5 | ACS P2P Egress Control |
/// | 6 | ACS Direct Translated P2P |
/// | 7 | ACS Enhanced Capability |
/// | 8–15 | Egress Control Vector Size |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AcsCapability {
    /// Can refuse requests whose Requester ID is not from below.
    pub acs_source_validation: bool,
    /// Can refuse requests that say that their address is translated.
    pub acs_translation_blocking: bool,
    /// Can send requests between peers up to the IOMMU.
    pub acs_p2p_request_redirect: bool,
    /// Can send their answers up as well.
    pub acs_p2p_completion_redirect: bool,
    /// Can send up what comes back down to where it came from.
    pub acs_upstream_forwarding: bool,
    /// Can choose, port by port, which peers may be reached.
    pub acs_p2p_egress_control: bool,
    /// Can let requests with translated addresses go to peers directly.
    pub acs_direct_translated_p2p: bool,
    /// Has the enhanced controls, above bit 6 of ACS Control.
    pub acs_enhanced_capability: bool,
    /// Bits in the Egress Control Vector; 0 stands for 256.
    pub egress_control_vector_size: u8,
}

/// ACS Control: what the function does.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | ACS Source Validation Enable |
/// | 1 | ACS Translation Blocking Enable |
/// | 2 | ACS P2P Request Redirect Enable |
/// | 3 | ACS P2P Completion Redirect Enable |
/// | 4 | ACS Upstream Forwarding Enable |
/// | 5 | ACS P2P Egress Control Enable |
/// | 6 | ACS Direct Translated P2P Enable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AcsControl {
    /// Refuses requests whose Requester ID is not from below.
    pub acs_source_validation_enable: bool,
    /// Refuses requests that say that their address is translated.
    pub acs_translation_blocking_enable: bool,
    /// Sends requests between peers up to the IOMMU.
    pub acs_p2p_request_redirect_enable: bool,
    /// Sends their answers up as well.
    pub acs_p2p_completion_redirect_enable: bool,
    /// Sends up what comes back down to where it came from.
    pub acs_upstream_forwarding_enable: bool,
    /// Lets only chosen peers be reached.
    pub acs_p2p_egress_control_enable: bool,
    /// Lets requests with translated addresses go to peers directly.
    pub acs_direct_translated_p2p_enable: bool,
    #[bits(9)]
    __: u16,
}
