//! The report in `/run`, which `switch_root` carries over to the real root.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::report::first_version::{self, FIRST_SCHEMA};
use crate::report::{Report, SCHEMA};

/// Where the boot claim's report is.
pub const CLAIM_REPORT: &str = "/run/reseat/claim.json";

/// A report of a handful of GPUs, in bytes: room for it that need not grow bit by bit.
const USUAL_SIZE: usize = 16 * 1024;

/// A report that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportFileError {
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
    /// The file is no report.
    #[error("{path} is no claim report: {cause}", path = path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// Where it goes wrong.
        cause: serde_json::Error,
    },
    /// The file is a report of another form.
    #[error("{path} has the schema `{found}`, this version reads `{SCHEMA}`", path = path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// What it says it is.
        found: String,
    },
}

impl ReportFileError {
    /// The error as a finding.
    pub fn finding(&self) -> Finding {
        let of = |id, path: &Path| Finding::error(id, Subject::file(path));
        match self {
            Self::File {
                action: "read",
                path,
                cause,
            } if cause.kind() == io::ErrorKind::NotFound => of(id::REPORT_MISSING, path)
                .with("cause", cause)
                .remedy(id::SEE_INITRAMFS_STATUS),
            Self::File { action, path, cause } => of(id::REPORT_INACCESSIBLE, path)
                .with("action", action)
                .with("cause", cause),
            Self::Form { path, cause } => of(id::REPORT_MALFORMED, path).with("cause", cause),
            Self::Schema { path, found } => of(id::REPORT_SCHEMA_UNKNOWN, path)
                .with("found", found)
                .with("expected", SCHEMA),
        }
    }
}

/// Writes the report to the absolute path `at`: whole or not at all.
///
/// # Errors
/// When the directory or the file cannot be made, or something else than a file is there already.
pub fn write(root: &Root, at: &Path, report: &Report) -> Result<(), ReportFileError> {
    let path = root.path(at);
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |cause| ReportFileError::File { action, path, cause }
    };
    // A rename would put a file in the place of a device or a link.
    if fs::symlink_metadata(&path).is_ok_and(|there| !there.is_file()) {
        let cause = io::Error::other("it is there and is no regular file");
        return Err(failed("replace", &path)(cause));
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed("create", directory))?;
    }
    let mut text = Vec::with_capacity(USUAL_SIZE);
    serde_json::to_writer_pretty(&mut text, report).map_err(|cause| ReportFileError::Form {
        path: path.clone(),
        cause,
    })?;
    text.push(b'\n');
    let unfinished = path.with_extension("json.new");
    let written = fs::write(&unfinished, text)
        .map_err(failed("write", &unfinished))
        .and_then(|()| fs::rename(&unfinished, &path).map_err(failed("replace", &path)));
    if written.is_err() {
        // Half a report helps nobody; that it is there may be a full file system's doing.
        fs::remove_file(&unfinished).ok();
    }
    written
}

/// Reads the report at the absolute path `at`.
///
/// # Errors
/// When it is not there, is no report, or one of a schema that this version does not know.
pub fn read(root: &Root, at: &Path) -> Result<Report, ReportFileError> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: String,
    }
    let path = root.path(at);
    let text = fs::read_to_string(&path).map_err(|cause| ReportFileError::File {
        action: "read",
        path: path.clone(),
        cause,
    })?;
    let form = |cause| ReportFileError::Form {
        path: path.clone(),
        cause,
    };
    let Head { schema: found } = serde_json::from_str(&text).map_err(form)?;
    match found.as_str() {
        SCHEMA => serde_json::from_str(&text).map_err(form),
        FIRST_SCHEMA => first_version::read(&text).map_err(form),
        _ => Err(ReportFileError::Schema { path, found }),
    }
}
