//! `reseat evidence`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use reseat::linux::{self, Root};
use reseat::model::finding::{Finding, Subject, id};
use reseat::records::evidence::{Bundle, EndOfBundle, hex_of};
use reseat_core::address::DeviceAddress;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::table::table;
use crate::{json, messages};

/// Arguments of `reseat evidence`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the bundles, oldest first. There is one of each recovery that did anything; the newest 32 are kept.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what happened in a recovery, and what differs from one moment to the next.
    Show {
        /// The file, its name as `list` has it, or `latest`.
        #[arg(value_name = "FILE|latest")]
        file: PathBuf,
        /// Print the bundle's JSON.
        #[arg(long, conflicts_with = "hex")]
        json: bool,
        /// Print the configuration spaces as `lspci -xxxx` does: for `reseat decode`.
        #[arg(long)]
        hex: bool,
    },
}

/// Lists or shows bundles.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    match &arguments.command {
        Command::List { json } => list(root, *json),
        Command::Show {
            file,
            json: is_json,
            hex,
        } => {
            let file = if file == "latest" {
                let newest = linux::list_evidence(root)?.pop();
                newest.ok_or_else(|| Finding::error(id::NO_EVIDENCE, Subject::machine()))?
            } else {
                file.clone()
            };
            let bundle = linux::read_evidence(root, &file)?;
            let mut output = io::stdout().lock();
            match (is_json, hex) {
                (true, _) => json::document(&mut output, &bundle)?,
                (false, true) => write!(output, "{}", dump(&bundle))?,
                (false, false) => write!(output, "{}", messages::bundle::summary(&bundle))?,
            }
            Ok(Exit::Done)
        }
    }
}

/// The schema of the list's JSON form: fields may be added under the same name.
const LIST_SCHEMA: &str = "reseat.evidence-list/2";

#[derive(Serialize)]
struct Listing {
    schema: &'static str,
    bundles: Vec<Listed>,
    /// The bundles that cannot be read.
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Listed {
    file: String,
    device: DeviceAddress,
    begun: Timestamp,
    took_ms: u64,
    end: EndOfBundle,
    #[serde(skip)]
    text: String,
}

/// Lists the bundles. Fails where one cannot be read, after listing the others.
fn list(root: &Root, is_json: bool) -> Outcome {
    let mut listing = Listing {
        schema: LIST_SCHEMA,
        bundles: Vec::new(),
        findings: Vec::new(),
    };
    for path in linux::list_evidence(root)? {
        match linux::read_evidence(root, &path) {
            Ok(bundle) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                listing.bundles.push(Listed {
                    file: name.to_string_lossy().into_owned(),
                    device: bundle.device,
                    begun: bundle.begun,
                    took_ms: bundle.took_ms,
                    text: messages::bundle::end(&bundle),
                    end: bundle.end(),
                });
            }
            Err(error) => {
                let unreadable = Finding::error(id::RECORD_UNREADABLE, Subject::file(&path));
                listing.findings.push(unreadable.with("cause", error));
            }
        }
    }
    let mut output = io::stdout().lock();
    match is_json {
        true => json::document(&mut output, &listing)?,
        false => writeln!(output, "{}", text(&listing.bundles))?,
    }
    for finding in &listing.findings {
        eprintln!("reseat: {}", messages::line(finding));
    }
    Ok(Exit::of_answer(listing.findings.is_empty()))
}

fn text(bundles: &[Listed]) -> String {
    if bundles.is_empty() {
        return "no evidence".to_owned();
    }
    let row = |bundle: &Listed| {
        let seconds = std::time::Duration::from_millis(bundle.took_ms).as_secs_f64();
        [
            bundle.file.clone(),
            bundle.device.to_string(),
            format!("{seconds:.2} s"),
            bundle.text.clone(),
        ]
    };
    table(["FILE", "GPU", "TOOK", "END"], bundles.iter().map(row))
}

/// Every space of every moment, with a title each.
fn dump(bundle: &Bundle) -> String {
    let functions = bundle.moments.iter().flat_map(|moment| {
        let of_moment = moment.functions.iter().filter_map(move |function| {
            let space = function.space.as_ref().filter(|space| !space.hex.is_empty())?;
            Some(hex_of(
                function.address,
                &format!(
                    "{}, {}",
                    messages::bundle::when(moment.when),
                    messages::bundle::role(function.role)
                ),
                space,
            ))
        });
        of_moment.collect::<Vec<_>>()
    });
    functions.collect::<Vec<_>>().join("\n")
}
