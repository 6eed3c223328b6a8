//! Files below /var/lib that outlive a crash: replaced whole or not at all, or appended to line by line.
//!
//! Writers take the lock of the directory; readers need none, since a file is replaced by a rename and a line that is
//! half written has no good checksum.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::regular_file::{self, not_regular, open};
use crate::records::checked_lines;

/// How long a writer waits for another one, who has a few small files to write.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// The file system refused.
    #[error("cannot {action} {path}: {cause}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's reason.
        cause: io::Error,
    },
    /// Somebody else writes there and does not come to an end.
    #[error("cannot lock {path}: another process has had it for {} s", LOCK_LIMIT.as_secs(), path = path.display())]
    Locked {
        /// Which directory.
        path: PathBuf,
    },
    /// The content cannot be said in JSON.
    #[error("cannot write {path}: {cause}", path = path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What was wrong.
        cause: serde_json::Error,
    },
}

/// A [`DurableError::File`] for `map_err`.
fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> DurableError {
    let path = path.to_owned();
    move |cause| DurableError::File {
        action,
        path: path.clone(),
        cause,
    }
}

/// What a file holds; nothing if it is not there.
///
/// # Errors
/// When it is there and cannot be read, or is no regular file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, DurableError> {
    regular_file::read(path).map_err(failed("read", path))
}

/// A directory whose files nobody else writes until this is dropped.
#[derive(Debug)]
pub(crate) struct Locked {
    directory: File,
    path: PathBuf,
}

impl Locked {
    /// Makes the directory if it is not there, and waits for its lock.
    pub(crate) fn wait(path: &Path) -> Result<Self, DurableError> {
        Self::wait_until(path, Instant::now() + LOCK_LIMIT)
    }

    fn wait_until(path: &Path, end: Instant) -> Result<Self, DurableError> {
        make_directory(path)?;
        let directory = File::open(path).map_err(failed("open", path))?;
        loop {
            match directory.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => return Err(DurableError::Locked { path: path.to_owned() }),
                Err(TryLockError::Error(cause)) => return Err(failed("lock", path)(cause)),
            }
        }
        let path = path.to_owned();
        Ok(Self { directory, path })
    }

    /// Puts `content` in the place of the file: whole or not at all, whatever happens to the machine.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) -> Result<(), DurableError> {
        let path = self.path.join(name);
        // A rename would put a file in the place of a device or a link.
        if fs::symlink_metadata(&path).is_ok_and(|there| !there.is_file()) {
            return Err(failed("replace", &path)(not_regular()));
        }
        let unfinished = self.path.join(format!("{name}.new"));
        let written = open(OpenOptions::new().write(true).create(true), &unfinished)
            .and_then(|mut file| {
                // Not before it was seen to be a file: what a crash left behind is ours to overwrite, and nothing else.
                file.set_len(0)?;
                file.write_all(content)?;
                file.sync_all()
            })
            .map_err(failed("write", &unfinished))
            .and_then(|()| fs::rename(&unfinished, &path).map_err(failed("replace", &path)));
        if let Err(error) = written {
            // Half a file helps nobody; that it is there may be a full file system's doing.
            fs::remove_file(&unfinished).ok();
            return Err(error);
        }
        self.sync()
    }

    /// Adds a record as a line of its own: after a line that a crash has torn, on a fresh one.
    pub(crate) fn append(&self, name: &str, record: &impl Serialize) -> Result<(), DurableError> {
        let path = self.path.join(name);
        let line = checked_lines::encode(record).map_err(|cause| DurableError::Content {
            path: path.clone(),
            cause,
        })?;
        open(OpenOptions::new().read(true).append(true).create(true), &path)
            .and_then(|mut file| {
                let begin = if ends_within_a_line(&mut file)? { "\n" } else { "" };
                // In one write, so that a crash tears one line at the most.
                file.write_all(format!("{begin}{line}").as_bytes())?;
                file.sync_all()
            })
            .map_err(failed("append to", &path))?;
        self.sync()
    }

    /// Gives the file a second name beside the first, so that what it holds now stays when it is replaced.
    pub(crate) fn keep_aside(&self, name: &str, aside: &str) -> Result<(), DurableError> {
        let (path, aside) = (self.path.join(name), self.path.join(aside));
        fs::hard_link(&path, &aside).map_err(failed("keep aside", &path))?;
        self.sync()
    }

    /// Removes the file, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), DurableError> {
        let path = self.path.join(name);
        // On a file system that is mounted read-only, even what is not there cannot be removed.
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(cause)),
            Ok(()) | Err(_) => self.sync(),
        }
    }

    /// The names in the directory, on the disk too.
    fn sync(&self) -> Result<(), DurableError> {
        self.directory.sync_all().map_err(failed("sync", &self.path))
    }
}

fn make_directory(path: &Path) -> Result<(), DurableError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(failed("create", path))?;
    let Some(above) = path.parent() else { return Ok(()) };
    let synced = File::open(above).and_then(|above| above.sync_all());
    synced.map_err(failed("sync", above))
}

fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const NAME: &str = "log.jsonl";

    fn locked(directory: &Path) -> Locked {
        Locked::wait(&directory.join("reseat")).unwrap()
    }

    fn records(directory: &Locked) -> checked_lines::CheckedLines<String> {
        checked_lines::decode(&read(&directory.path.join(NAME)).unwrap().unwrap())
    }

    #[test]
    fn a_record_after_a_line_torn_at_any_byte_is_whole() {
        let line = checked_lines::encode(&"torn").unwrap();
        for end in 0..=line.len() {
            let temporary = tempfile::tempdir().unwrap();
            let directory = locked(temporary.path());
            directory.append(NAME, &"before").unwrap();
            let mut file = OpenOptions::new().append(true).open(directory.path.join(NAME)).unwrap();
            file.write_all(&line.as_bytes()[..end]).unwrap();
            directory.append(NAME, &"after").unwrap();
            let found = records(&directory);
            let (mut expected, torn) = (vec!["before", "after"], end > 0 && end + 1 < line.len());
            if end + 1 >= line.len() {
                expected.insert(1, "torn");
            }
            assert_eq!(found.records, expected, "{end}");
            assert_eq!(found.damaged.len(), usize::from(torn), "{end}");
        }
    }

    #[test]
    fn writers_at_the_same_time_do_not_mix_their_lines() {
        let temporary = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            for writer in 0..4 {
                let path = temporary.path();
                scope.spawn(move || {
                    for _ in 0..5 {
                        locked(path).append(NAME, &format!("{writer}").repeat(500)).unwrap();
                    }
                });
            }
        });
        let found = records(&locked(temporary.path()));
        assert_eq!((found.records.len(), found.damaged), (20, Vec::new()));
    }

    #[test]
    fn who_does_not_get_the_lock_says_so() {
        let temporary = tempfile::tempdir().unwrap();
        let _held = locked(temporary.path());
        let error = Locked::wait_until(&temporary.path().join("reseat"), Instant::now()).unwrap_err();
        assert!(error.to_string().contains("another process"), "{error}");
    }

    #[test]
    fn a_file_is_replaced_over_what_a_crash_left() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = locked(temporary.path());
        fs::write(directory.path.join("state.new"), "much longer than what comes").unwrap();
        for content in [b"one", b"two"] {
            directory.replace("state", content).unwrap();
            assert_eq!(read(&directory.path.join("state")).unwrap().unwrap(), content);
        }
        assert!(!directory.path.join("state.new").exists());
    }

    #[test]
    fn links_and_pipes_are_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = locked(temporary.path());
        let (link, victim) = (directory.path.join("link"), temporary.path().join("victim"));
        fs::write(&victim, "as it was").unwrap();
        symlink(&victim, &link).unwrap();
        symlink(&victim, directory.path.join("other.new")).unwrap();
        let pipe = directory.path.join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert!(directory.replace("link", b"").is_err());
        assert!(directory.append("link", &"").is_err());
        assert!(read(&link).is_err());
        assert!(directory.replace("other", b"").is_err());
        assert!(read(&pipe).is_err());
        assert!(directory.append("pipe", &"").is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
    }
}
