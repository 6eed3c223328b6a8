//! The JSON documents of `reseat initramfs`.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use reseat::initramfs::builder::Builder;
use reseat::initramfs::contents::Digest;
use reseat::initramfs::machine::UnifiedSign;
use reseat::initramfs::plan::InstallPlan;
use reseat::initramfs::record::{InstallationRecord, SwitchedImage};
use reseat::linux::{ImageStatus, InitramfsStatus, OwnFileStatus, Removed};
use reseat::model::finding::Finding;
use serde::Serialize;

/// The schemas. Fields may be added under the same name.
const INSTALL_SCHEMA: &str = "reseat.initramfs-install/2";
const REMOVE_SCHEMA: &str = "reseat.initramfs-remove/2";
const STATUS_SCHEMA: &str = "reseat.initramfs-status/2";

/// `install --json`: of a dry run the plan, else the record.
#[derive(Serialize)]
pub(super) struct Installation<'a> {
    schema: &'static str,
    dry_run: bool,
    builder: Builder,
    since: Option<Timestamp>,
    files: Vec<File<'a>>,
    images: Vec<Image<'a>>,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a Path,
    content: Option<&'a Digest>,
}

#[derive(Serialize)]
struct Image<'a> {
    kernel: &'a str,
    image: &'a Path,
    content: Option<&'a Digest>,
    kept: Option<&'a Path>,
    kept_content: Option<&'a Digest>,
    kept_has_claim: Option<bool>,
    kept_is_older: Option<bool>,
    entry: Option<&'a Path>,
}

impl<'a> Installation<'a> {
    /// After the installation.
    pub(super) fn done(record: &'a InstallationRecord, findings: &'a [Finding]) -> Self {
        let files = record.files.iter().map(|file| File {
            path: &file.path,
            content: Some(&file.content),
        });
        Self {
            schema: INSTALL_SCHEMA,
            dry_run: false,
            builder: record.builder,
            since: Some(record.since),
            files: files.collect(),
            images: record.images.iter().map(Image::switched).collect(),
            findings,
        }
    }

    /// Of a dry run.
    pub(super) fn planned(plan: &'a InstallPlan, findings: &'a [Finding]) -> Self {
        let files = plan.builder.files().iter().map(|file| File {
            path: Path::new(file.path),
            content: None,
        });
        let images = plan.kernels.iter().map(|(kernel, image)| Image::planned(kernel, image));
        Self {
            schema: INSTALL_SCHEMA,
            dry_run: true,
            builder: plan.builder,
            since: None,
            files: files.collect(),
            images: images.collect(),
            findings,
        }
    }
}

impl<'a> Image<'a> {
    fn switched(image: &'a SwitchedImage) -> Self {
        Self {
            kernel: &image.kernel,
            image: &image.image,
            content: Some(&image.content),
            kept: Some(&image.kept),
            kept_content: Some(&image.kept_content),
            kept_has_claim: Some(image.kept_has_claim),
            kept_is_older: Some(image.kept_is_older),
            entry: image.entry.as_deref(),
        }
    }

    fn planned(kernel: &'a str, image: &'a Path) -> Self {
        Self {
            kernel,
            image,
            content: None,
            kept: None,
            kept_content: None,
            kept_has_claim: None,
            kept_is_older: None,
            entry: None,
        }
    }
}

/// `remove --json`.
#[derive(Serialize)]
pub(super) struct Removal<'a> {
    schema: &'static str,
    files: &'a [PathBuf],
    restored: &'a [String],
    rebuilt: &'a [String],
    findings: &'a [Finding],
}

impl<'a> Removal<'a> {
    pub(super) fn of(removed: &'a Removed) -> Self {
        Self {
            schema: REMOVE_SCHEMA,
            files: &removed.files,
            restored: &removed.restored,
            rebuilt: &removed.rebuilt,
            findings: &removed.findings,
        }
    }
}

/// `status --json`.
#[derive(Serialize)]
pub(super) struct Status<'a> {
    schema: &'static str,
    builder: Option<Builder>,
    cut_off: bool,
    files: &'a [OwnFileStatus],
    images: Vec<StatusImage<'a>>,
    unified: Vec<Sign<'a>>,
    /// The last line of the last boot's report.
    last_boot: Option<&'a str>,
    /// Those on the machine; each image has its own.
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct StatusImage<'a> {
    kernel: &'a str,
    running: bool,
    path: &'a Path,
    other_copies: &'a [PathBuf],
    kept: Option<&'a Path>,
    entry: Option<&'a Path>,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Sign<'a> {
    kind: &'static str,
    path: Option<&'a Path>,
    setting: Option<&'static str>,
}

impl<'a> Status<'a> {
    pub(super) fn of(status: &'a InitramfsStatus, last_boot: Option<&'a str>) -> Self {
        Self {
            schema: STATUS_SCHEMA,
            builder: status.builder.as_ref().ok().copied(),
            cut_off: status.cut_off,
            files: &status.files,
            images: status.images.iter().map(StatusImage::of).collect(),
            unified: status.unified.iter().map(Sign::of).collect(),
            last_boot,
            findings: status.findings(),
        }
    }
}

impl<'a> StatusImage<'a> {
    fn of(image: &'a ImageStatus) -> Self {
        Self {
            kernel: &image.kernel,
            running: image.running,
            path: &image.path,
            other_copies: &image.other_copies,
            kept: image.kept.as_deref(),
            entry: image.entry.as_deref(),
            findings: image.findings(),
        }
    }
}

impl<'a> Sign<'a> {
    fn of(sign: &'a UnifiedSign) -> Self {
        let (kind, path, setting) = match sign {
            UnifiedSign::Image(path) => ("image", Some(path.as_path()), None),
            UnifiedSign::Setting { file, setting } => ("setting", Some(file.as_path()), Some(*setting)),
            UnifiedSign::Preset(path) => ("preset", Some(path.as_path()), None),
            UnifiedSign::Booted => ("booted", None, None),
        };
        Self { kind, path, setting }
    }
}
