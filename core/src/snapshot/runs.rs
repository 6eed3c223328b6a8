//! The storage of a snapshot: runs of registers of the same kind, and their values.

use super::{AddError, Hole, Register, Snapshot};
use crate::address::FunctionAddress;
use crate::config::{ConfigRead, Offset, ReadableSize};

/// Neighbouring registers of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Run {
    /// The offset of the first one.
    pub(super) start: u16,
    /// The number of registers; never 0.
    pub(super) registers: u16,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Kind {
    Values,
    AllOnes,
    Failed,
}

impl Run {
    /// The offset after the last register.
    pub(super) fn end(self) -> u16 {
        self.start.saturating_add(self.registers.saturating_mul(Offset::WIDTH))
    }

    /// The number of values that this run has in the snapshot.
    pub(super) fn values(self) -> usize {
        match self.kind {
            Kind::Values => usize::from(self.registers),
            Kind::AllOnes | Kind::Failed => 0,
        }
    }
}

/// The registers of a space, in order.
pub(super) fn registers(size: ReadableSize) -> impl Iterator<Item = Offset> {
    let offsets = (0..size.bytes()).step_by(usize::from(Offset::WIDTH));
    offsets.filter_map(|offset| Offset::new(offset).ok())
}

impl<const N: usize> Snapshot<N> {
    /// The address of the function.
    pub const fn address(&self) -> FunctionAddress {
        self.address
    }

    /// Returns the snapshot's record of the register at `at`.
    pub fn get(&self, at: Offset) -> Register {
        let mut values_before = 0_usize;
        for run in &self.runs {
            if (run.start..run.end()).contains(&at.get()) {
                let within = at.get().saturating_sub(run.start) / Offset::WIDTH;
                return match run.kind {
                    Kind::Values => self.value(values_before.saturating_add(usize::from(within))),
                    Kind::AllOnes => Register::AllOnes,
                    Kind::Failed => Register::Failed,
                };
            }
            values_before = values_before.saturating_add(run.values());
        }
        Register::NotRead
    }

    fn value(&self, index: usize) -> Register {
        self.values
            .get(index)
            .map_or(Register::NotRead, |&value| Register::Value(value))
    }

    /// Adds the record of a register; [`Register::NotRead`] leaves a gap.
    ///
    /// # Errors
    ///
    /// [`AddError`]; the snapshot is unchanged.
    pub fn add(&mut self, at: Offset, register: Register) -> Result<(), AddError> {
        if !self.size.contains(at) {
            return Err(AddError::BeyondSize(at));
        }
        let (kind, value) = match register {
            Register::Value(u32::MAX) | Register::AllOnes => (Kind::AllOnes, None),
            Register::Value(value) => (Kind::Values, Some(value)),
            Register::Failed => (Kind::Failed, None),
            Register::NotRead => return Ok(()),
        };
        let end = self.runs.last().map_or(0, |run| run.end());
        if at.get() < end {
            return Err(AddError::OutOfOrder(at));
        }
        if value.is_some() && self.values.is_full() {
            return Err(AddError::Full);
        }
        match self.runs.last_mut() {
            Some(run) if run.kind == kind && at.get() == end => run.registers = run.registers.saturating_add(1),
            _ => self.begin_run(at, kind)?,
        }
        if let Some(value) = value {
            self.values.push(value).map_err(|_| AddError::Full)?;
        }
        Ok(())
    }

    fn begin_run(&mut self, at: Offset, kind: Kind) -> Result<(), AddError> {
        let run = Run {
            start: at.get(),
            registers: 1,
            kind,
        };
        self.runs.push(run).map_err(|_| AddError::Full)
    }

    /// Returns true if the runs are ordered, within the size, as long as possible, and have their values.
    /// [`add`](Self::add) ensures this; external data may not.
    #[cfg(feature = "snapshot")]
    pub(super) fn is_sound(&self) -> bool {
        let mut end = 0;
        let mut kind = None;
        let ordered = self.runs.iter().all(|run| {
            let in_order = run.start >= end && run.registers > 0 && Offset::new(run.start).is_ok();
            // Split in two, it would not equal the same registers in one run.
            let parted = run.start == end && Some(run.kind) == kind;
            (end, kind) = (run.end(), Some(run.kind));
            in_order && !parted && end <= self.size.bytes()
        });
        let values = self.runs.iter().map(|run| run.values());
        ordered && values.fold(0_usize, usize::saturating_add) == self.values.len() && !self.values.contains(&u32::MAX)
    }
}

impl<const N: usize> ConfigRead for &Snapshot<N> {
    type Error = Hole;

    fn size(&self) -> ReadableSize {
        self.size
    }

    fn read(&mut self, at: Offset) -> Result<u32, Hole> {
        match self.get(at) {
            Register::Value(value) => Ok(value),
            Register::AllOnes => Ok(u32::MAX),
            Register::Failed => Err(Hole::Failed(at)),
            Register::NotRead => Err(Hole::NotRead(at)),
        }
    }
}
