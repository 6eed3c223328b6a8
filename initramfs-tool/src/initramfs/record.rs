//! The record of an installation, to undo it: `/var/lib/reseat/initramfs/record.json`.
//!
//! It is written before anything changes, so an interrupted installation is recognized.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::builder::Builder;
use super::contents::Digest;

/// The version of the file's form.
pub const SCHEMA: &str = "reseat.initramfs/2";

/// The previous version, which is read as well. It has the same keys; only its later files have `kept_is_older`.
const PREVIOUS: &str = "reseat.initramfs/1";

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InstallationRecordError {
    /// It is not JSON of the expected form.
    #[error(transparent)]
    Form(#[from] serde_json::Error),
    /// It has the schema of another version.
    #[error("it has the schema `{found}`, this version reads `{SCHEMA}` and `{PREVIOUS}`")]
    Schema {
        /// The schema in the file.
        found: String,
    },
}

/// The changes made by `install`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationRecord {
    /// [`SCHEMA`].
    pub schema: String,
    /// The time of the installation.
    pub since: Timestamp,
    /// True if the installation completed.
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
    /// The path of the file.
    pub path: PathBuf,
    /// The digest of the written file.
    pub content: Digest,
}

/// An image that replaced another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchedImage {
    /// The kernel of the image.
    pub kernel: String,
    /// The path of the image.
    pub image: PathBuf,
    /// The digest of the new image.
    pub content: Digest,
    /// The path of the previous image.
    pub kept: PathBuf,
    /// The digest of the previous image.
    pub kept_content: Digest,
    /// True if the previous image already contained reseat: a removal does not restore it.
    pub kept_has_claim: bool,
    /// True if another program has rebuilt the image since the previous one was kept: that one may be too old.
    #[serde(default)]
    pub kept_is_older: bool,
    /// The file with the boot menu entry, if any: our own, or a shared one.
    pub entry: Option<PathBuf>,
}

impl InstallationRecord {
    /// A record without any changes.
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

    /// Parses a record. A record of the previous version is converted.
    ///
    /// # Errors
    /// When it has another form.
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

    /// The record of an image. On Arch, kernels share its name.
    #[must_use]
    pub fn image(&self, image: &Path) -> Option<&SwitchedImage> {
        self.images.iter().find(|known| known.image == image)
    }

    /// Adds an image, and replaces an older record of it.
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
        // The first files of that version lacked this field.
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
