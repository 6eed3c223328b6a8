//! How the claim stands in the initramfs, in words.

use reseat::initramfs::contents::Shortfall;
use reseat::linux::{FileState, ImageStatus, InitramfsStatus};

/// Everything, a line for each.
pub(super) fn of(status: &InitramfsStatus) -> String {
    let mut lines = Vec::new();
    lines.push(match &status.builder {
        Ok(builder) => format!("builder: {builder}"),
        Err(why) => format!("builder: {why}"),
    });
    if status.cut_off {
        lines.push(
            "an installation was cut off: run `reseat initramfs install` or `reseat initramfs remove`".to_owned(),
        );
    }
    lines.extend(status.record_problem.clone());
    for file in &status.files {
        let state = match file.state {
            FileState::Present => "present",
            FileState::OtherVersion => "of another version: run `reseat initramfs install`",
            FileState::Changed => "changed by somebody",
            FileState::Missing => "missing",
        };
        lines.push(format!("{}: {state}", file.path.display()));
    }
    lines.extend(
        status
            .running_problem
            .as_ref()
            .map(|problem| format!("{problem} (`reseat initramfs install --dry-run` says what helps)")),
    );
    lines.extend(status.images.iter().map(image_in_words));
    lines.extend(status.rules_problems.iter().map(crate::words::line));
    if !status.unified.is_empty() {
        let signs = status.unified.join("; ");
        lines.push(format!(
            "unified kernel images are not looked into ({signs}): see `reseat report` after the boot"
        ));
    }
    lines.join("\n") + "\n"
}

fn image_in_words(image: &ImageStatus) -> String {
    let running = if image.running { " (running)" } else { "" };
    let state = match &image.shortfalls {
        Err(why) => format!("cannot be looked into: {why}"),
        Ok(shortfalls) if shortfalls.is_empty() => "has the claim, with what is on this machine".to_owned(),
        Ok(shortfalls) => {
            let words: Vec<_> = shortfalls.iter().map(ToString::to_string).collect();
            format!("{}{}", words.join("; "), what_helps(image, shortfalls))
        }
    };
    let kept = match (&image.kept, &image.entry) {
        (None, _) => String::new(),
        (Some(kept), None) => format!(
            "; the image from before is {}, without an entry in the boot menu",
            kept.display()
        ),
        (Some(kept), Some(entry)) => format!(
            "; the image from before is {}, in the boot menu by {}",
            kept.display(),
            entry.display()
        ),
    };
    let copies = image.other_copies.iter().map(|copy| {
        let copy = copy.display();
        format!("; the boot loader boots {copy}, which is another one: have it copied as your distribution does")
    });
    let copies: String = copies.collect();
    format!(
        "kernel {}{running}: {}: {state}{copies}{kept}",
        image.kernel,
        image.path.display()
    )
}

/// Without a kernel that is named, an installation is for the one that runs.
fn what_helps(image: &ImageStatus, shortfalls: &[Shortfall]) -> String {
    let what = match shortfalls {
        [Shortfall::NoClaim] => "put it there",
        _ if shortfalls.iter().any(Shortfall::is_stale) => "build it anew",
        _ => return String::new(),
    };
    let which = match image.running {
        true => String::new(),
        false => format!(" --kernel {}", image.kernel),
    };
    format!("; {what} (`reseat initramfs install{which}`)")
}
