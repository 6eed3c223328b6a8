//! Serves a board: one socket for each function, one for control, one log.

mod backend;
mod cable;
mod commands;

use std::convert::Infallible;
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use crate::clock::Timestamp;
use crate::files;
use crate::function::Function;
use crate::log::{Event, Log};
use crate::profile::{BoardDesign, DesignError, FunctionDesign};

/// A board whose sockets are bound.
#[derive(Debug)]
pub struct Server {
    board: Arc<Board>,
    functions: Vec<UnixListener>,
    control: UnixListener,
}

/// What the threads share.
#[derive(Debug)]
struct Board {
    slots: Vec<Slot>,
    supply: Mutex<Supply>,
    log: Log,
}

#[derive(Debug)]
struct Slot {
    number: u8,
    design: FunctionDesign,
    function: Mutex<Function>,
}

/// The power of all functions: they share one slot.
#[derive(Debug)]
struct Supply {
    switched_on: bool,
    /// The machine's end for each function that is connected.
    connections: Vec<Option<UnixStream>>,
}

impl Server {
    /// Binds all sockets in `directory` and opens the log there.
    ///
    /// # Errors
    /// Where the design has no such function, or a socket or the log cannot be made.
    pub fn bind(directory: &Path, design: &BoardDesign) -> Result<Self, ServeError> {
        let slots: Vec<_> = (0..).zip(design.functions()?).map(Slot::new).collect();
        let log_path = files::access_log(directory);
        let log = Log::open(&log_path).map_err(|cause| ServeError::Log { path: log_path, cause })?;
        let functions = slots
            .iter()
            .map(|slot| bind(files::function_socket(directory, slot.number)))
            .collect::<Result<_, _>>()?;
        let control = bind(files::control_socket(directory))?;
        let supply = Mutex::new(Supply {
            switched_on: true,
            connections: slots.iter().map(|_| None).collect(),
        });
        Ok(Self {
            board: Arc::new(Board { slots, supply, log }),
            functions,
            control,
        })
    }

    /// Serves until a socket fails.
    ///
    /// # Errors
    /// The first failure to accept a connection or to write the log.
    pub fn run(self) -> Result<Infallible, ServeError> {
        let (failed, failures) = mpsc::channel();
        for (slot, listener) in (0..).zip(self.functions) {
            let (board, failed) = (Arc::clone(&self.board), failed.clone());
            thread::spawn(move || report(&failed, board.serve_function(slot, &listener)));
        }
        let board = self.board;
        thread::spawn(move || report(&failed, commands::serve(&board, &self.control)));
        failures.recv().map_or(Err(ServeError::ThreadsEnded), Err)
    }
}

/// Hands a thread's failure to [`Server::run`].
fn report(failed: &mpsc::Sender<ServeError>, outcome: Result<Infallible, io::Error>) {
    let Err(cause) = outcome;
    // A second failure finds nobody listening: the first one has ended the server.
    failed.send(ServeError::Connection(cause)).ok();
}

impl Slot {
    fn new((number, design): (u8, FunctionDesign)) -> Self {
        Self {
            number,
            function: Mutex::new(Function::new(&design)),
            design,
        }
    }

    /// The function: whole even if a thread panicked with it, since no method of it can.
    fn function(&self) -> MutexGuard<'_, Function> {
        self.function.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn serve_function(self: &Arc<Self>, index: usize, listener: &UnixListener) -> io::Result<Infallible> {
        loop {
            let (machine, _) = listener.accept()?;
            let Some(slot) = self.slots.get(index) else {
                return Err(io::ErrorKind::NotFound.into());
            };
            if !self.connect(slot, index, &machine)? {
                continue;
            }
            let outcome = cable::run(&machine, self, index);
            self.disconnect(slot, index)?;
            if let Err(error) = outcome {
                report_connection(slot.number, &error);
            }
        }
    }

    /// Gives a function power because a machine connects, unless the power is switched off.
    fn connect(&self, slot: &Slot, index: usize, machine: &UnixStream) -> io::Result<bool> {
        let mut supply = self.supply();
        if !supply.switched_on {
            self.log.event(Some(slot.number), Event::Refused)?;
            return Ok(false);
        }
        if let Some(connection) = supply.connections.get_mut(index) {
            *connection = Some(machine.try_clone()?);
        }
        slot.function().power_on();
        self.log.event(Some(slot.number), Event::Connect)?;
        Ok(true)
    }

    fn disconnect(&self, slot: &Slot, index: usize) -> io::Result<()> {
        let mut supply = self.supply();
        if let Some(connection) = supply.connections.get_mut(index) {
            *connection = None;
        }
        slot.function().power_off();
        self.log.event(Some(slot.number), Event::Disconnect)
    }

    /// Resets every function, as a register of the board's own has told it to.
    fn reset_itself(&self) -> io::Result<()> {
        for slot in &self.slots {
            let mut function = slot.function();
            let event = function.device_specific_reset(Timestamp::now());
            self.log.event(Some(slot.number), event)?;
        }
        Ok(())
    }

    fn switch_off(&self) -> io::Result<()> {
        let mut supply = self.supply();
        supply.switched_on = false;
        for (slot, connection) in self.slots.iter().zip(&supply.connections) {
            slot.function().power_off();
            if let Some(machine) = connection {
                // The machine may have hung up already: the connection is gone either way.
                machine.shutdown(Shutdown::Both).ok();
            }
        }
        self.log.event(None, Event::PowerOff)
    }

    fn switch_on(&self) -> io::Result<()> {
        self.supply().switched_on = true;
        self.log.event(None, Event::PowerOn)
    }

    fn supply(&self) -> MutexGuard<'_, Supply> {
        self.supply.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says on standard error why a connection ended other than by hanging up.
#[expect(clippy::print_stderr, reason = "a test's output is where this is looked for")]
fn report_connection(function: u8, error: &cable::CableError) {
    eprintln!("fake-gpu: function {function}: {error}");
}

/// Binds a socket, in place of one that a fake which crashed has left.
fn bind(path: PathBuf) -> Result<UnixListener, ServeError> {
    if !files::fits_socket_address(&path) {
        return Err(ServeError::PathTooLong(path));
    }
    let is_socket = path.symlink_metadata().is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(&path).is_ok() {
        return Err(ServeError::InUse(path));
    }
    let removed = if is_socket { std::fs::remove_file(&path) } else { Ok(()) };
    removed
        .and_then(|()| UnixListener::bind(&path))
        .map_err(|cause| ServeError::Bind { path, cause })
}

/// A board that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The board cannot be built.
    #[error(transparent)]
    Design(#[from] DesignError),
    /// A socket's path is too long for its address.
    #[error("socket path {} is longer than 107 bytes", .0.display())]
    PathTooLong(PathBuf),
    /// Another process serves this socket.
    #[error("socket {} is served by another process", .0.display())]
    InUse(PathBuf),
    /// A socket cannot be bound.
    #[error("cannot bind socket {}: {cause}", path.display())]
    Bind {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The log cannot be opened.
    #[error("cannot open access log {}: {cause}", path.display())]
    Log {
        /// Where.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A socket cannot be accepted from, or the log cannot be written.
    #[error("cannot go on serving: {0}")]
    Connection(io::Error),
    /// Every thread ended without saying why.
    #[error("all serving threads ended")]
    ThreadsEnded,
}
