//! A bounded view of a capability's registers.

use core::fmt;

use super::{Capability, CapabilityId};
use crate::config::{ConfigRead, Offset, RegisterError, read, read_answer};

/// Reads one capability and cannot read past its bound.
///
/// The bound is the start of the next-higher capability of its list, or the end of the list's part of the readable
/// space. If the walk did not end complete, a capability that it did not find may lie within the bound.
#[derive(Clone, Debug)]
pub struct View<R, I> {
    reader: R,
    capability: Capability<I>,
    length: u16,
}

impl<R: ConfigRead, I: CapabilityId> View<R, I> {
    pub(super) fn new(reader: R, capability: Capability<I>, list: &[Capability<I>]) -> Self {
        let start = capability.offset().get();
        let end = I::END.min(reader.size().bytes());
        let bound = list
            .iter()
            .map(|other| other.offset().get())
            .filter(|&other| other > start)
            .fold(end, u16::min);
        Self {
            reader,
            capability,
            length: bound.saturating_sub(start),
        }
    }

    /// The capability of this view.
    pub fn capability(&self) -> &Capability<I> {
        &self.capability
    }

    /// The bound, in bytes from the start of the capability. A multiple of 4.
    pub fn length(&self) -> u16 {
        self.length
    }

    /// Reads the register at `relative` to the start of the capability. It may hold any value.
    ///
    /// The first register is known from the walk and not read again.
    ///
    /// # Errors
    ///
    /// [`ViewError::BeyondBound`], and [`RegisterError::Failed`] with the reader's own error.
    pub fn read(&mut self, relative: Offset) -> Result<u32, ViewError<R::Error>> {
        match self.place(relative)? {
            at if at == self.capability.offset() => Ok(self.capability.header()),
            at => Ok(read(&mut self.reader, at)?),
        }
    }

    /// As [`read`](Self::read), for a register that cannot hold all-ones.
    pub(super) fn read_answer(&mut self, relative: Offset) -> Result<u32, ViewError<R::Error>> {
        let at = self.place(relative)?;
        Ok(read_answer(&mut self.reader, at)?)
    }

    /// The offset in configuration space of a register within the bound.
    fn place(&self, relative: Offset) -> Result<Offset, ViewError<R::Error>> {
        let beyond = ViewError::BeyondBound {
            relative,
            length: self.length,
        };
        if relative.get() >= self.length {
            return Err(beyond);
        }
        self.capability.offset().forward(relative.get()).ok_or(beyond)
    }
}

/// The reason why a view returns no register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ViewError<E> {
    /// The register is beyond the capability. Nothing was read.
    BeyondBound {
        /// The requested offset, from the start of the capability.
        relative: Offset,
        /// The bound, from the start of the capability, in bytes.
        length: u16,
    },
    /// The register could not be read.
    Register(RegisterError<E>),
}

impl<E> From<RegisterError<E>> for ViewError<E> {
    fn from(error: RegisterError<E>) -> Self {
        Self::Register(error)
    }
}

impl<E: fmt::Display> fmt::Display for ViewError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondBound { relative, length } => {
                write!(f, "register {relative} of a capability that ends at {length:#x}")
            }
            Self::Register(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for ViewError<E> {}
