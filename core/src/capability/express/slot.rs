//! The registers about the slot below a port.

use bitfield_struct::bitfield;

/// Slot Capabilities.
///
/// | bits | field |
/// | --- | --- |
/// | 1 | Power Controller Present |
/// | 5 | Hot-Plug Surprise |
/// | 6 | Hot-Plug Capable |
/// | 18 | No Command Completed Support |
/// | 19–31 | Physical Slot Number |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SlotCapabilities {
    __: bool,
    /// Software can cut the slot's power. Without it, Slot Control's power bit cuts nothing.
    pub power_controller: bool,
    #[bits(3)]
    __: u8,
    /// A card may be pulled without notice.
    pub hot_plug_surprise: bool,
    /// Cards can be put in and taken out under power.
    pub hot_plug: bool,
    #[bits(11)]
    __: u16,
    /// Says nothing when a command of Slot Control is done.
    pub no_command_completed: bool,
    /// The number on the chassis; 0 where there is none.
    #[bits(13)]
    pub physical_slot_number: u16,
}

/// Slot Control.
///
/// | bits | field |
/// | --- | --- |
/// | 1 | Power Fault Detected Enable |
/// | 3 | Presence Detect Changed Enable |
/// | 4 | Command Completed Interrupt Enable |
/// | 5 | Hot-Plug Interrupt Enable |
/// | 10 | Power Controller Control |
/// | 12 | Data Link Layer State Changed Enable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SlotControl {
    __: bool,
    /// A power fault notifies.
    pub power_fault_enable: bool,
    __: bool,
    /// A change of presence notifies.
    pub presence_detect_changed_enable: bool,
    /// A command that is done interrupts.
    pub command_completed_interrupt_enable: bool,
    /// The slot's events interrupt.
    pub hot_plug_interrupt_enable: bool,
    #[bits(4)]
    __: u8,
    /// The slot's power as it was last set.
    #[bits(1)]
    pub power: SlotPower,
    __: bool,
    /// A link that comes or goes notifies.
    pub link_state_changed_enable: bool,
    #[bits(3)]
    __: u8,
}

/// Slot Status. Bits 1, 3, 4 and 8 are cleared by writing ones.
///
/// | bits | field |
/// | --- | --- |
/// | 1 | Power Fault Detected |
/// | 3 | Presence Detect Changed |
/// | 4 | Command Completed |
/// | 6 | Presence Detect State |
/// | 8 | Data Link Layer State Changed |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SlotStatus {
    __: bool,
    /// The power controller saw a fault.
    pub power_fault: bool,
    __: bool,
    /// Presence changed.
    #[doc(alias = "PDC")]
    pub presence_detect_changed: bool,
    /// A command of Slot Control is done.
    pub command_completed: bool,
    __: bool,
    /// A card is in the slot.
    pub presence: bool,
    __: bool,
    /// The link came or went.
    #[doc(alias = "DLLSC")]
    pub link_state_changed: bool,
    #[bits(7)]
    __: u8,
}

/// Power Controller Control, the bit that reads the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SlotPower {
    /// 0: on.
    On,
    /// 1: off.
    Off,
}

impl SlotPower {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::On,
            _ => Self::Off,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::On => 0,
            Self::Off => 1,
        }
    }
}
