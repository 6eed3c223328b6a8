//! The bytes of a file: text of one of the encodings that dumps come in, or a binary configuration space.

use std::borrow::Cow;

/// The longest input in bytes.
pub const LONGEST: usize = 64 << 20;

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Text(Cow<'a, str>),
    Binary(&'a [u8]),
}

/// Finds out what the bytes are. The UEFI Shell writes UTF-16 with a byte order mark.
pub(super) fn content(bytes: &[u8]) -> Content<'_> {
    if let Some(text) = utf16(bytes) {
        return Content::Text(text.into());
    }
    let is_all_ones = bytes.len() >= 64 && bytes.iter().all(|byte| *byte == 0xff);
    // No text has a NUL; a configuration space has many.
    match is_all_ones || bytes.contains(&0) {
        true => Content::Binary(bytes),
        false => Content::Text(String::from_utf8_lossy(bytes)),
    }
}

/// A text whose letters are 16 bits wide. A vendor ID that looks like the mark has no text behind it.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (mark, rest) = bytes.split_first_chunk::<2>()?;
    let number = match mark {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return None,
    };
    let (letters, _) = rest.as_chunks::<2>();
    let letters: Vec<u16> = letters.iter().copied().map(number).collect();
    String::from_utf16(&letters).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_uefi_shell_is_utf16() {
        let written = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let letters = "\u{feff}00: de\r\n".encode_utf16();
            letters.flat_map(to_bytes).collect()
        };
        for bytes in [written(u16::to_le_bytes), written(u16::to_be_bytes)] {
            assert_eq!(content(&bytes), Content::Text("00: de\r\n".into()));
        }
    }

    #[test]
    fn bytes_with_a_nul_and_all_ones_are_binary() {
        for bytes in [&[0xde, 0x10, 0x00][..], &[0xff, 0xfe, 0x00, 0x00], &[0xff; 64]] {
            assert_eq!(content(bytes), Content::Binary(bytes));
        }
        for text in ["", "00: de 10\n"] {
            assert_eq!(content(text.as_bytes()), Content::Text(text.into()));
        }
        assert!(matches!(content(b"01:00.0\xa0VGA"), Content::Text(_)), "Latin-1");
    }
}
