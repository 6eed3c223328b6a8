//! The registers about the slot below a port.

use bitfield_struct::bitfield;

/// Slot Capabilities.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Attention Button Present |
/// | 1 | Power Controller Present |
/// | 2 | MRL Sensor Present |
/// | 3 | Attention Indicator Present |
/// | 4 | Power Indicator Present |
/// | 5 | Hot-Plug Surprise |
/// | 6 | Hot-Plug Capable |
/// | 7–14 | Slot Power Limit Value |
/// | 15–16 | Slot Power Limit Scale |
/// | 17 | Electromechanical Interlock Present |
/// | 18 | No Command Completed Support |
/// | 19–31 | Physical Slot Number |
#[bitfield(u32, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SlotCapabilities {
    /// The slot has a button to ask for the card's removal.
    pub attention_button_present: bool,
    /// Software can cut the slot's power. Without it, Slot Control's power bit cuts nothing.
    pub power_controller_present: bool,
    /// The latch that holds the card can be sensed.
    pub mrl_sensor_present: bool,
    /// The slot has a lamp that software uses to point it out.
    pub attention_indicator_present: bool,
    /// The slot has a lamp for its power.
    pub power_indicator_present: bool,
    /// A card may be pulled without notice.
    pub hot_plug_surprise: bool,
    /// Cards can be put in and taken out under power.
    pub hot_plug_capable: bool,
    /// The power that the slot can give, in units of `power_limit_scale`.
    pub slot_power_limit_value: u8,
    /// 0: watts, and a tenth of it each step.
    #[bits(2, access = RO)]
    pub slot_power_limit_scale: u8,
    /// The card can be locked in.
    pub electromechanical_interlock_present: bool,
    /// Says nothing when a command of Slot Control is done.
    pub no_command_completed_support: bool,
    /// The number on the chassis; 0 where there is none.
    #[bits(13, access = RO)]
    pub physical_slot_number: u16,
}

/// Slot Control.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Attention Button Pressed Enable |
/// | 1 | Power Fault Detected Enable |
/// | 2 | MRL Sensor Changed Enable |
/// | 3 | Presence Detect Changed Enable |
/// | 4 | Command Completed Interrupt Enable |
/// | 5 | Hot-Plug Interrupt Enable |
/// | 6–7 | Attention Indicator Control |
/// | 8–9 | Power Indicator Control |
/// | 10 | Power Controller Control |
/// | 11 | Electromechanical Interlock Control |
/// | 12 | Data Link Layer State Changed Enable |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SlotControl {
    /// The attention button notifies.
    pub attention_button_pressed_enable: bool,
    /// A power fault notifies.
    pub power_fault_detected_enable: bool,
    /// A change of the latch notifies.
    pub mrl_sensor_changed_enable: bool,
    /// A change of presence notifies.
    pub presence_detect_changed_enable: bool,
    /// A command that is done interrupts.
    pub command_completed_interrupt_enable: bool,
    /// The slot's events interrupt.
    pub hot_plug_interrupt_enable: bool,
    /// The attention lamp.
    #[bits(2)]
    pub attention_indicator_control: Indicator,
    /// The power lamp.
    #[bits(2)]
    pub power_indicator_control: Indicator,
    /// The slot's power as it was last set.
    #[bits(1)]
    pub power_controller_control: PowerControllerControl,
    /// Writing one moves the lock; reads 0.
    pub electromechanical_interlock_control: bool,
    /// A link that comes or goes notifies.
    pub data_link_layer_state_changed_enable: bool,
    #[bits(3)]
    __: u8,
}

/// Slot Status. Bits 0 to 4 and 8 are cleared by writing ones.
///
/// | bits | field |
/// | --- | --- |
/// | 0 | Attention Button Pressed |
/// | 1 | Power Fault Detected |
/// | 2 | MRL Sensor Changed |
/// | 3 | Presence Detect Changed |
/// | 4 | Command Completed |
/// | 5 | MRL Sensor State |
/// | 6 | Presence Detect State |
/// | 7 | Electromechanical Interlock Status |
/// | 8 | Data Link Layer State Changed |
#[bitfield(u16, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SlotStatus {
    /// The attention button was pressed.
    pub attention_button_pressed: bool,
    /// The power controller saw a fault.
    pub power_fault_detected: bool,
    /// The latch was opened or closed.
    pub mrl_sensor_changed: bool,
    /// Presence changed.
    #[doc(alias = "PDC")]
    pub presence_detect_changed: bool,
    /// A command of Slot Control is done.
    pub command_completed: bool,
    /// The latch is open.
    pub mrl_sensor_state: bool,
    /// A card is in the slot.
    pub presence_detect_state: bool,
    /// The card is locked in.
    pub electromechanical_interlock_status: bool,
    /// The link came or went.
    #[doc(alias = "DLLSC")]
    pub data_link_layer_state_changed: bool,
    #[bits(7)]
    __: u8,
}

/// What a lamp of the slot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Indicator {
    /// 0: reserved, and what reads where there is no lamp.
    Reserved,
    /// 1: on.
    On,
    /// 2: blinking.
    Blink,
    /// 3: off.
    Off,
}

impl Indicator {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Reserved,
            1 => Self::On,
            2 => Self::Blink,
            _ => Self::Off,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Reserved => 0,
            Self::On => 1,
            Self::Blink => 2,
            Self::Off => 3,
        }
    }
}

/// Power Controller Control, the bit that reads the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PowerControllerControl {
    /// 0: on.
    On,
    /// 1: off.
    Off,
}

impl PowerControllerControl {
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
