//! FLR out of `reset_method` of each function of a GPU, where it is known bad for the GPU's reset class.
//!
//! A function that is removed and found again has the kernel's list again: so this is done at every claim and after every scan.
//! Not by the boot claim, since the initramfs has no history: `reseat keep-flr-out` does it on the real root, before a VM starts.

use std::io;
use std::time::Duration;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::decision::{ClassHistory, Rung};
use reseat_core::header::is_gpu;

use crate::linux::process::child::consult;
use crate::linux::process::serve::{Job, Line};
use crate::linux::state::{history, recovery_files};
use crate::linux::survey::{gpus, identity, reset_class};
use crate::linux::sysfs::attributes::{self, FileError};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{functions, reset_methods};
use crate::model::finding::{Finding, Severity, Subject, id};
use crate::model::inventory::{self, Gpu, belongs_to_a_gpu};
use crate::records::history::{ClassStanding, HistoryEntry, reset_class_history, standings};
use crate::recovery::KeptOut;
use crate::recovery::kept_out::{MethodChange, change, has_flr};

/// Gets a GPU, and answers with findings.
pub(crate) const JOB: Job = Job::new("keep-flr-out", serve);

/// Since kernel 6.13 a write may wait for the lock of a device.
const LIMIT: Duration = Duration::from_secs(10);

fn serve(root: &Root, line: &mut Line) -> io::Result<()> {
    let device: DeviceAddress = line.only_question()?;
    apply(root, device)
        .into_iter()
        .try_for_each(|finding| line.answer(finding))
}

/// Keeps FLR out of the kernel's resets of a GPU for which it is known bad, by a child, and puts it back where it is known good.
/// Returns what is kept out, and what could not be.
pub(crate) fn keep(root: &Root, device: DeviceAddress) -> Vec<Finding> {
    if !is_concerned(&entries(root)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if let Err(lost) = consult(&JOB, root, &device, LIMIT, &mut |finding| findings.push(finding)) {
        findings.push(left_in(Subject::gpu(device), lost));
    }
    findings
}

/// As [`keep`], before a claim. Only what could not be done is a matter of its report.
pub(crate) fn warnings_of_keeping_flr_out(root: &Root, device: DeviceAddress) -> Vec<Finding> {
    let mut findings = keep(root, device);
    findings.retain(|finding| finding.severity != Severity::Note);
    findings
}

/// As [`keep`], in this process, which may block.
pub(crate) fn apply(root: &Root, device: DeviceAddress) -> Vec<Finding> {
    let entries = entries(root);
    let gpu = match is_concerned(&entries) {
        true => without_foreign(root, device),
        false => None,
    };
    let standing = gpu.as_ref().and_then(|gpu| standing(root, gpu, &entries));
    match (gpu, standing) {
        (Some(gpu), Some(standing)) => Application::new(root, &standing, device).to(&gpu),
        _ => Vec::new(),
    }
}

/// The GPU without what only shares its device number, such as a disk.
fn without_foreign(root: &Root, device: DeviceAddress) -> Option<Gpu> {
    let functions = functions::list(root).functions;
    let portions = gpus::portions(root, &functions);
    let named = portions.of(device);
    let gpus = inventory::gpus_of(&functions, &portions);
    let mut gpu = gpus.into_iter().find(|gpu| gpu.device == device)?;
    gpu.functions.retain(|function| {
        let is_ours = named.map_or_else(|| belongs_to_a_gpu(function.class), |set| set.has(function.address));
        is_ours && function.physical.is_none()
    });
    Some(gpu)
}

/// The history; one that cannot be read says nothing, and whoever resets a GPU reports that.
fn entries(root: &Root) -> Vec<HistoryEntry> {
    history::read(root).map_or_else(|_| Vec::new(), |content| content.records)
}

/// True if the history knows anything of FLR: most machines have not reset a GPU yet, and are not searched.
fn is_concerned(entries: &[HistoryEntry]) -> bool {
    standings(entries)
        .iter()
        .any(|standing| standing.rung == Rung::KernelFlr)
}

/// The standing of FLR in the reset class of a GPU.
fn standing<'a>(root: &Root, gpu: &Gpu, entries: &'a [HistoryEntry]) -> Option<ClassStanding<'a>> {
    let mut functions = gpu.functions.iter();
    let main = functions.find(|function| is_gpu(function.identity, function.class))?;
    let baseline = recovery_files::baseline(root, gpu.device).ok().flatten();
    let identification = identity::of(root, gpu);
    let class = reset_class::of_gpu(root, gpu, main.address, &identification, baseline.as_ref());
    reset_class_history(entries, &class.ok()??, Rung::KernelFlr)
}

/// The reset methods of one GPU, as they are brought in line with the history.
struct Application<'a> {
    root: &'a Root,
    standing: &'a ClassStanding<'a>,
    kept: KeptOut,
    out: Vec<FunctionAddress>,
    back: Vec<FunctionAddress>,
    findings: Vec<Finding>,
}

impl<'a> Application<'a> {
    fn new(root: &'a Root, standing: &'a ClassStanding<'a>, device: DeviceAddress) -> Self {
        // One that is damaged is written again.
        let kept = recovery_files::kept_out(root, device).ok().flatten();
        Self {
            root,
            standing,
            kept: kept.unwrap_or(KeptOut {
                device,
                functions: Vec::new(),
            }),
            out: Vec::new(),
            back: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn to(mut self, gpu: &Gpu) -> Vec<Finding> {
        for function in &gpu.functions {
            if let Err(trouble) = self.function(function.address) {
                self.findings.push(trouble);
            }
        }
        let told = [(id::FLR_KEPT_OUT, &self.out), (id::FLR_PUT_BACK, &self.back)];
        let told = told.into_iter().filter(|(_, functions)| !functions.is_empty());
        let told = told.map(|(id, functions)| {
            let functions: Vec<String> = functions.iter().map(ToString::to_string).collect();
            Finding::note(id, Subject::gpu(gpu.device))
                .with("functions", functions.join(", "))
                .with("reset_class", self.standing.reset_class)
                .with("since", self.standing.since)
        });
        told.chain(self.findings).collect()
    }

    fn function(&mut self, function: FunctionAddress) -> Result<(), Finding> {
        let trouble = |error: FileError| left_in(Subject::function(function), error);
        let path = self.root.function(function).join("reset_method");
        let Some(now) = attributes::read_if_there(&path).map_err(trouble)? else {
            return self.without_choice(function);
        };
        match change(self.standing.history, &now, self.kept.before(function)) {
            MethodChange::TakeOut(left) => {
                self.kept.note(function, &now);
                self.record();
                reset_methods::choose(&path, &left).map_err(trouble)?;
            }
            MethodChange::PutBack(before) => {
                reset_methods::choose(&path, &before).map_err(trouble)?;
                self.kept.forget(function);
                self.record();
                self.back.push(function);
            }
            MethodChange::Keep => {}
        }
        if self.is_bad() && self.kept.before(function).is_some() {
            let methods = attributes::read(&path).map_err(trouble)?;
            if has_flr(&methods) {
                let left = format!("the kernel keeps `{methods}`");
                return Err(left_in(Subject::function(function), left));
            }
            self.out.push(function);
        }
        Ok(())
    }

    fn is_bad(&self) -> bool {
        self.standing.history == ClassHistory::Bad
    }

    /// A function whose reset methods cannot be chosen. Where it has no `reset` either, the kernel knows none.
    fn without_choice(&self, function: FunctionAddress) -> Result<(), Finding> {
        let has_resets = self.root.function(function).join("reset").exists();
        match self.is_bad() && has_resets {
            true => Err(left_in(Subject::function(function), "the kernel has no reset_method")),
            false => Ok(()),
        }
    }

    /// Writes the record. A GPU that the next VM would kill is worse than a list that is not put back.
    fn record(&mut self) {
        if let Err(error) = recovery_files::write_kept_out(self.root, &self.kept) {
            let unwritten = Finding::error(id::RECORD_UNWRITTEN, Subject::machine());
            self.findings.push(unwritten.with("cause", error));
        }
    }
}

/// FLR that is still among the reset methods, though it is known bad.
fn left_in(subject: Subject, cause: impl std::fmt::Display) -> Finding {
    let left = Finding::warning(id::FLR_NOT_KEPT_OUT, subject);
    left.with("cause", cause).remedy(id::KEEP_VMS_OFF)
}

#[cfg(test)]
mod tests;
