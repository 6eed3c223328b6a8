//! The cable between a machine and the vfio-user server of one function.
//!
//! The server of the `vfio_user` crate accepts and keeps its connection, so nothing could cut it.
//! It therefore gets a private one, and two threads carry the bytes between that and the machine's;
//! shutting the machine's end down is a loss of power. File descriptors sent along (interrupt
//! events, guest memory) end at the cable: the fake raises no interrupt and does no DMA.

use std::io;
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::Board;
use super::backend::Backend;

/// Serves one machine until it hangs up or the cable is cut.
pub(super) fn run(machine: &UnixStream, board: &Arc<Board>, slot: usize) -> Result<(), CableError> {
    let address = private_address()?;
    let listener = UnixListener::bind_addr(&address)?;
    let inside = UnixStream::connect_addr(&address)?;
    let mut backend = Backend::new(Arc::clone(board), slot)?;
    let server = backend.server(listener);
    let outcome = thread::scope(|scope| {
        scope.spawn(|| carry(machine, &inside));
        scope.spawn(|| carry(&inside, machine));
        // A thread of its own: the crate panics on some malformed requests.
        scope.spawn(move || server.run(&mut backend)).join()
    });
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(CableError::Server(error)),
        Err(_) => Err(CableError::Panic),
    }
}

/// Carries bytes one way until either end closes, then closes both.
fn carry(mut from: &UnixStream, mut to: &UnixStream) {
    // However the copy ends, both directions are over; a side that is closed already is no error.
    io::copy(&mut from, &mut to).ok();
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}

/// An abstract socket address that no other cable has.
fn private_address() -> io::Result<SocketAddr> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    SocketAddr::from_abstract_name(format!("fake-gpu-{}-{number}", process::id()))
}

/// A connection that ended badly.
#[derive(Debug, thiserror::Error)]
pub(super) enum CableError {
    /// The private connection cannot be made.
    #[error("cannot make the private connection: {0}")]
    Private(#[from] io::Error),
    /// The vfio-user server gave up.
    #[error("vfio-user: {0}")]
    Server(vfio_user::Error),
    /// The vfio-user server panicked.
    #[error("vfio-user server panicked on a request")]
    Panic,
}
