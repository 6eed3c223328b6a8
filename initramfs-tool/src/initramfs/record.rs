//! The record of an installation, for the way back: `/var/lib/reseat/initramfs/record.json`.
//!
//! It is written before anything is changed, so that an installation that was cut off is known as one.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::builder::Builder;
use super::contents::Digest;

/// The version of the file's form.
pub const SCHEMA: &str = "reseat.initramfs/2";

/// The previous version, which is read as well. It has the same keys, and `kept_is_older` only in its later files.
const PREVIOUS: &str = "reseat.initramfs/1";

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InstallationRecordError {
    /// It is no JSON of the expected form.
    #[error(transparent)]
    Form(#[from] serde_json::Error),
    /// It has the schema of another version.
    #[error("it has the schema `{found}`, this version reads `{SCHEMA}` and `{PREVIOUS}`")]
    Schema {
        /// The schema that it has.
        found: String,
    },
}

/// The changes that `install` has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationRecord {
    /// [`SCHEMA`].
    pub schema: String,
    /// The time of the installation.
    pub since: Timestamp,
    /// True if it came to its end.
    pub complete: bool,
    /// The builder.
    pub builder: Builder,
    /// The files for the builder.
    pub files: Vec<WrittenFile>,
    /// The images, one for each kernel.
    pub images: Vec<SwitchedImage>,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Its path.
    pub path: PathBuf,
    /// Its digest since.
    pub content: Digest,
}

/// An image that was put in the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchedImage {
    /// Its kernel.
    pub kernel: String,
    /// Its path.
    pub image: PathBuf,
    /// Its digest since.
    pub content: Digest,
    /// The path of the one from before.
    pub kept: PathBuf,
    /// The digest of that.
    pub kept_content: Digest,
    /// True if reseat was in that already: a removal does not go back to it.
    pub kept_has_claim: bool,
    /// True if the image was rebuilt by another program since that was kept: it may be too old to go back to.
    #[serde(default)]
    pub kept_is_older: bool,
    /// The file with its entry in the boot menu, if there is one: of our own, or one that holds ours among others.
    pub entry: Option<PathBuf>,
}

impl InstallationRecord {
    /// Of nothing yet.
    #[must_use]
    pub fn begin(builder: Builder, since: Timestamp) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            since,
            complete: false,
            builder,
            files: Vec::new(),
            images: Vec::new(),
        }
    }

    /// Reads one. A record of the previous version becomes one of this.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn parse(bytes: &[u8]) -> Result<Self, InstallationRecordError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let Head { schema: found } = serde_json::from_slice(bytes)?;
        if found != SCHEMA && found != PREVIOUS {
            return Err(InstallationRecordError::Schema { found });
        }
        let record: Self = serde_json::from_slice(bytes)?;
        Ok(Self {
            schema: SCHEMA.to_owned(),
            ..record
        })
    }

    /// The record of an image. Arch's have the same name from kernel to kernel.
    #[must_use]
    pub fn image(&self, image: &Path) -> Option<&SwitchedImage> {
        self.images.iter().find(|known| known.image == image)
    }

    /// Takes an image in, in the place of what was known of it.
    pub fn put(&mut self, image: SwitchedImage) {
        self.images.retain(|other| other.image != image.image);
        self.images.push(image);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREVIOUS_FILE: &str = include_str!("record/record-1.json");
    const FILE: &str = include_str!("record/record-2.json");

    fn read(text: &str) -> InstallationRecord {
        InstallationRecord::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_form_of_a_record_is_frozen() {
        assert_eq!(serde_json::to_string_pretty(&read(FILE)).unwrap() + "\n", FILE);
    }

    #[test]
    fn a_record_of_the_previous_version_is_read() {
        assert_eq!(read(PREVIOUS_FILE), read(FILE));
        // Its first files had no such field.
        let first = PREVIOUS_FILE.replace("      \"kept_is_older\": true,\n", "");
        assert_ne!(first, PREVIOUS_FILE);
        let read = read(&first);
        assert!(!read.images[0].kept_is_older);
        assert_eq!(read.schema, SCHEMA);
    }

    #[test]
    fn a_record_of_a_later_version_is_not() {
        let later = FILE.replace(SCHEMA, "reseat.initramfs/3");
        let error = InstallationRecord::parse(later.as_bytes()).unwrap_err();
        assert!(matches!(error, InstallationRecordError::Schema { found } if found == "reseat.initramfs/3"));
        assert!(matches!(
            InstallationRecord::parse(b"{}"),
            Err(InstallationRecordError::Form(_))
        ));
    }
}
