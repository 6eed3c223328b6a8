//! How a snapshot keeps registers: runs of the same kind, and the values of those that have any.

use super::{AddError, Hole, Register, Snapshot};
use crate::address::FunctionAddress;
use crate::config::{ConfigRead, Offset, ReadableSize};

/// Neighbouring registers of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Run {
    /// The offset of the first one.
    pub(super) start: u16,
    /// How many there are; never 0.
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
    /// The offset behind the last one.
    pub(super) fn end(self) -> u16 {
        self.start.saturating_add(self.registers.saturating_mul(Offset::WIDTH))
    }

    /// How many values it has among the snapshot's.
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
    /// Whose it is.
    pub const fn address(&self) -> FunctionAddress {
        self.address
    }

    /// What it knows of the register at `at`.
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

    /// Adds what is known of a register; of [`Register::NotRead`], that it is a hole.
    ///
    /// # Errors
    ///
    /// [`AddError`]; the snapshot is as before.
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

    /// Whether the runs are in order, within the size, as long as they can be, and have their
    /// values: what [`add`](Self::add) keeps to, and what comes from elsewhere may not.
    #[cfg(feature = "snapshot")]
    pub(super) fn is_sound(&self) -> bool {
        let mut end = 0;
        let mut kind = None;
        let ordered = self.runs.iter().all(|run| {
            let in_order = run.start >= end && run.registers > 0 && Offset::new(run.start).is_ok();
            // In two parts it would not be equal to the same registers in one.
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
