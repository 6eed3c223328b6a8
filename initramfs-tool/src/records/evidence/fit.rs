//! A bundle within its bound.

use super::{Bundle, When};
use crate::model::finding::{Finding, Subject, id};

/// No bundle is larger. In bytes.
pub const LARGEST: usize = 2 * 1024 * 1024;

/// A bundle as JSON of at most `largest` bytes. What has to go, goes in this order, and is named: what was read between the
/// first rung and the end, the kernel's lines, what was told, what was read at all.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn encode(mut bundle: Bundle, largest: usize) -> serde_json::Result<Vec<u8>> {
    loop {
        let mut text = serde_json::to_vec_pretty(&bundle)?;
        text.push(b'\n');
        if text.len() <= largest {
            return Ok(text);
        }
        match shorten(&mut bundle) {
            Some(left_out) => bundle.left_out.push(left_out),
            // All that is left are the names of things.
            None => return Ok(text),
        }
    }
}

/// Takes something out, and returns what; nothing if there is nothing left to take.
fn shorten(bundle: &mut Bundle) -> Option<Finding> {
    let subject = Subject::gpu(bundle.device);
    if bundle.moments.len() > 2 {
        let moment = bundle.moments.remove(1);
        return Some(moment_left_out(subject, moment.when));
    }
    let with_log = bundle
        .moments
        .iter_mut()
        .find(|moment| !moment.kernel_log.lines.is_empty());
    if let Some(moment) = with_log {
        let lines = std::mem::take(&mut moment.kernel_log.lines).len();
        let left_out = Finding::note(id::KERNEL_LOG_LEFT_OUT, subject).with("count", lines);
        return Some(at(left_out, moment.when));
    }
    // The later half: how it began says more than how it went on.
    let half = bundle.events.len() / 2;
    if !bundle.events.is_empty() {
        let events = bundle.events.split_off(half);
        return Some(Finding::note(id::EVENTS_LEFT_OUT, subject).with("count", events.len()));
    }
    let moment = bundle.moments.pop()?;
    Some(moment_left_out(subject, moment.when))
}

fn moment_left_out(subject: Subject, when: When) -> Finding {
    at(Finding::note(id::MOMENT_LEFT_OUT, subject), when)
}

fn at(finding: Finding, when: When) -> Finding {
    match when {
        When::After(rung) => finding.with("when", format!("after {rung}")),
        When::Before | When::End => finding.with("when", when.name()),
    }
}
