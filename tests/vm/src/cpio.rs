//! The "newc" cpio archive that the kernel unpacks as an initramfs.
//!
//! The format is in the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`:
//! a header of 13 fields of eight hexadecimal digits behind a magic, the name, the contents,
//! name and contents each padded to four bytes.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::files::GuestFile;

/// Archives follow one another in an initramfs at multiples of this.
pub(crate) const ALIGNMENT: usize = 4;

const DIRECTORY: u32 = 0o040_755;
const REGULAR_FILE: u32 = 0o100_000;

/// Names that are symbolic links into `/usr` in Debian's initramfs: an entry for one as a
/// directory would make the kernel replace the link.
const LINKS_INTO_USR: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// A file too large for the format's 32 bits.
#[derive(Debug, thiserror::Error)]
#[error("{} is too large for a cpio archive", .0.display())]
pub struct TooLarge(PathBuf);

/// An archive with the files and the directories above them.
pub(crate) fn archive(files: &[GuestFile]) -> Result<Vec<u8>, TooLarge> {
    let mut writer = Writer::default();
    let mut directories = BTreeSet::new();
    for file in files {
        let path = below_usr(&file.path);
        for above in path.ancestors().skip(1) {
            if !above.as_os_str().is_empty() {
                directories.insert(above.to_owned());
            }
        }
    }
    for directory in &directories {
        writer.entry(directory, DIRECTORY, &[])?;
    }
    for file in files {
        writer.entry(&below_usr(&file.path), REGULAR_FILE | file.mode, &file.contents)?;
    }
    writer.entry(Path::new("TRAILER!!!"), 0, &[])?;
    Ok(writer.bytes)
}

/// The path without its root, with the links at the top resolved.
fn below_usr(path: &Path) -> PathBuf {
    let relative: PathBuf = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    if LINKS_INTO_USR.iter().any(|link| relative.starts_with(link)) {
        return Path::new("usr").join(relative);
    }
    relative
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    inode: u32,
}

impl Writer {
    fn entry(&mut self, path: &Path, mode: u32, contents: &[u8]) -> Result<(), TooLarge> {
        let name = path.as_os_str().as_encoded_bytes();
        let too_large = |_| TooLarge(path.to_owned());
        let size = u32::try_from(contents.len()).map_err(too_large)?;
        let name_size = u32::try_from(name.len() + 1).map_err(too_large)?;
        self.inode += 1;
        // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        let padded = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(padded, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_its_header_name_and_contents_padded() {
        let bytes = archive(&[GuestFile::executable("/init", "hello")]).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let fields = [
            "00000001", "000081ED", "00000000", "00000000", "00000001", "00000000", "00000005", "00000000", "00000000",
            "00000000", "00000000", "00000005", "00000000",
        ];
        let header = format!("070701{}", fields.concat());
        assert_eq!(&text[..110], header);
        assert_eq!(&text[110..124], "init\0\0hello\0\0\0");
        assert!(text.contains("TRAILER!!!"));
        assert_eq!(bytes.len() % ALIGNMENT, 0);
    }

    #[test]
    fn directories_come_before_what_is_in_them_and_only_once() {
        let files = [GuestFile::new("/a/b/x", "1"), GuestFile::new("/a/b/y", "2")];
        let bytes = archive(&files).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let at = |name: &str| text.find(&format!("{name}\0")).unwrap();
        assert!(at("a") < at("a/b") && at("a/b") < at("a/b/x"));
        assert_eq!(text.matches("a/b\0").count(), 1);
    }

    #[test]
    fn a_path_through_a_link_goes_where_the_link_points() {
        assert_eq!(below_usr(Path::new("/sbin/x")), Path::new("usr/sbin/x"));
        assert_eq!(below_usr(Path::new("/usr/sbin/x")), Path::new("usr/sbin/x"));
        assert_eq!(below_usr(Path::new("/etc/x")), Path::new("etc/x"));
    }
}
