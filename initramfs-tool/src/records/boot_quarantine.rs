//! The quarantine file as the boot reads it: who is out of service and why, and nothing of when. The initramfs carries no
//! calendar.

use serde::Deserialize;

use crate::model::identification::{Identification, Likeness};

/// The schema that is written.
pub const SCHEMA: &str = "reseat.quarantine/2";
/// The one before. What the boot reads is the same in both.
pub(super) const FORMER_SCHEMA: &str = "reseat.quarantine/1";

/// What the boot knows of the quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtBoot {
    entries: Vec<Entry>,
    /// Why GPUs that it does not name may be out of service as well.
    unknown: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Entry {
    gpu: Identification,
    reason: String,
}

impl AtBoot {
    /// No GPU is out of service.
    pub fn nobody() -> Self {
        Self {
            entries: Vec::new(),
            unknown: None,
        }
    }

    /// Nobody knows which GPUs are.
    pub fn unreadable(why: String) -> Self {
        Self {
            entries: Vec::new(),
            unknown: Some(why),
        }
    }

    /// What the content of the file says.
    pub fn parse(bytes: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        #[derive(Deserialize)]
        struct File {
            lost: Option<Lost>,
            entries: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Lost {
            reason: String,
        }
        let file = match serde_json::from_slice(bytes) {
            Ok(Head { schema }) if [SCHEMA, FORMER_SCHEMA].contains(&schema.as_str()) => serde_json::from_slice(bytes),
            Ok(Head { schema }) => {
                return Self::unreadable(format!(
                    "it has the schema `{schema}`, this version reads `{SCHEMA}` and the one before"
                ));
            }
            Err(error) => Err(error),
        };
        match file {
            Ok(File { lost, entries }) => Self {
                entries,
                unknown: lost.map(|lost| lost.reason),
            },
            Err(error) => Self::unreadable(format!("it is no quarantine file: {error}")),
        }
    }

    /// Whether nothing stands against any GPU.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.unknown.is_none()
    }

    /// Whether a serial number stands in it, by which a GPU is known wherever it is by now.
    pub fn knows_serials(&self) -> bool {
        self.entries.iter().any(|entry| entry.gpu.serial.is_some())
    }

    /// Why GPUs that it does not name may be out of service as well.
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// What stands against a GPU by its name.
    pub fn against(&self, gpu: &Identification) -> Option<&str> {
        let mut entries = self.entries.iter();
        let entry = entries.find(|entry| entry.gpu.likeness(gpu) == Likeness::Same)?;
        Some(&entry.reason)
    }

    /// The GPU that is out of service, and why, where `gpu` is another one in its place.
    pub fn replaced_by(&self, gpu: &Identification) -> Option<(&Identification, &str)> {
        let mut entries = self.entries.iter();
        let entry = entries.find(|entry| entry.gpu.likeness(gpu) == Likeness::Replaced)?;
        Some((&entry.gpu, &entry.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identification::tests::{first, second};

    const FROZEN: &str = include_str!("quarantine/quarantine-2.json");
    const FORMER: &str = include_str!("quarantine/quarantine-1.json");

    #[test]
    fn the_boot_reads_of_the_frozen_files_what_the_ledger_says() {
        for frozen in [FROZEN, FORMER] {
            let read = AtBoot::parse(frozen.as_bytes());
            assert_eq!(read.against(&first()), Some("no rung is left"));
            assert_eq!(read.against(&second()), None);
            assert_eq!(read.unknown(), Some("it is no quarantine file"));
            assert!(!read.is_empty());
        }
    }

    #[test]
    fn by_its_serial_number_a_gpu_is_found_elsewhere_and_another_in_its_place_is_told() {
        let text = FROZEN.replace("\"serial\": null", "\"serial\": \"48-b0\"");
        let read = AtBoot::parse(text.as_bytes());
        assert!(read.knows_serials());
        assert!(!AtBoot::parse(FROZEN.as_bytes()).knows_serials());
        let with = |gpu: Identification, serial: &str| Identification {
            serial: Some(serial.to_owned()),
            ..gpu
        };
        let moved = with(second(), "48-b0");
        assert_eq!(read.against(&moved), Some("no rung is left"));
        assert_eq!(read.replaced_by(&moved), None);
        let other = with(first(), "48-b1");
        assert_eq!(read.against(&other), None);
        let (replaced, reason) = read.replaced_by(&other).unwrap();
        assert_eq!(
            (replaced.to_string().as_str(), reason),
            ("0000:01:00 [10de:2231], serial number 48-b0", "no rung is left")
        );
        // One that does not say its number may be it.
        assert_eq!(read.against(&first()), Some("no rung is left"));
        assert_eq!(read.against(&second()), None);
    }

    #[test]
    fn a_file_cut_short_anywhere_says_that_nobody_knows() {
        for end in 0..FROZEN.trim_end().len() {
            let read = AtBoot::parse(&FROZEN.as_bytes()[..end]);
            assert!(read.unknown().is_some(), "{end}: {read:?}");
        }
        assert!(
            AtBoot::parse(b"{\"schema\": \"reseat.quarantine/3\"}")
                .unknown()
                .is_some()
        );
    }
}
