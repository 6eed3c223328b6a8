//! The registers about the function's link that version 2 added.

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
    /// The speeds that the link can have.
    #[bits(7)]
    pub speeds: LinkSpeeds,
    /// Two ports of the same direction can make a link.
    pub crosslink: bool,
    #[bits(14)]
    __: u16,
    /// Can tell a retimer on the link.
    pub retimer_presence_detect: bool,
    /// Can tell two.
    pub two_retimers_presence_detect: bool,
    #[bits(6)]
    __: u8,
    /// The device below can say that it is ready.
    pub device_readiness_status: bool,
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
    /// At a port above, the highest speed that the link is to be trained to.
    #[bits(4)]
    pub target_speed: LinkSpeed,
    /// The next training ends in compliance mode.
    pub enter_compliance: bool,
    /// The hardware may not change the speed by its own choice.
    pub autonomous_speed_disable: bool,
    #[bits(10)]
    __: u16,
}

/// Link Status 2. Bits 5 and 15 are cleared by writing ones.
///
/// | bits | field |
/// | --- | --- |
/// | 1 | Equalization 8.0 GT/s Complete |
/// | 2 | Equalization 8.0 GT/s Phase 1 Successful |
/// | 3 | Equalization 8.0 GT/s Phase 2 Successful |
/// | 4 | Equalization 8.0 GT/s Phase 3 Successful |
/// | 5 | Link Equalization Request 8.0 GT/s |
/// | 6 | Retimer Presence Detected |
/// | 7 | Two Retimers Presence Detected |
/// | 15 | DRS Message Received |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkStatus2 {
    __: bool,
    /// Equalization for 8 GT/s is over.
    pub equalization_complete: bool,
    /// Its first phase succeeded.
    pub equalization_phase_1: bool,
    /// Its second phase succeeded.
    pub equalization_phase_2: bool,
    /// Its third phase succeeded.
    pub equalization_phase_3: bool,
    /// The link asks to be equalized anew.
    pub equalization_request: bool,
    /// A retimer is on the link.
    pub retimer: bool,
    /// Two are.
    pub two_retimers: bool,
    #[bits(7)]
    __: u8,
    /// The device below said that it is ready.
    pub device_readiness_status_received: bool,
}

/// A set of link speeds: Supported Link Speeds Vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LinkSpeeds(u8);

impl LinkSpeeds {
    /// How many speeds the vector has room for.
    const ROOM: u8 = 7;

    /// Whether `speed` is one of the speeds.
    pub const fn contains(self, speed: LinkSpeed) -> bool {
        match speed.into_bits().checked_sub(1) {
            Some(bit) if bit < Self::ROOM => (self.0 >> bit) & 1 == 1,
            _ => false,
        }
    }

    /// The speeds, the slowest first.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = LinkSpeed> {
        (1..=Self::ROOM)
            .map(LinkSpeed::from_bits)
            .filter(move |&speed| self.contains(speed))
    }

    /// The fastest speed; `None` of an empty set.
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
