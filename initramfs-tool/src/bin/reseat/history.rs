//! `reseat history`.

use std::io::{self, Write};

use reseat::linux::{self, Root};
use reseat::records::checked_lines::{Content, DamagedLine};
use reseat::records::history::{Entry, Standing, standings};
use reseat_core::recovery::ClassChange;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::json;
use crate::table::table;

/// Arguments of `reseat history`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The schema of the JSON form: fields may be added under the same name.
const SCHEMA: &str = "reseat.history-list/1";

#[derive(Serialize)]
struct Listing<'a> {
    schema: &'static str,
    entries: &'a [Entry],
    classes: Vec<Standing<'a>>,
    damaged: &'a [DamagedLine],
}

/// Prints the history, newest last, and what it says about classes. Fails where a part of it could not be read, after
/// printing the rest.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let history = linux::read_history(root)?;
    let mut output = io::stdout().lock();
    if arguments.json {
        let listing = Listing {
            schema: SCHEMA,
            entries: &history.records,
            classes: standings(&history.records),
            damaged: &history.damaged,
        };
        json::document(&mut output, &listing)?;
    } else {
        writeln!(output, "{}", words(&history))?;
    }
    for damaged in &history.damaged {
        eprintln!("reseat: history, line {}: {}", damaged.line, damaged.cause);
    }
    Ok(Exit::of_answer(history.damaged.is_empty()))
}

fn words(history: &Content<Entry>) -> String {
    if history.records.is_empty() {
        return "no reset yet".to_owned();
    }
    let classes = standings(&history.records);
    let classes: String = classes.iter().map(|class| format!("\n{class}")).collect();
    match classes.is_empty() {
        true => entries(&history.records),
        false => format!("{}\n{classes}", entries(&history.records)),
    }
}

fn entries(entries: &[Entry]) -> String {
    let head = ["TIME", "GPU", "RUNG", "OUTCOME", "TOOK", "SAYS OF FLR"];
    table(
        head,
        entries.iter().map(|entry| {
            let seconds = std::time::Duration::from_millis(entry.duration_ms).as_secs_f64();
            let says = match entry.record.class {
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
        let entry: Entry = serde_json::from_str(include_str!("../../records/history/entry-1.json")).unwrap();
        let mut history = Content {
            records: vec![entry],
            damaged: Vec::new(),
        };
        let expected = "\
TIME                  GPU                     RUNG        OUTCOME                  TOOK     SAYS OF FLR
2026-09-21T14:13:20Z  0000:01:00 [10de:2231]  kernel FLR  FLR: does not come back  66.04 s  bad

FLR of 10de:2231 (subsystem 10de:1458), VBIOS 94.02.5c.00.08, kernel 6.12.95: known bad since 2026-09-21T14:13:20Z";
        assert_eq!(words(&history), expected);
        history.records.clear();
        assert_eq!(words(&history), "no reset yet");
    }
}
