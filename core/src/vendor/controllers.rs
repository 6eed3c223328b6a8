//! Registers of the controllers beside a GPU that show that a reset has reached them.
//!
//! These controllers usually have no Power Budgeting, so nothing in their configuration space shows a reset in place.
//!
//! | function | register | BAR, offset | bits | reset value |
//! | --- | --- | --- | --- | --- |
//! | HD audio (0403) | `GCTL` | 0, 08 | 0: `CRST` | 0 |
//! | xHCI (0c0330) | `CONFIG` | 0, `CAPLENGTH` + 38 | 7:0: `MaxSlotsEn` | 0 |
//! | NVIDIA's USB Type-C (0c80) | `I2C_MST_ADDR` | 0, 04 | 6:0 | 0, by inference |
//!
//! - `GCTL`: Intel's 6 Series Chipset datasheet, 17.1.2.6: default 0; a 1 in bit 0 takes the controller out of reset and starts
//!   nothing else. Linux: `AZX_REG_GCTL`, `AZX_GCTL_RESET`.
//! - `CONFIG`: xHCI specification, 5.4.7. Software must not write it while the controller runs (`HCHalted`, bit 0 of `USBSTS`, is
//!   clear then) or is not ready (`CNR`, bit 11). The mark is one slot, which every controller has. EDK II, too, writes it first
//!   after a reset.
//! - `I2C_MST_ADDR`: the address for the next transfer, which nothing but a write to `I2C_MST_CNTL` starts
//!   (`i2c-nvidia-gpu.c`). No source gives its reset value. If that is not 0, the mark proves nothing.
//!
//! Drivers also write the first two: a mark counts only if no driver was bound in the meantime.

use super::BarRegister;
use crate::header::{ClassCode, Identity};
use crate::quirk::{Confidence, Source};
use crate::witness::BarMark;

/// A register of a controller that software may write, and that a reset sets to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ControllerMark {
    /// The place of the register.
    pub place: ControllerRegister,
    /// The bits that are 0 after a reset.
    pub mask: u32,
    /// The bits of them that the mark sets.
    pub set: u32,
    /// The source.
    pub source: Source,
    /// The confidence in the source.
    pub confidence: Confidence,
    /// The register's name.
    pub name: &'static str,
}

/// The place of a controller's register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ControllerRegister {
    /// The same in every such controller.
    At(BarRegister),
    /// At this offset of the operational registers of an xHCI controller.
    XhciOperational(u32),
}

const CRST: ControllerMark = ControllerMark {
    place: ControllerRegister::At(BarRegister { bar: 0, offset: 0x08 }),
    mask: 1,
    set: 1,
    source: Source::VendorDocumentation,
    confidence: Confidence::Vendor,
    name: "GCTL.CRST",
};

const MAX_SLOTS_EN: ControllerMark = ControllerMark {
    place: ControllerRegister::XhciOperational(0x38),
    mask: 0xff,
    set: 1,
    source: Source::VendorDocumentation,
    confidence: Confidence::Vendor,
    name: "CONFIG.MaxSlotsEn",
};

const I2C_MST_ADDR: ControllerMark = ControllerMark {
    place: ControllerRegister::At(BarRegister { bar: 0, offset: 0x04 }),
    mask: 0x7f,
    set: 0x5a,
    source: Source::Linux,
    confidence: Confidence::Reported,
    name: "I2C_MST_ADDR",
};

/// The mark for a controller beside a GPU, if one is known.
pub const fn controller_mark(identity: Identity, class: ClassCode) -> Option<&'static ControllerMark> {
    const NVIDIA: u16 = 0x10de;
    match (class.base_class, class.sub_class, class.interface) {
        (0x04, 0x03, _) => Some(&CRST),
        (0x0c, 0x03, 0x30) => Some(&MAX_SLOTS_EN),
        (0x0c, 0x80, _) if identity.vendor == NVIDIA => Some(&I2C_MST_ADDR),
        _ => None,
    }
}

impl ControllerMark {
    /// Returns the mark, with the register's present value; `None` if the controller does not answer or must not be written.
    /// Only reads, so the caller can store the value before it is overwritten.
    ///
    /// # Errors
    ///
    /// The reader's own error.
    pub fn prepare<E>(&self, mut read: impl FnMut(BarRegister) -> Result<u32, E>) -> Result<Option<BarMark>, E> {
        match self.place {
            ControllerRegister::At(register) => Ok(BarMark::of_controller(self, register, read(register)?)),
            ControllerRegister::XhciOperational(offset) => {
                let Some(operational) = operational_base(read(BarRegister { bar: 0, offset: 0 })?) else {
                    return Ok(None);
                };
                let at = |offset| BarRegister {
                    bar: 0,
                    offset: operational.saturating_add(offset),
                };
                let mark = BarMark::of_controller(self, at(offset), read(at(offset))?);
                let Some(mark) = mark.filter(|mark| mark.value() != mark.before) else {
                    return Ok(mark);
                };
                Ok(may_be_written(read(at(USBSTS))?).then_some(mark))
            }
        }
    }
}

/// USB Status, in the operational registers.
const USBSTS: u32 = 0x04;

/// The offset of the operational registers, from `CAPLENGTH` and `HCIVERSION`; `None` if no controller has such values.
const fn operational_base(first: u32) -> Option<u32> {
    let length = first & 0xff;
    match first {
        // The capability registers take 20h bytes at least, and the others are aligned to dwords.
        u32::MAX => None,
        _ if length < 0x20 || length & 3 != 0 => None,
        _ => Some(length),
    }
}

/// True if the controller is halted and ready.
const fn may_be_written(status: u32) -> bool {
    const HC_HALTED: u32 = 1;
    const CONTROLLER_NOT_READY: u32 = 1 << 11;
    status != u32::MAX && status & (HC_HALTED | CONTROLLER_NOT_READY) == HC_HALTED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::witness::Trace;

    fn row(identity: &str, class: &str) -> Option<&'static str> {
        let row = controller_mark(identity.parse().unwrap(), class.parse().unwrap());
        row.map(|row| row.name)
    }

    #[test]
    fn controllers_beside_gpus_have_a_mark() {
        assert_eq!(row("10de:1aef", "040300"), Some("GCTL.CRST"));
        assert_eq!(row("1002:ab28", "040300"), Some("GCTL.CRST"));
        assert_eq!(row("10de:1aec", "0c0330"), Some("CONFIG.MaxSlotsEn"));
        assert_eq!(row("10de:1aed", "0c8000"), Some("I2C_MST_ADDR"));
        // EHCI, the Type-C function of AMD's boards, another audio device, and the GPU itself.
        for (identity, class) in [
            ("10de:1aec", "0c0320"),
            ("1002:7444", "0c8000"),
            ("10de:1aef", "040100"),
            ("10de:2489", "030000"),
        ] {
            assert_eq!(row(identity, class), None, "{identity} {class}");
        }
    }

    /// Reads from a list; a register outside it is an error.
    fn reader(registers: &[(u32, u32)]) -> impl FnMut(BarRegister) -> Result<u32, u32> + '_ {
        |register| {
            let known = registers.iter().find(|(offset, _)| *offset == register.offset);
            known.map(|(_, value)| *value).ok_or(register.offset)
        }
    }

    fn prepared(row: &ControllerMark, registers: &[(u32, u32)]) -> Result<Option<(u32, u32)>, u32> {
        let mark = row.prepare(reader(registers))?;
        Ok(mark.map(|mark| (mark.register.offset, mark.value())))
    }

    #[test]
    fn audio_is_taken_out_of_reset() {
        assert_eq!(prepared(&CRST, &[(8, 0)]), Ok(Some((8, 1))));
        assert_eq!(
            prepared(&CRST, &[(8, 0x101)]),
            Ok(Some((8, 0x101))),
            "it is out already"
        );
        assert_eq!(prepared(&CRST, &[(8, u32::MAX)]), Ok(None));
        assert_eq!(prepared(&CRST, &[]), Err(8));
        let mark = CRST.prepare(reader(&[(8, 0)])).unwrap().unwrap();
        assert_eq!((mark.trace(1), mark.trace(0)), (Trace::Kept, Trace::Gone));
    }

    #[test]
    fn usb_is_written_only_while_it_is_halted_and_ready() {
        const FIRST: (u32, u32) = (0, 0x0110_0040);
        let with = |config, status| prepared(&MAX_SLOTS_EN, &[FIRST, (0x78, config), (0x44, status)]);
        assert_eq!(with(0, 1), Ok(Some((0x78, 1))));
        assert_eq!(with(0x300, 1), Ok(Some((0x78, 0x301))), "the other bits stay");
        for status in [0, 0x800, 0x801, u32::MAX] {
            assert_eq!(with(0, status), Ok(None), "{status:#x}");
        }
        // The slots of the last tenant are a mark already, and nothing is written.
        assert_eq!(with(0x40, 0), Ok(Some((0x78, 0x40))));
        assert_eq!(with(u32::MAX, 1), Ok(None));
    }

    #[test]
    fn first_register_that_no_usb_controller_has_gives_no_mark() {
        for first in [u32::MAX, 0, 0x0110_001c, 0x0110_0042] {
            assert_eq!(prepared(&MAX_SLOTS_EN, &[(0, first)]), Ok(None), "{first:#x}");
        }
        assert_eq!(prepared(&MAX_SLOTS_EN, &[(0, 0x0100_0020)]), Err(0x58));
    }

    #[test]
    fn address_of_the_next_transfer_is_set() {
        assert_eq!(prepared(&I2C_MST_ADDR, &[(4, 0)]), Ok(Some((4, 0x5a))));
        assert_eq!(prepared(&I2C_MST_ADDR, &[(4, 0x08)]), Ok(Some((4, 0x08))));
    }
}
