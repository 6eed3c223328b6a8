//! The kernel's own way to recover a function, `echo 1 > reset`: what it costs, what it says, and whether it is true; and
//! ours beside it.

use std::time::Duration;

use anyhow::{Context, Result};
use fake_gpu::control::FunctionState;
use fake_gpu::profile::{BoardDesign, Vendor};

use crate::faults::{self, Case};
use crate::recovery::Recovery;
use crate::{Gpu, Job, Rules, Running, Scene, Stage};

const RULES: &str = "[[claim]]\nselect = \"gpu\"\n";

/// A reset that nothing survives waits for a minute three times.
const TIMEOUT: Duration = Duration::from_secs(300);

/// How a reset by the kernel went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelPath {
    /// How long the write took, by the guest's clock.
    pub took: Duration,
    /// The exit status of the `echo`; 0 is what a script takes for success.
    pub status: i32,
    /// What the shell said.
    pub error: String,
    /// How often function 0 was in truth reset by it.
    pub resets: u32,
    /// Whether function 0 was well then.
    pub function_well: bool,
    /// Whether all functions were well then.
    pub gpu_well: bool,
}

impl KernelPath {
    /// Whether success was reported of a function that was not well.
    pub fn lied(&self) -> bool {
        self.status == 0 && !self.function_well
    }
}

/// A reset by the kernel that has been asked for.
#[derive(Debug)]
pub struct Asked<'a> {
    gpu: &'a Gpu,
    job: Job<'a>,
    resets_before: u32,
}

/// Breaks a GPU and has the kernel reset its function 0.
///
/// # Errors
/// When the guest does not answer, or the reset does not end.
pub fn kernel_path(running: &Running, gpu: &Gpu, case: &Case) -> Result<KernelPath> {
    ask(running, gpu, case)?.wait()
}

/// Breaks a GPU and asks the kernel to reset its function 0; others may be asked meanwhile, since they wait rather than
/// work.
///
/// # Errors
/// When the guest does not answer.
pub fn ask<'a>(running: &'a Running, gpu: &'a Gpu, case: &Case) -> Result<Asked<'a>> {
    gpu.suffer(case)?;
    let resets_before = gpu.truth()?.first().context("no functions")?.device_resets;
    let job = running.start(&format!("echo 1 >/sys/bus/pci/devices/{}/reset", gpu.function(0)))?;
    Ok(Asked {
        gpu,
        job,
        resets_before,
    })
}

/// A fault, and both ways to recover from it.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The fault.
    pub case: Case,
    /// The kernel's own reset.
    pub kernel: KernelPath,
    /// `reseat recover`, when nothing is known of FLR in the GPU's class.
    pub ours: Recovery,
    /// The same again, with what the first time has taught.
    pub again: Recovery,
}

/// Both ways with eight faults, on GPUs with this many functions, all at one boot. The kernel's resets go on at the same
/// time: they wait rather than work, so that they hardly disturb each other's times. Ours come one after the other.
///
/// # Errors
/// When the machine does not boot, or a recovery does not end.
pub fn compare(stage: &Stage, functions: usize) -> Result<Vec<Compared>> {
    const CASES: [Case; 8] = [
        faults::HEALTHY,
        faults::OFF_THE_BUS,
        faults::FLR_KILLS,
        faults::OFF_THE_BUS_AND_FLR_KILLS,
        faults::FLR_IGNORED,
        faults::FLR_HANGS,
        faults::REGISTERS_DEAD,
        faults::PENDING,
    ];
    let image = stage.image_without_drivers(Rules::File(RULES), [])?;
    let scene = Scene::new(stage, "bench-recover", image);
    let gpu = || BoardDesign::new(Vendor::Nvidia, functions);
    let running = CASES.iter().fold(scene, |scene, _| scene.gpu(gpu())).boot()?;
    running.save_baselines()?;
    let pairs = || running.gpus.iter().zip(&CASES);
    let asked: Vec<Asked<'_>> = pairs()
        .map(|(gpu, case)| ask(&running, gpu, case))
        .collect::<Result<_>>()?;
    let kernel: Vec<KernelPath> = asked.into_iter().map(Asked::wait).collect::<Result<_>>()?;
    for gpu in &running.gpus {
        running.renew(gpu)?;
    }
    let compared = pairs().zip(kernel).map(|((gpu, case), kernel)| {
        // What one fault teaches of the class is not for the next.
        running.shell("rm -f /var/lib/reseat/history.jsonl")?;
        let ours = running.recover(gpu, case, "")?;
        let again = running.recover(gpu, case, "")?;
        Ok(Compared {
            case: case.clone(),
            kernel,
            ours,
            again,
        })
    });
    compared.collect()
}

impl Asked<'_> {
    /// Waits for the reset's end, and asks the GPU for the truth.
    ///
    /// # Errors
    /// When it does not end.
    pub fn wait(self) -> Result<KernelPath> {
        let ended = self.job.wait(TIMEOUT)?;
        let truth = self.gpu.truth()?;
        let function = truth.first().context("no functions")?;
        Ok(KernelPath {
            took: ended.took,
            status: ended.status,
            error: ended.stderr.trim().to_owned(),
            resets: function.device_resets - self.resets_before,
            function_well: function.is_well(),
            gpu_well: truth.iter().all(FunctionState::is_well),
        })
    }
}
