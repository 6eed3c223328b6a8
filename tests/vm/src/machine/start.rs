//! The QEMU process, from its start to its connections with the bed.

use std::fs::{self, File};
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{MachineError, MachineSpec, device_tree};
use crate::console::Console;
use crate::files::{FileError, temporary_directory};
use crate::process;
use crate::qmp::{Qmp, QmpError};

/// QEMU connects to the bed's sockets while it starts.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

const POLL: Duration = Duration::from_millis(10);

/// Names in a machine's directory.
pub(super) const SHELL_SOCKET: &str = "shell";
pub(super) const QMP_SOCKET: &str = "qmp";
const STDERR: &str = "stderr";

/// QEMU and its directory. Dropping it kills QEMU.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    directory: TempDir,
}

/// What QEMU is connected to.
pub(super) struct Connections {
    pub(super) console: Console,
    pub(super) shell: UnixStream,
    pub(super) qmp: Qmp,
}

impl Process {
    pub(super) fn start(spec: &MachineSpec) -> Result<(Self, Connections), MachineError> {
        let directory = temporary_directory("bed")?;
        let shell = Socket::bind(directory.path().join(SHELL_SOCKET))?;
        let qmp = Socket::bind(directory.path().join(QMP_SOCKET))?;
        let mut qemu = Self::spawn(spec, directory)?;
        let console = qemu.console(&spec.log())?;
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let shell = qemu.accept(&shell, deadline)?;
        let qmp = qemu.accept(&qmp, deadline)?;
        let qmp = Qmp::connect(qmp).map_err(|error| qemu.explain(error))?;
        let connections = Connections { console, shell, qmp };
        Ok((qemu, connections))
    }

    /// QEMU's own last words.
    pub(super) fn said(&self) -> String {
        let text = fs::read_to_string(self.directory.path().join(STDERR));
        process::last_lines(text.unwrap_or_default().trim(), 20)
    }

    /// Its sockets and other files.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn spawn(spec: &MachineSpec, directory: TempDir) -> Result<Self, MachineError> {
        if let Some(tree) = spec.device_tree(directory.path()) {
            device_tree::write(spec.dump_device_tree(&tree), &tree)?;
        }
        let errors = directory.path().join(STDERR);
        let stderr = File::create(&errors).map_err(FileError::of("create", &errors))?;
        let mut command = spec.command(directory.path())?;
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.stderr(stderr).spawn();
        let child = child.map_err(|cause| process::could_not_start(&command, cause))?;
        Ok(Self { child, directory })
    }

    fn console(&mut self, log: &Path) -> Result<Console, MachineError> {
        let stdout = self.child.stdout.take();
        let stdout = stdout.ok_or_else(|| MachineError::Silent("it has no console".to_owned()))?;
        Ok(Console::read(stdout, log)?)
    }

    fn accept(&mut self, socket: &Socket, until: Instant) -> Result<UnixStream, MachineError> {
        loop {
            if let Some(stream) = socket.accept()? {
                return Ok(stream);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let said = self.said();
                return Err(MachineError::Ended { status, said });
            }
            if Instant::now() > until {
                return Err(MachineError::Silent(self.said()));
            }
            thread::sleep(POLL);
        }
    }

    /// QEMU's own words instead of a closed connection, where it has ended.
    fn explain(&mut self, error: QmpError) -> MachineError {
        match error {
            QmpError::Ended(_) | QmpError::Send { .. } => match self.child.wait() {
                Ok(status) => MachineError::Ended {
                    status,
                    said: self.said(),
                },
                Err(_) => error.into(),
            },
            QmpError::Refused { .. } | QmpError::Timeout { .. } | QmpError::Monitor { .. } => error.into(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; either way nobody is left to tell.
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}

/// A socket that QEMU connects to, so that nobody waits for QEMU to make one.
struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    fn bind(path: PathBuf) -> Result<Self, FileError> {
        let listener = UnixListener::bind(&path).map_err(FileError::of("listen on", &path))?;
        let polled = listener.set_nonblocking(true);
        polled.map_err(FileError::of("set up", &path))?;
        Ok(Self { listener, path })
    }

    fn accept(&self) -> Result<Option<UnixStream>, FileError> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                let blocking = stream.set_nonblocking(false);
                blocking.map_err(FileError::of("set up", &self.path))?;
                Ok(Some(stream))
            }
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(cause) => Err(FileError::of("accept on", &self.path)(cause)),
        }
    }
}
