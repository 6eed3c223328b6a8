//! Changes of files, each of which can be undone until all of them are there to stay.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{InitramfsError, failed};

/// The suffixes of a file until it is whole, and of an old image until all is done.
pub(super) const UNFINISHED: &str = ".reseat-unfinished";
pub(super) const OLD: &str = ".reseat-old";

/// The permission bits of a file that is new.
const PLAIN: u32 = 0o644;

/// The changes so far, and the state before each.
#[derive(Debug, Default)]
pub(super) struct Changes(Vec<Change>);

#[derive(Debug)]
enum Change {
    /// This file is there, or is another than it was.
    File {
        path: PathBuf,
        before: Option<(Vec<u8>, u32)>,
    },
    /// This directory is there that was not.
    Directory { path: PathBuf },
    /// An image is there that was not.
    Image { path: PathBuf },
    /// An image has taken the place of another, which lies there meanwhile.
    Switched { image: PathBuf, before: PathBuf },
    /// A file has another name.
    SetAside { path: PathBuf, now: PathBuf },
    /// An image will go when all is done.
    Obsolete { path: PathBuf },
}

impl Changes {
    /// Writes a file: whole or not at all.
    pub(super) fn write(&mut self, path: &Path, content: &[u8], mode: u32) -> Result<(), InitramfsError> {
        let before = content_and_mode(path)?;
        if before
            .as_ref()
            .is_some_and(|before| (before.0.as_slice(), before.1) == (content, mode))
        {
            return Ok(());
        }
        let above = path.ancestors().skip(1).take_while(|directory| !directory.exists());
        let above: Vec<_> = above.map(Path::to_owned).collect();
        self.0
            .extend(above.into_iter().rev().map(|path| Change::Directory { path }));
        put(path, content, mode)?;
        let path = path.to_owned();
        self.0.push(Change::File { path, before });
        Ok(())
    }

    /// Writes a file that others write to as well: its permissions stay.
    pub(super) fn rewrite(&mut self, path: &Path, content: &[u8]) -> Result<(), InitramfsError> {
        let mode = content_and_mode(path)?.map_or(PLAIN, |(_, mode)| mode);
        self.write(path, content, mode)
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&mut self, path: &Path) -> Result<(), InitramfsError> {
        let Some(before) = content_and_mode(path)? else {
            return Ok(());
        };
        fs::remove_file(path).map_err(failed("remove", path))?;
        let (path, before) = (path.to_owned(), Some(before));
        self.0.push(Change::File { path, before });
        Ok(())
    }

    /// An image is about to be made there.
    pub(super) fn makes_image(&mut self, path: &Path) {
        self.0.push(Change::Image { path: path.to_owned() });
    }

    /// Gives an image a second name. Returns false if the file system cannot do that: FAT cannot.
    pub(super) fn keep(&mut self, image: &Path, kept: &Path) -> Result<bool, InitramfsError> {
        let second = with_suffix(kept, UNFINISHED);
        remove_if_there(&second)?;
        if fs::hard_link(image, &second).is_err() {
            return Ok(false);
        }
        let was_there = kept.exists();
        fs::rename(&second, kept).map_err(failed("keep the image as", kept))?;
        // A rename between two names of one file does nothing.
        remove_if_there(&second)?;
        sync_directory(kept)?;
        if !was_there {
            self.makes_image(kept);
        }
        Ok(true)
    }

    /// Puts `new` in the place of `image`, in one step. The other then lies where this gives, until all is done.
    pub(super) fn switch(&mut self, image: &Path, new: &Path) -> Result<PathBuf, InitramfsError> {
        File::open(new)
            .and_then(|file| file.sync_all())
            .map_err(failed("sync", new))?;
        let failed = failed("replace", image);
        let before = match renameat_with(CWD, new, CWD, image, RenameFlags::EXCHANGE) {
            Ok(()) => new.to_owned(),
            // File systems that cannot exchange two files.
            Err(_) => {
                let old = with_suffix(image, OLD);
                remove_if_there(&old)?;
                fs::hard_link(image, &old).map_err(&failed)?;
                fs::rename(new, image).map_err(&failed)?;
                old
            }
        };
        let switched = Change::Switched {
            image: image.to_owned(),
            before: before.clone(),
        };
        self.0.push(switched);
        sync_directory(image)?;
        Ok(before)
    }

    /// Gives a file another name.
    pub(super) fn set_aside(&mut self, path: &Path, now: &Path) -> Result<(), InitramfsError> {
        fs::rename(path, now).map_err(failed("set aside", path))?;
        let (path, now) = (path.to_owned(), now.to_owned());
        self.0.push(Change::SetAside { path, now });
        Ok(())
    }

    /// The image that was switched away lies under another name from now on.
    pub(super) fn moved(&mut self, from: &Path, to: &Path) -> Result<(), InitramfsError> {
        fs::rename(from, to).map_err(failed("keep the image as", to))?;
        for change in &mut self.0 {
            if let Change::Switched { before, .. } = change
                && before == from
            {
                to.clone_into(before);
            }
        }
        sync_directory(to)
    }

    /// This image is not needed when all is done.
    pub(super) fn is_obsolete(&mut self, path: &Path) {
        self.0.push(Change::Obsolete { path: path.to_owned() });
    }

    /// Everything stays. Returns the errors of clearing up.
    pub(super) fn finish(self, kept: &[&Path]) -> Vec<InitramfsError> {
        let leftovers = self.0.iter().filter_map(|change| match change {
            Change::Switched { before: path, .. } | Change::Obsolete { path } => Some(path),
            Change::File { .. } | Change::Directory { .. } | Change::Image { .. } | Change::SetAside { .. } => None,
        });
        let leftovers = leftovers.filter(|path| !kept.contains(&path.as_path()));
        leftovers.filter_map(|path| remove_if_there(path).err()).collect()
    }

    /// Puts everything back, the last first. Returns the errors.
    pub(super) fn undo(self) -> Vec<InitramfsError> {
        let undone = self.0.into_iter().rev().map(|change| match change {
            Change::File {
                path,
                before: Some((content, mode)),
            } => put(&path, &content, mode),
            Change::File { path, before: None } | Change::Image { path } => remove_if_there(&path),
            Change::Switched { image, before } => fs::rename(&before, &image)
                .map_err(failed("put back", &image))
                .and_then(|()| sync_directory(&image)),
            Change::SetAside { path, now } => fs::rename(&now, &path).map_err(failed("put back", &path)),
            // It may not have been made.
            Change::Directory { path } if !path.exists() => Ok(()),
            Change::Directory { path } => fs::remove_dir(&path).map_err(failed("remove", &path)),
            Change::Obsolete { .. } => Ok(()),
        });
        undone.filter_map(Result::err).collect()
    }
}

/// The content of a file, and its permission bits; `None` if it is not there.
fn content_and_mode(path: &Path) -> Result<Option<(Vec<u8>, u32)>, InitramfsError> {
    match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed("look at", path)(cause)),
        Ok(there) if !there.is_file() => {
            let cause = io::Error::other("it is there and is no regular file");
            Err(failed("replace", path)(cause))
        }
        Ok(there) => {
            let content = fs::read(path).map_err(failed("read", path))?;
            Ok(Some((content, there.permissions().mode() & 0o7777)))
        }
    }
}

fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), InitramfsError> {
    let failed = failed("write", path);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(&failed)?;
    }
    let unfinished = with_suffix(path, UNFINISHED);
    remove_if_there(&unfinished)?;
    let written = File::create_new(&unfinished)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.set_permissions(Permissions::from_mode(mode))?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&unfinished, path));
    if let Err(cause) = written {
        fs::remove_file(&unfinished).ok();
        return Err(failed(cause));
    }
    sync_directory(path)
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), InitramfsError> {
    // On a file system that is mounted read-only, even what is not there cannot be removed.
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(cause)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_directory(of: &Path) -> Result<(), InitramfsError> {
    let Some(directory) = of.parent() else { return Ok(()) };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("sync", directory))
}

/// A path whose name goes on with a suffix.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
