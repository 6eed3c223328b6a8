//! Unpacked packages: trees that are whole or not there, and that run programs by themselves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::packages::Manifest;
use crate::files::{FileError, create_directory};
use crate::fingerprint::Fingerprint;
use crate::parallel::in_parallel;
use crate::process::{self, CommandError};

/// Changes when unpacking does something else with the same packages.
const RECIPE: &str = "1";

const STAMP: &str = ".stamp";

/// Directories of a merged `/usr`: packages that still carry the old paths land in the new ones.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// Nothing at run time reads these; they are half of a small system's files.
const LEFT_OUT: [&str; 6] = [
    "./usr/share/doc",
    "./usr/share/info",
    "./usr/share/lintian",
    "./usr/share/locale",
    "./usr/share/man",
    "./usr/share/bash-completion",
];

/// Packages could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A file or directory.
    #[error(transparent)]
    File(#[from] FileError),
    /// `dpkg-deb` or `tar`.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// The root of unpacked packages.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) path: PathBuf,
}

impl Tree {
    /// The tree at `path` if it was unpacked from this manifest, to the end, and completed with the same `additions`.
    pub(crate) fn open(path: &Path, manifest: &Manifest, additions: &[&str]) -> Option<Self> {
        let stamp = fs::read_to_string(path.join(STAMP)).ok()?;
        (stamp == stamp_of(manifest, additions)).then(|| Self { path: path.to_owned() })
    }

    /// The hash of what the tree was made from.
    pub(crate) fn stamp(&self) -> Result<String, FileError> {
        let path = self.path.join(STAMP);
        fs::read_to_string(&path).map_err(FileError::of("read", &path))
    }

    /// A program of the tree, with the tree's own loader and libraries.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.command_as(program, program)
    }

    /// As [`Tree::command`], for a program that acts by the name it is called by; the links that
    /// give it the name are absolute, and lead out of the tree.
    pub(crate) fn command_as(&self, program: &str, name: &str) -> Command {
        let mut command = Command::new(self.path.join("usr/lib64/ld-linux-x86-64.so.2"));
        command.args(["--argv0", name, "--library-path"]);
        command.arg(self.path.join("usr/lib/x86_64-linux-gnu"));
        command.arg(self.path.join(program));
        command
    }
}

/// Unpacks a manifest's packages beside `path`, lets `finish` complete the tree, then puts it
/// in its place. `additions` is what `finish` adds that may be another thing next time.
pub(crate) fn unpack<E: From<UnpackError>>(
    manifest: &Manifest,
    debs: &Path,
    path: &Path,
    additions: &[&str],
    finish: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<Tree, E> {
    let partial = path.with_extension("partial");
    remove(&partial)?;
    create_merged_usr(&partial)?;
    unpack_all(manifest, debs, &partial)?;
    finish(&partial)?;
    let stamp = partial.join(STAMP);
    fs::write(&stamp, stamp_of(manifest, additions))
        .map_err(|cause| UnpackError::from(FileError::of("write", &stamp)(cause)))?;
    remove(path)?;
    fs::rename(&partial, path).map_err(|cause| UnpackError::from(FileError::of("put in place", path)(cause)))?;
    Ok(Tree { path: path.to_owned() })
}

fn stamp_of(manifest: &Manifest, additions: &[&str]) -> String {
    let unpacked = Fingerprint::new("tree").part(RECIPE).part(manifest.text());
    additions.iter().fold(unpacked, Fingerprint::part).hex()
}

fn remove(path: &Path) -> Result<(), UnpackError> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(FileError::of("remove", path))?;
    }
    Ok(())
}

fn create_merged_usr(root: &Path) -> Result<(), UnpackError> {
    for name in MERGED {
        create_directory(&root.join("usr").join(name))?;
        let link = root.join(name);
        symlink(Path::new("usr").join(name), &link).map_err(FileError::of("link", &link))?;
    }
    Ok(())
}

/// One package per processor at a time: most of the work is decompression.
fn unpack_all(manifest: &Manifest, debs: &Path, root: &Path) -> Result<(), UnpackError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), UnpackError> {
        while let Some(fetched) = manifest.files.get(next.fetch_add(1, Ordering::Relaxed)) {
            unpack_one(&debs.join(&fetched.file), root)?;
        }
        Ok(())
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    in_parallel(0..workers, |_| work())
}

fn unpack_one(deb: &Path, root: &Path) -> Result<(), CommandError> {
    let mut read = Command::new("dpkg-deb");
    read.arg("--fsys-tarfile").arg(deb);
    let reader = read.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut reader = reader.map_err(|cause| process::could_not_start(&read, cause))?;
    let mut write = Command::new("tar");
    write.args([
        "--extract",
        "--keep-directory-symlink",
        "--no-same-owner",
        "--directory",
    ]);
    write.arg(root);
    write.args(LEFT_OUT.map(|path| format!("--exclude={path}")));
    write.stdin(reader.stdout.take().map_or_else(Stdio::null, Stdio::from));
    let written = write.output().map_err(|cause| process::could_not_start(&write, cause));
    let status = reader.wait().map_err(|cause| process::could_not_start(&read, cause))?;
    let written = written?;
    if !written.status.success() {
        let said = String::from_utf8_lossy(&written.stderr);
        return Err(process::failed(&write, written.status, &said));
    }
    if !status.success() {
        return Err(process::failed(&read, status, ""));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::packages::Fetched;
    use super::*;

    #[test]
    fn a_tree_is_whole_or_not_there() {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().join("tree");
        let manifest = Manifest::default();
        let broken = |tree: &Path| {
            let cause = io::ErrorKind::Other.into();
            Err(UnpackError::from(FileError::of("finish", tree)(cause)))
        };
        assert!(unpack(&manifest, cache.path(), &path, &[], broken).is_err());
        assert!(Tree::open(&path, &manifest, &[]).is_none());
        unpack(&manifest, cache.path(), &path, &["int a;"], |_| {
            Ok::<(), UnpackError>(())
        })
        .unwrap();
        assert!(Tree::open(&path, &manifest, &["int a;"]).is_some());
        // What is added to it is another thing since.
        assert!(Tree::open(&path, &manifest, &["int b;"]).is_none());
        assert!(path.join("bin").is_symlink());
    }

    #[test]
    fn a_tree_of_other_packages_does_not_count() {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().join("tree");
        let manifest = Manifest::default();
        unpack(&manifest, cache.path(), &path, &["int a;"], |_| {
            Ok::<(), UnpackError>(())
        })
        .unwrap();
        let mut other = manifest.clone();
        other.files.push(Fetched {
            sha256: "00".to_owned(),
            file: "a.deb".to_owned(),
        });
        assert!(Tree::open(&path, &other, &["int a;"]).is_none());
    }
}
