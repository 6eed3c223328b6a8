//! `reseat inventory`.

use std::io::{self, Write};

use reseat::linux::{self, Listing, Root};
use reseat::model::finding::Finding;
use reseat::model::inventory::{self, Gpu, Serial, WantedDetails};
use reseat::rules::Term;
use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity, is_gpu};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::json;
use crate::messages;
use crate::table::{or_dash, table};

/// Arguments of `reseat inventory`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Show by what a rule can name each GPU.
    ///
    /// Asks each GPU for its serial number, but for those that are asleep; only root may.
    #[arg(long, conflicts_with = "json")]
    selectors: bool,
}

/// The schema of the JSON form: fields may be added under the same name.
const SCHEMA: &str = "reseat.inventory/2";

#[derive(Serialize)]
struct Inventory {
    schema: &'static str,
    gpus: Vec<GpuRow>,
    problems: Vec<Finding>,
}

#[derive(Serialize)]
struct GpuRow {
    device: DeviceAddress,
    functions: Vec<FunctionRow>,
}

#[derive(Serialize)]
struct FunctionRow {
    address: FunctionAddress,
    identity: Identity,
    class: ClassCode,
    driver: Option<String>,
    iommu_group: Option<String>,
    power_state: Option<String>,
    power_control: Option<String>,
}

/// Prints the inventory. Fails where a part of it could not be read, after printing the rest.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let listing = linux::list(root);
    if arguments.selectors {
        return show_selectors(root, &listing);
    }
    let mut inventory = Inventory {
        schema: SCHEMA,
        gpus: Vec::new(),
        problems: problems(&listing),
    };
    for gpu in inventory::gpus_of(&listing.functions, &linux::portions(root, &listing.functions)) {
        let row = gpu_row(root, &gpu, &mut inventory.problems);
        inventory.gpus.push(row);
    }
    let mut output = io::stdout().lock();
    if arguments.json {
        json::document(&mut output, &inventory)?;
    } else if inventory.gpus.is_empty() {
        writeln!(output, "no GPU")?;
    } else {
        writeln!(output, "{}", inventory.to_table())?;
    }
    Ok(tell(&inventory.problems))
}

/// Prints the problems. Where there are any, a part is missing.
fn tell(problems: &[Finding]) -> Exit {
    for problem in problems {
        eprintln!("reseat: {}", messages::line(problem));
    }
    Exit::of_answer(problems.is_empty())
}

fn problems(listing: &Listing) -> Vec<Finding> {
    let unreadable = listing.unreadable.iter().map(|(_, problem)| problem);
    listing.problems.iter().chain(unreadable).cloned().collect()
}

/// Prints what selectors there are for each GPU itself. Its other functions are of the same place.
fn show_selectors(root: &Root, listing: &Listing) -> Outcome {
    let mut problems = problems(listing);
    let (details, unread) = linux::details(root, &listing.functions, WantedDetails::ALL);
    problems.extend(unread);
    let mut rows = Vec::new();
    for gpu in inventory::gpus_of(&listing.functions, &linux::portions(root, &listing.functions)) {
        let mut functions = gpu.functions.iter();
        let Some(function) = functions.find(|it| is_gpu(it.identity, it.class)) else {
            continue;
        };
        let detail = details.of(function.address).cloned().unwrap_or_default();
        let serial = match detail.serial {
            Serial::Number(number) => Some(Term::Serial(number)),
            Serial::None | Serial::NotAsked => None,
            Serial::Unreadable(problem) => {
                problems.push(problem);
                None
            }
        };
        let term = |term: Option<Term>| or_dash(term.map(|term| term.to_string()).as_deref());
        rows.push([
            format!("{}@{}", function.address, function.identity),
            term(detail.path.map(Term::Path)),
            term(detail.slot.map(Term::Slot)),
            term(detail.subsystem.map(Term::Subsystem)),
            term(serial),
        ]);
    }
    let head = ["ADDRESS AND IDENTITY", "PATH", "SLOT", "SUBSYSTEM", "SERIAL NUMBER"];
    let mut output = io::stdout().lock();
    match rows.is_empty() {
        true => writeln!(output, "no GPU")?,
        false => writeln!(output, "{}", table(head, rows.into_iter()))?,
    }
    Ok(tell(&problems))
}

fn gpu_row(root: &Root, gpu: &Gpu, problems: &mut Vec<Finding>) -> GpuRow {
    let functions = gpu.functions.iter().map(|function| {
        let (power_state, power_control) = linux::power_of(root, function.address).unwrap_or_else(|error| {
            problems.push(error.finding());
            (None, None)
        });
        FunctionRow {
            address: function.address,
            identity: function.identity,
            class: function.class,
            driver: function.driver.clone(),
            iommu_group: function.iommu_group.clone(),
            power_state,
            power_control,
        }
    });
    GpuRow {
        device: gpu.device,
        functions: functions.collect(),
    }
}

impl Inventory {
    fn to_table(&self) -> String {
        let head = [
            "FUNCTION",
            "IDENTITY",
            "CLASS",
            "DRIVER",
            "IOMMU GROUP",
            "POWER",
            "CONTROL",
        ];
        let functions = self.gpus.iter().flat_map(|gpu| &gpu.functions);
        table(
            head,
            functions.map(|function| {
                [
                    function.address.to_string(),
                    function.identity.to_string(),
                    function.class.to_string(),
                    or_dash(function.driver.as_deref()),
                    or_dash(function.iommu_group.as_deref()),
                    or_dash(function.power_state.as_deref()),
                    or_dash(function.power_control.as_deref()),
                ]
            }),
        )
    }
}
