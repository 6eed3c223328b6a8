//! Files: those put into a guest, and file operations whose errors name the file.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::fingerprint::Fingerprint;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {cause}", path.display())]
pub struct FileError {
    /// The operation, as a verb.
    pub doing: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub cause: io::Error,
}

impl FileError {
    /// Makes the mapping for `map_err`.
    pub(crate) fn of(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self { doing, path, cause }
    }
}

/// A file to be put into an initramfs or a root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Where it goes, from `/`.
    pub path: PathBuf,
    /// Its bytes.
    pub contents: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
}

impl GuestFile {
    /// A plain file, mode 0644.
    pub fn new(path: impl Into<PathBuf>, contents: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            contents: contents.into(),
            mode: 0o644,
        }
    }

    /// An executable file, mode 0755.
    pub fn executable(path: impl Into<PathBuf>, contents: impl Into<Vec<u8>>) -> Self {
        Self {
            mode: 0o755,
            ..Self::new(path, contents)
        }
    }

    /// A copy of a program on the host, mode 0755.
    ///
    /// # Errors
    /// When the program cannot be read.
    pub fn program(path: impl Into<PathBuf>, from: &Path) -> Result<Self, FileError> {
        let contents = fs::read(from).map_err(FileError::of("read", from))?;
        Ok(Self::executable(path, contents))
    }

    /// Writes the file below `root` as a new file: one with the same name may be a hard link.
    pub(crate) fn install(&self, root: &Path) -> Result<(), FileError> {
        let target = root.join(self.path.strip_prefix("/").unwrap_or(&self.path));
        if let Some(directory) = target.parent() {
            create_directory(directory)?;
        }
        match fs::remove_file(&target) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::of("replace", &target)(cause));
            }
            Ok(()) | Err(_) => {}
        }
        fs::write(&target, &self.contents).map_err(FileError::of("write", &target))?;
        fs::set_permissions(&target, fs::Permissions::from_mode(self.mode))
            .map_err(FileError::of("set the mode of", &target))
    }
}

/// Adds files to a fingerprint, in any order.
pub(crate) fn fingerprint(into: Fingerprint, files: &[GuestFile]) -> Fingerprint {
    let mut sorted: Vec<&GuestFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    sorted.into_iter().fold(into, |all, file| {
        all.part(file.path.as_os_str().as_encoded_bytes())
            .part(file.mode.to_le_bytes())
            .part(&file.contents)
    })
}

/// Creates a directory and those above it.
pub(crate) fn create_directory(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::of("create", path))
}

/// Writes a file so that nobody sees a part of it, also if this process is killed.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let readable = fs::Permissions::from_mode(0o644);
    let made = tempfile::Builder::new().permissions(readable).tempfile_in(directory);
    let file = made.map_err(FileError::of("create a file in", directory))?;
    fs::write(file.path(), bytes).map_err(FileError::of("write", path))?;
    let kept = file.persist(path).map_err(|error| error.error);
    kept.map_err(FileError::of("put in place", path))?;
    Ok(())
}

/// Copies a tree without its bytes: directories are made, files become hard links.
///
/// A file in the copy must therefore be replaced, never written in place.
pub(crate) fn link_tree(from: &Path, to: &Path) -> Result<(), FileError> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.map_err(|error| FileError {
            doing: "walk",
            path: from.to_owned(),
            cause: error.into(),
        })?;
        let below = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let target = to.join(below);
        if entry.file_type().is_dir() {
            create_directory(&target)?;
        } else {
            fs::hard_link(entry.path(), &target).map_err(FileError::of("link", &target))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_over_a_link_leaves_the_other_name_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (original, copy) = (directory.path().join("a"), directory.path().join("b"));
        GuestFile::new("/etc/x", "old").install(&original).unwrap();
        link_tree(&original, &copy).unwrap();
        GuestFile::executable("/etc/x", "new").install(&copy).unwrap();
        assert_eq!(fs::read(original.join("etc/x")).unwrap(), b"old");
        assert_eq!(fs::read(copy.join("etc/x")).unwrap(), b"new");
        let mode = fs::metadata(copy.join("etc/x")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[test]
    fn the_order_of_files_does_not_count_but_their_mode_does() {
        let (a, b) = (GuestFile::new("/a", "1"), GuestFile::new("/b", "2"));
        let of = |files: &[GuestFile]| fingerprint(Fingerprint::new("t"), files).hex();
        assert_eq!(of(&[a.clone(), b.clone()]), of(&[b.clone(), a.clone()]));
        let executable = GuestFile {
            mode: 0o755,
            ..b.clone()
        };
        assert_ne!(of(&[a.clone(), b]), of(&[a, executable]));
    }
}
