//! Errors of commands: on standard error for people, with `--json` as a document on standard output.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter::successors;
use std::path::Path;

use reseat::linux::InitramfsError;
use reseat::model::finding::{Finding, Severity, Subject, id};
use serde::Serialize;

use crate::exit::Exit;
use crate::{json, messages};

/// The schema of the JSON form.
const SCHEMA: &str = "reseat.error/1";

/// The option that asks for JSON, in every command.
const JSON: &str = "--json";

/// The end of a command that has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The reader of the output has gone: there is nobody left to report to.
    ReaderGone,
    /// The reasons, and the exit status.
    Because(Exit, Vec<Finding>),
}

/// The result of a command, or of a part of it.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

impl From<Vec<Finding>> for Failure {
    fn from(findings: Vec<Finding>) -> Self {
        Self::Because(exit_of(&findings), findings)
    }
}

impl From<Finding> for Failure {
    fn from(finding: Finding) -> Self {
        vec![finding].into()
    }
}

/// The exit status of a command that ends for these reasons.
pub(crate) fn exit_of(reasons: &[Finding]) -> Exit {
    match reasons.iter().any(|reason| reason.severity == Severity::Refusal) {
        true => Exit::Refused,
        false => Exit::Failed,
    }
}

/// Sentences and what helps, in one line.
pub(crate) fn in_one_line(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(messages::line).collect();
    lines.join("; ")
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => failed(&error.to_string()).into(),
        }
    }
}

/// Errors of reseat's own files, each with the finding that it is. They are reported with their sources.
macro_rules! failed_by {
    ($($error:ty => $id:expr),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Finding::error($id, Subject::machine()).with("cause", with_sources(&error)).into()
            }
        })*
    };
}

failed_by!(
    reseat::linux::DurableError => id::RECORD_UNREADABLE,
    reseat::linux::QuarantineFileError => id::QUARANTINE_UNWRITTEN,
    reseat::linux::RecordError => id::RECORD_UNREADABLE,
);

/// Errors that are findings.
macro_rules! failed_for {
    ($($error:ty => $findings:ident),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                error.$findings().into()
            }
        })*
    };
}

failed_for!(
    reseat::linux::BaselineError => findings,
    reseat::linux::ContractError => finding,
    reseat::linux::HotClaimError => finding,
    reseat::linux::QuarantineError => findings,
    reseat::linux::RecoverError => findings,
    reseat::linux::ReportFileError => finding,
);

impl From<InitramfsError> for Failure {
    fn from(error: InitramfsError) -> Self {
        let exit = match &error {
            InitramfsError::Refused(_) => Exit::Refused,
            InitramfsError::NotUndone { .. } => Exit::NotMadeSafe,
            _ => Exit::Failed,
        };
        Self::Because(exit, error.findings())
    }
}

fn with_sources(error: &(dyn Error + 'static)) -> String {
    let sources = successors(error.source(), |&source| source.source());
    let mut text = error.to_string();
    for source in sources {
        text.push_str(": ");
        text.push_str(&source.to_string());
    }
    text
}

/// A file that cannot be read.
pub(crate) fn unreadable(file: &Path, cause: &io::Error) -> Finding {
    Finding::error(id::FILE_UNREADABLE, Subject::file(file)).with("cause", cause)
}

/// What else ends a command.
pub(crate) fn failed(cause: &str) -> Finding {
    Finding::error(id::COMMAND_FAILED, Subject::machine()).with("cause", cause)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    findings: &'a [Finding],
}

impl Failure {
    /// Reports it, and returns the exit status.
    pub(crate) fn report(&self) -> Exit {
        let (exit, findings) = match self {
            Self::ReaderGone => return Exit::Done,
            Self::Because(exit, findings) => (*exit, findings),
        };
        print_for_people(findings);
        if is_json() {
            print(findings);
        }
        exit
    }
}

/// Prints findings on standard error.
pub(crate) fn print_for_people(findings: &[Finding]) {
    for (at, finding) in findings.iter().enumerate() {
        let next = findings.get(at + 1);
        eprintln!("reseat: {}", for_people(finding, next));
    }
}

/// The sentence and what helps. Of several findings with the same way out, the last has it.
fn for_people(finding: &Finding, next: Option<&Finding>) -> String {
    let sentence = messages::sentence(finding);
    match messages::steps(finding).as_slice() {
        steps if next.is_some_and(|next| messages::steps(next) == steps) => sentence,
        [] => sentence,
        [step] => format!("{sentence}; {step}"),
        steps => format!("{sentence}\n  - {}", steps.join("\n  - ")),
    }
}

/// True if the arguments ask for JSON. They may be such as make no sense.
fn is_json() -> bool {
    let mut arguments = std::env::args_os().skip(1).take_while(|argument| argument != "--");
    arguments.any(|argument| argument == JSON)
}

fn print(findings: &[Finding]) {
    let document = Document {
        schema: SCHEMA,
        findings,
    };
    if let Err(error) = json::line(&mut io::stdout(), &document) {
        eprintln!("reseat: cannot print: {error}");
    }
}

/// Reports arguments that make no sense; help and version, which were asked for, go to standard output.
pub(crate) fn usage(error: &clap::Error) -> Exit {
    if let Err(error) = error.print() {
        eprintln!("reseat: cannot print: {error}");
    }
    if !error.use_stderr() {
        return Exit::Done;
    }
    if is_json() {
        print(&[usage_finding(error)]);
    }
    Exit::Usage
}

/// The error's own paragraphs, without the usage line and the reference to `--help` behind them.
fn usage_finding(error: &clap::Error) -> Finding {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let cause: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .collect();
    Finding::error(id::USAGE, Subject::machine())
        .with("cause", cause.join("; "))
        .remedy(id::SEE_HELP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_follows_the_sentence_and_the_same_steps_come_once() {
        let failed = failed("it failed");
        assert_eq!(for_people(&failed, None), "it failed");
        let with_help = failed.clone().remedy(id::SEE_HELP);
        assert_eq!(for_people(&with_help, None), "it failed; see `reseat --help`");
        assert_eq!(for_people(&with_help, Some(&with_help)), "it failed");
        assert_eq!(for_people(&with_help, Some(&failed)), "it failed; see `reseat --help`");
    }

    #[test]
    fn an_error_is_told_with_its_sources() {
        let source = io::Error::other("no space");
        assert_eq!(with_sources(&source), "no space");
        let failure: Failure = io::Error::from(ErrorKind::BrokenPipe).into();
        assert!(matches!(failure, Failure::ReaderGone));
    }
}
