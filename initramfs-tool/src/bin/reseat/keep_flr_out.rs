//! `reseat keep-flr-out`.

use std::io::{self, Write};

use reseat::linux::{self, Root};
use reseat::model::finding::Severity;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::messages;

/// Prints out of which reset methods FLR is kept, and what could not be done.
pub(crate) fn run(root: &Root) -> Outcome {
    let findings = linux::keep_flr_out(root);
    let mut output = io::stdout().lock();
    for finding in &findings {
        match finding.severity {
            Severity::Note => writeln!(output, "{}: {}", finding.subject.name, messages::line(finding))?,
            _ => eprintln!("reseat: {}", messages::line(finding)),
        }
    }
    let is_done = findings.iter().all(|finding| finding.severity == Severity::Note);
    Ok(Exit::of_answer(is_done))
}
