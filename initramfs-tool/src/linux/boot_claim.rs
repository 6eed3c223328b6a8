//! One run of the boot claim, from the kernel command line to the report.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Root, attribute, evidence, functions, kernel_log, module, quarantine_list, report_file, slot, workers};
use crate::claim::{Aim, Limits, Target, VFIO_PCI};
use crate::identification::Identification;
use crate::inventory::{Function, Gpu};
use crate::plan::{self, Chosen, Machine, Plan};
use crate::quarantine::AtBoot;
use crate::report::{Boot, Findings, ModuleReport, Report, Tone, Verdict};
use crate::rules::{self, CommandLine, Rule, Switch};

/// Where the operator's rules are.
pub(super) const RULES_FILE: &str = "/etc/reseat/reseat.toml";

/// What a run works on.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory that stands for `/`.
    pub root: Root,
    /// The rules file. Without one named here, the usual one is read if it is there.
    pub rules: Option<PathBuf>,
    /// Where the report goes. Without one named here, to the usual place, but for a dry run, which leaves the boot's there.
    pub report: Option<PathBuf>,
    /// Whether to touch nothing, the kernel log included.
    pub dry_run: bool,
}

/// Runs the claim, writes the report and the lines for the kernel log, and returns the report.
///
/// Whatever goes wrong is in the report: there is nothing that a boot could do about it but go on.
pub fn run(options: &Options) -> Report {
    let begin = Instant::now();
    let mut report = claim(begin, options);
    let usual = Path::new(report_file::CLAIM_REPORT);
    let to = options
        .report
        .as_deref()
        .or_else(|| (!options.dry_run).then_some(usual));
    if let Some(Err(error)) = to.map(|to| report_file::write(&options.root, to, &report)) {
        report.problems.push(error.to_string());
        report.complete = false;
    }
    if !options.dry_run
        && let Err(error) = log(&options.root, report.lines())
    {
        report.problems.push(format!("cannot write to /dev/kmsg: {error}"));
        report.complete = false;
    }
    report
}

pub(super) fn log(root: &Root, lines: Vec<(Tone, String)>) -> io::Result<()> {
    lines
        .into_iter()
        .try_for_each(|(tone, line)| kernel_log::log(root, tone, &line))
}

fn claim(begin: Instant, options: &Options) -> Report {
    let root = &options.root;
    let boot = boot(root);
    let command_line = match fs::read(root.path("/proc/cmdline")) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            // The off switch might stand in it.
            let problem = format!("cannot read /proc/cmdline, so nothing is claimed: {error}");
            return Report::idle(Verdict::Incomplete, vec![problem], boot, begin.elapsed());
        }
    };
    let parameters = CommandLine::parse(&command_line);
    let mut problems: Vec<String> = parameters
        .unknown
        .iter()
        .map(|parameter| format!("unknown kernel parameter `{parameter}`"))
        .collect();
    if parameters.switch == Switch::Off {
        return Report::idle(Verdict::Off, problems, boot, begin.elapsed());
    }
    let mut rules = rules_from_file(options, &mut problems);
    rules.extend(parameters.rules);
    let quarantine = quarantine_list::read(root);
    if let Some(why) = quarantine.unknown() {
        problems.push(format!(
            "the quarantine: {why}; every GPU that the rules choose counts as out of service"
        ));
    }
    if rules.is_empty() && quarantine.is_empty() {
        return Report::idle(Verdict::NoRules, problems, boot, begin.elapsed());
    }

    let listing = functions::list(root);
    problems.extend(listing.problems);
    let machine = Machine {
        functions: &listing.functions,
        unreadable: &listing.unreadable,
        iommu: &evidence::gather(root, &command_line),
    };
    let mut plan = plan::plan(rules, machine);
    plan.set_aside(&listing.functions, |gpu, chosen| {
        against(root, &quarantine, gpu, chosen, &mut problems)
    });
    let mut findings = Findings {
        plan,
        problems,
        vfio_pci: None,
        finished: Vec::new(),
        dry_run: options.dry_run || parameters.switch == Switch::DryRun,
    };
    if !findings.dry_run {
        let mut targets: Vec<Target> = Vec::new();
        if !findings.plan.claim.is_empty() {
            let module = module::provide_vfio_pci(root);
            findings
                .problems
                .extend(taken_by_loading(root, &module, &findings.plan, &listing.functions));
            if module.problem.is_none() {
                targets.extend(findings.plan.claim.iter().map(|gpu| Target::new(Aim::Claim, gpu)));
            }
            findings.vfio_pci = Some(module);
        }
        // After those that are well, which are not to wait for one that hangs.
        let out_of_service = findings.plan.out_of_service.iter();
        targets.extend(out_of_service.map(|(gpu, _)| Target::new(Aim::Isolate, gpu)));
        findings.finished = workers::claim(root, begin, Limits::BOOT, targets);
    }
    // A link that cannot be read is no vfio-pci: the report then says that the function has no driver.
    let driver_now = |address| functions::driver_of(root, address).ok().flatten();
    Report::new(findings, boot, driver_now, begin.elapsed())
}

/// What stands against a GPU. Where nobody knows, it stands against every one that the rules choose: others were not ours.
pub(super) fn against(
    root: &Root,
    quarantine: &AtBoot,
    gpu: &Gpu,
    chosen: Chosen,
    problems: &mut Vec<String>,
) -> Option<String> {
    if quarantine.is_empty() {
        return None;
    }
    let gpu = slot::identify(root, gpu, None).unwrap_or_else(|error| {
        problems.push(error.to_string());
        Identification::new(gpu, None, None)
    });
    match (quarantine.against(&gpu), quarantine.unknown(), chosen) {
        (Some(reason), _, _) => Some(reason.to_owned()),
        (None, Some(_), Chosen::Yes) => Some("the quarantine cannot be read, which counts for every GPU".to_owned()),
        (None, _, _) => None,
    }
}

/// The GPUs that the rules would have claimed now, were all of them in service.
pub(super) fn chosen(root: &Root) -> Vec<Gpu> {
    let Ok(command_line) = fs::read(root.path("/proc/cmdline")) else {
        return Vec::new();
    };
    let command_line = String::from_utf8_lossy(&command_line).into_owned();
    let parameters = CommandLine::parse(&command_line);
    // By a dry run the boot claims nothing either.
    if parameters.switch != Switch::On {
        return Vec::new();
    }
    let options = Options {
        root: root.clone(),
        rules: None,
        report: None,
        dry_run: true,
    };
    // Whoever claims with them tells what is wrong with them.
    let mut rules = rules_from_file(&options, &mut Vec::new());
    rules.extend(parameters.rules);
    let listing = functions::list(root);
    let machine = Machine {
        functions: &listing.functions,
        unreadable: &listing.unreadable,
        iommu: &evidence::gather(root, &command_line),
    };
    plan::plan(rules, machine).claim
}

/// Loading vfio-pci binds by itself what its own configuration names (`ids=`): functions that no rule chose are not to
/// change hands without a word.
pub(super) fn taken_by_loading(root: &Root, module: &ModuleReport, plan: &Plan, before: &[Function]) -> Vec<String> {
    if !module.loaded {
        return Vec::new();
    }
    let is_chosen = |function: &Function| plan.claim.iter().any(|gpu| gpu.function(function.address).is_some());
    let has_vfio_pci = |function: &Function| {
        let driver = functions::driver_of(root, function.address).ok().flatten();
        driver.as_deref() == Some(VFIO_PCI)
    };
    before
        .iter()
        .filter(|function| function.driver.is_none() && !is_chosen(function) && has_vfio_pci(function))
        .map(|function| {
            let address = function.address;
            format!("{VFIO_PCI} took {address} by its own configuration when it was loaded; no rule chose it")
        })
        .collect()
}

pub(super) fn boot(root: &Root) -> Boot {
    // Only to tell reports apart: without them the claim is none the worse.
    let read = |path| attribute::read(&root.path(path)).ok();
    Boot {
        kernel: read("/proc/sys/kernel/osrelease"),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
    }
}

pub(super) fn rules_from_file(options: &Options, problems: &mut Vec<String>) -> Vec<Rule> {
    let (path, must_be_there) = match &options.rules {
        Some(path) => (path.as_path(), true),
        None => (Path::new(RULES_FILE), false),
    };
    let shown = path.display().to_string();
    let content = match fs::read(options.root.path(path)) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_be_there => return Vec::new(),
        Err(error) => {
            problems.push(format!("cannot read {shown}: {error}"));
            return Vec::new();
        }
    };
    rules::parse_file(&shown, &content).unwrap_or_else(|error| {
        problems.push(format!("{error}: none of its rules is used"));
        Vec::new()
    })
}
