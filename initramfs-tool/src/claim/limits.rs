//! How long a claim may take.

use std::time::Duration;

/// How long a claim may take, whatever hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// No module is waited for after this time: the claims are to have theirs.
    pub loading_ends: Duration,
    /// A GPU of which nothing is changed after this time lets all others go first.
    pub turn: Duration,
    /// An operation that takes longer than this counts as blocked.
    pub stall: Duration,
    /// No claim goes on after this time; what is then unfinished is taken back.
    pub claiming_ends: Duration,
    /// Nothing is waited for after this time: the rest is for the report.
    pub undoing_ends: Duration,
    /// The whole ends within this time.
    pub whole: Duration,
}

impl Limits {
    /// At boot, which waits for the claim.
    pub const BOOT: Self = Self {
        loading_ends: Duration::from_secs(8),
        turn: Duration::from_secs(1),
        stall: Duration::from_secs(5),
        claiming_ends: Duration::from_secs(11),
        undoing_ends: Duration::from_secs(14),
        whole: Duration::from_secs(15),
    };

    /// On a running machine. A driver that is loaded may be at work on a GPU that has just appeared, and until its probe
    /// ends the kernel lets nobody take the GPU from it; some need many seconds.
    pub const RUNNING: Self = Self {
        loading_ends: Duration::from_secs(30),
        turn: Duration::from_secs(5),
        stall: Duration::from_secs(30),
        claiming_ends: Duration::from_secs(45),
        undoing_ends: Duration::from_secs(58),
        whole: Duration::from_secs(60),
    };
}
