//! An expansion ROM as NVIDIA's GPUs have one: an image with its header, and in it the table that names the version.
//!
//! The image is one for UEFI (type 3), which a BIOS leaves alone: of another it would run what is in it.

use std::fmt;
use std::str::FromStr;

use super::DesignError;

/// How much the BAR decodes, in bytes. The image is a quarter of it.
pub(super) const WINDOW: u32 = 64 << 10;
const IMAGE: usize = 16 << 10;
const BLOCK: usize = 512;

const DATA_STRUCTURE: usize = 0x1c;
const TABLE: usize = 0x200;
const VERSION: usize = 0x300;

/// What a VBIOS says of its version, as NVIDIA writes it: `94.02.5c.00.08`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VbiosVersion(pub [u8; 5]);

impl fmt::Display for VbiosVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<_> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        f.write_str(&bytes.join("."))
    }
}

impl FromStr for VbiosVersion {
    type Err = DesignError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.split('.').map(|byte| u8::from_str_radix(byte, 16));
        let bytes = bytes.collect::<Result<Vec<_>, _>>().unwrap_or_default();
        let bytes = bytes.try_into().map_err(|_| DesignError::VbiosVersion(text.to_owned()));
        bytes.map(Self)
    }
}

/// The ROM of a function.
pub(super) fn image(vendor: u16, device: u16, VbiosVersion(version): VbiosVersion) -> Vec<u8> {
    let mut image = vec![0; IMAGE];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in image.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    let word = |value: usize| u16::try_from(value).unwrap_or_default().to_le_bytes();
    put(0, &[0x55, 0xaa]);
    put(0x18, &word(DATA_STRUCTURE));
    put(DATA_STRUCTURE, b"PCIR");
    put(DATA_STRUCTURE + 0x04, &vendor.to_le_bytes());
    put(DATA_STRUCTURE + 0x06, &device.to_le_bytes());
    put(DATA_STRUCTURE + 0x0a, &word(0x18));
    put(DATA_STRUCTURE + 0x10, &word(IMAGE / BLOCK));
    // For UEFI, and the last.
    put(DATA_STRUCTURE + 0x14, &[0x03, 0x80]);
    // Its header says so long it is, and how long an entry, and how many: one, with its number, version, length and place.
    put(TABLE, b"\xff\xb8BIT\0\0\x01\x0c\x06\x01\0");
    put(TABLE + 12, b"i\x02\x05\0");
    put(TABLE + 16, &word(VERSION));
    let [major, chip, minor, micro, patch] = version;
    put(VERSION, &[micro, minor, chip, major, patch]);
    image
}
