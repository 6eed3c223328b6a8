//! Recording a GPU while it is well.

use std::time::Duration;

use jiff::Timestamp;
use reseat_core::address::DeviceAddress;

use super::super::durable::DurableError;
use super::super::{Root, functions, variants};
use super::files::{self, RecordError};
use super::worker::{WorkerError, Workers};
use crate::inventory::{self, Function};
use crate::recovery::{Answer, BASELINE_SCHEMA, Baseline, Subject, Task};

/// Reading takes milliseconds; a reset that somebody else does holds it up.
const LIMIT: Duration = Duration::from_secs(10);

/// A baseline that was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// Looking at the GPU failed.
    #[error("cannot look at {device}: {problem}")]
    Look {
        /// Which.
        device: DeviceAddress,
        /// Why.
        problem: String,
    },
    /// The GPU is not well.
    #[error("{device} is not well, so that nothing was recorded: {}", faults.join("; "))]
    NotWell {
        /// Which.
        device: DeviceAddress,
        /// What is wrong.
        faults: Vec<String>,
    },
    /// It could not be written.
    #[error(transparent)]
    File(#[from] DurableError),
}

/// Records the GPU at `device` as what it is later held against.
///
/// # Errors
/// When it is not there, is not well, or the file cannot be written.
pub fn save(root: &Root, device: DeviceAddress) -> Result<Baseline, BaselineError> {
    let mut workers = Workers::new(root);
    let surveyed = match ask(&mut workers, device, &Task::Survey(device, Vec::new()))? {
        Answer::Surveyed(surveyed) => *surveyed,
        other => return Err(unexpected(device, &other)),
    };
    let baseline = observe(&mut workers, &surveyed.subject)?;
    let faults = baseline.faults();
    if !faults.is_empty() {
        return Err(BaselineError::NotWell { device, faults });
    }
    files::write_baseline(root, &baseline)?;
    Ok(baseline)
}

/// The GPUs that are claimed, all functions on vfio-pci, and have no baseline of their own. One of another card in the same
/// place is none.
///
/// # Errors
/// When a baseline is there and cannot be read.
pub fn without_baseline(root: &Root) -> Result<Vec<DeviceAddress>, RecordError> {
    let listing = functions::list(root);
    let mut devices = Vec::new();
    for gpu in inventory::gpus(&listing.functions) {
        let functions = gpu.functions.iter();
        let mut functions = functions.filter(|function| inventory::belongs_to_a_gpu(function.class));
        if !functions.clone().all(|function| {
            function
                .driver
                .as_deref()
                .is_some_and(|driver| variants::is_vfio(root, driver))
        }) {
            continue;
        }
        let baseline = files::baseline(root, gpu.device)?;
        let is_known = |function: &Function| {
            let known = baseline.iter().flat_map(|baseline| &baseline.functions);
            let mut known = known.filter(|known| known.address == function.address);
            known.any(|known| known.identity == function.identity)
        };
        if !functions.all(is_known) {
            devices.push(gpu.device);
        }
    }
    Ok(devices)
}

fn observe(workers: &mut Workers<'_>, subject: &Subject) -> Result<Baseline, BaselineError> {
    let device = subject.device;
    match ask(workers, device, &Task::Observe(subject.clone()))? {
        Answer::Observed(functions) => Ok(Baseline {
            schema: BASELINE_SCHEMA.to_owned(),
            device,
            recorded: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            functions,
        }),
        other => Err(unexpected(device, &other)),
    }
}

fn ask(workers: &mut Workers<'_>, device: DeviceAddress, task: &Task) -> Result<Answer, BaselineError> {
    workers
        .ask(task, LIMIT)
        .map_err(|error: WorkerError| BaselineError::Look {
            device,
            problem: error.to_string(),
        })
}

fn unexpected(device: DeviceAddress, answer: &Answer) -> BaselineError {
    let problem = match answer {
        Answer::Failed(problem) => problem.clone(),
        other => format!("an answer that nobody asked for: {other:?}"),
    };
    BaselineError::Look { device, problem }
}
