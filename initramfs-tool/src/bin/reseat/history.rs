//! `reseat history`.

use std::io::{self, Write};

use reseat::linux::{self, Root};
use reseat::model::finding::Finding;
use reseat::records::history::{ClassStanding, HistoryEntry, damaged_line, standings};
use reseat_core::recovery::ClassChange;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::table::table;
use crate::{json, messages};

/// Arguments of `reseat history`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The schema of the JSON form: fields may be added under the same name.
const SCHEMA: &str = "reseat.history-list/2";

#[derive(Serialize)]
struct Listing<'a> {
    schema: &'static str,
    entries: &'a [HistoryEntry],
    reset_classes: Vec<ClassStanding<'a>>,
    findings: Vec<Finding>,
}

/// Prints the history, newest last, and what it says about reset classes. Fails where a part of it could not be read, after
/// printing the rest.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let history = linux::read_history(root)?;
    let listing = Listing {
        schema: SCHEMA,
        entries: &history.records,
        reset_classes: standings(&history.records),
        findings: history.damaged.iter().map(damaged_line).collect(),
    };
    let mut output = io::stdout().lock();
    match arguments.json {
        true => json::document(&mut output, &listing)?,
        false => writeln!(output, "{}", text(&listing))?,
    }
    for damaged in &listing.findings {
        eprintln!("reseat: {}", messages::line(damaged));
    }
    Ok(Exit::of_answer(listing.findings.is_empty()))
}

fn text(listing: &Listing<'_>) -> String {
    if listing.entries.is_empty() {
        return "no reset yet".to_owned();
    }
    let findings = listing.reset_classes.iter().filter_map(ClassStanding::finding);
    let classes: String = findings
        .map(|finding| format!("\n{}", messages::line(&finding)))
        .collect();
    match classes.is_empty() {
        true => entries(listing.entries),
        false => format!("{}\n{classes}", entries(listing.entries)),
    }
}

fn entries(entries: &[HistoryEntry]) -> String {
    let head = ["TIME", "GPU", "RUNG", "OUTCOME", "TOOK", "SAYS OF FLR"];
    table(
        head,
        entries.iter().map(|entry| {
            let seconds = std::time::Duration::from_millis(entry.duration_ms).as_secs_f64();
            let says = match entry.record.reset_class {
                ClassChange::None => "-",
                ClassChange::Demote => "bad",
                ClassChange::Confirm => "good",
            };
            [
                entry.time.to_string(),
                entry.gpu.to_string(),
                entry.record.rung.to_string(),
                entry.record.outcome.to_string(),
                format!("{seconds:.2} s"),
                says.to_owned(),
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_resets_and_what_is_known_of_classes() {
        let entry: HistoryEntry = serde_json::from_str(include_str!("../../records/history/entry-2.json")).unwrap();
        let entries = [entry];
        let listing = |entries| Listing {
            schema: SCHEMA,
            entries,
            reset_classes: standings(entries),
            findings: Vec::new(),
        };
        let expected = "\
TIME                  GPU                     RUNG        OUTCOME                  TOOK     SAYS OF FLR
2026-09-21T14:13:20Z  0000:01:00 [10de:2231]  kernel FLR  FLR: does not come back  66.04 s  bad

FLR of 10de:2231 (subsystem 10de:1458), VBIOS 94.02.5c.00.08, kernel 6.12.95: known bad since 2026-09-21T14:13:20Z";
        assert_eq!(text(&listing(&entries)), expected);
        assert_eq!(text(&listing(&[])), "no reset yet");
    }
}
