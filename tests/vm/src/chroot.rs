//! Programs that run in an unpacked system as on a machine of their own.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::artifacts;
use crate::files::FileError;

/// A command that goes on as another in the system: root by `chroot`, others in a user namespace.
pub(crate) fn enter(system: &Path) -> Result<Command, FileError> {
    let program = |name: &str| artifacts::program(name).unwrap_or_else(|| name.into());
    if artifacts::is_root() {
        create_null(&system.join("dev/null"))?;
        let mut chroot = Command::new(program("chroot"));
        chroot.arg(system);
        return Ok(chroot);
    }
    let mut unshare = Command::new(program("unshare"));
    unshare.args(["--map-root-user", "--mount", "sh", "-c"]);
    unshare.arg("mount --rbind /dev \"$0/dev\" && exec chroot \"$0\" \"$@\"");
    unshare.arg(system);
    Ok(unshare)
}

/// Without what the host's environment says.
pub(crate) fn plain_environment(command: &mut Command) {
    command.env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
}

fn create_null(path: &Path) -> Result<(), FileError> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device()) {
        return Ok(());
    }
    let mode = Mode::from_raw_mode(0o666);
    // Major 1, minor 3 in the kernel's `Documentation/admin-guide/devices.txt`.
    mknodat(CWD, path, FileType::CharacterDevice, mode, makedev(1, 3))
        .map_err(|error| FileError::of("create", path)(io::Error::from(error)))
}
