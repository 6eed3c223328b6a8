//! Real configuration spaces from files of hexadecimal rows, as `lspci -xxxx` prints them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The functions in all files below a folder. What was not dumped of a function is not there.
pub(crate) fn read(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut spaces = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            spaces.extend(read(&path)?);
        } else if let Ok(text) = fs::read_to_string(&path) {
            spaces.extend(functions(&text));
        }
    }
    Ok(spaces)
}

fn functions(text: &str) -> Vec<Vec<u8>> {
    let mut spaces: Vec<Vec<u8>> = Vec::new();
    for (offset, bytes) in text.lines().filter_map(row) {
        if offset == 0 {
            spaces.push(Vec::new());
        }
        if let Some(space) = spaces.last_mut() {
            // A fixture leaves out rows of zeros.
            space.resize(offset, 0);
            space.extend(bytes);
        }
    }
    for space in &mut spaces {
        let size = if space.len() > 256 {
            4096
        } else {
            space.len().next_multiple_of(64)
        };
        space.resize(size, 0);
    }
    spaces
}

fn row(line: &str) -> Option<(usize, Vec<u8>)> {
    let (offset, bytes) = line.split_once(": ")?;
    let offset = usize::from_str_radix(offset, 16).ok().filter(|offset| *offset < 4096)?;
    let bytes = bytes.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).ok());
    let bytes: Option<Vec<u8>> = bytes.collect();
    Some((offset, bytes.filter(|bytes| bytes.len() == 16)?))
}
