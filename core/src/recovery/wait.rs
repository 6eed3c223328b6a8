//! A wait with repeated checks.

use core::fmt;
use core::time::Duration;

use crate::ladder::timing::{FIRST_PAUSE, LAST_PAUSE, after};

/// A wait with a time limit and pauses that double. Times are durations since any fixed moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Wait {
    since: Duration,
    until: Duration,
    pause: Duration,
    look_again: Duration,
}

/// A wait ended before its condition was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out")
    }
}

impl core::error::Error for TimedOut {}

impl Wait {
    /// Starts a wait at `now` for at most `limit`.
    pub fn new(now: Duration, limit: Duration) -> Self {
        Self {
            since: now,
            until: after(now, limit),
            pause: FIRST_PAUSE,
            look_again: now,
        }
    }

    /// Records a check at `now`: `None` means "not yet".
    ///
    /// # Errors
    ///
    /// `WouldBlock` while there is time; [`look_again`](Self::look_again) is the time of the next check. [`TimedOut`]
    /// at the limit.
    pub fn poll<T>(&mut self, now: Duration, met: Option<T>) -> nb::Result<T, TimedOut> {
        if let Some(met) = met {
            return Ok(met);
        }
        if now >= self.until {
            return Err(nb::Error::Other(TimedOut));
        }
        self.look_again = after(now, self.pause).min(self.until);
        self.pause = after(self.pause, self.pause).min(LAST_PAUSE);
        Err(nb::Error::WouldBlock)
    }

    /// Extends the wait to `limit` from its start, if that is longer.
    pub fn last(&mut self, limit: Duration) {
        self.until = self.until.max(after(self.since, limit));
    }

    /// The time of the next check.
    pub const fn look_again(&self) -> Duration {
        self.look_again
    }

    /// The time of its end.
    pub const fn until(&self) -> Duration {
        self.until
    }
}
