//! Recording a GPU while it is well.

use std::slice;
use std::time::Duration;

use jiff::Timestamp;
use reseat_core::address::DeviceAddress;

use super::worker::{WorkerError, Workers};
use crate::linux::state::durable::DurableError;
use crate::linux::state::recovery_files::RecordError;
use crate::linux::state::{locks, recovery_files};
use crate::linux::survey::serial_numbers;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{drivers, functions};
use crate::model::identification::Identification;
use crate::model::inventory::{self, Function, Gpu};
use crate::recovery::{Answer, BASELINE_SCHEMA, Baseline, Means, Subject, Surveyed, Task};

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

/// What was recorded of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// All of it.
    pub baseline: Baseline,
    /// What is not in it, and why.
    pub words: Vec<String>,
}

/// Records the GPU at `device` as what it is later held against.
///
/// # Errors
/// When it is not there, is not well, or the file cannot be written.
pub fn save(root: &Root, device: DeviceAddress) -> Result<Recorded, BaselineError> {
    let mut workers = Workers::new(root);
    let surveyed = match ask(&mut workers, device, &Task::Survey(device, Vec::new()))? {
        Answer::Surveyed(surveyed) => *surveyed,
        other => return Err(unexpected(device, &other)),
    };
    // Not while somebody else resets it: then, what may be read beside him.
    let lock = locks::of_domain(root, &surveyed, Duration::ZERO, &mut |_| ());
    let (means, locked) = match lock {
        Ok(lock) => {
            workers.hold(lock);
            (Means::OrVfio, Ok(()))
        }
        Err(error) => (Means::Resource, Err(error.to_string())),
    };
    let (mut baseline, mut words) = observe(&mut workers, &surveyed.subject, means)?;
    let faults = baseline.faults();
    if !faults.is_empty() {
        return Err(BaselineError::NotWell { device, faults });
    }
    let gpu = surveyed.subject.gpu();
    let said = serial_numbers::of_gpus(root, slice::from_ref(&gpu));
    let identification = Identification::new(&gpu, None, serial_numbers::of(&said, &gpu).number());
    baseline.serial = identification.serial;
    match locked.and_then(|()| vbios(&mut workers, &surveyed)) {
        Ok(vbios) => baseline.vbios = Some(vbios),
        Err(why) => words.push(format!("the version of its VBIOS is not known: {why}")),
    }
    recovery_files::write_baseline(root, &baseline)?;
    Ok(Recorded { baseline, words })
}

/// Which VBIOS it has, or why that is not known, in words. The domain is locked.
fn vbios(workers: &mut Workers<'_>, surveyed: &Surveyed) -> Result<String, String> {
    match workers.ask(&Task::ReadVbios(surveyed.subject.clone()), LIMIT) {
        Ok(Answer::Vbios(vbios)) => vbios,
        Ok(other) => Err(unexpected(surveyed.subject.device, &other).to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// The GPUs that are claimed, all functions on vfio-pci, and have no baseline of their own. One of another card in the same
/// place is none, though it be of the same model, if both say their serial numbers.
///
/// # Errors
/// When a baseline is there and cannot be read.
pub fn without_baseline(root: &Root) -> Result<Vec<DeviceAddress>, RecordError> {
    let mut gpus = inventory::gpus(&functions::list(root).functions);
    gpus.retain(|gpu| is_claimed(root, gpu));
    let said = serial_numbers::of_gpus(root, &gpus);
    let mut devices = Vec::new();
    for gpu in gpus {
        let now = Identification::new(&gpu, None, serial_numbers::of(&said, &gpu).number());
        let baseline = recovery_files::baseline(root, gpu.device)?;
        let baseline = baseline.filter(|baseline| baseline.is_of(&now));
        let is_known = |function: &Function| {
            let mut known = baseline.iter().flat_map(|baseline| &baseline.functions);
            known.any(|known| known.address == function.address)
        };
        if !own_functions(&gpu).all(is_known) {
            devices.push(gpu.device);
        }
    }
    Ok(devices)
}

/// The functions of a GPU, without strangers on its device number.
fn own_functions(gpu: &Gpu) -> impl Iterator<Item = &Function> {
    let functions = gpu.functions.iter();
    functions.filter(|function| inventory::belongs_to_a_gpu(function.class))
}

fn is_claimed(root: &Root, gpu: &Gpu) -> bool {
    let mut drivers = own_functions(gpu).map(|function| function.driver.as_deref());
    drivers.all(|driver| driver.is_some_and(|driver| drivers::is_vfio(root, driver)))
}

fn observe(
    workers: &mut Workers<'_>,
    subject: &Subject,
    means: Means,
) -> Result<(Baseline, Vec<String>), BaselineError> {
    let device = subject.device;
    if means == Means::OrVfio {
        match ask(workers, device, &Task::Settle(subject.clone()))? {
            Answer::Operated(..) => {}
            other => return Err(unexpected(device, &other)),
        }
    }
    match ask(workers, device, &Task::Observe(subject.clone(), means))? {
        Answer::Observed(functions, words) => Ok((
            Baseline {
                schema: BASELINE_SCHEMA.to_owned(),
                device,
                recorded: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                functions,
                serial: None,
                vbios: None,
            },
            words,
        )),
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
