//! The slot registers.

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
    /// The slot has an attention button.
    pub attention_button_present: bool,
    /// The slot has a power controller. Without one, Slot Control's power bit has no effect.
    pub power_controller_present: bool,
    /// The slot has a sensor for the retention latch (MRL).
    pub mrl_sensor_present: bool,
    /// The slot has an attention indicator.
    pub attention_indicator_present: bool,
    /// The slot has a power indicator.
    pub power_indicator_present: bool,
    /// A card may be removed without notice.
    pub hot_plug_surprise: bool,
    /// The slot supports hot plug.
    pub hot_plug_capable: bool,
    /// The slot's power limit, in units of `power_limit_scale`.
    pub slot_power_limit_value: u8,
    /// The unit of the power limit. 0: 1 W; each step divides it by ten.
    #[bits(2, access = RO)]
    pub slot_power_limit_scale: u8,
    /// The slot has an electromechanical interlock.
    pub electromechanical_interlock_present: bool,
    /// The port does not report the completion of commands.
    pub no_command_completed_support: bool,
    /// The physical slot number; 0 if there is none.
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
    /// The attention button raises an event.
    pub attention_button_pressed_enable: bool,
    /// A power fault raises an event.
    pub power_fault_detected_enable: bool,
    /// A change of the latch raises an event.
    pub mrl_sensor_changed_enable: bool,
    /// A presence change raises an event.
    pub presence_detect_changed_enable: bool,
    /// A completed command raises an interrupt.
    pub command_completed_interrupt_enable: bool,
    /// Slot events raise an interrupt.
    pub hot_plug_interrupt_enable: bool,
    /// The state of the attention indicator.
    #[bits(2)]
    pub attention_indicator_control: Indicator,
    /// The state of the power indicator.
    #[bits(2)]
    pub power_indicator_control: Indicator,
    /// The slot power that was last requested.
    #[bits(1)]
    pub power_controller_control: PowerControllerControl,
    /// Writing 1 toggles the interlock; reads 0.
    pub electromechanical_interlock_control: bool,
    /// A link state change raises an event.
    pub data_link_layer_state_changed_enable: bool,
    #[bits(3)]
    __: u8,
}

/// Slot Status. Bits 0 to 4 and 8 are cleared by writing 1.
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
    /// The power controller detected a fault.
    pub power_fault_detected: bool,
    /// The latch was opened or closed.
    pub mrl_sensor_changed: bool,
    /// The presence of the card changed.
    #[doc(alias = "PDC")]
    pub presence_detect_changed: bool,
    /// A command of Slot Control completed.
    pub command_completed: bool,
    /// The latch is open.
    pub mrl_sensor_state: bool,
    /// A card is in the slot.
    pub presence_detect_state: bool,
    /// The interlock is engaged.
    pub electromechanical_interlock_status: bool,
    /// The link state changed.
    #[doc(alias = "DLLSC")]
    pub data_link_layer_state_changed: bool,
    #[bits(7)]
    __: u8,
}

/// The state of a slot indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Indicator {
    /// 0: reserved; reads so without an indicator.
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

/// Power Controller Control. Its polarity is inverted: 0 is on.
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
