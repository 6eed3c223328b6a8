//! The output of `reseat initramfs` for people.

use reseat::initramfs::record::{InstallationRecord, SwitchedImage};
use reseat::linux::{BuiltContent, FileState, ImageStatus, InitramfsStatus, Installed, Progress, Removed};
use reseat::model::finding::{Finding, Severity};

use crate::messages;

/// The progress of an installation or a removal, on one line.
pub(super) fn progress(progress: &Progress) -> String {
    match progress {
        Progress::Building { kernel, builder } => format!("building the image for kernel {kernel} with {builder}"),
        Progress::Built { kernel, content } => match content {
            BuiltContent::Claim => format!("kernel {kernel}: built, and everything is in it"),
            BuiltContent::NoClaim => format!("kernel {kernel}: built, without reseat"),
        },
    }
}

/// An installation, or a dry run of one.
pub(super) fn installed(installed: &Installed) -> String {
    let plan = &installed.plan;
    let (write, build) = match installed.record {
        Some(_) => ("wrote", "switched to a new image:"),
        None => ("would write", "would build with it and switch to a new image:"),
    };
    let files = plan.builder.files().iter();
    let mut lines: Vec<_> = files
        .map(|file| format!("{write} {} (for {})", file.path, plan.builder))
        .collect();
    for (kernel, image) in &plan.kernels {
        lines.push(format!("kernel {kernel}: {build} {}", image.display()));
    }
    lines.extend(installed.record.iter().flat_map(|record| kept(record, installed)));
    lines.extend(installed.findings.iter().map(marked));
    in_lines(&lines)
}

/// An installation of files alone.
pub(super) fn files_written(record: &InstallationRecord, findings: &[Finding]) -> String {
    let files = record.files.iter();
    let mut lines: Vec<_> = files.map(|file| format!("wrote {}", file.path.display())).collect();
    lines.extend(findings.iter().map(marked));
    lines.push("have the images built now; `reseat initramfs status` looks into them".to_owned());
    in_lines(&lines)
}

/// A removal.
pub(super) fn removed(removed: &Removed) -> String {
    let files = removed.files.iter();
    let mut lines: Vec<_> = files.map(|file| format!("removed {}", file.display())).collect();
    for kernel in &removed.restored {
        lines.push(format!("kernel {kernel}: the image from before is back"));
    }
    for kernel in &removed.rebuilt {
        lines.push(format!("kernel {kernel}: built a new image, without reseat"));
    }
    lines.extend(removed.findings.iter().map(marked));
    in_lines(&lines)
}

/// The images from before, and the way to boot each.
fn kept(record: &InstallationRecord, installed: &Installed) -> Vec<String> {
    let done = record
        .images
        .iter()
        .filter(|image| installed.plan.kernels.iter().any(|(kernel, _)| *kernel == image.kernel));
    let lines = done.map(|image| {
        let has_claim = match image.kept_has_claim {
            true => "; reseat was in that one already, so boot it with `reseat=off`",
            false => "",
        };
        format!(
            "kernel {}: the image from before is {}; {}{has_claim}",
            image.kernel,
            image.kept.display(),
            undo_steps(image, installed)
        )
    });
    lines.collect()
}

fn undo_steps(image: &SwitchedImage, installed: &Installed) -> String {
    match &image.entry {
        Some(entry) => format!("it is in the boot menu as \"… (before reseat)\" ({})", entry.display()),
        None if installed.copied.contains(&image.image) => {
            "the boot loader boots copies of images, and has none of this one: to go back, boot with `reseat=off`, which \
             does nothing"
                .to_owned()
        }
        None => "the boot menu has no entry that could be copied for it: to boot it, edit an entry in the boot loader so \
                 that it loads this file as the initrd; or boot the new one with `reseat=off`, which does nothing"
            .to_owned(),
    }
}

/// The state of the claim in the initramfs.
pub(super) fn status(status: &InitramfsStatus) -> String {
    let mut lines = Vec::new();
    if let Ok(builder) = &status.builder {
        lines.push(format!("builder: {builder}"));
    }
    let present = status.files.iter().filter(|file| file.state == FileState::Present);
    lines.extend(present.map(|file| format!("{}: present", file.path.display())));
    for finding in status.findings() {
        // The builder stands in a line of its own.
        let is_first = lines.is_empty() && status.builder.is_err();
        let head = if is_first { "builder: " } else { "" };
        lines.push(format!("{head}{}", messages::line(&finding)));
    }
    lines.extend(status.images.iter().flat_map(image));
    in_lines(&lines)
}

fn image(image: &ImageStatus) -> Vec<String> {
    let running = if image.running { " (running)" } else { "" };
    let head = format!("kernel {}{running}", image.kernel);
    let path = image.path.display();
    let is_whole = image.shortfalls.as_ref().is_ok_and(Vec::is_empty);
    let whole = is_whole.then(|| format!("{head}: {path}: has the claim, with what is on this machine"));
    let findings = image.findings();
    let findings = findings
        .iter()
        .map(|finding| format!("{head}: {}", messages::line(finding)));
    let kept = image.kept.as_ref().map(|kept| {
        let menu = match &image.entry {
            Some(entry) => format!("in the boot menu by {}", entry.display()),
            None => "without an entry in the boot menu".to_owned(),
        };
        format!("{head}: the image from before is {}, {menu}", kept.display())
    });
    whole.into_iter().chain(findings).chain(kept).collect()
}

fn marked(finding: &Finding) -> String {
    let mark = match finding.severity {
        Severity::Note => "note",
        Severity::Warning | Severity::Error | Severity::Refusal => "warning",
    };
    format!("{mark}: {}", messages::line(finding))
}

fn in_lines(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}
