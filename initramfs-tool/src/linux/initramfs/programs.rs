//! Running the distribution's own programs.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::InitramfsError;
use crate::initramfs::builder::Builder;
use crate::linux::process::program::{Hear, Limits, Program};
use crate::linux::sysfs::root::Root;

/// Where programs are; what is not named by its whole path is looked for here.
const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

const TEMPORARY: &str = "TMPDIR";

/// The lines of a failed program's output that an error repeats.
const LAST_LINES: usize = 20;

/// A builder takes minutes on a slow machine, and its user can stop it. Its warnings may stand anywhere in its output.
const LIMITS: Limits = Limits {
    time: None,
    bytes: 64 * 1024 * 1024,
};

/// Where a program of this name is.
pub(super) fn find(root: &Root, name: &str) -> Option<PathBuf> {
    let places = DIRECTORIES.iter().map(|directory| root.path(directory).join(name));
    places.into_iter().find(|path| path.is_file())
}

/// A program as it runs in a boot script: with a plain environment, and nothing on its standard input. Only where temporary
/// files go is the caller's to say: builders need much room there.
pub(super) fn command(program: &Path) -> Program {
    let mut command = Program::new(program);
    let plain = [
        ("PATH", DIRECTORIES.join(":").into()),
        ("LC_ALL", OsString::from("C.UTF-8")),
    ];
    let temporary = env::var_os(TEMPORARY).map(|directory| (TEMPORARY, directory));
    command.environment(plain.into_iter().chain(temporary));
    command
}

/// Runs it to its end, and gives what it said.
pub(super) fn run(command: &mut Program) -> Result<String, InitramfsError> {
    let line = command.line();
    let failed = |how: String| InitramfsError::Program { command: line, how };
    let ran = match command.run(Hear::Both, LIMITS) {
        Ok(ran) => ran,
        Err(error) => return Err(failed(error.to_string())),
    };
    let said = String::from_utf8_lossy(&ran.said).into_owned();
    match ran.status {
        Some(status) if status.success() => Ok(said),
        Some(status) => Err(failed(format!("{status}:\n{}", last_lines(&said)))),
        None => Err(failed("it was left behind".to_owned())),
    }
}

/// The end of a text, where programs say what was wrong.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines
        .get(lines.len().saturating_sub(LAST_LINES)..)
        .unwrap_or_default()
        .join("\n")
}

/// The last of the lines in which a builder of images warns, each as it marks them: initramfs-tools, dracut, mkinitcpio; and
/// those of our own hooks.
pub(super) fn warnings(text: &str) -> String {
    let is_warning = |line: &&str| {
        ["W: ", "E: "].iter().any(|mark| line.starts_with(mark))
            || ["[W]: ", "[E]: ", "WARNING: ", "ERROR: ", "reseat: "]
                .iter()
                .any(|mark| line.contains(mark))
    };
    let warnings: Vec<&str> = text.lines().filter(is_warning).collect();
    last_lines(&warnings.join("\n"))
}

/// Where a builder's program is.
pub(super) fn of_builder(root: &Root, builder: Builder) -> Option<PathBuf> {
    let mut places = builder.programs().iter().map(|path| root.path(path));
    places.find(|path| path.is_file())
}
