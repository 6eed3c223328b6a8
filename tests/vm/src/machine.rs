//! A machine: QEMU as a child process, its console, its shell and its monitor.

mod amd_switch;
mod device_tree;
mod devices;
mod platform;
mod ports;
mod slots;
mod spec;
mod start;
mod trace;

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub use self::devices::{Among, DownstreamPort, Nvme, PartOf, RootPort, Siblings, Switch, VfioUser};
pub use self::ports::PortPlace;
pub use self::slots::{KeptSlot, Refill, SlotKeeper};
pub use self::spec::{Iommu, MachineSpec};
pub use self::trace::{ConfigWrite, TraceError};

use self::start::{CONNECT_TIMEOUT, Process};
use crate::artifacts::Missing;
use crate::console::{Console, Tail};
use crate::files::FileError;
use crate::process::CommandError;
use crate::qmp::{Qmp, QmpError};
use crate::shell::{self, Output, Shell, ShellError, Stop};

/// A machine did not start, or did not come as far as its shell.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The kernel is not in the bed.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A file or socket of the machine.
    #[error(transparent)]
    File(#[from] FileError),
    /// QEMU could not be started.
    #[error(transparent)]
    Start(#[from] CommandError),
    /// QEMU wrote down something other than its device tree.
    #[error("{} is no device tree", .0.display())]
    DeviceTree(PathBuf),
    /// Switches of a machine and of cards: their IDs are QEMU's, or the cards'.
    #[error("a machine cannot have both switches of its own and switches of cards")]
    Switches,
    /// QEMU's switch does not have its IDs where they can be exchanged.
    #[error("qemu has the ids {id} {found} times, not once: its switch cannot be given others")]
    SwitchIds {
        /// Vendor and device.
        id: String,
        /// How often they were found.
        found: usize,
    },
    /// QEMU ended before it was connected.
    #[error("qemu ended with {status}: {said}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
    },
    /// QEMU did not connect.
    #[error("qemu did not connect within {CONNECT_TIMEOUT:?}: {0}")]
    Silent(String),
    /// The monitor.
    #[error(transparent)]
    Qmp(#[from] QmpError),
    /// The boot did not come to its end.
    #[error("no shell within {timeout:?}: {why}\n{said}\n{tail}")]
    NoShell {
        /// How long was waited.
        timeout: Duration,
        /// What stopped it.
        why: String,
        /// What QEMU said.
        said: String,
        /// The guest's console.
        tail: Tail,
    },
}

/// A machine that runs. Dropping it kills QEMU.
#[derive(Debug)]
pub struct Machine {
    qemu: Process,
    console: Console,
    qmp: Arc<Qmp>,
    shell: Mutex<Shell>,
}

impl Machine {
    fn start(spec: &MachineSpec) -> Result<Self, MachineError> {
        let (qemu, connections) = Process::start(spec)?;
        Ok(Self {
            qemu,
            console: connections.console,
            qmp: Arc::new(connections.qmp),
            shell: Mutex::new(Shell::new(connections.shell)),
        })
    }

    /// The guest's console.
    #[must_use]
    pub const fn console(&self) -> &Console {
        &self.console
    }

    /// QEMU's monitor.
    #[must_use]
    pub fn qmp(&self) -> &Qmp {
        &self.qmp
    }

    /// Waits until the real root's shell reads commands.
    ///
    /// # Errors
    /// When it does not in time, or the machine ends.
    pub fn wait_shell(&mut self, timeout: Duration) -> Result<(), MachineError> {
        let shell = self.shell.get_mut().unwrap_or_else(PoisonError::into_inner);
        let ready = shell.wait_ready(Instant::now() + timeout);
        ready.map_err(|stop| MachineError::NoShell {
            timeout,
            why: match stop {
                Stop::Timeout => "the boot took too long".to_owned(),
                Stop::Ended(cause) => format!("the machine ended: {cause}"),
            },
            said: self.qemu.said(),
            tail: self.console.tail(),
        })
    }

    /// Runs a command in the guest; standard error comes with standard output.
    ///
    /// # Errors
    /// When the command does not end in time, or the machine ends. A command that ends with
    /// another status than 0 is no error here.
    pub fn shell(&self, command: &str, timeout: Duration) -> Result<Output, ShellError> {
        shell::check(command)?;
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        let ran = shell.run(command, Instant::now() + timeout);
        ran.map_err(|stop| {
            let (command, tail) = (command.to_owned(), self.console.tail());
            match stop {
                Stop::Timeout => ShellError::Timeout { command, timeout, tail },
                Stop::Ended(cause) => ShellError::Ended { command, cause, tail },
            }
        })
    }

    /// Runs a command in the guest that has to succeed; gives what it printed.
    ///
    /// # Errors
    /// As [`Machine::shell`], and when the command fails.
    pub fn must(&self, command: &str, timeout: Duration) -> Result<String, ShellError> {
        let output = self.shell(command, timeout)?;
        if output.status == 0 {
            return Ok(output.stdout);
        }
        let command = command.to_owned();
        Err(ShellError::Failed { command, output })
    }

    /// The writes to configuration space so far, oldest first; the machine was started with
    /// [`MachineSpec::trace_config_writes`].
    ///
    /// # Errors
    /// When there is no trace, or it is not as expected.
    pub fn config_writes(&self) -> Result<Vec<ConfigWrite>, TraceError> {
        trace::read(self.qemu.directory())
    }

    /// Keeps the cards of these slots where they are when the guest switches the slots' power off.
    #[must_use]
    pub fn keep_slots(&self, slots: Vec<KeptSlot>) -> SlotKeeper {
        SlotKeeper::start(Arc::clone(&self.qmp), slots)
    }

    /// Plugs a function into its port.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn plug(&self, function: &VfioUser) -> Result<(), QmpError> {
        self.qmp.execute("device_add", function.arguments())?;
        Ok(())
    }

    /// Asks the guest to let a function go, and waits until QEMU has taken it out.
    ///
    /// # Errors
    /// When QEMU refuses, or the guest does not let go in time.
    pub fn unplug(&self, id: &str, timeout: Duration) -> Result<(), QmpError> {
        self.qmp.execute("device_del", json!({ "id": id }))?;
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.qmp.take_event("DEVICE_DELETED", left)?;
            if event.data.get("device").and_then(Value::as_str) == Some(id) {
                return Ok(());
            }
        }
    }
}
