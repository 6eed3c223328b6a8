//! Suggestions for misspelt words. The claim in the initramfs lacks them, for its size.

/// Returns the known word nearest to a misspelt one.
#[cfg(feature = "operator")]
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    /// The maximum number of changed letters: beyond it, it is another word.
    const MOST: usize = 2;
    let word = word.to_ascii_lowercase();
    let distance = |known: &str| strsim::osa_distance(&word, known.trim_end_matches('='));
    let nearest = known.iter().copied().min_by_key(|known| distance(known));
    nearest.filter(|known| distance(known) <= MOST.min(word.len().saturating_sub(1)))
}

#[cfg(not(feature = "operator"))]
pub(super) const fn nearest<'a>(_: &str, _: &[&'a str]) -> Option<&'a str> {
    None
}

/// Returns the nearest known word as a question to append, or nothing.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or_else(String::new, |known| format!(" (did you mean `{known}`?)"))
}

/// Returns the question for a message such as serde's: "unknown field `a`, expected `b` or `c`".
pub(super) fn hint(message: &str) -> String {
    if !message.starts_with("unknown ") {
        return String::new();
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let word = words.next().unwrap_or_default();
    did_you_mean(word, &words.collect::<Vec<_>>())
}
