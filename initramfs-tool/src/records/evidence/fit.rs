//! A bundle within its bound.

use super::Bundle;

/// No bundle is larger. In bytes.
pub const LARGEST: usize = 2 * 1024 * 1024;

/// A bundle as JSON of at most `largest` bytes. What has to go, goes in this order, and is named: what was read between the
/// first rung and the end, the kernel's lines, what was told, what was read at all.
///
/// # Errors
/// When it cannot be said in JSON.
pub fn encode(mut bundle: Bundle, largest: usize) -> serde_json::Result<Vec<u8>> {
    loop {
        let mut text = serde_json::to_vec_pretty(&bundle)?;
        text.push(b'\n');
        if text.len() <= largest {
            return Ok(text);
        }
        match shorten(&mut bundle) {
            Some(words) => bundle.left_out.push(words),
            // All that is left are the names of things.
            None => return Ok(text),
        }
    }
}

/// Takes something out, and says what; nothing if there is nothing left to take.
fn shorten(bundle: &mut Bundle) -> Option<String> {
    if bundle.moments.len() > 2 {
        let moment = bundle.moments.remove(1);
        return Some(format!("what was read {}", moment.when));
    }
    let with_log = bundle
        .moments
        .iter_mut()
        .find(|moment| !moment.kernel_log.lines.is_empty());
    if let Some(moment) = with_log {
        let lines = std::mem::take(&mut moment.kernel_log.lines).len();
        return Some(format!("{lines} lines of the kernel log, read {}", moment.when));
    }
    // The later half: how it began says more than how it went on.
    let half = bundle.told.len() / 2;
    if !bundle.told.is_empty() {
        let told = bundle.told.split_off(half);
        return Some(format!("{} events", told.len()));
    }
    let moment = bundle.moments.pop()?;
    Some(format!("what was read {}", moment.when))
}
