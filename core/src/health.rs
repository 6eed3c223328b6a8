//! The health of a function, compared with its baseline.
//!
//! [`judge()`] compares aspect by aspect and returns an [`Examination`]: findings, the aspects that could not be
//! compared, and notes about harmless differences. Its [`Verdict`] is `Verified` only if every aspect was compared and
//! none is wrong. An aspect that was not read never counts as well: it makes the verdict `Unverified`, which is not
//! recovered.
//!
//! [`Condition::read`] and [`LinkReading::read`] read configuration space. The caller adds the rest: errors counted by
//! the kernel, BAR sizes, the [`vendor`](crate::vendor) register.
//!
//! A [`Reading`] distinguishes four results: a value, all-ones, nothing to read, and not read. A function without a
//! link in its baseline needs none now. Errors have no such exception, since without them nothing was witnessed.
//! Neither has the vendor register of a GPU: if none is known, that is [`NotRead::NoCheckKnown`].
//!
//! A GPU is well if all its functions are: [`Verdict::and`] combines their verdicts.

mod examination;
mod judge;
mod reader;
mod reading;

pub use self::examination::{Aspect, Aspects, Examination, Finding, Note, Verdict};
pub use self::judge::judge;
pub use self::reading::{
    Boot, Condition, Counter, Errors, ErrorsAt, LinkReading, NotRead, PATH, PENDING_PAUSES, Reading, count,
};
