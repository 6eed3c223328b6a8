//! The parts of an initramfs: concatenated "newc" cpio archives, the last of them compressed as a whole.
//!
//! The kernel's `Documentation/driver-api/early-userspace/buffer-format.rst` defines the format.

use std::io::{self, Read};

/// The longest file name on Linux.
const LONGEST_NAME: u64 = 4096;

/// The maximum content that is kept of a requested file.
const LARGEST_KEPT: u64 = 64 << 20;

const MAGICS: [&[u8]; 2] = [b"070701", b"070702"];
const HEADER: usize = 110;
const TRAILER: &str = "TRAILER!!!";

/// An image that cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file itself cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes are not an archive.
    #[error("at byte {at} stands neither a cpio archive nor a known compression")]
    Unknown {
        /// The offset of the bytes.
        at: u64,
    },
    /// An entry's header is invalid.
    #[error("the archive's entry at byte {at} is damaged")]
    Entry {
        /// The offset of the header.
        at: u64,
    },
}

/// The compression of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip (RFC 1952).
    Gzip,
    /// The bzip2 format.
    Bzip2,
    /// The xz container.
    Xz,
    /// LZMA without a container.
    Lzma,
    /// The lzop format.
    Lzo,
    /// LZ4, the legacy frame that the kernel reads.
    Lz4,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// The magic bytes of each compression: the table in the kernel's `lib/decompress.c`, and RFC 8878 3.1.1.
const COMPRESSIONS: [(&[u8], Compression); 9] = [
    (&[0x1f, 0x8b], Compression::Gzip),
    (&[0x1f, 0x9e], Compression::Gzip),
    (b"BZh", Compression::Bzip2),
    (&[0xfd, b'7', b'z', b'X', b'Z'], Compression::Xz),
    (&[0x5d, 0x00, 0x00], Compression::Lzma),
    (&[0x89, b'L', b'Z', b'O'], Compression::Lzo),
    (&[0x02, 0x21, 0x4c, 0x18], Compression::Lz4),
    (&[0x04, 0x22, 0x4d, 0x18], Compression::Lz4),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
];

impl Compression {
    /// The command that decompresses standard input to standard output.
    #[must_use]
    pub fn command(self) -> &'static [&'static str] {
        match self {
            Self::Gzip => &["gzip", "-dc"],
            Self::Bzip2 => &["bzip2", "-dc"],
            Self::Xz => &["xz", "-dc"],
            Self::Lzma => &["xz", "--format=lzma", "-dc"],
            Self::Lzo => &["lzop", "-dc"],
            Self::Lz4 => &["lz4", "-dc"],
            Self::Zstd => &["zstd", "-dc"],
        }
    }
}

/// The mode bits for the type of an entry, and their value for a link, as in `inode(7)`.
const TYPE: u32 = 0o170_000;
const LINK: u32 = 0o120_000;

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// The name, without a leading `/` or `./`.
    pub name: String,
    /// The type and permission bits.
    pub mode: u32,
    /// The identity of the file. Several names may share it; the last of them then has the content.
    pub file: (u32, u32, u32),
    /// The number of names.
    pub links: u32,
    /// The content, or the target of a link; `None` for other files that were not requested.
    pub content: Option<Vec<u8>>,
}

impl ArchiveEntry {
    /// Returns true if entries with these type and permission bits are links.
    #[must_use]
    pub fn is_link(mode: u32) -> bool {
        mode & TYPE == LINK
    }
}

/// The place where reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The end of the file.
    File,
    /// The start of a compressed part, at this byte.
    Compressed(Compression, u64),
}

/// Reads archives until the file ends or a compressed part begins. `wanted` selects the names whose content is kept,
/// besides links; `visit` gets every entry.
///
/// # Errors
/// When the file cannot be read, ends within an archive, or contains something else.
pub fn read(
    file: &mut impl Read,
    wanted: &dyn Fn(&str) -> bool,
    visit: &mut dyn FnMut(ArchiveEntry),
) -> Result<End, ArchiveError> {
    let mut reader = Reader { file, at: 0 };
    loop {
        let Some(first) = reader.first_byte()? else {
            return Ok(End::File);
        };
        let at = reader.at - 1;
        let mut head = [0; 6];
        head[0] = first;
        // No archive is that short, compressed or not.
        reader.fill(&mut head[1..])?;
        if !MAGICS.contains(&head.as_slice()) {
            let known = COMPRESSIONS.iter().find(|(magic, _)| head.starts_with(magic));
            let (_, compression) = known.ok_or(ArchiveError::Unknown { at })?;
            return Ok(End::Compressed(*compression, at));
        }
        reader.archive(wanted, visit)?;
    }
}

struct Reader<'a, R> {
    file: &'a mut R,
    at: u64,
}

impl<R: Read> Reader<'_, R> {
    /// Returns the first byte after the zeros between archives.
    fn first_byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        loop {
            match self.file.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    self.at += 1;
                    if byte != [0] {
                        return Ok(Some(byte[0]));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the entries of one archive, after its first magic.
    fn archive(
        &mut self,
        wanted: &dyn Fn(&str) -> bool,
        visit: &mut dyn FnMut(ArchiveEntry),
    ) -> Result<(), ArchiveError> {
        loop {
            let at = self.at.saturating_sub(6);
            let damaged = || ArchiveError::Entry { at };
            let mut header = [0; HEADER - 6];
            self.fill(&mut header)?;
            let fields: Option<Vec<u32>> = header.chunks(8).map(number).collect();
            // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
            let Some([inode, mode, _, _, links, _, size, major, minor, _, _, name_size, _]) = fields.as_deref() else {
                return Err(damaged());
            };
            let (size, name_size) = (u64::from(*size), u64::from(*name_size));
            if name_size == 0 || name_size > LONGEST_NAME {
                return Err(damaged());
            }
            let mut name = self.take(name_size)?;
            if name.pop() != Some(0) {
                return Err(damaged());
            }
            self.pad()?;
            let name = String::from_utf8_lossy(&name);
            if name == TRAILER {
                return Ok(());
            }
            let name = name
                .strip_prefix("./")
                .unwrap_or(&name)
                .trim_start_matches('/')
                .to_owned();
            let content = match (wanted(&name) || ArchiveEntry::is_link(*mode)) && size <= LARGEST_KEPT {
                true => Some(self.take(size)?),
                false => {
                    self.skip(size)?;
                    None
                }
            };
            self.pad()?;
            visit(ArchiveEntry {
                name,
                mode: *mode,
                file: (*major, *minor, *inode),
                links: *links,
                content,
            });
            let mut magic = [0; 6];
            self.fill(&mut magic)?;
            if !MAGICS.contains(&magic.as_slice()) {
                return Err(ArchiveError::Entry { at: self.at - 6 });
            }
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn take(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(size).read_to_end(&mut bytes)?;
        self.advance(read as u64, size)?;
        Ok(bytes)
    }

    fn skip(&mut self, size: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.file.by_ref().take(size), &mut io::sink())?;
        self.advance(skipped, size)
    }

    fn advance(&mut self, by: u64, expected: u64) -> io::Result<()> {
        self.at += by;
        match by == expected {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Skips the padding of names and contents to four bytes, counted from the start of the archive, which is aligned.
    fn pad(&mut self) -> io::Result<()> {
        self.skip(self.at.next_multiple_of(4) - self.at)
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Builds an archive with these files, as the kernel's documentation describes.
    pub(crate) fn archive(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (inode, (name, mode, content)) in files.iter().chain(&[(TRAILER, 0, &[] as &[u8])]).enumerate() {
            let (size, name_size) = (content.len(), name.len() + 1);
            bytes.extend(
                format!(
                    "070701{inode:08X}{mode:08X}{:032X}{size:08X}{:032X}{name_size:08X}{:08X}",
                    1, 0, 0
                )
                .bytes(),
            );
            bytes.extend(name.bytes().chain([0]));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend(*content);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    fn names(bytes: &[u8]) -> Result<(Vec<String>, End), ArchiveError> {
        let mut names = Vec::new();
        let end = read(&mut &*bytes, &|_| false, &mut |entry| names.push(entry.name))?;
        Ok((names, end))
    }

    #[test]
    fn archives_follow_one_another_up_to_a_compressed_part() {
        let mut bytes = archive(&[("./early", 0o100_644, b"12345")]);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes.extend(archive(&[("/late", 0o100_755, b"")]));
        assert_eq!(
            names(&bytes).unwrap(),
            (vec!["early".to_owned(), "late".to_owned()], End::File)
        );
        for (magic, compression) in COMPRESSIONS {
            let at = bytes.len() as u64;
            let both: Vec<u8> = bytes.iter().chain(magic).chain(&[0; 6]).copied().collect();
            assert_eq!(names(&both).unwrap().1, End::Compressed(compression, at));
        }
    }

    #[test]
    fn content_is_kept_for_what_is_wanted() {
        let bytes = archive(&[("a", 0o100_644, b"12345"), ("b", 0o100_755, b"6")]);
        let mut entries = Vec::new();
        read(&mut bytes.as_slice(), &|name| name == "b", &mut |entry| {
            entries.push(entry);
        })
        .unwrap();
        assert_eq!((entries[0].content.as_deref(), entries[0].mode), (None, 0o100_644));
        assert_eq!(
            (entries[1].content.as_deref(), entries[1].mode),
            (Some(&b"6"[..]), 0o100_755)
        );
    }

    #[test]
    fn one_cut_off_anywhere_is_an_error() {
        let bytes = archive(&[("a", 0o100_644, b"12345"), ("b", 0o100_755, b"6")]);
        for end in 1..bytes.len() - 3 {
            assert!(names(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn what_is_no_archive_is_said_to_be_none() {
        assert!(matches!(
            names(b"\0\0\0\0hello, world"),
            Err(ArchiveError::Unknown { at: 4 })
        ));
        let mut bytes = archive(&[("a", 0o100_644, b"12345")]);
        bytes[20] = b'x';
        assert!(matches!(names(&bytes), Err(ArchiveError::Entry { at: 0 })));
    }
}
