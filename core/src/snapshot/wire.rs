//! The wire form of a snapshot: a version, then the body of that version in postcard's encoding.
//!
//! What was written once can be read for ever. A version's body is never changed: another field is
//! another version, whose body is the old one with the field behind it. The bytes that the tests
//! hold frozen are never edited; a version adds some.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::runs::{Kind, Run};
use super::{RUNS, Snapshot};
use crate::address::{AddressError, FunctionAddress};
use crate::config::ReadableSize;

/// The version that is written.
pub const VERSION: u8 = 1;

/// The head of version 1. It is followed by its runs, then by its values. Order and width of the fields are the wire form;
/// all numbers are least significant byte first.
///
/// Every field is bytes, and every length is in the head: what postcard encodes with a variable width, integers and
/// sequences, has a panic in it that the linker cannot prove away.
#[derive(Serialize, Deserialize)]
struct Head1 {
    segment: [u8; 4],
    bus: u8,
    device: u8,
    function: u8,
    /// 0: header, 1: standard, 2: extended.
    size: u8,
    runs: [u8; 2],
    values: [u8; 2],
}

#[derive(Serialize, Deserialize)]
struct Run1 {
    start: [u8; 2],
    registers: [u8; 2],
    /// 0: values, 1: all-ones, 2: failed.
    kind: u8,
}

/// A value's register.
type Value1 = [u8; 4];

const HEAD_1: usize = 4 + 4 + 2 + 2;
const RUN_1: usize = 5;
const VALUE_1: usize = 4;

/// Why a snapshot was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum EncodeError {
    /// The buffer is too small; [`room`] says what is enough.
    NoRoom,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom => f.write_str("the buffer is too small for the snapshot"),
        }
    }
}

impl core::error::Error for EncodeError {}

/// Why bytes are no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DecodeError {
    /// They end before the snapshot does.
    Truncated,
    /// They are of a version that is not known here.
    ForeignVersion(u8),
    /// They are not in the form of their version, or hold more than there is room for.
    Malformed,
    /// The address in them is none.
    Address(AddressError),
    /// The runs in them overlap, lie beyond the readable size, do not fit the values, or are one run
    /// in two parts.
    Unsound,
    /// So many bytes are left over.
    Trailing(usize),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the snapshot is cut short"),
            Self::ForeignVersion(version) => write!(f, "version {version} of the snapshot's form is not known"),
            Self::Malformed => f.write_str("not in the form of a snapshot"),
            Self::Address(error) => write!(f, "the snapshot's address: {error}"),
            Self::Unsound => f.write_str("the snapshot's runs do not fit"),
            Self::Trailing(bytes) => write!(f, "{bytes} bytes follow the snapshot"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// How many bytes are enough for any snapshot with room for `registers`.
pub const fn room(registers: usize) -> usize {
    registers
        .saturating_mul(VALUE_1)
        .saturating_add(RUNS * RUN_1)
        .saturating_add(1 + HEAD_1)
}

impl<const N: usize> Snapshot<N> {
    /// Writes the wire form to the start of `buffer`, and returns that part of it.
    ///
    /// # Errors
    ///
    /// [`EncodeError`].
    pub fn encode<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], EncodeError> {
        let mut writer = Writer { buffer, length: 0 };
        writer.put(&VERSION)?;
        writer.put(&self.head()?)?;
        for run in &self.runs {
            writer.put(&Run1::from(*run))?;
        }
        for value in &self.values {
            writer.put::<Value1>(&value.to_le_bytes())?;
        }
        let Writer { buffer, length } = writer;
        buffer.get(..length).ok_or(EncodeError::NoRoom)
    }

    fn head(&self) -> Result<Head1, EncodeError> {
        // No snapshot has more than 1024 registers; what does not fit its field has no room.
        let count = |length: usize| {
            u16::try_from(length)
                .map(u16::to_le_bytes)
                .map_err(|_| EncodeError::NoRoom)
        };
        Ok(Head1 {
            segment: self.address.segment().to_le_bytes(),
            bus: self.address.bus(),
            device: self.address.device(),
            function: self.address.function(),
            size: match self.size {
                ReadableSize::Header => 0,
                ReadableSize::Standard => 1,
                ReadableSize::Extended => 2,
            },
            runs: count(self.runs.len())?,
            values: count(self.values.len())?,
        })
    }

    /// The snapshot in `bytes`, all of them.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match take(bytes)? {
            (1, body) => Self::decode_1(body),
            (other, _) => Err(DecodeError::ForeignVersion(other)),
        }
    }

    fn decode_1(body: &[u8]) -> Result<Self, DecodeError> {
        let (head, mut rest): (Head1, _) = take(body)?;
        let segment = u32::from_le_bytes(head.segment);
        let address = FunctionAddress::new(segment, head.bus, head.device, head.function);
        let size = match head.size {
            0 => ReadableSize::Header,
            1 => ReadableSize::Standard,
            2 => ReadableSize::Extended,
            _ => return Err(DecodeError::Malformed),
        };
        let mut snapshot = Self::new(address.map_err(DecodeError::Address)?, size);
        for _ in 0..u16::from_le_bytes(head.runs) {
            let (run, behind): (Run1, _) = take(rest)?;
            snapshot.runs.push(run.run()?).map_err(|_| DecodeError::Malformed)?;
            rest = behind;
        }
        for _ in 0..u16::from_le_bytes(head.values) {
            let (value, behind): (Value1, _) = take(rest)?;
            let value = u32::from_le_bytes(value);
            snapshot.values.push(value).map_err(|_| DecodeError::Malformed)?;
            rest = behind;
        }
        match (rest, snapshot.is_sound()) {
            ([], true) => Ok(snapshot),
            ([], false) => Err(DecodeError::Unsound),
            (more, _) => Err(DecodeError::Trailing(more.len())),
        }
    }
}

/// Writes one thing behind the other.
struct Writer<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl Writer<'_> {
    fn put<T: Serialize>(&mut self, what: &T) -> Result<(), EncodeError> {
        let rest = self.buffer.get_mut(self.length..).ok_or(EncodeError::NoRoom)?;
        let written = postcard::to_slice(what, rest).map_err(|_| EncodeError::NoRoom)?;
        self.length = self.length.saturating_add(written.len());
        Ok(())
    }
}

/// What stands first in `bytes`, and what is behind it.
fn take<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<(T, &'b [u8]), DecodeError> {
    Ok(postcard::take_from_bytes(bytes)?)
}

impl From<postcard::Error> for DecodeError {
    fn from(error: postcard::Error) -> Self {
        match error {
            postcard::Error::DeserializeUnexpectedEnd => Self::Truncated,
            _ => Self::Malformed,
        }
    }
}

impl From<Run> for Run1 {
    fn from(run: Run) -> Self {
        Self {
            start: run.start.to_le_bytes(),
            registers: run.registers.to_le_bytes(),
            kind: match run.kind {
                Kind::Values => 0,
                Kind::AllOnes => 1,
                Kind::Failed => 2,
            },
        }
    }
}

impl Run1 {
    fn run(&self) -> Result<Run, DecodeError> {
        Ok(Run {
            start: u16::from_le_bytes(self.start),
            registers: u16::from_le_bytes(self.registers),
            kind: match self.kind {
                0 => Kind::Values,
                1 => Kind::AllOnes,
                2 => Kind::Failed,
                _ => return Err(DecodeError::Malformed),
            },
        })
    }
}
