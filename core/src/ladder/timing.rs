//! Times and limits.
//!
//! First the times that the specification or the kernel fixes, then our own policy.

use core::time::Duration;

/// Returns `time` plus `wait`, or the largest representable time, 584 years. `Duration`'s own arithmetic contains
/// panics that the linker cannot remove.
pub(crate) fn after(time: Duration, wait: Duration) -> Duration {
    Duration::from_nanos(nanoseconds(time).saturating_add(nanoseconds(wait)))
}

/// Returns the time from `since` to `now`.
pub(crate) fn elapsed(since: Duration, now: Duration) -> Duration {
    Duration::from_nanos(nanoseconds(now).saturating_sub(nanoseconds(since)))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The time after a secondary bus reset until the port has detected that the link went down. Before that, "active" may
/// still refer to the old link. Linux waits as long for ports above 5 GT/s.
pub const LINK_DETECT_TIME: Duration = Duration::from_millis(20);
/// The time from an active link to the first request to the function.
pub const TIME_AFTER_LINK_ACTIVE: Duration = Duration::from_millis(100);
/// The same time counted from the reset, for a port that does not report its link: 1 s and 100 ms. Linux waits as long
/// instead of observing the link.
pub const TIME_WITHOUT_LINK_REPORT: Duration = Duration::from_millis(1100);
/// The minimum time that a slot's power stays off.
pub const SLOT_POWER_OFF_TIME: Duration = Duration::from_secs(1);
/// The time limit for retry requests by a function. Linux chose it; the specification has no limit.
#[doc(alias = "CRS")]
pub const RRS_LIMIT: Duration = Duration::from_secs(60);

/// The extra time after which the kernel counts as hung.
pub const STALL_MARGIN: Duration = Duration::from_secs(10);

/// The time that the kernel itself may spend in a reset: 60 s until the function is ready ([`RRS_LIMIT`]), and the time
/// before and after. About 70 s was measured.
pub const KERNEL_RESET_TIME: Duration = Duration::from_secs(70);
/// The time after which a reset by the kernel counts as hung. It is announced and waited for.
pub const KERNEL_RESET_LIMIT: Duration = KERNEL_RESET_TIME.saturating_add(STALL_MARGIN);

/// The time limit for a link to become active. One second is enough for Linux; NVIDIA's own tool gives a GPU five.
pub const LINK_LIMIT: Duration = Duration::from_secs(5);
/// The time limit for a function to reappear after its link is active and the bus was scanned. A function is ready 1 s
/// after a link reset; the rest is margin.
pub const REAPPEARANCE_LIMIT: Duration = Duration::from_secs(5);
/// The time from the first verdict after a reset to the second.
pub const SETTLE_TIME: Duration = Duration::from_millis(500);
/// The waits that the specification leaves to us. They can be raised for a GPU that is known to need more time. The
/// defaults are the constants above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Waits {
    /// The time for a link to become active.
    pub link: Duration,
    /// The time for functions to become ready after a reset, once their link is active. A function that requests
    /// retries gets at least [`RRS_LIMIT`].
    pub ready: Duration,
    /// The time that a slot's power stays off; at least [`SLOT_POWER_OFF_TIME`].
    pub power_off: Duration,
    /// The time from the first verdict after a reset to the second.
    pub settle: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            link: LINK_LIMIT,
            ready: REAPPEARANCE_LIMIT,
            power_off: SLOT_POWER_OFF_TIME,
            settle: SETTLE_TIME,
        }
    }
}

/// The pause before the first repeated read; it doubles up to [`LAST_PAUSE`].
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause between two reads.
pub(crate) const LAST_PAUSE: Duration = Duration::from_millis(500);
/// The time limit for retrying an operation that another process's lock holds up.
pub(crate) const BUSY_LIMIT: Duration = Duration::from_secs(2);
/// The time that a reset by another process may delay the first read of a function.
pub(crate) const SURVEY_LIMIT: Duration = KERNEL_RESET_LIMIT;
/// The time limit for writing the history and the quarantine.
pub(crate) const BOOKKEEPING_LIMIT: Duration = Duration::from_secs(10);
