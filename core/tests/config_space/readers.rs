//! Readers that record or disturb reads.

use reseat_core::config::{ConfigRead, Offset, ReadableSize};

/// Records the reads.
pub(crate) struct Watched<R> {
    inner: R,
    pub(crate) reads: Vec<u16>,
}

impl<R> Watched<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            reads: Vec::new(),
        }
    }
}

impl<R: ConfigRead> ConfigRead for Watched<R> {
    type Error = R::Error;

    fn size(&self) -> ReadableSize {
        self.inner.size()
    }

    fn read(&mut self, offset: Offset) -> Result<u32, R::Error> {
        self.reads.push(offset.get());
        self.inner.read(offset)
    }
}

/// Fails at one register.
pub(crate) struct Failing<R> {
    pub(crate) inner: R,
    pub(crate) at: Offset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure;

impl<R: ConfigRead> ConfigRead for Failing<R> {
    type Error = Failure;

    fn size(&self) -> ReadableSize {
        self.inner.size()
    }

    fn read(&mut self, offset: Offset) -> Result<u32, Failure> {
        if offset == self.at {
            Err(Failure)
        } else {
            self.inner.read(offset).map_err(|_| Failure)
        }
    }
}
