//! The wire form of a snapshot: a version, then the body of that version in postcard's encoding.
//!
//! A written snapshot stays readable forever. The body of a version never changes: a new field means a new version,
//! whose body is the old one followed by the field. The frozen bytes in the tests are never edited; a new version adds
//! its own.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::runs::{Kind, Run};
use super::{RUNS, Snapshot};
use crate::address::{AddressError, FunctionAddress};
use crate::config::ReadableSize;

/// The version that is written.
pub const VERSION: u8 = 1;

/// The head of version 1. Its runs follow, then its values. The order and width of the fields define the wire form; all
/// numbers are least significant byte first.
///
/// Every field is bytes, and the head contains every length. postcard's encoding of integers and sequences has a
/// variable width and contains a panic that the linker cannot remove.
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

/// A register value.
type Value1 = [u8; 4];

const HEAD_1: usize = 4 + 4 + 2 + 2;
const RUN_1: usize = 5;
const VALUE_1: usize = 4;

/// The reason why a snapshot was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum EncodeError {
    /// The buffer is too small; [`room`] returns a sufficient size.
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

/// The reason why bytes are not a valid snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DecodeError {
    /// The bytes end too early.
    Truncated,
    /// The version is unknown.
    ForeignVersion(u8),
    /// The bytes do not follow their version's form, or hold more than fits.
    Malformed,
    /// The address in them is invalid.
    Address(AddressError),
    /// The runs overlap, are beyond the readable size, do not match the values, or split one run in two.
    Unsound,
    /// This number of bytes is left over.
    Trailing(usize),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the snapshot is cut short"),
            Self::ForeignVersion(version) => write!(f, "version {version} of the snapshot's form is not known"),
            Self::Malformed => f.write_str("not a valid snapshot"),
            Self::Address(error) => write!(f, "the snapshot's address: {error}"),
            Self::Unsound => f.write_str("the snapshot's runs do not fit"),
            Self::Trailing(bytes) => write!(f, "{bytes} bytes follow the snapshot"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Returns the number of bytes that is enough for any snapshot of `registers`.
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
        // No snapshot has more than 1024 registers; a length that does not fit its field is reported as lack of room.
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

    /// Decodes the snapshot in `bytes`, all of them.
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

/// Writes values one after the other.
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

/// Decodes the first value in `bytes`, and returns the rest with it.
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
