//! What has been done, written down for the way back: `/var/lib/reseat/initramfs/record.json`.
//!
//! It is written before anything is changed, so that an installation that was cut off is known as one.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::builder::Builder;
use super::contents::Digest;

/// The version of the file's form.
pub const SCHEMA: &str = "reseat.initramfs/1";

/// What `install` has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: String,
    /// When.
    pub since: Timestamp,
    /// Whether it came to its end.
    pub complete: bool,
    /// With what.
    pub builder: Builder,
    /// The files for the builder.
    pub files: Vec<WrittenFile>,
    /// The images, one for each kernel.
    pub images: Vec<SwitchedImage>,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Which.
    pub path: PathBuf,
    /// What it holds since.
    pub content: Digest,
}

/// An image that was put in the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchedImage {
    /// For which kernel.
    pub kernel: String,
    /// Where it is.
    pub image: PathBuf,
    /// What it holds since.
    pub content: Digest,
    /// Where the one from before is.
    pub kept: PathBuf,
    /// What that holds.
    pub kept_content: Digest,
    /// Whether reseat was in that already, so that it is not what a removal goes back to.
    pub kept_has_claim: bool,
    /// Whether the image was built anew by somebody else since that was kept, so that it may be too old to go back to.
    #[serde(default)]
    pub kept_is_older: bool,
    /// The file with its entry in the boot menu, if there is one: of our own, or one that holds ours among others.
    pub entry: Option<PathBuf>,
}

impl Record {
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

    /// Reads one.
    ///
    /// # Errors
    /// When it is of another form, with in what.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let Head { schema } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if schema != SCHEMA {
            return Err(format!("it has the schema `{schema}`, this version reads `{SCHEMA}`"));
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// What was done with an image. Arch's have the same name from kernel to kernel.
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
