//! The host's monotonic clock as a number that two processes can compare.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the host booted, by `CLOCK_MONOTONIC`; written as `seconds.nanoseconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Duration);

impl Timestamp {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        // The kernel counts up from zero and keeps the nanoseconds below one second.
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    /// This time and a while.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0.as_secs(), self.0.subsec_nanos())
    }
}

/// A text that is no [`Timestamp`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// No point between seconds and nanoseconds.
    #[error("no `.` between seconds and nanoseconds")]
    NoPoint,
    /// Not nine digits of nanoseconds.
    #[error("{0} digits of nanoseconds instead of nine")]
    NanosecondDigits(usize),
    /// Not a decimal number.
    #[error("not a decimal number")]
    Number(#[from] ParseIntError),
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (seconds, nanos) = text.split_once('.').ok_or(TimestampError::NoPoint)?;
        if nanos.len() != 9 {
            return Err(TimestampError::NanosecondDigits(nanos.len()));
        }
        Ok(Self(Duration::new(seconds.parse()?, nanos.parse()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_keep_their_leading_zeros() {
        let time = Timestamp(Duration::new(17, 42));
        assert_eq!(time.to_string(), "17.000000042");
        assert_eq!("17.000000042".parse(), Ok(time));
    }

    #[test]
    fn a_shortened_fraction_is_refused_not_misread() {
        assert_eq!("17.42".parse::<Timestamp>(), Err(TimestampError::NanosecondDigits(2)));
    }

    #[test]
    fn the_clock_advances() {
        let before = Timestamp::now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(Timestamp::now() >= before.after(Duration::from_millis(2)));
    }
}
