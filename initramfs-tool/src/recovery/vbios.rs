//! By what a GPU's VBIOS is known: its version, or where nobody knows how to find that, a hash of the whole.
//!
//! A ROM is a row of images, each with a header (55 aa, and at 18 the place of its data structure) and with a data structure
//! (PCIR; vendor at 4, length in 512 bytes at 10, and at 15 a bit that says that it is the last). Where NVIDIA's say their
//! version, nouveau knows (`nvkm/subdev/bios/base.c`, `bit.c`): a table that begins with ff b8 `BIT` has an entry `i`.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

const NVIDIA: u16 = 0x10de;

/// Before a hash, so that nobody takes it for a version.
const HASH: &str = "rom-sha256:";
/// Eight bytes of it: nobody makes firmwares that differ on purpose and are to look alike.
const HASH_BYTES: usize = 8;

/// A ROM's content that tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoVbios {
    /// It does not begin with an image.
    #[error("its ROM holds no image")]
    NoImage,
    /// An image has no end, or ends beyond what was read.
    #[error("its ROM is cut short")]
    CutShort,
    /// It is another maker's.
    #[error("the image in its ROM is of vendor {0:04x}")]
    Vendor(u16),
}

/// What tells the VBIOS of a GPU of `vendor` in its ROM.
///
/// # Errors
/// [`NoVbios`].
pub fn of_rom(vendor: u16, rom: &[u8]) -> Result<String, NoVbios> {
    let first = image(rom)?;
    if first.vendor != vendor {
        return Err(NoVbios::Vendor(first.vendor));
    }
    let version = rom.get(..first.length).filter(|_| vendor == NVIDIA).and_then(nvidia);
    match version {
        Some(version) => Ok(version),
        None => Ok(hash(images(rom)?)),
    }
}

/// What NVIDIA's driver or amdgpu says of a version; nothing of one that it does not know.
pub fn of_driver(text: &str) -> Option<String> {
    let version = text.trim();
    (!version.is_empty() && !version.contains('?')).then(|| version.to_owned())
}

/// One image.
struct Image {
    vendor: u16,
    /// In bytes.
    length: usize,
    is_last: bool,
}

/// The image that `bytes` begin with.
fn image(bytes: &[u8]) -> Result<Image, NoVbios> {
    let data = match (bytes.get(..2), word(bytes, 0x18)) {
        (Some([0x55, 0xaa]), Some(at)) => bytes.get(usize::from(at)..).unwrap_or_default(),
        _ => return Err(NoVbios::NoImage),
    };
    if !data.starts_with(b"PCIR") {
        return Err(NoVbios::NoImage);
    }
    let (Some(vendor), Some(blocks), Some(last)) = (word(data, 4), word(data, 0x10), data.get(0x15)) else {
        return Err(NoVbios::CutShort);
    };
    let length = usize::from(blocks) * 512;
    match length {
        0 => Err(NoVbios::CutShort),
        length if length > bytes.len() => Err(NoVbios::CutShort),
        length => Ok(Image {
            vendor,
            length,
            is_last: last & 0x80 != 0,
        }),
    }
}

/// All images, without what may stand behind them. Each has a length, so that there is an end.
fn images(rom: &[u8]) -> Result<&[u8], NoVbios> {
    let mut end = 0;
    loop {
        let rest = rom.get(end..).unwrap_or_default();
        let next = image(rest).map_err(|_| NoVbios::CutShort)?;
        end += next.length;
        if next.is_last {
            return rom.get(..end).ok_or(NoVbios::CutShort);
        }
    }
}

/// The version that NVIDIA's driver shows as well. Only what lies in the first image is looked at: pointers beyond it mean
/// another place.
fn nvidia(image: &[u8]) -> Option<String> {
    let at = image.windows(5).position(|bytes| bytes == b"\xff\xb8BIT")?;
    let table = image.get(at..)?;
    let (size, count) = (usize::from(*table.get(9)?), usize::from(*table.get(10)?));
    let mut entries = (0..count).filter_map(|index| table.get(12 + index * size..));
    let entry = entries.find(|entry| entry.first() == Some(&b'i'))?;
    let (length, offset) = (word(entry, 2)?, usize::from(word(entry, 4)?));
    let version = image.get(offset..offset + 5).filter(|_| length >= 5)?;
    match version {
        [micro, minor, chip, major, patch] => {
            Some(format!("{major:02x}.{chip:02x}.{minor:02x}.{micro:02x}.{patch:02x}"))
        }
        _ => None,
    }
}

fn hash(images: &[u8]) -> String {
    let mut text = HASH.to_owned();
    for byte in Sha256::digest(images).iter().take(HASH_BYTES) {
        // A String takes everything.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of so many blocks, its data structure at 1c.
    fn rom(vendor: u16, blocks: u8, is_last: bool) -> Vec<u8> {
        let mut image = vec![0; usize::from(blocks) * 512];
        image[..2].copy_from_slice(&[0x55, 0xaa]);
        image[0x18] = 0x1c;
        image[0x1c..0x20].copy_from_slice(b"PCIR");
        image[0x20..0x22].copy_from_slice(&vendor.to_le_bytes());
        image[0x2c] = blocks;
        image[0x31] = if is_last { 0x80 } else { 0 };
        image
    }

    /// Two entries in the table, the second of which names the version at 140.
    fn of_nvidia(version: [u8; 5]) -> Vec<u8> {
        let mut image = rom(NVIDIA, 2, true);
        image[0x100..0x105].copy_from_slice(b"\xff\xb8BIT");
        image[0x109..0x10b].copy_from_slice(&[6, 2]);
        image[0x10c..0x112].copy_from_slice(b"2\x01\x04\x00\x00\x00");
        image[0x112..0x118].copy_from_slice(b"i\x02\x05\x00\x40\x01");
        image[0x140..0x145].copy_from_slice(&version);
        image
    }

    #[test]
    fn nvidias_says_its_version() {
        let rom = of_nvidia([0x00, 0x5c, 0x02, 0x94, 0x08]);
        assert_eq!(of_rom(NVIDIA, &rom).as_deref(), Ok("94.02.5c.00.08"));
    }

    #[test]
    fn another_is_known_by_its_images_and_by_nothing_behind_them() {
        let mut one = rom(0x1002, 2, false);
        one.extend(rom(0x1002, 1, true));
        let known = of_rom(0x1002, &one).unwrap();
        assert_eq!(known.len(), HASH.len() + 2 * HASH_BYTES);
        let behind = [one.clone(), vec![0xff; 512]].concat();
        assert_eq!(of_rom(0x1002, &behind).as_ref(), Ok(&known));
        for at in [0x200, 2 * 512 + 0x100] {
            let mut other = one.clone();
            other[at] ^= 1;
            assert_ne!(of_rom(0x1002, &other).as_ref(), Ok(&known), "{at:#x}");
        }
    }

    #[test]
    fn the_hash_is_sha_256_of_the_images() {
        // By sha256sum, of the same bytes.
        assert_eq!(
            of_rom(0x1002, &rom(0x1002, 1, true)).as_deref(),
            Ok("rom-sha256:c96d8455648cf0dc")
        );
    }

    #[test]
    fn what_is_no_image_tells_nothing() {
        let good = of_nvidia([0; 5]);
        let with = |at: usize, byte: u8| {
            let mut rom = good.clone();
            rom[at] = byte;
            rom
        };
        assert_eq!(of_rom(NVIDIA, &[]), Err(NoVbios::NoImage));
        assert_eq!(of_rom(NVIDIA, &[0xff; 1024]), Err(NoVbios::NoImage));
        assert_eq!(of_rom(NVIDIA, &with(0x1c, b'X')), Err(NoVbios::NoImage));
        assert_eq!(of_rom(NVIDIA, &with(0x19, 0xff)), Err(NoVbios::NoImage));
        assert_eq!(of_rom(NVIDIA, &with(0x2c, 0)), Err(NoVbios::CutShort));
        assert_eq!(of_rom(NVIDIA, &with(0x2c, 3)), Err(NoVbios::CutShort));
        assert_eq!(of_rom(0x1002, &good), Err(NoVbios::Vendor(NVIDIA)));
        // Another image should follow, and none does.
        assert_eq!(of_rom(0x1002, &rom(0x1002, 1, false)), Err(NoVbios::CutShort));
    }

    #[test]
    fn whatever_the_bytes_are_there_is_an_answer() {
        let good = of_nvidia([1, 2, 3, 4, 5]);
        for end in 0..good.len() {
            let _any = of_rom(NVIDIA, &good[..end]);
        }
        for at in 0..0x150 {
            for byte in [0, 0x7f, 0xff] {
                let mut rom = good.clone();
                rom[at] = byte;
                let _any = of_rom(NVIDIA, &rom);
                let _any = of_rom(0x1002, &rom);
            }
        }
    }

    #[test]
    fn a_driver_that_does_not_know_says_nothing() {
        assert_eq!(of_driver(" 94.02.5c.00.08\n").as_deref(), Some("94.02.5c.00.08"));
        assert_eq!(of_driver("??.??.??.??.??"), None);
        assert_eq!(of_driver(" "), None);
    }
}
