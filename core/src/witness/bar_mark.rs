//! A mark in a register behind a BAR.

use super::{OTHER_VALUE, Trace, VALUE};
use crate::vendor::{BarRegister, ControllerMark, DeviceMark};

/// A mark in a register behind a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BarMark {
    /// The register.
    pub register: BarRegister,
    /// The bits that the mark takes.
    pub mask: u32,
    /// The register's value before the mark.
    pub before: u32,
    /// The bits to set if no bit of the mask is set. If one is set, the value is a mark already. `None` for a register that
    /// accepts any value.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub set: Option<u32>,
}

impl BarMark {
    /// The mark in the register of a [row](crate::vendor::device_mark), which now reads `before`; `None` if that is not an
    /// answer of the device.
    pub const fn new(row: &DeviceMark, before: u32) -> Option<Self> {
        Self::at(row.register, row.mask, before, None)
    }

    /// The mark in a [controller's](crate::vendor::controller_mark) register; `None` if it does not answer.
    pub(crate) const fn of_controller(row: &ControllerMark, register: BarRegister, before: u32) -> Option<Self> {
        Self::at(register, row.mask, before, Some(row.set))
    }

    const fn at(register: BarRegister, mask: u32, before: u32, set: Option<u32>) -> Option<Self> {
        if is_no_answer(before) {
            return None;
        }
        Some(Self {
            register,
            mask,
            before,
            set,
        })
    }

    /// The value to write. If the earlier value is a mark already, returns that: no write is needed.
    pub const fn value(&self) -> u32 {
        match self.set {
            Some(_) if self.before & self.mask != 0 => self.before,
            Some(bits) => self.before | (bits & self.mask),
            None => self.pattern(),
        }
    }

    const fn pattern(&self) -> u32 {
        let mark = u32::from_le_bytes([VALUE; 4]) & self.mask;
        let other = u32::from_le_bytes([OTHER_VALUE; 4]) & self.mask;
        let bits = if self.before & self.mask == mark { other } else { mark };
        (self.before & !self.mask) | bits
    }

    /// The trace in a value that was read afterwards.
    pub const fn trace(&self, now: u32) -> Trace {
        if is_no_answer(now) {
            Trace::Unclear
        } else if now & self.mask == 0 {
            Trace::Gone
        } else if now & self.mask == self.value() & self.mask {
            Trace::Kept
        } else {
            Trace::Unclear
        }
    }
}

/// True for the value that a missing device reads, and for NVIDIA's value for a unit that does not answer.
const fn is_no_answer(value: u32) -> bool {
    value == u32::MAX || value >> 16 == 0xbadf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_behind_a_bar_takes_its_bits_alone() {
        let row = crate::vendor::device_mark(
            "10de:2489".parse().unwrap(),
            "030000".parse().unwrap(),
            Some(0x1740_00a1),
        );
        let row = row.unwrap();
        let mark = BarMark::new(row, 0x0000_0003).unwrap();
        assert_eq!(mark.value(), 0x5a5a_0003);
        assert_eq!(mark.trace(mark.value()), Trace::Kept);
        assert_eq!(mark.trace(0x0000_0001), Trace::Gone);
        // NVIDIA's value for a unit that does not answer, and the value of a missing device.
        assert_eq!(mark.trace(0xbadf_5040), Trace::Unclear);
        assert_eq!(mark.trace(u32::MAX), Trace::Unclear);
        assert_eq!(BarMark::new(row, 0x5a5a_0000).unwrap().value(), 0xa6a6_0000);
        assert_eq!(BarMark::new(row, u32::MAX), None);
    }

    /// A mark of one bit, as in an audio controller.
    fn one_bit(before: u32) -> Option<BarMark> {
        BarMark::at(BarRegister { bar: 0, offset: 8 }, 1, before, Some(1))
    }

    #[test]
    fn bit_that_is_set_is_a_mark_already() {
        assert_eq!(one_bit(0).unwrap().value(), 1);
        assert_eq!(one_bit(0x100).unwrap().value(), 0x101);
        let left = one_bit(0x101).unwrap();
        assert_eq!(left.value(), 0x101);
        for (now, trace) in [
            (0x101, Trace::Kept),
            (0x001, Trace::Kept),
            (0x000, Trace::Gone),
            // All-ones has the bit set, and NVIDIA's error value has it clear. Neither proves anything.
            (u32::MAX, Trace::Unclear),
            (0xbadf_5040, Trace::Unclear),
        ] {
            assert_eq!(left.trace(now), trace, "{now:#x}");
        }
        assert_eq!(one_bit(u32::MAX), None);
        assert_eq!(one_bit(0xbadf_5040), None);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn mark_without_bits_to_set_is_read_as_before() {
        let former = r#"{"register":{"bar":0,"offset":5240},"mask":4294901760,"before":0}"#;
        let mark: BarMark = serde_json::from_str(former).unwrap();
        assert_eq!(mark.set, None);
    }
}
