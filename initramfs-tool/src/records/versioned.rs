//! Records of this version and of the one before.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// A record whose schema names its version.
pub(crate) trait Versioned: Sized {
    /// The schema that is written.
    const SCHEMA: &'static str;

    /// The record out of a value of `schema`.
    ///
    /// # Errors
    /// When it is of another form, or of a schema that is not known.
    fn from_version(schema: &str, value: Value) -> Result<Self, VersionError>;
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// It is damaged, or never was one.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// It is of another version.
    #[error("the schema is `{found}`, this version reads `{reads}` and the one before")]
    Schema {
        /// The schema that it has.
        found: String,
        /// The schema of this version.
        reads: &'static str,
    },
}

impl VersionError {
    /// A schema that is not known.
    pub(crate) fn unknown<T: Versioned>(found: &str) -> Self {
        Self::Schema {
            found: found.to_owned(),
            reads: T::SCHEMA,
        }
    }
}

/// The record in `bytes`.
///
/// # Errors
/// When it is damaged, or of another version.
pub(crate) fn from_slice<T: Versioned>(bytes: &[u8]) -> Result<T, VersionError> {
    from_value(serde_json::from_slice(bytes)?)
}

/// The record in a value.
///
/// # Errors
/// When it is of another form or version.
pub(crate) fn from_value<T: Versioned>(value: Value) -> Result<T, VersionError> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: String,
    }
    let Head { schema } = form(&value)?;
    T::from_version(&schema, value)
}

fn form<T: DeserializeOwned>(value: &Value) -> Result<T, VersionError> {
    Ok(T::deserialize(value)?)
}
