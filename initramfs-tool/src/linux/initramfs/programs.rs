//! Running the distribution's own programs.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::InitramfsError;
use crate::initramfs::builder::Builder;
use crate::linux::sysfs::root::Root;

/// Where programs are; what is not named by its whole path is looked for here.
const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

const TEMPORARY: &str = "TMPDIR";

/// The lines of a failed program's output that an error repeats.
const LAST_LINES: usize = 20;

/// Where a program of this name is.
pub(super) fn find(root: &Root, name: &str) -> Option<PathBuf> {
    let places = DIRECTORIES.iter().map(|directory| root.path(directory).join(name));
    places.into_iter().find(|path| path.is_file())
}

/// A program as it runs in a boot script: with a plain environment, and nothing on its standard input. Only where temporary
/// files go is the caller's to say: builders need much room there.
pub(super) fn command(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command.env("PATH", DIRECTORIES.join(":")).env("LC_ALL", "C.UTF-8");
    command.envs(env::var_os(TEMPORARY).map(|directory| (TEMPORARY, directory)));
    command.stdin(Stdio::null());
    command
}

/// Runs it to its end, and gives what it said.
pub(super) fn run(command: &mut Command) -> Result<String, InitramfsError> {
    let failed = |command: &Command, how: String| InitramfsError::Program {
        command: line(command),
        how,
    };
    let output = command.output().map_err(|error| failed(command, error.to_string()))?;
    let said = said(&output);
    match output.status.success() {
        true => Ok(said),
        false => Err(failed(command, format!("{}:\n{}", output.status, last_lines(&said)))),
    }
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
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

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Where a builder's program is.
pub(super) fn of_builder(root: &Root, builder: Builder) -> Option<PathBuf> {
    let mut places = builder.programs().iter().map(|path| root.path(path));
    places.find(|path| path.is_file())
}
