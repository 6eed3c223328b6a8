//! Files: those put into a guest, and file operations whose errors name the file.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::fingerprint::Fingerprint;

/// The address of a Unix socket holds 108 bytes; a long `TMPDIR` would fill it.
const LONGEST_TEMPORARY: usize = 70;

/// What directories of [`temporary_directory`] are for: the beginning of their names.
const TEMPORARY: [&str; 2] = ["bed", "gpu"];

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

/// A directory for sockets, removed when dropped. Its name has this process in it, `purpose.process.random`, so that a
/// later one can see whether it was left behind; its path is short enough for a socket's address.
///
/// # Errors
/// When it cannot be created.
pub fn temporary_directory(purpose: &str) -> Result<TempDir, FileError> {
    let above = above_temporary();
    let prefix = format!("{purpose}.{}.", std::process::id());
    let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(&above);
    made.map_err(FileError::of("create a directory in", &above))
}

fn above_temporary() -> PathBuf {
    let chosen = env::temp_dir();
    if chosen.as_os_str().len() > LONGEST_TEMPORARY {
        return PathBuf::from("/tmp");
    }
    chosen
}

/// Removes the temporary directories that killed processes left. What cannot be removed is not this user's.
pub(crate) fn sweep_temporary() {
    for entry in fs::read_dir(above_temporary()).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(owner).is_some_and(is_gone) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// The process in the name of a temporary directory.
fn owner(name: &str) -> Option<u32> {
    let mut parts = name.split('.');
    let purpose = parts.next()?;
    let process = parts.next()?.parse().ok()?;
    (TEMPORARY.contains(&purpose) && parts.count() == 1).then_some(process)
}

fn is_gone(process: u32) -> bool {
    !Path::new("/proc").join(process.to_string()).exists()
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
    fn a_temporary_directory_names_its_process_and_others_name_none() {
        let directory = temporary_directory("gpu").unwrap();
        let name = directory.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(owner(name), Some(std::process::id()));
        assert!(!is_gone(std::process::id()));
        for other in [
            "bed",
            "bed.log",
            "bed.12",
            "gpu.x.AbCdEf",
            "other.12.AbCdEf",
            "gpu.12.a.b",
        ] {
            assert_eq!(owner(other), None, "{other}");
        }
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
