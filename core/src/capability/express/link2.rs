//! The link registers that version 2 added.

use core::fmt;

use bitfield_struct::bitfield;

use super::LinkSpeed;

/// Link Capabilities 2.
///
/// | bits | field |
/// | --- | --- |
/// | 1–7 | Supported Link Speeds Vector |
/// | 8 | Crosslink Supported |
/// | 23 | Retimer Presence Detect Supported |
/// | 24 | Two Retimers Presence Detect Supported |
/// | 31 | DRS Supported |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkCapabilities2 {
    __: bool,
    /// The supported link speeds.
    #[bits(7)]
    pub supported_link_speeds_vector: LinkSpeeds,
    /// Two ports of the same direction can form a link.
    pub crosslink_supported: bool,
    #[bits(14)]
    __: u16,
    /// Can detect a retimer on the link.
    pub retimer_presence_detect_supported: bool,
    /// Can detect two retimers on the link.
    pub two_retimers_presence_detect_supported: bool,
    #[bits(6)]
    __: u8,
    /// The device below can report that it is ready (DRS).
    pub drs_supported: bool,
}

/// Link Control 2.
///
/// | bits | field |
/// | --- | --- |
/// | 0–3 | Target Link Speed |
/// | 4 | Enter Compliance |
/// | 5 | Hardware Autonomous Speed Disable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkControl2 {
    /// The target link speed: for a port above, the upper limit for training.
    #[bits(4)]
    pub target_link_speed: LinkSpeed,
    /// The next training enters compliance mode.
    pub enter_compliance: bool,
    /// The hardware may not change the speed on its own.
    pub hardware_autonomous_speed_disable: bool,
    #[bits(10)]
    __: u16,
}

/// Link Status 2. Bits 5 and 15 are cleared by writing 1.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Current De-emphasis Level |
/// | 1 | Equalization 8.0 GT/s Complete |
/// | 2 | Equalization 8.0 GT/s Phase 1 Successful |
/// | 3 | Equalization 8.0 GT/s Phase 2 Successful |
/// | 4 | Equalization 8.0 GT/s Phase 3 Successful |
/// | 5 | Link Equalization Request 8.0 GT/s |
/// | 6 | Retimer Presence Detected |
/// | 7 | Two Retimers Presence Detected |
/// | 8–9 | Crosslink Resolution |
/// | 10 | Flit Mode Status |
/// | 12–14 | Downstream Component Presence |
/// | 15 | DRS Message Received |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkStatus2 {
    /// The de-emphasis at 5 GT/s: −3.5 dB if set, else −6 dB. Undefined at other speeds.
    pub current_de_emphasis_level: bool,
    /// Equalization at 8 GT/s is complete.
    pub equalization_8_0_gts_complete: bool,
    /// Phase 1 of equalization succeeded.
    pub equalization_8_0_gts_phase_1_successful: bool,
    /// Phase 2 of equalization succeeded.
    pub equalization_8_0_gts_phase_2_successful: bool,
    /// Phase 3 of equalization succeeded.
    pub equalization_8_0_gts_phase_3_successful: bool,
    /// The link requests another equalization.
    pub link_equalization_request_8_0_gts: bool,
    /// A retimer is on the link.
    pub retimer_presence_detected: bool,
    /// Two retimers are on the link.
    pub two_retimers_presence_detected: bool,
    /// The direction that the port took on a crosslink.
    #[bits(2)]
    pub crosslink_resolution: CrosslinkResolution,
    /// The link is in Flit Mode. Reserved before 6.0.
    pub flit_mode_status: bool,
    __: bool,
    /// The presence of the component below and the state of its link. Only for a port that supports DRS.
    #[bits(3)]
    pub downstream_component_presence: DownstreamComponentPresence,
    /// The device below reported that it is ready.
    #[doc(alias = "Device Readiness Status")]
    pub drs_message_received: bool,
}

/// The direction that a port took on a crosslink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CrosslinkResolution {
    /// 0: not supported; always so before 4.0.
    NotSupported,
    /// 1: the port became an upstream port.
    UpstreamPort,
    /// 2: the port became a downstream port.
    DownstreamPort,
    /// 3: negotiation is not complete.
    NotCompleted,
}

impl CrosslinkResolution {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotSupported,
            1 => Self::UpstreamPort,
            2 => Self::DownstreamPort,
            _ => Self::NotCompleted,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::NotSupported => 0,
            Self::UpstreamPort => 1,
            Self::DownstreamPort => 2,
            Self::NotCompleted => 3,
        }
    }
}

/// The presence of the component below a port and the state of its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DownstreamComponentPresence {
    /// 0: the link is down; presence is unknown.
    LinkDownPresenceNotDetermined,
    /// 1: the link is down; no component is present.
    LinkDownNotPresent,
    /// 2: the link is down; a component is present.
    LinkDownPresent,
    /// 4: the link is up; a component is present.
    LinkUpPresent,
    /// 5: the link is up; the component has reported that it is ready.
    LinkUpPresentDrsReceived,
    /// 3, 6 or 7: reserved.
    Other(u8),
}

impl DownstreamComponentPresence {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::LinkDownPresenceNotDetermined,
            1 => Self::LinkDownNotPresent,
            2 => Self::LinkDownPresent,
            4 => Self::LinkUpPresent,
            5 => Self::LinkUpPresentDrsReceived,
            other => Self::Other(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::LinkDownPresenceNotDetermined => 0,
            Self::LinkDownNotPresent => 1,
            Self::LinkDownPresent => 2,
            Self::LinkUpPresent => 4,
            Self::LinkUpPresentDrsReceived => 5,
            Self::Other(bits) => bits & 7,
        }
    }
}

/// Supported Link Speeds Vector: a set of link speeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LinkSpeeds(u8);

impl LinkSpeeds {
    /// The number of speeds in the vector.
    const ROOM: u8 = 7;

    /// Returns true if `speed` is in the set.
    pub const fn contains(self, speed: LinkSpeed) -> bool {
        match speed.into_bits().checked_sub(1) {
            Some(bit) if bit < Self::ROOM => (self.0 >> bit) & 1 == 1,
            _ => false,
        }
    }

    /// The speeds, slowest first.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = LinkSpeed> {
        (1..=Self::ROOM)
            .map(LinkSpeed::from_bits)
            .filter(move |&speed| self.contains(speed))
    }

    /// The fastest speed; `None` if the set is empty.
    pub fn max(self) -> Option<LinkSpeed> {
        self.iter().next_back()
    }

    const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    const fn into_bits(self) -> u8 {
        self.0
    }
}

impl fmt::Display for LinkSpeeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for speed in self.iter() {
            write!(f, "{separator}{speed}")?;
            separator = ", ";
        }
        Ok(())
    }
}
