//! The Device Serial Number capability (DSN).
//!
//! | offset | register |
//! | --- | --- |
//! | 0 | header |
//! | 4 | Serial Number, lower half |
//! | 8 | Serial Number, upper half |

use core::fmt;
use core::str::FromStr;

use super::extended_space::ExtendedSpace;
use super::view::{View, ViewError};
use super::walk::{Walk, WalkEnd};
use super::{ExtendedId, taken_from_list};
use crate::config::{ConfigRead, Offset, RegisterError};

const LOWER: Offset = Offset::at::<0x04>();
const UPPER: Offset = Offset::at::<0x08>();

/// A function's Device Serial Number capability. All functions of a device report the same number, if they have one.
#[derive(Clone, Debug)]
pub struct DeviceSerialNumber<R> {
    view: View<R, ExtendedId>,
}

taken_from_list!(DeviceSerialNumber, ExtendedId::DEVICE_SERIAL_NUMBER);

impl<R: ConfigRead> DeviceSerialNumber<R> {
    /// Finds the first one in the extended list and walks no further, for callers that need nothing else from the list.
    /// `None` if the list ends without it.
    ///
    /// # Errors
    ///
    /// The end of the list if it is not [`WalkEnd::Complete`]: the capability may be beyond it.
    pub fn search(mut reader: R, space: ExtendedSpace) -> Result<Option<Self>, WalkEnd<R::Error>> {
        let found = Walk::extended(&mut reader, space).first(ExtendedId::DEVICE_SERIAL_NUMBER)?;
        Ok(found.map(|capability| Self {
            view: View::new(reader, capability, &[]),
        }))
    }

    /// The serial number. Two reads.
    ///
    /// # Errors
    ///
    /// [`ViewError`]. One half of a serial number may be all-ones, but not both.
    pub fn number(&mut self) -> Result<SerialNumber, ViewError<R::Error>> {
        let lower = self.view.read(LOWER)?;
        let upper = self.view.read(UPPER)?;
        if (lower, upper) == (u32::MAX, u32::MAX) {
            let at = self.view.capability().offset();
            return Err(RegisterError::AllOnes {
                at: at.forward(LOWER.get()).unwrap_or(at),
            }
            .into());
        }
        Ok(SerialNumber((u64::from(upper) << 32) | u64::from(lower)))
    }
}

/// An EUI-64 that the manufacturer assigned. The text form is its bytes, the highest first: `48-b0-2d-…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SerialNumber(pub u64);

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [b7, b6, b5, b4, b3, b2, b1, b0] = self.0.to_be_bytes();
        write!(
            f,
            "{b7:02x}-{b6:02x}-{b5:02x}-{b4:02x}-{b3:02x}-{b2:02x}-{b1:02x}-{b0:02x}"
        )
    }
}

/// An error when parsing a serial number: the text is not eight bytes of two hexadecimal digits separated by `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ParseSerialNumberError(());

impl fmt::Display for ParseSerialNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected eight bytes of two hexadecimal digits with `-` between them")
    }
}

impl core::error::Error for ParseSerialNumberError {}

impl FromStr for SerialNumber {
    type Err = ParseSerialNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = ParseSerialNumberError(());
        let mut bytes = text.bytes();
        let mut number = 0;
        for index in 0..8 {
            if index > 0 && bytes.next() != Some(b'-') {
                return Err(wrong);
            }
            for _ in 0..2 {
                let digit = bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                number = (number << 4) | u64::from(digit.ok_or(wrong)?);
            }
        }
        match bytes.next() {
            None => Ok(Self(number)),
            Some(_) => Err(wrong),
        }
    }
}
