//! The slot registers of QEMU's ports, behind the guest's back and only while it stands still.
//!
//! By the legacy configuration mechanism, since QEMU's monitor can write to I/O ports but not to memory.

use crate::qmp::{Qmp, QmpError};

/// The address and the data of the configuration mechanism.
const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;

/// Capabilities Pointer.
const CAPABILITIES: u32 = 0x34;
/// The PCI Express capability, and Slot Control in it, with Slot Status in the dword's upper half.
const EXPRESS: u32 = 0x10;
const SLOT_CONTROL: u32 = 0x18;
/// No list has more than fit into 256 bytes.
const MOST_CAPABILITIES: usize = 48;

/// Power Indicator Control, and its values On and Off.
const INDICATOR: u32 = 0x0300;
const INDICATOR_ON: u32 = 0x0100;
const INDICATOR_OFF: u32 = 0x0300;
/// Power Controller Control: set is off.
const POWER_OFF: u32 = 0x0400;
/// Attention Button Pressed and Presence Detect Changed of Slot Status, both cleared by writing one.
const PRESSED_AND_CHANGED: u32 = 0x0009;

/// Where a port is in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortPlace {
    /// Its bus.
    pub bus: u8,
    /// Its device number.
    pub device: u8,
}

impl PortPlace {
    fn address(self, offset: u32) -> u32 {
        ENABLE | u32::from(self.bus) << 16 | u32::from(self.device) << 11 | offset & 0xfc
    }
}

/// Takes back that somebody pressed the slot's button and put a card in.
pub(super) fn release_button(qmp: &Qmp, port: PortPlace) -> Result<(), QmpError> {
    Config { qmp, port }.undisturbed(|config| {
        let status = config.slot_control()? + 2;
        config.write_word(status, PRESSED_AND_CHANGED)
    })
}

/// Puts the slot's power indicator out if it is on and the slot has power; says whether it did.
pub(super) fn put_light_out(qmp: &Qmp, port: PortPlace) -> Result<bool, QmpError> {
    Config { qmp, port }.undisturbed(|config| {
        let offset = config.slot_control()?;
        let control = config.word(offset)?;
        if control & POWER_OFF != 0 || control & INDICATOR != INDICATOR_ON {
            return Ok(false);
        }
        config.write_word(offset, control & !INDICATOR | INDICATOR_OFF)?;
        Ok(true)
    })
}

/// A port's configuration space.
#[derive(Clone, Copy)]
struct Config<'a> {
    qmp: &'a Qmp,
    port: PortPlace,
}

impl Config<'_> {
    /// Does something and leaves the address register as it was: the guest may be between its own two accesses.
    fn undisturbed<T>(self, access: impl FnOnce(Self) -> Result<T, QmpError>) -> Result<T, QmpError> {
        let of_the_guest = input(self.qmp, 'w', ADDRESS)?;
        let done = access(self);
        output(self.qmp, 'w', ADDRESS, of_the_guest)?;
        done
    }

    fn slot_control(self) -> Result<u32, QmpError> {
        let mut at = self.word(CAPABILITIES)? & 0xfc;
        for _ in 0..MOST_CAPABILITIES {
            let header = self.word(at)?;
            if header & 0xff == EXPRESS {
                return Ok(at + SLOT_CONTROL);
            }
            at = header >> 8 & 0xfc;
        }
        let (line, said) = (
            format!("capabilities of {:?}", self.port),
            "none is PCI Express".to_owned(),
        );
        Err(QmpError::Monitor { line, said })
    }

    fn word(self, offset: u32) -> Result<u32, QmpError> {
        let data = self.select(offset)?;
        input(self.qmp, 'h', data)
    }

    fn write_word(self, offset: u32, value: u32) -> Result<(), QmpError> {
        let data = self.select(offset)?;
        output(self.qmp, 'h', data, value)
    }

    /// Points the address register at a word; says where its data is.
    fn select(self, offset: u32) -> Result<u16, QmpError> {
        output(self.qmp, 'w', ADDRESS, self.port.address(offset))?;
        Ok(if offset & 2 == 0 { DATA } else { DATA + 2 })
    }
}

/// Reads a port; `size` is the monitor's letter for it.
fn input(qmp: &Qmp, size: char, port: u16) -> Result<u32, QmpError> {
    let line = format!("i /x{size} {port:#x}");
    let said = qmp.human(&line)?;
    parse(&said).ok_or(QmpError::Monitor { line, said })
}

fn output(qmp: &Qmp, size: char, port: u16, value: u32) -> Result<(), QmpError> {
    let line = format!("o /{size} {port:#x} {value:#x}");
    let said = qmp.human(&line)?;
    if said.trim().is_empty() {
        return Ok(());
    }
    Err(QmpError::Monitor { line, said })
}

/// `portw[0x0cfc] = 0x0100`.
fn parse(said: &str) -> Option<u32> {
    let (_, value) = said.trim().split_once(" = ")?;
    u32::from_str_radix(value.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_as_the_mechanism_wants_it() {
        let port = PortPlace { bus: 2, device: 3 };
        assert_eq!(port.address(0xaa), 0x8002_18a8);
    }

    #[test]
    fn a_value_is_read_and_a_complaint_is_not() {
        assert_eq!(parse("portw[0x0cfc] = 0x01c0\r\n"), Some(0x1c0));
        assert_eq!(parse("invalid expression"), None);
    }
}
