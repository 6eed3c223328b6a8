//! How long things take, and how long we wait.
//!
//! First what the specification or the kernel fixes, then what is our own policy.

use core::time::Duration;

/// The time `wait` after `time`, or the last one that can be told, 584 years on. (`Duration`'s own arithmetic has panics in
/// it that the linker cannot prove away.)
pub(crate) fn after(time: Duration, wait: Duration) -> Duration {
    Duration::from_nanos(nanoseconds(time).saturating_add(nanoseconds(wait)))
}

/// How long `now` is after `since`.
pub(crate) fn elapsed(since: Duration, now: Duration) -> Duration {
    Duration::from_nanos(nanoseconds(now).saturating_sub(nanoseconds(since)))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// After a secondary bus reset, until the port has seen that the link went down: before that,
/// "active" may still be the old link. Linux waits as long on ports above 5 GT/s.
pub const LINK_DETECT_TIME: Duration = Duration::from_millis(20);
/// From an active link to the first request to the function.
pub const TIME_AFTER_LINK_ACTIVE: Duration = Duration::from_millis(100);
/// The same, counted from the reset, below a port that does not report its link: 1 s and 100 ms,
/// which Linux waits in place of any observation.
pub const TIME_WITHOUT_LINK_REPORT: Duration = Duration::from_millis(1100);
/// How long a slot's power stays off before "off" can be relied on.
pub const SLOT_POWER_OFF_TIME: Duration = Duration::from_secs(1);
/// How long a function may ask for retries. Linux's choice: the specification has no limit.
#[doc(alias = "CRS")]
pub const RRS_LIMIT: Duration = Duration::from_secs(60);

/// What the kernel gets on top of its own time before it counts as stuck.
pub const STALL_MARGIN: Duration = Duration::from_secs(10);

/// How long the kernel itself may stay in a reset: 60 s for the function to become ready
/// ([`RRS_LIMIT`]), and what comes before and after. About 70 s was
/// measured.
pub const KERNEL_RESET_TIME: Duration = Duration::from_secs(70);
/// When a reset by the kernel counts as stuck: that is announced, and waited for.
pub const KERNEL_RESET_LIMIT: Duration = KERNEL_RESET_TIME.saturating_add(STALL_MARGIN);

/// How long a link may take to become active. One second is enough for Linux; NVIDIA's own tool
/// gives a GPU five.
pub const LINK_LIMIT: Duration = Duration::from_secs(5);
/// How long a function may read as absent after its link is active and the bus was scanned. A
/// function is ready 1 s after a reset of the link; the rest is margin.
pub const REAPPEARANCE_LIMIT: Duration = Duration::from_secs(5);
/// The time between the first verdict after a reset and the second.
pub const SETTLE_TIME: Duration = Duration::from_millis(500);
/// How long a recovery waits where the specification leaves it to us: with a GPU that is known to need more, more.
/// Without a word, what the constants say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Waits {
    /// For a link to become active.
    pub link: Duration,
    /// For the functions to be ready after a reset, once their link is active. One that asks for retries gets
    /// [`RRS_LIMIT`] at least.
    pub ready: Duration,
    /// How long a slot's power stays off; [`SLOT_POWER_OFF_TIME`] at least.
    pub power_off: Duration,
    /// Between the first verdict after a reset and the second.
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

/// The pause before the second look at something; it doubles up to [`LAST_PAUSE`].
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause between two looks.
pub(crate) const LAST_PAUSE: Duration = Duration::from_millis(500);
/// How long an operation is tried again that another's lock held up.
pub(crate) const BUSY_LIMIT: Duration = Duration::from_secs(2);
/// How long somebody else's reset may hold up the first look at a function.
pub(crate) const SURVEY_LIMIT: Duration = KERNEL_RESET_LIMIT;
/// How long what is written down may take: history and quarantine.
pub(crate) const BOOKKEEPING_LIMIT: Duration = Duration::from_secs(10);
