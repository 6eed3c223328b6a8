//! The quarantine's file in /var/lib.

use jiff::Timestamp;

use super::durable;
use super::durable::{DurableError, Locked};
use super::history::STATE_DIRECTORY;
use crate::linux::sysfs::root::Root;
use crate::model::identification::Identification;
use crate::records::VersionError;
use crate::records::quarantine::{Closing, Ledger, Lost, QuarantineEntry, State};

const NAME: &str = "quarantine.json";

/// A quarantine that could not be written down. What was on the disk still is.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineFileError {
    /// The file system refused.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// Another version's file stands there.
    #[error("cannot change {STATE_DIRECTORY}/{NAME}: {0}")]
    Version(#[source] VersionError),
}

/// What the file says. Without one, no GPU is quarantined; one that cannot be read quarantines them all.
pub fn read(root: &Root) -> State {
    let corrupt = |reason: String| State::Corrupt { reason };
    match durable::read(&root.path(STATE_DIRECTORY).join(NAME)) {
        Ok(None) => State::Known(Ledger::default()),
        Ok(Some(bytes)) => Ledger::parse(&bytes).map_or_else(
            |error| corrupt(format!("{STATE_DIRECTORY}/{NAME} is no quarantine file: {error}")),
            State::Known,
        ),
        Err(error) => corrupt(error.to_string()),
    }
}

/// Takes a GPU out of service, and comes back when that is on the disk.
///
/// # Errors
/// When it is not.
pub(crate) fn add(root: &Root, now: Timestamp, entry: QuarantineEntry) -> Result<(), QuarantineFileError> {
    change(root, now, |ledger| ledger.add(entry))
}

/// Takes a GPU back into service, and tells what stood against it, once that is on the disk with why.
///
/// # Errors
/// When it is not.
pub(crate) fn remove(
    root: &Root,
    now: Timestamp,
    gpu: &Identification,
    why: &Closing,
) -> Result<Vec<QuarantineEntry>, QuarantineFileError> {
    change(root, now, |ledger| ledger.close(gpu, now, why))
}

/// Lets what is known count again, after somebody has looked at what was kept of a damaged file. Tells what was lost.
///
/// # Errors
/// When that is not on the disk.
pub(crate) fn accept_loss(root: &Root, now: Timestamp, reason: &str) -> Result<Option<Lost>, QuarantineFileError> {
    change(root, now, |ledger| ledger.accept_loss(now, reason))
}

fn change<T>(root: &Root, now: Timestamp, change: impl FnOnce(&mut Ledger) -> T) -> Result<T, QuarantineFileError> {
    let directory = root.path(STATE_DIRECTORY);
    let locked = Locked::wait(&directory)?;
    let mut ledger = match durable::read(&directory.join(NAME))?.as_deref().map(Ledger::parse) {
        None => Ledger::default(),
        Some(Ok(ledger)) => ledger,
        Some(Err(VersionError::Form(error))) => Ledger::after(put_aside(&locked, now, &error)?),
        Some(Err(error)) => return Err(QuarantineFileError::Version(error)),
    };
    let answer = change(&mut ledger);
    let mut text = serde_json::to_string_pretty(&ledger).map_err(|cause| {
        let path = directory.join(NAME);
        DurableError::Content { path, cause }
    })?;
    text.push('\n');
    locked.replace(NAME, text.as_bytes())?;
    Ok(answer)
}

fn put_aside(locked: &Locked, now: Timestamp, error: &serde_json::Error) -> Result<Lost, DurableError> {
    let kept = format!("{NAME}.corrupt-{}", now.strftime("%Y%m%dT%H%M%S%.3fZ"));
    locked.keep_aside(NAME, &kept)?;
    Ok(Lost {
        since: now,
        reason: format!("an earlier {NAME} is damaged, and is kept as {STATE_DIRECTORY}/{kept}: {error}"),
        kept,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::model::identification::tests::{first, second};

    struct Machine {
        directory: TempDir,
    }

    impl Machine {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
            }
        }

        fn root(&self) -> Root {
            Root::at(self.directory.path())
        }

        fn path(&self) -> PathBuf {
            self.root().path(STATE_DIRECTORY).join(NAME)
        }

        fn add(&self, gpu: Identification) -> Result<(), QuarantineFileError> {
            let entry = QuarantineEntry {
                gpu,
                reason: "no rung is left".to_owned(),
                cause: None,
                since: now(),
                attempts: Vec::new(),
                drivers: Vec::new(),
            };
            add(&self.root(), now(), entry)
        }

        fn is_quarantined(&self, gpu: &Identification) -> bool {
            read(&self.root()).standing(gpu).is_quarantined()
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_500).unwrap()
    }

    #[test]
    fn a_gpu_goes_out_of_service_and_comes_back() {
        let machine = Machine::new();
        assert!(!machine.is_quarantined(&first()));
        machine.add(first()).unwrap();
        machine.add(second()).unwrap();
        assert!(machine.is_quarantined(&first()));
        assert_eq!(
            remove(&machine.root(), now(), &first(), &Closing::VerifiedResets { count: 3 })
                .unwrap()
                .len(),
            1
        );
        assert!(!machine.is_quarantined(&first()));
        assert!(machine.is_quarantined(&second()));
    }

    #[test]
    fn a_file_cut_short_anywhere_quarantines_every_gpu_until_somebody_has_looked() {
        let whole = {
            let machine = Machine::new();
            machine.add(first()).unwrap();
            fs::read(machine.path()).unwrap()
        };
        // The last byte is a line feed.
        for end in 0..whole.len() - 1 {
            let machine = Machine::new();
            fs::create_dir_all(machine.path().parent().unwrap()).unwrap();
            fs::write(machine.path(), &whole[..end]).unwrap();
            assert!(machine.is_quarantined(&second()), "{end}");
            machine.add(first()).unwrap();
            assert!(machine.is_quarantined(&second()), "{end}");
            let lost = accept_loss(&machine.root(), now(), "looked at it").unwrap().unwrap();
            assert_eq!(lost.kept, "quarantine.json.corrupt-20260921T141320.500Z");
            assert_eq!(
                fs::read(machine.path().with_file_name(&lost.kept)).unwrap(),
                whole[..end]
            );
            assert!(machine.is_quarantined(&first()), "{end}");
            assert!(!machine.is_quarantined(&second()), "{end}");
        }
    }

    #[test]
    fn another_versions_file_quarantines_every_gpu_and_is_left_alone() {
        let machine = Machine::new();
        let other = "{\"schema\": \"reseat.quarantine/3\"}";
        fs::create_dir_all(machine.path().parent().unwrap()).unwrap();
        fs::write(machine.path(), other).unwrap();
        assert!(machine.is_quarantined(&first()));
        let error = machine.add(first()).unwrap_err();
        assert!(error.to_string().contains("reseat.quarantine/3"), "{error}");
        assert_eq!(fs::read_to_string(machine.path()).unwrap(), other);
    }

    #[test]
    fn a_file_that_is_none_quarantines_every_gpu() {
        let machine = Machine::new();
        fs::create_dir_all(machine.path()).unwrap();
        assert!(machine.is_quarantined(&first()));
        assert!(machine.add(first()).is_err());
    }
}
