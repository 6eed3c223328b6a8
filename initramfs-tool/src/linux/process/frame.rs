//! The protocol between this program and its children: values as postcard encodes them, each behind its length.
//!
//! Both ends are the same program, so the encoding need not outlive it.

use std::io::{self, Write};
use std::mem;
use std::os::fd::BorrowedFd;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, read};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The length of the value that follows, in bytes, little-endian.
type Length = u32;

/// The longest value.
const LONGEST: usize = 1024 * 1024;

/// The room for one read, in bytes: more than a worker that claims a handful of GPUs writes at all.
const ROOM: usize = 16 * 1024;
/// The reads of one look: together as much as a pipe holds. A child that always has more to say does not hold up its
/// supervisor.
const READS: usize = 4;

/// A value that cannot be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// No value is that long.
    #[error("a value of {0} bytes")]
    TooLong(usize),
    /// The bytes are no such value, or the value has no bytes.
    #[error("{0}")]
    Value(#[from] postcard::Error),
    /// The value is text, which is to be JSON and is not.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// Adds a value to the end of `bytes`. After an error, `bytes` is empty.
pub(crate) fn push(bytes: &mut Vec<u8>, value: &impl Serialize) -> Result<(), FrameError> {
    let at = bytes.len();
    bytes.extend(Length::default().to_le_bytes());
    *bytes = postcard::to_extend(value, mem::take(bytes))?;
    fill_in_length(bytes, at)
}

fn fill_in_length(bytes: &mut Vec<u8>, at: usize) -> Result<(), FrameError> {
    let length = bytes.len().saturating_sub(at.saturating_add(size_of::<Length>()));
    match Length::try_from(length) {
        Ok(head) if length <= LONGEST => {
            if let Some(place) = bytes.get_mut(at..).and_then(|frame| frame.first_chunk_mut()) {
                *place = head.to_le_bytes();
            }
            Ok(())
        }
        _ => {
            bytes.clear();
            Err(FrameError::TooLong(length))
        }
    }
}

/// Takes the bytes of a value off the beginning of `bytes`; `None` if it is not complete yet.
fn take<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, FrameError> {
    let Some((head, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::try_from(Length::from_le_bytes(*head)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(FrameError::TooLong(length));
    }
    let Some((value, rest)) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    *bytes = rest;
    Ok(Some(value))
}

/// The state of the other end, after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Some bytes were read.
    Bytes,
    /// There was nothing to read.
    Nothing,
    /// The other end is closed: no more will come.
    End,
}

/// Reads values as they come, whole or in parts.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    /// How much of `bytes` has been taken.
    taken: usize,
}

impl Reader {
    /// Reads what has come, as far as one look goes. Does not wait if `from` does not block.
    pub(crate) fn read_available(&mut self, from: BorrowedFd<'_>) -> io::Result<Heard> {
        let mut heard = Heard::Nothing;
        for _ in 0..READS {
            match self.read(from)? {
                (Heard::Bytes, true) => heard = Heard::Bytes,
                (Heard::Nothing, _) => return Ok(heard),
                (last, _) => return Ok(last),
            }
        }
        Ok(heard)
    }

    /// Takes the next value; `None` if it has not come or is not complete.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        match self.next_bytes()? {
            Some(value) => Ok(Some(postcard::from_bytes(value)?)),
            None => Ok(None),
        }
    }

    /// Takes the bytes of the next value.
    pub(crate) fn next_bytes(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let mut rest = self.bytes.get(self.taken..).unwrap_or_default();
        let value = take(&mut rest)?;
        self.taken = self.bytes.len().saturating_sub(rest.len());
        Ok(value)
    }

    /// Waits for the next value, where `from` blocks; `None` at the end.
    pub(crate) fn wait<T: DeserializeOwned>(&mut self, from: BorrowedFd<'_>) -> io::Result<Option<T>> {
        loop {
            if let Some(value) = self.next().map_err(io::Error::other)? {
                return Ok(Some(value));
            }
            // Once: a second read would wait for more than the value.
            if self.read(from)?.0 == Heard::End {
                return match self.taken == self.bytes.len() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// Reads once; with it, whether there may be more.
    fn read(&mut self, from: BorrowedFd<'_>) -> io::Result<(Heard, bool)> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.reserve_exact(ROOM);
        let room = self.bytes.capacity().saturating_sub(self.bytes.len());
        match read(from, spare_capacity(&mut self.bytes)) {
            Ok(0) => Ok((Heard::End, false)),
            Ok(length) => Ok((Heard::Bytes, length == room)),
            Err(Errno::AGAIN | Errno::INTR) => Ok((Heard::Nothing, false)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Writes values, several at once.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    output: W,
    bytes: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(crate) const fn new(output: W) -> Self {
        Self {
            output,
            bytes: Vec::new(),
        }
    }

    /// Writes these values in one write, if there are any, and removes them from the list.
    pub(crate) fn write<T: Serialize>(&mut self, values: &mut Vec<T>) -> io::Result<()> {
        self.bytes.clear();
        for value in values.drain(..) {
            push(&mut self.bytes, &value).map_err(io::Error::other)?;
        }
        match self.bytes.is_empty() {
            true => Ok(()),
            false => self.output.write_all(&self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Seek;
    use std::os::fd::AsFd;

    use super::*;

    fn taken<T: DeserializeOwned>(bytes: &mut &[u8]) -> Option<T> {
        take(bytes).unwrap().map(|value| postcard::from_bytes(value).unwrap())
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn values_come_out_as_they_went_in_and_only_whole() {
        let mut bytes = Vec::new();
        push(&mut bytes, &"first".to_owned()).unwrap();
        let first = bytes.len();
        push(&mut bytes, &"second".to_owned()).unwrap();
        for heard in 0..bytes.len() {
            let mut rest = &bytes[..heard];
            let expected = (heard >= first).then(|| "first".to_owned());
            assert_eq!(taken::<String>(&mut rest), expected, "{heard} bytes");
            assert_eq!(taken::<String>(&mut rest), None, "{heard} bytes");
        }
        let mut rest = bytes.as_slice();
        assert_eq!(taken(&mut rest), Some("first".to_owned()));
        assert_eq!(taken(&mut rest), Some("second".to_owned()));
        assert_eq!((taken::<String>(&mut rest), rest), (None, &[][..]));
    }

    #[test]
    fn damaged_frames_are_errors() {
        for (name, bytes) in [
            ("ends too early", &[1, 0, 0, 0, 9][..]),
            ("no text", &[2, 0, 0, 0, 1, 0xff]),
            ("too long", b"nonsense"),
        ] {
            let mut reader = Reader {
                bytes: bytes.to_vec(),
                taken: 0,
            };
            assert!(reader.next::<String>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_value_that_nobody_would_read_is_not_sent() {
        let mut bytes = vec![1, 2, 3];
        let error = push(&mut bytes, &"x".repeat(LONGEST + 1)).unwrap_err();
        assert!(matches!(error, FrameError::TooLong(_)), "{error}");
        assert!(bytes.is_empty());
    }

    #[test]
    fn a_reader_keeps_the_part_of_a_value_that_has_come() {
        let mut bytes = Vec::new();
        let long = "x".repeat(3 * ROOM);
        push(&mut bytes, &long).unwrap();
        push(&mut bytes, &"short").unwrap();
        let (first, rest) = bytes.split_at(ROOM / 2);
        let mut reader = Reader::default();
        assert_eq!(reader.read_available(file(first).as_fd()).unwrap(), Heard::Bytes);
        assert_eq!(reader.next::<String>().unwrap(), None);
        let rest = file(rest);
        while reader.read_available(rest.as_fd()).unwrap() != Heard::End {}
        assert_eq!(reader.next::<String>().unwrap().as_deref(), Some(&*long));
        assert_eq!(reader.next::<String>().unwrap().as_deref(), Some("short"));
        assert_eq!(reader.next::<String>().unwrap(), None);
    }

    #[test]
    fn a_reader_that_waits_takes_each_value_and_sees_one_that_is_cut_off() {
        let mut bytes = Vec::new();
        push(&mut bytes, &1_u32).unwrap();
        push(&mut bytes, &2_u32).unwrap();
        let whole = file(&bytes);
        let mut reader = Reader::default();
        assert_eq!(reader.wait::<u32>(whole.as_fd()).unwrap(), Some(1));
        assert_eq!(reader.wait::<u32>(whole.as_fd()).unwrap(), Some(2));
        assert_eq!(reader.wait::<u32>(whole.as_fd()).unwrap(), None);
        let cut = file(&bytes[..bytes.len() - 1]);
        let mut reader = Reader::default();
        assert_eq!(reader.wait::<u32>(cut.as_fd()).unwrap(), Some(1));
        let error = reader.wait::<u32>(cut.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    /// A file always has more to say at once, as a pipe has only while its writer is the faster one.
    #[test]
    fn one_look_at_one_who_never_stops_talking_is_bounded() {
        let mut bytes = vec![0; 3 * READS * ROOM];
        // A value longer than all of it.
        bytes[..4].copy_from_slice(&u32::try_from(LONGEST).unwrap().to_le_bytes());
        let file = file(&bytes);
        let mut reader = Reader::default();
        for look in 1..=2 {
            assert_eq!(reader.read_available(file.as_fd()).unwrap(), Heard::Bytes);
            assert_eq!(reader.bytes.len(), look * READS * ROOM);
        }
    }
}
