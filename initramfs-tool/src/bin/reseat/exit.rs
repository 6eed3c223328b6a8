//! Exit statuses. One table holds for all commands: `docs/exit-status.md`.

use std::process::ExitCode;

use reseat::model::finding::id;
use reseat::report::{GpuReport, GpuVerdict, Report, Verdict};
use reseat_core::recovery::{End, Quarantine};

/// The end of every command's help text and manual page.
pub(crate) const HELP: &str = "\
Exit status: 0 done, as asked; 1 failed; 2 usage error; 3 not proven, or a part is missing; 4 refused; 5 the GPU is out of \
service; 6 not made safe: a GPU that should be out of service may still be in use, or a change could not be undone; 7 not \
usable: the GPU is claimed, and no VM can open it. The page exit-status.md has the details for each command.";

/// The end of a command. Scripts rely on the numbers: they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, as asked.
    Done = 0,
    /// Failed: the command could not do or find out what was asked.
    Failed = 1,
    /// The arguments, or the rules that they name, make no sense.
    Usage = 2,
    /// Not proven: a reset is not verified, or a part of the answer is missing.
    Unproven = 3,
    /// Refused: reseat does not do it, and names the reason.
    Refused = 4,
    /// The GPU is out of service.
    OutOfService = 5,
    /// The GPU should be out of service and is not isolated, or a change could not be undone.
    NotMadeSafe = 6,
    /// The GPU is claimed, or would be, and no VM can open it.
    NotUsable = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<End> for Exit {
    fn from(end: End) -> Self {
        match end {
            End::Recovered { .. } => Self::Done,
            End::Unverified { .. } | End::Unproven { .. } => Self::Unproven,
            End::Refused(_) => Self::Refused,
            End::OutOfService { quarantine, .. } => match quarantine {
                Quarantine::Done => Self::OutOfService,
                Quarantine::Failed(_) => Self::NotMadeSafe,
            },
        }
    }
}

impl Exit {
    /// The status of a command that answers: done if the answer is whole.
    pub(crate) fn of_answer(is_whole: bool) -> Self {
        match is_whole {
            true => Self::Done,
            false => Self::Unproven,
        }
    }

    /// The status of a recovery that a signal stopped.
    pub(crate) fn of_stop(is_put_back: bool) -> Self {
        match is_put_back {
            true => Self::Unproven,
            false => Self::NotMadeSafe,
        }
    }

    /// The status of a claim.
    pub(crate) fn of_claim(report: &Report) -> Self {
        match (report.complete, report.verdict) {
            (true, _) => Self::Done,
            (false, Verdict::DryRun) => Self::of_check(report),
            (false, _) => worst(report.gpus.iter().filter_map(of_claimed_gpu)),
        }
    }

    /// The status of a check of rules, or of a dry run: nothing was touched.
    pub(crate) fn of_check(report: &Report) -> Self {
        let is_refused = |gpu: &GpuReport| gpu.verdict == GpuVerdict::Refused && gpu.quarantine.is_none();
        let is_not_usable = |gpu: &GpuReport| gpu.not_usable.is_some();
        if report.gpus.iter().any(is_refused) {
            return Self::Refused;
        }
        match report.gpus.iter().any(is_not_usable) {
            true => Self::NotUsable,
            false => Self::of_answer(report.complete),
        }
    }
}

impl Exit {
    /// The attention that it asks for, beside others.
    const fn attention(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unproven => 1,
            Self::NotUsable => 2,
            Self::Refused => 3,
            Self::OutOfService => 4,
            Self::Usage | Self::Failed => 5,
            Self::NotMadeSafe => 6,
        }
    }
}

fn of_claimed_gpu(gpu: &GpuReport) -> Option<Exit> {
    match (gpu.verdict, &gpu.quarantine) {
        (_, Some(quarantine)) if quarantine.isolated => Some(Exit::OutOfService),
        (_, Some(_)) | (GpuVerdict::Stuck, _) => Some(Exit::NotMadeSafe),
        (GpuVerdict::Refused, None) if is_left_out_of_service(gpu) => Some(Exit::NotMadeSafe),
        (GpuVerdict::NotReached | GpuVerdict::RolledBack, _) => Some(Exit::Failed),
        (GpuVerdict::Refused, _) => Some(Exit::Refused),
        (GpuVerdict::Claimed | GpuVerdict::WouldClaim, _) => gpu.not_usable.as_ref().map(|_| Exit::NotUsable),
    }
}

/// True if a GPU should be out of service, and its virtual functions keep it from being isolated.
fn is_left_out_of_service(gpu: &GpuReport) -> bool {
    let problem = gpu.problem.as_ref();
    problem.is_some_and(|problem| problem.id == id::ISOLATION_VIRTUAL_FUNCTIONS)
}

/// The status that asks for the most attention; of none, a part is missing.
pub(crate) fn worst(all: impl IntoIterator<Item = Exit>) -> Exit {
    all.into_iter()
        .max_by_key(|exit| exit.attention())
        .unwrap_or(Exit::Unproven)
}

#[cfg(test)]
mod tests {
    use reseat::model::finding::{Finding, Subject};

    use super::*;

    /// The frozen report: of its GPUs one was rolled back.
    fn report() -> Report {
        serde_json::from_str(include_str!("../../report/claim-2.json")).unwrap()
    }

    #[test]
    fn a_claim_ends_as_its_gpus_do() {
        for (verdict, exit) in [
            (GpuVerdict::RolledBack, Exit::Failed),
            (GpuVerdict::NotReached, Exit::Failed),
            (GpuVerdict::Refused, Exit::Refused),
            (GpuVerdict::Stuck, Exit::NotMadeSafe),
            (GpuVerdict::Claimed, Exit::Unproven),
        ] {
            let mut report = report();
            report.gpus.truncate(1);
            report.gpus[0].verdict = verdict;
            report.gpus[0].quarantine = None;
            report.complete = false;
            assert_eq!(Exit::of_claim(&report), exit, "{verdict:?}");
            report.complete = true;
            assert_eq!(Exit::of_claim(&report), Exit::Done);
        }
    }

    #[test]
    fn a_gpu_out_of_service_that_is_not_isolated_is_not_made_safe() {
        let mut report = report();
        report.gpus.truncate(1);
        let gpu = &mut report.gpus[0];
        (gpu.verdict, gpu.quarantine) = (GpuVerdict::Refused, None);
        gpu.problem = Some(Finding::refusal(
            id::ISOLATION_VIRTUAL_FUNCTIONS,
            Subject::gpu(gpu.device),
        ));
        report.complete = false;
        assert_eq!(Exit::of_claim(&report), Exit::NotMadeSafe);
    }

    #[test]
    fn a_dry_run_leaves_no_gpu_unsafe() {
        let mut report = report();
        report.gpus.truncate(1);
        report.gpus[0].verdict = GpuVerdict::Refused;
        report.gpus[0].quarantine = None;
        report.complete = false;
        report.verdict = Verdict::DryRun;
        assert_eq!(Exit::of_claim(&report), Exit::Refused);
    }

    #[test]
    fn a_refusal_is_told_from_a_rule_that_comes_to_nothing() {
        let mut report = report();
        report.gpus.truncate(1);
        report.gpus[0].quarantine = None;
        report.complete = false;
        report.gpus[0].verdict = GpuVerdict::Refused;
        assert_eq!(Exit::of_check(&report), Exit::Refused);
        report.gpus[0].verdict = GpuVerdict::WouldClaim;
        assert_eq!(Exit::of_check(&report), Exit::Unproven);
        report.complete = true;
        assert_eq!(Exit::of_check(&report), Exit::Done);
    }

    #[test]
    fn a_claim_that_no_vm_can_open_has_a_status_of_its_own() {
        let mut report = report();
        report.gpus.truncate(1);
        let gpu = &mut report.gpus[0];
        (gpu.verdict, gpu.quarantine) = (GpuVerdict::Claimed, None);
        gpu.not_usable = Some(Finding::warning(id::GROUP_NOT_VIABLE, Subject::gpu(gpu.device)));
        report.complete = false;
        assert_eq!(Exit::of_claim(&report), Exit::NotUsable);
        report.verdict = Verdict::DryRun;
        assert_eq!(Exit::of_claim(&report), Exit::NotUsable);
        assert_eq!(Exit::of_check(&report), Exit::NotUsable);
        report.gpus[0].verdict = GpuVerdict::Refused;
        assert_eq!(Exit::of_check(&report), Exit::Refused);
    }

    #[test]
    fn the_worst_of_several_ends_counts() {
        assert_eq!(
            worst([Exit::Refused, Exit::NotMadeSafe, Exit::Failed]),
            Exit::NotMadeSafe
        );
        assert_eq!(worst([Exit::Refused, Exit::Failed]), Exit::Failed);
        assert_eq!(worst([Exit::NotUsable, Exit::Unproven]), Exit::NotUsable);
        assert_eq!(worst([]), Exit::Unproven);
    }
}
