//! One run of the boot claim, from the kernel command line to the report.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use reseat_core::address::FunctionAddress;

use super::out_of_service::OutOfService;
use super::{displays, iommu, mask, modprobe, variants, workers};
use crate::claim::{Aim, Limits, Target, VFIO_PCI};
use crate::linux::state::{boot_quarantine, kernel_log, report, rules};
use crate::linux::survey::details;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::display::SignKind;
use crate::model::inventory::{self, Function, Gpu, Wanted};
use crate::plan::{self, Machine, Nothing, Plan, RuleOutcome};
use crate::report::{Boot, Findings, ModuleReport, Report, Verdict};
use crate::rules::{CommandLine, Rule, Switch};

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
    let usual = Path::new(report::CLAIM_REPORT);
    let to = options
        .report
        .as_deref()
        .or_else(|| (!options.dry_run).then_some(usual));
    if let Some(Err(error)) = to.map(|to| report::write(&options.root, to, &report)) {
        report.problems.push(error.to_string());
        report.complete = false;
    }
    if !options.dry_run
        && let Err(error) = kernel_log::log_all(&options.root, &report.log_lines())
    {
        report.problems.push(format!("cannot write to /dev/kmsg: {error}"));
        report.complete = false;
    }
    report
}

fn claim(begin: Instant, options: &Options) -> Report {
    match read_command_line(&options.root) {
        Ok(text) => {
            let parameters = CommandLine::parse(&text);
            match parameters.switch {
                Switch::Off => Report::idle(Verdict::Off, unknown(&parameters), boot(&options.root), begin.elapsed()),
                Switch::On | Switch::DryRun if is_crash_kernel(&options.root) => {
                    Report::idle(Verdict::CrashKernel, Vec::new(), boot(&options.root), begin.elapsed())
                }
                Switch::On | Switch::DryRun => carry_out(begin, options, Request::gather(options, text)),
            }
        }
        // The off switch might stand in it.
        Err(problem) => {
            let problems = vec![format!("{problem}, so nothing is claimed")];
            Report::idle(Verdict::Incomplete, problems, boot(&options.root), begin.elapsed())
        }
    }
}

/// Whether this kernel was started to save the memory of one that has crashed. That is all it is to do: it has little memory
/// and one processor, the devices are as the crash left them, and it restarts the machine in the end.
pub(crate) fn is_crash_kernel(root: &Root) -> bool {
    root.path("/proc/vmcore").exists()
}

pub(super) fn read_command_line(root: &Root) -> Result<String, String> {
    match fs::read(root.path("/proc/cmdline")) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(format!("cannot read /proc/cmdline: {error}")),
    }
}

/// What is addressed to reseat and means nothing, in words, with what comes of it.
pub(crate) fn unknown(parameters: &CommandLine) -> Vec<String> {
    let unknown = parameters.unknown.iter().map(|parameter| {
        let so = match CommandLine::parse(parameter).switch {
            Switch::On => "it claims nothing",
            Switch::DryRun | Switch::Off => "nothing is touched",
        };
        format!("unknown kernel parameter `{parameter}`, so {so}")
    });
    unknown.collect()
}

/// What is asked for.
pub(super) struct Request {
    pub(super) command_line: String,
    pub(super) parameters: CommandLine,
    pub(super) rules: Vec<Rule>,
    /// Whether the rules file is one, if it is there.
    pub(super) file_is_good: bool,
    pub(super) problems: Vec<String>,
}

impl Request {
    pub(super) fn gather(options: &Options, command_line: String) -> Self {
        let parameters = CommandLine::parse(&command_line);
        let mut problems = unknown(&parameters);
        let (rules, bad_file) = match rules::rules_from_file(&options.root, options.rules.as_deref()) {
            Ok(rules) => (rules, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        let file_is_good = bad_file.is_none();
        problems.extend(bad_file);
        Self {
            rules: parameters.join(rules),
            command_line,
            parameters,
            file_is_good,
            problems,
        }
    }

    pub(super) fn understood(&self) -> bool {
        let mut choices = self.rules.iter().flat_map(|rule| rule.not.iter().chain([&rule.choice]));
        self.file_is_good && choices.all(|choice| choice.selector.is_ok())
    }
}

pub(super) fn carry_out(begin: Instant, options: &Options, request: Request) -> Report {
    let root = &options.root;
    let boot = boot(root);
    let Request {
        command_line,
        parameters,
        rules,
        mut problems,
        ..
    } = request;
    let quarantine = boot_quarantine::read(root);
    if let Some(why) = quarantine.unknown() {
        problems.push(format!(
            "the quarantine: {why}; every GPU that the rules choose counts as out of service"
        ));
    }
    let dry_run = options.dry_run || parameters.switch == Switch::DryRun;
    if rules.is_empty() && quarantine.is_empty() {
        let verdict = match dry_run && !problems.is_empty() {
            true => Verdict::DryRun,
            false => Verdict::NoRules,
        };
        return Report::idle(verdict, problems, boot, begin.elapsed());
    }

    let listing = functions::list(root);
    problems.extend(listing.problems);
    let machine = Machine {
        functions: &listing.functions,
        unreadable: &listing.unreadable,
        details: &details::gather(root, &listing.functions, Wanted::by(&rules), &mut problems),
        signs: &displays::signs(root, &listing.functions),
        iommu: &iommu::gather(root, &listing.functions, &command_line),
    };
    let mut plan = plan::plan(rules, machine);
    problems.extend(untold(&listing.unreadable, &plan));
    let mut out_of_service = OutOfService::new(root, quarantine, &inventory::gpus(&listing.functions));
    plan.set_aside(&listing.functions, |gpu, chosen| out_of_service.against(gpu, chosen));
    plan.replaced = out_of_service.replaced;
    problems.extend(out_of_service.problems);
    let until = begin + Limits::BOOT.loading_ends;
    plan.variants = variants::choose(root, &plan.claim, &mut problems, until);
    let mut findings = Findings {
        plan,
        problems,
        vfio_pci: None,
        finished: Vec::new(),
        dry_run,
        newest_function: listing.newest,
    };
    if findings.dry_run {
        if !findings.plan.claim.is_empty() {
            findings.vfio_pci = modprobe::look(root, &variants::running(root), until);
        }
    } else {
        let mut targets: Vec<Target> = Vec::new();
        if !findings.plan.claim.is_empty() {
            let module = modprobe::provide_vfio_pci(root, until);
            findings
                .problems
                .extend(taken_by_loading(root, &module, &findings.plan, &listing.functions));
            if module.problem.is_none() {
                variants::provide(root, &mut findings.plan.variants, &mut findings.problems, until);
                targets.extend(findings.plan.claim.iter().map(|gpu| target(gpu, &findings.plan)));
            }
            findings.vfio_pci = Some(module);
        }
        // After those that are well, which are not to wait for one that hangs.
        let out_of_service = findings.plan.out_of_service.iter();
        targets.extend(out_of_service.map(|(gpu, _)| Target::new(Aim::Isolate, gpu)));
        let ended = workers::claim(root, begin, Limits::BOOT, targets);
        findings.finished = ended.finished;
        findings.problems.extend(mask::held(root, &ended.held));
        learn_groups(root, &mut findings.plan);
    }
    // A link that cannot be read is no vfio-pci: the report then says that the function has no driver.
    let driver_now = |address| functions::driver_of(root, address).ok().flatten();
    Report::new(findings, boot, driver_now, begin.elapsed())
}

/// What could not be read, and is said of no GPU and of no rule: it may be what a rule was to choose.
fn untold(unreadable: &[(FunctionAddress, String)], plan: &Plan) -> Vec<String> {
    let is_told = |address: &FunctionAddress| {
        let device = address.device_address();
        let mut outcomes = plan.rules.iter().map(|(_, outcome)| outcome);
        plan.refused.iter().any(|(gpu, _)| gpu.device == device)
            || outcomes.any(|outcome| {
                matches!(outcome, RuleOutcome::Nothing(Nothing::CannotRead { address: told, .. }) if told == address)
            })
    };
    let untold = unreadable.iter().filter(|(address, _)| !is_told(address));
    untold.map(|(_, problem)| problem.clone()).collect()
}

/// Finds out the groups that came with the drivers of a claim. One that cannot be read is said to be none.
pub(crate) fn learn_groups(root: &Root, plan: &mut Plan) {
    for function in plan.claim.iter_mut().flat_map(|gpu| &mut gpu.functions) {
        if function.iommu_group.is_none() {
            function.iommu_group = functions::group_of(root, function.address).ok().flatten();
        }
    }
}

/// A GPU to claim, with the driver that each function is to get and the framebuffers that are in the way.
pub(crate) fn target(gpu: &Gpu, plan: &Plan) -> Target {
    let mut target = Target::new(Aim::Claim, gpu);
    for function in &mut target.functions {
        let variant = plan.variants.get(&function.address);
        if let Some(driver) = variant.and_then(|variant| variant.driver.clone()) {
            function.driver = driver;
        }
        let signs = plan.signs.iter().filter(|sign| sign.function == function.address);
        function.framebuffers = signs
            .filter_map(|sign| match &sign.kind {
                SignKind::Framebuffer(framebuffer) => Some(framebuffer.clone()),
                SignKind::TextConsole | SignKind::Device(_) => None,
            })
            .collect();
    }
    target
}

/// Loading vfio-pci binds by itself what its own configuration names (`ids=`): functions that no rule chose are not to
/// change hands without a word.
pub(crate) fn taken_by_loading(root: &Root, module: &ModuleReport, plan: &Plan, before: &[Function]) -> Vec<String> {
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

pub(crate) fn boot(root: &Root) -> Boot {
    // Only to tell reports apart: without them the claim is none the worse.
    let read = |path| attributes::read(&root.path(path)).ok();
    Boot {
        kernel: read("/proc/sys/kernel/osrelease"),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
    }
}
