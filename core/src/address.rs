//! The address of a function: segment, bus, device and function, written as `lspci` writes them.

use core::fmt;
use core::str::FromStr;

/// The largest device number on a bus.
const LAST_DEVICE: u8 = 31;
/// The largest function number of a device.
const LAST_FUNCTION: u8 = 7;

/// The address of a device: the segment, bus and device number that its functions share.
///
/// The text form is `0000:65:00`. The segment may be omitted when parsing and defaults to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceAddress {
    segment: u32,
    bus: u8,
    device: u8,
}

impl DeviceAddress {
    /// Returns the address with these parts.
    ///
    /// # Errors
    ///
    /// [`AddressError::Device`] if `device` is above 31.
    pub const fn new(segment: u32, bus: u8, device: u8) -> Result<Self, AddressError> {
        if device > LAST_DEVICE {
            return Err(AddressError::Device(device));
        }
        Ok(Self { segment, bus, device })
    }

    /// The segment. It has 32 bits: Linux numbers VMD's segments from `10000` on.
    pub const fn segment(self) -> u32 {
        self.segment
    }

    /// The bus number.
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// The device number, 0 to 31.
    pub const fn device(self) -> u8 {
        self.device
    }

    /// Returns the address of one function of this device.
    ///
    /// # Errors
    ///
    /// [`AddressError::Function`] if `function` is above 7.
    pub const fn with_function(self, function: u8) -> Result<FunctionAddress, AddressError> {
        if function > LAST_FUNCTION {
            return Err(AddressError::Function(function));
        }
        Ok(FunctionAddress { device: self, function })
    }
}

/// The address of a function.
///
/// The text form is `0000:65:00.0`. The segment may be omitted when parsing and defaults to 0. Addresses sort by
/// segment, bus, device, function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionAddress {
    device: DeviceAddress,
    function: u8,
}

impl FunctionAddress {
    /// Returns the address with these parts.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if `device` is above 31 or `function` above 7.
    pub const fn new(segment: u32, bus: u8, device: u8, function: u8) -> Result<Self, AddressError> {
        match DeviceAddress::new(segment, bus, device) {
            Ok(device) => device.with_function(function),
            Err(error) => Err(error),
        }
    }

    /// The segment. It has 32 bits: Linux numbers VMD's segments from `10000` on.
    pub const fn segment(self) -> u32 {
        self.device.segment
    }

    /// The bus number.
    pub const fn bus(self) -> u8 {
        self.device.bus
    }

    /// The device number, 0 to 31.
    pub const fn device(self) -> u8 {
        self.device.device
    }

    /// The function number, 0 to 7.
    pub const fn function(self) -> u8 {
        self.function
    }

    /// Returns the address of the device that this function belongs to.
    pub const fn device_address(self) -> DeviceAddress {
        self.device
    }
}

impl fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Display for FunctionAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.device.text();
        push(&mut text, '.');
        push_hexadecimal(&mut text, u32::from(self.function), 1);
        f.write_str(&text)
    }
}

/// The text of an address. The longest is `12345678:65:00.0`.
type Text = heapless::String<16>;

impl DeviceAddress {
    /// Writes digit by digit: every path and report contains addresses, and `{:04x}` costs a thousand instructions.
    fn text(self) -> Text {
        /// The minimum number of digits of a segment. Only virtual segments (VMD) need more.
        const SEGMENT_DIGITS: u32 = 4;
        let mut text = Text::new();
        let needed = u32::BITS.saturating_sub(self.segment.leading_zeros()).div_ceil(4);
        push_hexadecimal(&mut text, self.segment, needed.max(SEGMENT_DIGITS));
        for number in [self.bus, self.device] {
            push(&mut text, ':');
            push_hexadecimal(&mut text, u32::from(number), 2);
        }
        text
    }
}

/// Appends the lowest `digits` hexadecimal digits of a number.
fn push_hexadecimal(text: &mut Text, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number.wrapping_shr(place.saturating_mul(4)) & 0xf;
        push(text, char::from_digit(digit, 16).unwrap_or('?'));
    }
}

fn push(text: &mut Text, letter: char) {
    // The buffer has room for the longest address.
    text.push(letter).ok();
}

impl FromStr for DeviceAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let (bus, device) = split_at_last(text, b':').ok_or(ParseAddressError::DeviceForm)?;
        let (segment, bus) = split_at_last(bus, b':').unwrap_or(("0", bus));
        let segment = hexadecimal(segment, 8).ok_or(ParseAddressError::Segment)?;
        let bus = byte(bus, 2).ok_or(ParseAddressError::Bus)?;
        let device = byte(device, 2).ok_or(ParseAddressError::Device)?;
        Ok(Self::new(segment, bus, device)?)
    }
}

impl FromStr for FunctionAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let (device, function) = split_at_last(text, b'.').ok_or(ParseAddressError::FunctionForm)?;
        let device: DeviceAddress = match device.parse() {
            Err(ParseAddressError::DeviceForm) => return Err(ParseAddressError::FunctionForm),
            other => other?,
        };
        let function = byte(function, 1).ok_or(ParseAddressError::Function)?;
        Ok(device.with_function(function)?)
    }
}

/// Splits a text at the last `separator`, an ASCII character. `str::rsplit_once` contains a panic that the linker
/// cannot remove.
pub(crate) fn split_at_last(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = text.bytes().rposition(|byte| byte == separator)?;
    Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
}

/// Parses 1 to `digits` hexadecimal digits and nothing else. `from_str_radix` alone would accept a sign.
pub(crate) fn hexadecimal(text: &str, digits: usize) -> Option<u32> {
    if text.len() > digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(text, 16).ok()
}

fn byte(text: &str, digits: usize) -> Option<u8> {
    u8::try_from(hexadecimal(text, digits)?).ok()
}

/// A part of an address that does not fit its register field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AddressError {
    /// The device number is above 31.
    Device(u8),
    /// The function number is above 7.
    Function(u8),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(device) => write!(f, "device {device:#x} is above {LAST_DEVICE:#x}"),
            Self::Function(function) => {
                write!(f, "function {function:#x} is above {LAST_FUNCTION:#x}")
            }
        }
    }
}

impl core::error::Error for AddressError {}

/// An error when parsing an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ParseAddressError {
    /// The text is neither `segment:bus:device` nor `bus:device`.
    DeviceForm,
    /// The text is neither `segment:bus:device.function` nor `bus:device.function`.
    FunctionForm,
    /// The segment is not 1 to 8 hexadecimal digits.
    Segment,
    /// The bus is not 1 or 2 hexadecimal digits.
    Bus,
    /// The device is not 1 or 2 hexadecimal digits.
    Device,
    /// The function is not 1 hexadecimal digit.
    Function,
    /// The form is right, but a number is too large.
    Range(AddressError),
}

impl From<AddressError> for ParseAddressError {
    fn from(error: AddressError) -> Self {
        Self::Range(error)
    }
}

impl fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceForm => f.write_str("not of the form segment:bus:device or bus:device"),
            Self::FunctionForm => f.write_str("not of the form segment:bus:device.function or bus:device.function"),
            Self::Segment => f.write_str("segment is not 1 to 8 hexadecimal digits"),
            Self::Bus => f.write_str("bus is not 1 or 2 hexadecimal digits"),
            Self::Device => f.write_str("device is not 1 or 2 hexadecimal digits"),
            Self::Function => f.write_str("function is not 1 hexadecimal digit"),
            Self::Range(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ParseAddressError {}

#[cfg(feature = "serde")]
crate::text::serde_as_text!(DeviceAddress, "an address such as 0000:65:00");
#[cfg(feature = "serde")]
crate::text::serde_as_text!(FunctionAddress, "an address such as 0000:65:00.0");

#[cfg(feature = "defmt")]
impl defmt::Format for DeviceAddress {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u32:04x}:{=u8:02x}:{=u8:02x}", self.segment, self.bus, self.device);
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for FunctionAddress {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}.{=u8:x}", self.device, self.function);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use super::*;

    fn parse(text: &str) -> Result<FunctionAddress, ParseAddressError> {
        text.parse()
    }

    #[test]
    fn prints_as_lspci_does() {
        let address = FunctionAddress::new(0, 0x65, 0, 0).unwrap();
        assert_eq!(address.to_string(), "0000:65:00.0");
        assert_eq!(address.device_address().to_string(), "0000:65:00");
    }

    #[test]
    fn segment_may_be_left_out() {
        assert_eq!(
            parse("65:1f.7"),
            FunctionAddress::new(0, 0x65, 0x1f, 7).map_err(Into::into)
        );
        assert_eq!("65:1f".parse(), Ok(DeviceAddress::new(0, 0x65, 0x1f).unwrap()));
    }

    #[test]
    fn segment_above_ffff_is_kept() {
        let vmd = parse("10000:01:00.0").unwrap();
        assert_eq!(vmd.segment(), 0x1_0000);
        assert_eq!(vmd.to_string(), "10000:01:00.0");
        assert_eq!(parse("ffffffff:ff:1f.7").unwrap().segment(), u32::MAX);
    }

    #[test]
    fn parts_have_their_register_width() {
        assert_eq!(FunctionAddress::new(0, 0xff, 32, 0), Err(AddressError::Device(32)));
        assert_eq!(FunctionAddress::new(0, 0xff, 31, 8), Err(AddressError::Function(8)));
        assert_eq!(parse("00:20.0"), Err(AddressError::Device(0x20).into()));
        assert_eq!(parse("00:1f.8"), Err(AddressError::Function(8).into()));
    }

    #[test]
    fn invalid_text_has_a_specific_error() {
        for (text, error) in [
            ("", ParseAddressError::FunctionForm),
            ("65", ParseAddressError::FunctionForm),
            ("0000:65:00", ParseAddressError::FunctionForm),
            ("65.0", ParseAddressError::FunctionForm),
            (":65:00.0", ParseAddressError::Segment),
            ("123456789:65:00.0", ParseAddressError::Segment),
            ("0:0000:65:00.0", ParseAddressError::Segment),
            ("+1:65:00.0", ParseAddressError::Segment),
            ("100:00.0", ParseAddressError::Bus),
            (":00.0", ParseAddressError::Bus),
            ("65:000.0", ParseAddressError::Device),
            ("65:-1.0", ParseAddressError::Device),
            ("65:00.", ParseAddressError::Function),
            ("65:00.00", ParseAddressError::Function),
            ("65:00.0 ", ParseAddressError::Function),
            ("65:00.g", ParseAddressError::Function),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn order_is_from_segment_to_function() {
        let texts = [
            "0000:01:00.0",
            "0000:01:00.1",
            "0000:01:01.0",
            "0000:02:00.0",
            "0001:00:00.0",
        ];
        let addresses = texts.map(|text| parse(text).unwrap());
        assert!(addresses.is_sorted());
    }
}
