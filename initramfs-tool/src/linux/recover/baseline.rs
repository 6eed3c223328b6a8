//! The recording of a GPU while it is well.

use std::slice;
use std::time::Duration;

use jiff::Timestamp;
use reseat_core::address::DeviceAddress;

use super::run::locked;
use super::worker::{Workers, no_answer, no_result};
use crate::linux::state::durable::DurableError;
use crate::linux::state::recovery_files::RecordError;
use crate::linux::state::{locks, recovery_files};
use crate::linux::survey::{gpus, serial_numbers};
use crate::linux::sysfs::drivers;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::identification::Identification;
use crate::model::inventory::{self, Function, Gpu};
use crate::model::subject::RecoverySubject;
use crate::recovery::{Baseline, Means, Surveyed, Task, TaskAnswer};

/// Reading takes milliseconds; a reset that somebody else does holds it up.
const LIMIT: Duration = Duration::from_secs(10);

/// A baseline that was not recorded.
#[derive(Debug)]
pub enum BaselineError {
    /// Surveying or reading the GPU failed.
    Survey {
        /// The GPU.
        device: DeviceAddress,
        /// The reasons.
        findings: Vec<Finding>,
    },
    /// The GPU is not well.
    NotWell {
        /// The GPU.
        device: DeviceAddress,
        /// What is wrong.
        faults: Vec<Finding>,
    },
    /// It could not be written.
    File(DurableError),
}

impl From<DurableError> for BaselineError {
    fn from(error: DurableError) -> Self {
        Self::File(error)
    }
}

impl BaselineError {
    /// The reasons as findings.
    pub fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Survey { findings, .. } => findings.clone(),
            Self::NotWell { device, faults } => {
                let refusal = Finding::refusal(id::NOT_WELL, Subject::gpu(*device));
                [refusal].into_iter().chain(faults.iter().cloned()).collect()
            }
            Self::File(error) => {
                vec![Finding::error(id::RECORD_UNWRITTEN, Subject::machine()).with("cause", error)]
            }
        }
    }
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The baseline.
    pub baseline: Baseline,
    /// What is not in it, with the reasons.
    pub findings: Vec<Finding>,
}

/// Records the GPU at `device` as what it is later held against.
///
/// # Errors
/// When it is not there, is not well, or the file cannot be written.
pub fn save(root: &Root, device: DeviceAddress) -> Result<Recorded, BaselineError> {
    let mut workers = Workers::new(root);
    let surveyed = match ask(&mut workers, device, &Task::Survey(device, Vec::new()))? {
        TaskAnswer::Surveyed(surveyed) => *surveyed,
        other => return Err(unexpected(device, other)),
    };
    // Not while another program resets it: then, what may be read beside that.
    let lock = locks::of_domain(root, &surveyed, Duration::ZERO, &mut |_| ());
    let (means, held) = match lock {
        Ok(lock) => {
            workers.hold(lock);
            (Means::OrVfio, Ok(()))
        }
        Err(error) => (Means::Resource, Err(vec![locked(&error)])),
    };
    let (mut baseline, mut findings) = observe(&mut workers, &surveyed.subject, means)?;
    let faults = baseline.faults();
    if !faults.is_empty() {
        return Err(BaselineError::NotWell { device, faults });
    }
    let gpu = surveyed.subject.gpu();
    let said = serial_numbers::of_gpus(root, slice::from_ref(&gpu));
    let identification = Identification::new(&gpu, None, serial_numbers::of(&said, &gpu).number());
    baseline.serial = identification.serial;
    match held.and_then(|()| vbios(&mut workers, &surveyed)) {
        Ok(vbios) => baseline.vbios = Some(vbios),
        Err(why) => findings.extend(why),
    }
    recovery_files::write_baseline(root, &baseline)?;
    Ok(Recorded { baseline, findings })
}

/// The VBIOS of the GPU. The domain is locked.
///
/// # Errors
/// The reasons for which it is not known.
fn vbios(workers: &mut Workers<'_>, surveyed: &Surveyed) -> Result<String, Vec<Finding>> {
    let device = surveyed.subject.device;
    match workers.ask(&Task::ReadVbios(surveyed.subject.clone()), LIMIT) {
        Ok(TaskAnswer::Vbios(vbios)) => vbios,
        Ok(other) => Err(no_result(device, other)),
        Err(error) => Err(vec![no_answer(device, &error)]),
    }
}

/// The GPUs that are claimed, all functions on vfio-pci, and have no baseline of their own. One of another card in the same
/// place is none, though it be of the same model, if both say their serial numbers.
///
/// # Errors
/// When a baseline is there and cannot be read.
pub fn without_baseline(root: &Root) -> Result<Vec<DeviceAddress>, RecordError> {
    let mut gpus = gpus::gpus(root);
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
    subject: &RecoverySubject,
    means: Means,
) -> Result<(Baseline, Vec<Finding>), BaselineError> {
    let device = subject.device;
    if means == Means::OrVfio {
        match ask(workers, device, &Task::Settle(subject.clone()))? {
            TaskAnswer::Operated(..) => {}
            other => return Err(unexpected(device, other)),
        }
    }
    match ask(workers, device, &Task::Observe(subject.clone(), means))? {
        TaskAnswer::Observed(functions, findings) => Ok((
            Baseline {
                device,
                recorded: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                functions,
                serial: None,
                vbios: None,
            },
            findings,
        )),
        other => Err(unexpected(device, other)),
    }
}

fn ask(workers: &mut Workers<'_>, device: DeviceAddress, task: &Task) -> Result<TaskAnswer, BaselineError> {
    workers.ask(task, LIMIT).map_err(|error| BaselineError::Survey {
        device,
        findings: vec![no_answer(device, &error)],
    })
}

fn unexpected(device: DeviceAddress, answer: TaskAnswer) -> BaselineError {
    let findings = no_result(device, answer);
    BaselineError::Survey { device, findings }
}
