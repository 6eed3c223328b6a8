//! Rows of hexadecimal bytes, as in `lspci -xxxx` and in our fixtures.

/// A function in a dump.
pub(crate) struct Dump {
    /// The line with the name of the function.
    pub(crate) title: String,
    /// `lspci`'s decoding.
    pub(crate) text: Vec<String>,
    /// The configuration space, as far as it was dumped.
    pub(crate) bytes: Vec<u8>,
}

/// Parses the offset and the bytes of a row such as `100: 0b 00 01 11 …`.
fn row(line: &str) -> Option<(usize, Vec<u8>)> {
    let (offset, bytes) = line.split_once(": ")?;
    if !(2..=3).contains(&offset.len()) {
        return None;
    }
    let offset = usize::from_str_radix(offset, 16).ok()?;
    let bytes = bytes.split_whitespace().map(|byte| u8::from_str_radix(byte, 16));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().ok()?;
    (bytes.len() == 16).then_some((offset, bytes))
}

/// Parses the functions in `lspci`'s output.
pub(crate) fn dumps(text: &str) -> Vec<Dump> {
    let mut dumps: Vec<Dump> = Vec::new();
    for line in text.lines() {
        if let Some((offset, bytes)) = row(line) {
            let dump = dumps.last_mut().expect("a function's title before its bytes");
            assert_eq!(dump.bytes.len(), offset, "{}: rows are contiguous", dump.title);
            dump.bytes.extend(bytes);
        } else if line.starts_with('\t') {
            dumps
                .last_mut()
                .expect("a function's title before its text")
                .text
                .push(line.to_owned());
        } else if !line.trim().is_empty() {
            dumps.push(Dump {
                title: line.to_owned(),
                text: Vec::new(),
                bytes: Vec::new(),
            });
        }
    }
    dumps
}

/// Parses a fixture: rows in any order, zeros between them, comments after `#`.
pub(crate) fn fixture(text: &str) -> [u8; 4096] {
    let mut space = [0; 4096];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (offset, bytes) = row(line).unwrap_or_else(|| panic!("not a row: {line:?}"));
        space[offset..offset + bytes.len()].copy_from_slice(&bytes);
    }
    space
}

/// Returns a space of `size` bytes with these registers and zeros elsewhere.
pub(crate) fn space<const SIZE: usize>(registers: &[(u32, u32)]) -> [u8; SIZE] {
    let mut space = [0; SIZE];
    for &(offset, register) in registers {
        let offset = usize::try_from(offset).unwrap();
        space[offset..offset + 4].copy_from_slice(&register.to_le_bytes());
    }
    space
}
