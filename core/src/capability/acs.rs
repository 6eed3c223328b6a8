//! The Access Control Services capability (ACS): controls if functions below a port can reach each other without
//! passing the IOMMU.
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

/// ACS Capability: the supported controls. A function without a bit either always behaves so or never needs to.
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
    /// Can block requests whose Requester ID is not from below the port.
    pub acs_source_validation: bool,
    /// Can block requests that carry a translated address.
    pub acs_translation_blocking: bool,
    /// Can redirect peer-to-peer requests upstream, to the IOMMU.
    pub acs_p2p_request_redirect: bool,
    /// Can redirect peer-to-peer completions upstream as well.
    pub acs_p2p_completion_redirect: bool,
    /// Can forward upstream a request that came back to its origin.
    pub acs_upstream_forwarding: bool,
    /// Can select, port by port, which peers may be reached.
    pub acs_p2p_egress_control: bool,
    /// Can let requests with translated addresses reach peers directly.
    pub acs_direct_translated_p2p: bool,
    /// Has the enhanced controls, above bit 6 of ACS Control.
    pub acs_enhanced_capability: bool,
    /// Bits in the Egress Control Vector; 0 stands for 256.
    pub egress_control_vector_size: u8,
}

/// ACS Control: the enabled controls.
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
    /// Blocks requests whose Requester ID is not from below the port.
    pub acs_source_validation_enable: bool,
    /// Blocks requests that carry a translated address.
    pub acs_translation_blocking_enable: bool,
    /// Redirects peer-to-peer requests upstream, to the IOMMU.
    pub acs_p2p_request_redirect_enable: bool,
    /// Redirects peer-to-peer completions upstream as well.
    pub acs_p2p_completion_redirect_enable: bool,
    /// Forwards upstream a request that came back to its origin.
    pub acs_upstream_forwarding_enable: bool,
    /// Allows requests to selected peers only.
    pub acs_p2p_egress_control_enable: bool,
    /// Lets requests with translated addresses reach peers directly.
    pub acs_direct_translated_p2p_enable: bool,
    #[bits(9)]
    __: u16,
}
