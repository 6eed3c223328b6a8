//! Waiting for descriptors, up to a limit.

use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;

/// The longest pause of a wait that failed.
const PAUSE: Duration = Duration::from_millis(1);

/// Waits until one of the descriptors is ready or hangs up, at most for `limit`.
pub(super) fn wait(polled: &mut [PollFd<'_>], limit: Option<Duration>) {
    let time = limit.and_then(|limit| Timespec::try_from(limit).ok());
    // An interrupted poll has waited, if less. One that fails must not turn the caller's loop into a race.
    if !matches!(poll(polled, time.as_ref()), Ok(_) | Err(Errno::INTR)) {
        thread::sleep(limit.map_or(PAUSE, |limit| limit.min(PAUSE)));
    }
}
