//! What the supervisor of a claim and its workers say to each other: values as postcard has them, each behind its length.
//! Both ends are the same program, so the form need not outlive it.

use std::mem;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The length of what follows, in bytes, little-endian.
type Length = u32;

/// No event is longer; what claims to be is none.
const LONGEST: usize = 1024 * 1024;

/// Adds a value to the end of `words`.
///
/// # Errors
/// When it cannot be put into words, or into too many; there are no words then, not even the old ones.
pub(crate) fn push(words: &mut Vec<u8>, value: &impl Serialize) -> Result<(), String> {
    let at = words.len();
    words.extend(Length::default().to_le_bytes());
    *words = postcard::to_extend(value, mem::take(words)).map_err(|error| error.to_string())?;
    let length = words.len().saturating_sub(at.saturating_add(size_of::<Length>()));
    let length = Length::try_from(length).map_err(|error| error.to_string())?;
    if let Some(head) = words.get_mut(at..).and_then(|frame| frame.first_chunk_mut()) {
        *head = length.to_le_bytes();
    }
    Ok(())
}

/// Takes a value off the beginning of `words`; nothing if there is none that is whole yet.
///
/// # Errors
/// When what stands there is no such value.
pub(crate) fn take<T: DeserializeOwned>(words: &mut &[u8]) -> Result<Option<T>, String> {
    let Some((head, rest)) = words.split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::try_from(Length::from_le_bytes(*head)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(format!("{length} bytes are announced"));
    }
    let Some((value, rest)) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    *words = rest;
    postcard::from_bytes(value).map(Some).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_as_they_went_in_and_only_whole() {
        let mut words = Vec::new();
        push(&mut words, &"first".to_owned()).unwrap();
        let first = words.len();
        push(&mut words, &"second".to_owned()).unwrap();
        for heard in 0..words.len() {
            let mut rest = &words[..heard];
            let expected = (heard >= first).then(|| "first".to_owned());
            assert_eq!(take::<String>(&mut rest), Ok(expected), "{heard} bytes");
            assert_eq!(take::<String>(&mut rest), Ok(None), "{heard} bytes");
        }
        let mut rest = words.as_slice();
        assert_eq!(take(&mut rest), Ok(Some("first".to_owned())));
        assert_eq!(take(&mut rest), Ok(Some("second".to_owned())));
        assert_eq!((take::<String>(&mut rest), rest), (Ok(None), &[][..]));
    }

    #[test]
    fn what_is_no_value_is_an_error() {
        for (name, words) in [
            ("ends too early", &[1, 0, 0, 0, 9][..]),
            ("no text", &[2, 0, 0, 0, 1, 0xff]),
            ("too long", b"nonsense"),
        ] {
            assert!(take::<String>(&mut &*words).is_err(), "{name}");
        }
    }
}
