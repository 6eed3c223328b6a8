//! Text before a line's own: quote marks, list markers, time stamps, and the names of a host and a program.

/// The most prefixes of one line, one behind the other.
const MOST: usize = 24;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The line without its prefixes.
pub(super) fn stripped(line: &str) -> &str {
    let mut rest = line.trim();
    for _ in 0..MOST {
        let strip = [quote, list_marker, kernel_level, bracket, syslog, iso_time, kernel];
        let shorter = strip.iter().find_map(|strip| strip(rest));
        let Some(shorter) = shorter else { break };
        rest = shorter.trim_start();
    }
    rest
}

/// `> `, `| `, or a reader's initials and `> `.
fn quote(text: &str) -> Option<&str> {
    let marked = text.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric());
    let initials = text.len() - marked.len();
    match initials {
        0 => text.strip_prefix(['>', '|']),
        1..=4 => marked.strip_prefix('>'),
        _ => None,
    }
}

/// `- `, `* `, `+ `, `• `, `1. `, `1) `, or a line number and a tab. Without the space `-` and `+` are a diff's.
fn list_marker(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix(['-', '*', '+', '•', '–']) {
        return rest.starts_with(char::is_whitespace).then_some(rest);
    }
    let behind = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let digits = text.len() - behind.len();
    if let Some(rest) = behind.strip_prefix(['.', ')']) {
        return ((1..=3).contains(&digits) && rest.starts_with(char::is_whitespace)).then_some(rest);
    }
    // Of `cat -n`.
    ((1..=6).contains(&digits) && behind.starts_with('\t')).then_some(behind)
}

/// The kernel's `<6>`.
fn kernel_level(text: &str) -> Option<&str> {
    let (level, rest) = text.strip_prefix('<')?.split_once('>')?;
    is_number(level).then_some(rest)
}

/// `[   12.345678]`, `[  T123]`, `[Tue Dec  1 15:00:00 2026]`.
fn bracket(text: &str) -> Option<&str> {
    let (stamp, rest) = text.strip_prefix('[')?.split_once(']')?;
    let is_stamp = |letter: char| letter.is_ascii_alphanumeric() || " .:,+-/".contains(letter);
    let has_digit = stamp.bytes().any(|byte| byte.is_ascii_digit());
    // Shorter ones are marked bytes, such as `[00]`.
    ((3..=40).contains(&stamp.len()) && has_digit && stamp.chars().all(is_stamp)).then_some(rest)
}

/// `Mar  3 12:00:00 host kernel:`.
fn syslog(text: &str) -> Option<&str> {
    let (month, rest) = word(text)?;
    let (day, rest) = word(rest)?;
    let (time, rest) = word(rest)?;
    (MONTHS.contains(&month) && is_number(day) && is_time(time)).then(|| behind_host(rest))
}

/// `2026-12-01T15:08:10.123456+00:00 host kernel:`, or the date and the time apart.
fn iso_time(text: &str) -> Option<&str> {
    let (stamp, rest) = word(text)?;
    let (year, month_and_day) = stamp.split_once('-')?;
    if year.len() != 4 || !is_number(year) || month_and_day.as_bytes().get(2) != Some(&b'-') {
        return None;
    }
    match word(rest) {
        Some((time, rest)) if is_time(time) => Some(behind_host(rest)),
        _ => Some(behind_host(rest)),
    }
}

/// `kernel:`, as `journalctl -o cat` or a script leave it.
fn kernel(text: &str) -> Option<&str> {
    text.strip_prefix("kernel:")
}

/// The text behind `host program[1]:`, where it begins so.
fn behind_host(text: &str) -> &str {
    let program = word(text).and_then(|(_, rest)| word(rest));
    match program {
        Some((program, rest)) if program.ends_with(':') && program.starts_with(|first: char| first.is_alphabetic()) => {
            rest
        }
        _ => text,
    }
}

fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end)?;
    (!word.is_empty()).then_some((word, rest))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `12:00:00`, with or without a fraction.
fn is_time(text: &str) -> bool {
    text.split(':').count() == 3 && text.bytes().all(|byte| byte.is_ascii_digit() || b":.,".contains(&byte))
}
