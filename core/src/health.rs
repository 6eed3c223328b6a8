//! A function now, held against its baseline.
//!
//! [`judge()`] compares aspect by aspect and answers with an [`Examination`]: findings, what could
//! not be compared, and notes that are no fault. Its [`Verdict`] is `Verified` only where every
//! aspect was compared and none was found wrong. What was not read is never taken to be well: it
//! makes the verdict `Unverified`, which is not recovered.
//!
//! [`Condition::read`] and [`LinkReading::read`] read what configuration space tells; what stands
//! elsewhere (errors counted by the kernel, sizes, the [`vendor`](crate::vendor)'s register) is the
//! caller's to add.
//!
//! A [`Reading`] tells four things apart: a value, all-ones, that there is no such thing, and that
//! it was not read. A function that has no link in its baseline needs none now; errors have no
//! such excuse, since without them nothing was witnessed, and neither has the vendor's register of a
//! GPU: where none is known, that is [`NotRead::NoCheckKnown`].
//!
//! A GPU is well when all its functions are: [`Verdict::and`] puts their verdicts together.

mod examination;
mod judge;
mod reader;
mod reading;

pub use self::examination::{Aspect, Aspects, Examination, Finding, Note, Verdict};
pub use self::judge::judge;
pub use self::reading::{
    Boot, Condition, Counter, Errors, ErrorsAt, LinkReading, NotRead, PATH, PENDING_PAUSES, Reading, count,
};
