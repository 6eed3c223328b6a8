//! The signals that ask a recovery to end.
//!
//! A step that the kernel has begun cannot be undone halfway. So SIGTERM and SIGINT only leave a note here, and the recovery
//! looks for it between two operations; a second one changes nothing. SIGHUP, of a terminal that has gone, does nothing: the
//! recovery goes on without it. Workers get the same signals, from a terminal or from systemd, and finish what they do.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// True once a signal has asked for the end; nothing while signals still end the process.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on, signals do not end this process: SIGTERM and SIGINT are noted.
///
/// # Errors
/// When the kernel refuses a handler.
pub fn heed_signals() -> io::Result<()> {
    note_in(STOP.get_or_init(Arc::default))
}

fn note_in(stop: &Arc<AtomicBool>) -> io::Result<()> {
    flag::register(SIGTERM, Arc::clone(stop))?;
    flag::register(SIGINT, Arc::clone(stop))?;
    flag::register(SIGHUP, Arc::default())?;
    Ok(())
}

/// True if a signal has asked for the end.
pub(crate) fn is_stop_requested() -> bool {
    STOP.get().is_some_and(|stop| stop.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[test]
    fn a_request_is_noted_and_ends_nothing() {
        // Not the one of this process: other tests look at that.
        let stop = Arc::new(AtomicBool::new(false));
        note_in(&stop).unwrap();
        let raise = |signal| kill_process(getpid(), signal).unwrap();
        raise(Signal::HUP);
        thread::sleep(Duration::from_millis(10));
        assert!(!stop.load(Ordering::Relaxed));
        raise(Signal::TERM);
        raise(Signal::TERM);
        while !stop.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        assert!(!is_stop_requested());
    }
}
