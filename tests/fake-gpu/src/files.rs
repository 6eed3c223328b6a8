//! The names in a fake's directory.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The longest path that fits a socket address: 108 bytes with the terminating zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// The socket that serves a function.
#[must_use]
pub fn function_socket(directory: &Path, function: u8) -> PathBuf {
    directory.join(format!("function{function}.sock"))
}

/// The control socket.
#[must_use]
pub fn control_socket(directory: &Path) -> PathBuf {
    directory.join("control.sock")
}

/// The access log.
#[must_use]
pub fn access_log(directory: &Path) -> PathBuf {
    directory.join("access.log")
}

/// Whether a path fits a socket address.
#[must_use]
pub fn fits_socket_address(path: &Path) -> bool {
    path.as_os_str().as_bytes().len() <= LONGEST_SOCKET_PATH
}
