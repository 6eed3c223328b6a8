//! The link registers.

use core::fmt;

use bitfield_struct::bitfield;

/// Link Capabilities.
///
/// | bits | field |
/// | --- | --- |
/// | 0–3 | Max Link Speed |
/// | 4–9 | Maximum Link Width |
/// | 10–11 | ASPM Support |
/// | 18 | Clock Power Management |
/// | 19 | Surprise Down Error Reporting Capable |
/// | 20 | Data Link Layer Link Active Reporting Capable |
/// | 21 | Link Bandwidth Notification Capability |
/// | 22 | ASPM Optionality Compliance |
/// | 24–31 | Port Number |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkCapabilities {
    /// The maximum link speed.
    #[bits(4)]
    pub max_link_speed: LinkSpeed,
    /// The maximum link width, in lanes.
    #[bits(6, access = RO)]
    pub maximum_link_width: u8,
    /// The power-saving states that the link supports (ASPM).
    #[bits(2)]
    pub aspm_support: AspmStates,
    #[bits(6)]
    __: u8,
    /// Can remove the reference clock while the link sleeps.
    pub clock_power_management: bool,
    /// Can report an unexpected link down.
    pub surprise_down_error_reporting_capable: bool,
    /// Link Status reports if the link is active.
    #[doc(alias = "DLLLA")]
    pub data_link_layer_link_active_reporting_capable: bool,
    /// Can raise an interrupt when speed or width change.
    pub link_bandwidth_notification_capability: bool,
    /// Conforms to a specification that makes ASPM optional.
    pub aspm_optionality_compliance: bool,
    __: bool,
    /// The number of the port in its switch or root complex.
    pub port_number: u8,
}

/// Link Control.
///
/// | bits | field |
/// | --- | --- |
/// | 0–1 | ASPM Control |
/// | 4 | Link Disable |
/// | 5 | Retrain Link |
/// | 6 | Common Clock Configuration |
/// | 7 | Extended Synch |
/// | 8 | Enable Clock Power Management |
/// | 9 | Hardware Autonomous Width Disable |
/// | 10 | Link Bandwidth Management Interrupt Enable |
/// | 11 | Link Autonomous Bandwidth Interrupt Enable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkControl {
    /// The power-saving states that are enabled (ASPM).
    #[bits(2)]
    pub aspm_control: AspmStates,
    #[bits(2)]
    __: u8,
    /// Disables the link. Upstream side of the link only.
    pub link_disable: bool,
    /// Writing 1 retrains the link; reads 0. Upstream side of the link only.
    pub retrain_link: bool,
    /// Both ends of the link share a reference clock.
    pub common_clock_configuration: bool,
    /// The link takes longer to wake, so that an analyzer can synchronize.
    pub extended_synch: bool,
    /// May remove the reference clock while the link sleeps.
    pub enable_clock_power_management: bool,
    /// The hardware may not change the width on its own.
    pub hardware_autonomous_width_disable: bool,
    /// A change of speed or width by software raises an interrupt. Upstream side of the link only.
    pub link_bandwidth_management_interrupt_enable: bool,
    /// An autonomous change of speed or width raises an interrupt. Upstream side of the link only.
    pub link_autonomous_bandwidth_interrupt_enable: bool,
    #[bits(4)]
    __: u8,
}

/// Link Status. Bits 14 and 15 are cleared by writing 1.
///
/// | bits | field |
/// | --- | --- |
/// | 0–3 | Current Link Speed |
/// | 4–9 | Negotiated Link Width |
/// | 11 | Link Training |
/// | 12 | Slot Clock Configuration |
/// | 13 | Data Link Layer Link Active |
/// | 14 | Link Bandwidth Management Status |
/// | 15 | Link Autonomous Bandwidth Status |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkStatus {
    /// The current link speed; undefined while the link is down.
    #[bits(4)]
    pub current_link_speed: LinkSpeed,
    /// The negotiated link width, in lanes; undefined while the link is down.
    #[bits(6, access = RO)]
    pub negotiated_link_width: u8,
    __: bool,
    /// The link is training or about to train. Upstream side of the link only.
    pub link_training: bool,
    /// Uses the reference clock of the connector.
    pub slot_clock_configuration: bool,
    /// The link is active. Valid only if the port [reports
    /// it](LinkCapabilities::data_link_layer_link_active_reporting_capable).
    #[doc(alias = "DLLLA")]
    pub data_link_layer_link_active: bool,
    /// Speed or width changed, by software or because the link was unreliable.
    pub link_bandwidth_management_status: bool,
    /// The hardware changed speed or width on its own.
    pub link_autonomous_bandwidth_status: bool,
}

/// Active State Power Management (ASPM): a set of two power-saving states of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AspmStates {
    /// 0: none.
    None,
    /// 1: L0s.
    L0s,
    /// 2: L1.
    L1,
    /// 3: L0s and L1.
    Both,
}

impl AspmStates {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::None,
            1 => Self::L0s,
            2 => Self::L1,
            _ => Self::Both,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::L0s => 1,
            Self::L1 => 2,
            Self::Both => 3,
        }
    }
}

/// The speed of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LinkSpeed {
    /// 1: 2.5 GT/s.
    Gt2_5,
    /// 2: 5 GT/s.
    Gt5,
    /// 3: 8 GT/s.
    Gt8,
    /// 4: 16 GT/s.
    Gt16,
    /// 5: 32 GT/s.
    Gt32,
    /// 6: 64 GT/s.
    Gt64,
    /// Any other code.
    Other(u8),
}

impl LinkSpeed {
    pub(super) const fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Gt2_5,
            2 => Self::Gt5,
            3 => Self::Gt8,
            4 => Self::Gt16,
            5 => Self::Gt32,
            6 => Self::Gt64,
            other => Self::Other(other),
        }
    }

    pub(super) const fn into_bits(self) -> u8 {
        match self {
            Self::Gt2_5 => 1,
            Self::Gt5 => 2,
            Self::Gt8 => 3,
            Self::Gt16 => 4,
            Self::Gt32 => 5,
            Self::Gt64 => 6,
            Self::Other(bits) => bits & 0xf,
        }
    }
}

impl fmt::Display for LinkSpeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gt2_5 => f.write_str("2.5 GT/s"),
            Self::Gt5 => f.write_str("5 GT/s"),
            Self::Gt8 => f.write_str("8 GT/s"),
            Self::Gt16 => f.write_str("16 GT/s"),
            Self::Gt32 => f.write_str("32 GT/s"),
            Self::Gt64 => f.write_str("64 GT/s"),
            Self::Other(bits) => write!(f, "speed code {bits}"),
        }
    }
}
