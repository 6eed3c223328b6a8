//! A device tree as QEMU writes one down, made one that it takes back.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::MachineError;
use crate::files::FileError;
use crate::process;

/// Header fields of the Devicetree Specification, section 5.2, by their offsets.
const MAGIC: usize = 0;
const TOTAL_SIZE: usize = 4;
const STRINGS: usize = 12;
const STRINGS_SIZE: usize = 32;

const MAGIC_VALUE: u32 = 0xd00d_feed;

/// Has QEMU write down the device tree of the machine that `qemu` would run, at the path that its arguments name.
pub(super) fn write(mut qemu: Command, path: &Path) -> Result<(), MachineError> {
    process::run(&mut qemu)?;
    let written = fs::read(path).map_err(FileError::of("read", path))?;
    let tree = trimmed(&written).ok_or_else(|| MachineError::DeviceTree(path.to_owned()))?;
    fs::write(path, tree).map_err(FileError::of("write", path))?;
    Ok(())
}

/// The tree without the room behind it: a mebibyte as QEMU writes it, which it doubles when it reads it, and the kernel takes
/// no more than two.
fn trimmed(tree: &[u8]) -> Option<Vec<u8>> {
    let field = |at: usize| Some(u32::from_be_bytes(*tree.get(at..)?.first_chunk()?));
    if field(MAGIC)? != MAGIC_VALUE {
        return None;
    }
    // QEMU's strings are the last of its blocks.
    let end = field(STRINGS)?.checked_add(field(STRINGS_SIZE)?)?;
    let mut tree = tree.get(..usize::try_from(end).ok()?)?.to_vec();
    *tree.get_mut(TOTAL_SIZE..)?.first_chunk_mut()? = end.to_be_bytes();
    Some(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(strings: u32, size: u32) -> Vec<u8> {
        let mut tree = vec![0; 4096];
        for (at, value) in [
            (MAGIC, MAGIC_VALUE),
            (TOTAL_SIZE, 4096),
            (STRINGS, strings),
            (STRINGS_SIZE, size),
        ] {
            tree[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        tree
    }

    #[test]
    fn the_room_behind_the_strings_goes() {
        let trimmed = trimmed(&tree(100, 20)).unwrap();
        assert_eq!(trimmed.len(), 120);
        assert_eq!(trimmed[4..8], 120_u32.to_be_bytes());
        assert_eq!(trimmed[12..16], 100_u32.to_be_bytes());
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        assert_eq!(trimmed(b"\x7fELF"), None);
        assert_eq!(trimmed(&tree(4000, 200)), None);
        assert_eq!(trimmed(&tree(u32::MAX, 1)), None);
    }
}
