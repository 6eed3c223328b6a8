//! The claim by this boot's rules, on the machine as it runs: only looked at, or of one GPU.

use std::iter;
use std::path::PathBuf;
use std::time::Instant;

use reseat_core::address::DeviceAddress;

use super::boot::{BootOptions, COMMAND_LINE, Request, carry_out, read_command_line};
use super::flr_kept_out::warnings_of_keeping_flr_out;
use super::run::{Extent, Run};
use super::system_uses;
use crate::claim::Limits;
use crate::linux::state::{recovery_policy, rules};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::inventory::Gpu;
use crate::plan::ClaimRefusal;
use crate::records::boot_quarantine::AtBoot;
use crate::report::Report;
use crate::rules::{GroupPeers, Switch};

/// What a look at the rules brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The report of a dry run.
    pub report: Report,
    /// Whether every rule says something.
    pub understood: bool,
    /// How far this boot's kernel command line lets a claim go.
    pub switch: Switch,
    /// The error in the file's part about recovery. To a claim that is nothing.
    pub recovery_policy: Option<Finding>,
}

/// What the rules would claim now: those of the usual file or of another, and those of this boot, even if that was one with
/// `reseat=off`. Touches nothing.
pub fn check_rules(root: &Root, rules: Option<PathBuf>) -> Checked {
    let begin = Instant::now();
    let options = BootOptions {
        root: root.clone(),
        rules,
        report: None,
        dry_run: true,
    };
    let (command_line, unread) = match read_command_line(root) {
        Ok(text) => (text, None),
        Err(error) => {
            let unread = Finding::error(id::FILE_UNREADABLE, Subject::file(COMMAND_LINE)).with("cause", error);
            (String::new(), Some(unread))
        }
    };
    let mut request = Request::gather(&options, command_line);
    request.problems.extend(unread);
    request.system_uses = system_uses::gather(root, &request.command_line);
    let (understood, switch) = (request.understood(), request.parameters.switch);
    let recovery_policy = match request.file_is_good {
        true => recovery_policy::problem(root, options.rules.as_deref()),
        // That it is none is told already.
        false => None,
    };
    Checked {
        report: carry_out(begin, &options, request),
        understood,
        switch,
        recovery_policy,
    }
}

/// The refusals of GPUs that are not claimed since what the rules take with them carries the running system.
pub(crate) fn peers_in_system(root: &Root) -> Vec<Finding> {
    let rules = rules::rules_from_file(root, None).unwrap_or_default();
    if !rules.iter().any(|rule| rule.group_peers == GroupPeers::Claim) {
        return Vec::new();
    }
    let gpus = check_rules(root, None).report.gpus.into_iter();
    let problems = gpus.filter_map(|gpu| gpu.problem);
    problems
        .filter(|problem| problem.id == id::GROUP_PEER_IN_SYSTEM)
        .collect()
}

/// The GPUs that the rules would have claimed now, were all of them in service.
pub(crate) fn chosen(root: &Root) -> Vec<Gpu> {
    standing_order(root, Extent::Machine).map_or_else(Vec::new, |run| run.plan().claim)
}

/// The outcome of a claim of one GPU by the rules.
pub(crate) enum OneClaim {
    /// No boot would claim it.
    NotChosen,
    /// It is claimed.
    Claimed,
    /// The rules choose it, and vfio-pci does not have it: why, and what is left behind.
    Failed(Vec<Finding>),
}

/// Claims the GPU on `device` on the running machine, if the rules choose it; the quarantine may still name it.
pub(crate) fn claim_one(root: &Root, device: DeviceAddress) -> OneClaim {
    let Some(run) = standing_order(root, Extent::Gpu(device)) else {
        return OneClaim::NotChosen;
    };
    let result = run.carry_out();
    if let Some((_, refusal @ ClaimRefusal::PeerAtWork { .. })) = result.plan.refused.first() {
        return OneClaim::Failed(vec![refusal.finding(device)]);
    }
    if result.plan.claim.is_empty() {
        return OneClaim::NotChosen;
    }
    if let Some(problem) = result.vfio_pci.and_then(|module| module.problem) {
        return OneClaim::Failed(vec![problem]);
    }
    let rollback = result
        .finished
        .into_iter()
        .find_map(|finished| finished.outcome.rollback);
    rollback.map_or(OneClaim::Claimed, |rollback| {
        let leftovers = rollback.leftovers.into_iter().map(|leftover| leftover.finding);
        OneClaim::Failed(iter::once(rollback.failure.finding).chain(leftovers).collect())
    })
}

/// The run of this boot's rules on the machine as it runs, with every GPU in service. None where the boot claims nothing.
fn standing_order(root: &Root, extent: Extent) -> Option<Run<'_>> {
    let command_line = read_command_line(root).ok()?;
    let options = BootOptions {
        root: root.clone(),
        rules: None,
        report: None,
        dry_run: false,
    };
    let request = Request::gather(&options, command_line);
    // The command that claims by them reports what is wrong with the rules.
    (request.parameters.switch == Switch::On).then(|| Run {
        root,
        command_line: request.command_line,
        rules: request.rules,
        quarantine: AtBoot::nobody(),
        extent,
        limits: Limits::RUNNING,
        begin: Instant::now(),
        dry_run: false,
        before_claim: warnings_of_keeping_flr_out,
        problems: Vec::new(),
        system_uses: Vec::new(),
    })
}
