//! Waiting for something that has to be looked at again and again.

use core::fmt;
use core::time::Duration;

use crate::ladder::timing::{FIRST_PAUSE, LAST_PAUSE, after};

/// A wait with a limit, and with pauses that double. Times are durations since any fixed moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Wait {
    since: Duration,
    until: Duration,
    pause: Duration,
    look_again: Duration,
}

/// A wait was over before what it waited for was there.
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
    /// A wait that begins at `now` and lasts `limit` at most.
    pub fn new(now: Duration, limit: Duration) -> Self {
        Self {
            since: now,
            until: after(now, limit),
            pause: FIRST_PAUSE,
            look_again: now,
        }
    }

    /// Takes what a look at `now` brought: `None` is "not yet".
    ///
    /// # Errors
    ///
    /// `WouldBlock` while there is time: [`look_again`](Self::look_again) says when. [`TimedOut`]
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

    /// Lasts `limit` from its begin, if that is longer than before.
    pub fn last(&mut self, limit: Duration) {
        self.until = self.until.max(after(self.since, limit));
    }

    /// When to look again.
    pub const fn look_again(&self) -> Duration {
        self.look_again
    }

    /// When it ends.
    pub const fn until(&self) -> Duration {
        self.until
    }
}
