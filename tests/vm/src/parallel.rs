//! Work side by side, ended by its first error.

use std::panic;
use std::thread;

/// Works on each item in a thread of its own.
pub(crate) fn in_parallel<T: Send, E: Send>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let work = &work;
    thread::scope(|scope| {
        let items = items.into_iter();
        let started: Vec<_> = items.map(|item| scope.spawn(move || work(item))).collect();
        started.into_iter().try_for_each(|worker| {
            let ended = worker.join();
            ended.unwrap_or_else(|payload| panic::resume_unwind(payload))
        })
    })
}
