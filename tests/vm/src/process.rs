//! Commands on the host, run to their end, with errors that carry what they said.

use std::io;
use std::process::{Command, ExitStatus, Output, Stdio};

/// The last lines of a failed command's output that an error repeats.
const REPEATED_LINES: usize = 40;

/// A host command that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The program could not be started.
    #[error("cannot start `{command}`: {cause}")]
    Start {
        /// The command line.
        command: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The program ran and said no.
    #[error("`{command}` ended with {status}:\n{said}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its output, standard error last.
        said: String,
    },
}

/// Runs a command to its end with nothing on standard input.
pub(crate) fn run(command: &mut Command) -> Result<Output, CommandError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| could_not_start(command, cause))?;
    if output.status.success() {
        return Ok(output);
    }
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(failed(command, output.status, &said))
}

/// The error of a command that could not be started.
pub(crate) fn could_not_start(command: &Command, cause: io::Error) -> CommandError {
    CommandError::Start {
        command: line(command),
        cause,
    }
}

/// The error of a command that ended badly.
pub(crate) fn failed(command: &Command, status: ExitStatus, said: &str) -> CommandError {
    CommandError::Failed {
        command: line(command),
        status,
        said: last_lines(said, REPEATED_LINES),
    }
}

/// The last `count` lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(count);
    lines.get(start..).unwrap_or_default().join("\n")
}

fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|word| word.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_says_its_line_and_its_output() {
        let error = run(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c"), "{text}");
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.ends_with("broken"), "{text}");
    }

    #[test]
    fn the_last_lines_are_the_last_ones() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
