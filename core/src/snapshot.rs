//! What was read of a function, with its holes.
//!
//! A [`Snapshot`] keeps registers in runs: what was read, what read all-ones, what the reader
//! failed at. What is in no run was not read. It is itself a reader
//! ([`ConfigRead`]), so that every decoder works on it, and a hole is an
//! error there, not a zero.
//!
//! Two of them compared give a [`Difference`], which says in words what changed. With the feature
//! `snapshot` there is a wire form with a version; its module `wire`.

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

/// How many runs a snapshot can hold. A function that is read from one end to the other has a
/// handful; one with more holes than this is kept up to there.
pub const RUNS: usize = 64;

/// A snapshot with room for all registers of a function.
pub type Full = Snapshot<1024>;

/// What was read of a function: up to `N` registers that are not all-ones, in up to [`RUNS`] runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Snapshot<const N: usize> {
    address: FunctionAddress,
    size: ReadableSize,
    /// In the order of their offsets, without overlap.
    runs: Vec<Run, RUNS>,
    /// The registers of the runs that have values, one run after the other.
    values: Vec<u32, N>,
}

/// A snapshot just taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a snapshot that was cut off lacks what is behind"]
pub struct Taken<const N: usize> {
    /// What was read.
    pub snapshot: Snapshot<N>,
    /// The first register for which there was no room; `None` where all are in the snapshot.
    pub cut: Option<Offset>,
}

/// What a snapshot knows of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Register {
    /// It was read.
    Value(u32),
    /// It was read and was all-ones.
    AllOnes,
    /// Reading it failed.
    Failed,
    /// It was not read.
    NotRead,
}

/// Why a register has no value in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Hole {
    /// Reading it failed.
    Failed(Offset),
    /// It was not read.
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

/// Why a register was not added to a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AddError {
    /// There is no room for it.
    Full,
    /// It is not above the one that was added last.
    OutOfOrder(Offset),
    /// It is beyond the readable size.
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
    /// A snapshot of the function at `address`, of which `size` is readable, with nothing in it.
    pub const fn new(address: FunctionAddress, size: ReadableSize) -> Self {
        Self {
            address,
            size,
            runs: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Reads what `reader` reaches, from offset 0 on, until there is no room. At most 1024 reads; a
    /// register that fails is a hole and is read once.
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
