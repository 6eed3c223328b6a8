//! The recorded registers of a function, with gaps.
//!
//! A [`Snapshot`] keeps registers in runs: with values, all-ones, or failed. A register in no run was not read. The
//! snapshot implements [`ConfigRead`], so every decoder works on it; a gap reads as an error, not as zero.
//!
//! Comparing two snapshots gives a [`Difference`], which describes the changes in words. The feature `snapshot` adds a
//! versioned wire form, in the module `wire`.

mod difference;
mod runs;
#[cfg(feature = "snapshot")]
pub mod wire;

use core::fmt;

use heapless::Vec;

use self::runs::{Run, registers};
use crate::address::FunctionAddress;
use crate::config::{ConfigRead, Offset, ReadableSize};

pub use self::difference::{Answered, Change, Difference};

/// The maximum number of runs in a snapshot. A full read of a function needs only a few; a snapshot with more gaps is
/// cut off there.
pub const RUNS: usize = 64;

/// A snapshot with room for all registers of a function.
pub type Full = Snapshot<1024>;

/// The recorded registers of a function: up to `N` registers that are not all-ones, in up to [`RUNS`] runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Snapshot<const N: usize> {
    address: FunctionAddress,
    size: ReadableSize,
    /// The runs, in ascending order without overlap.
    runs: Vec<Run, RUNS>,
    /// The values of the runs, one run after the other.
    values: Vec<u32, N>,
}

/// The result of taking a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a snapshot that was cut off lacks what is behind"]
pub struct Taken<const N: usize> {
    /// The snapshot.
    pub snapshot: Snapshot<N>,
    /// The first register that did not fit; `None` if all did.
    pub cut: Option<Offset>,
}

/// A register in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Register {
    /// The register was read.
    Value(u32),
    /// The register was read as all-ones.
    AllOnes,
    /// Reading the register failed.
    Failed,
    /// The register was not read.
    NotRead,
}

/// The reason why a register has no value in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Hole {
    /// Reading the register failed.
    Failed(Offset),
    /// The register was not read.
    NotRead(Offset),
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(at) => write!(f, "register {at} could not be read when the snapshot was taken"),
            Self::NotRead(at) => write!(f, "register {at} is not in the snapshot"),
        }
    }
}

impl core::error::Error for Hole {}

/// The reason why a register cannot be added to a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AddError {
    /// The snapshot is full.
    Full,
    /// Its offset is not above that of the last register.
    OutOfOrder(Offset),
    /// Its offset is beyond the readable size.
    BeyondSize(Offset),
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("no room left in the snapshot"),
            Self::OutOfOrder(at) => write!(f, "register {at} is not above the one before"),
            Self::BeyondSize(at) => write!(f, "register {at} is beyond the readable size"),
        }
    }
}

impl core::error::Error for AddError {}

impl<const N: usize> Snapshot<N> {
    /// Creates an empty snapshot of the function at `address`, with a readable space of `size`.
    pub const fn new(address: FunctionAddress, size: ReadableSize) -> Self {
        Self {
            address,
            size,
            runs: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Reads all that `reader` reaches, from offset 0 until the snapshot is full. At most 1024 reads. A register that
    /// fails becomes a gap and is not read again.
    pub fn take<R: ConfigRead>(address: FunctionAddress, mut reader: R) -> Taken<N> {
        let mut snapshot = Self::new(address, reader.size());
        for at in registers(snapshot.size) {
            let register = match reader.read(at) {
                Ok(u32::MAX) => Register::AllOnes,
                Ok(value) => Register::Value(value),
                Err(_) => Register::Failed,
            };
            if snapshot.add(at, register).is_err() {
                let cut = Some(at);
                return Taken { snapshot, cut };
            }
        }
        Taken { snapshot, cut: None }
    }
}
