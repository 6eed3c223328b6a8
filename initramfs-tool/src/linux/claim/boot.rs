//! One run of the boot claim, from the kernel command line to the report.

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, io, iter};

use reseat_core::address::{DeviceAddress, FunctionAddress};

use super::run::{Extent, Run};
use crate::claim::Limits;
use crate::linux::state::{boot_quarantine, kernel_log, report, rules};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::inventory::Gpu;
use crate::plan::ClaimRefusal;
use crate::records::quarantine::AtBoot;
use crate::report::{Boot, Line, Report, Verdict};
use crate::rules::{CommandLine, Rule, Switch};

/// What a run works on.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// The directory that stands for `/`.
    pub root: Root,
    /// The rules file. Without one named here, the usual one is read if it is there.
    pub rules: Option<PathBuf>,
    /// Where the report goes. Without one named here, to the usual place, but for a dry run, which leaves the boot's there.
    pub report: Option<PathBuf>,
    /// Whether to touch nothing, the kernel log included.
    pub dry_run: bool,
}

/// Runs the claim, writes the report and the lines for the kernel log, which `lines` makes of it, and returns the report.
///
/// Whatever goes wrong is in the report: there is nothing that a boot could do about it but go on.
pub fn run(options: &BootOptions, lines: fn(&Report) -> Vec<Line>) -> Report {
    let begin = Instant::now();
    let mut report = claim(begin, options);
    let usual = Path::new(report::CLAIM_REPORT);
    let to = options
        .report
        .as_deref()
        .or_else(|| (!options.dry_run).then_some(usual));
    if let Some(Err(error)) = to.map(|to| report::write(&options.root, to, &report)) {
        report.add_problem(error.finding());
    }
    if !options.dry_run {
        log_report(&options.root, &mut report, lines);
    }
    report
}

/// Writes lines to the kernel log. That it cannot be written goes into the report.
pub(crate) fn log_report(root: &Root, report: &mut Report, lines: fn(&Report) -> Vec<Line>) {
    if let Err(error) = kernel_log::log_all(root, &lines(report)) {
        let log = Subject::file("/dev/kmsg");
        report.add_problem(Finding::error(id::FILE_UNWRITABLE, log).with("cause", error));
    }
}

fn claim(begin: Instant, options: &BootOptions) -> Report {
    let idle = |verdict, problems| Report::idle(verdict, problems, boot(&options.root), begin.elapsed());
    match read_command_line(&options.root) {
        Ok(text) => {
            let parameters = CommandLine::parse(&text);
            match parameters.switch {
                Switch::Off => idle(Verdict::Off, parameters.findings()),
                Switch::On | Switch::DryRun if is_crash_kernel(&options.root) => idle(Verdict::CrashKernel, Vec::new()),
                Switch::On | Switch::DryRun => carry_out(begin, options, Request::gather(options, text)),
            }
        }
        // The off switch might stand in it.
        Err(error) => {
            let command_line = Subject::file(COMMAND_LINE);
            let problem = Finding::error(id::COMMAND_LINE_UNREADABLE, command_line).with("cause", error);
            idle(Verdict::Incomplete, vec![problem])
        }
    }
}

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
    let (understood, switch) = (request.understood(), request.parameters.switch);
    let recovery_policy = match request.file_is_good {
        true => rules::invalid_recovery_policy(root, options.rules.as_deref()),
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

/// Whether this kernel was started to save the memory of one that has crashed. That is all it is to do: it has little memory
/// and one processor, the devices are as the crash left them, and it restarts the machine in the end.
pub(crate) fn is_crash_kernel(root: &Root) -> bool {
    root.path("/proc/vmcore").exists()
}

const COMMAND_LINE: &str = "/proc/cmdline";

fn read_command_line(root: &Root) -> io::Result<String> {
    let bytes = fs::read(root.path(COMMAND_LINE))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is asked for.
struct Request {
    command_line: String,
    parameters: CommandLine,
    rules: Vec<Rule>,
    /// Whether the rules file is one, if it is there.
    file_is_good: bool,
    problems: Vec<Finding>,
}

impl Request {
    fn gather(options: &BootOptions, command_line: String) -> Self {
        let parameters = CommandLine::parse(&command_line);
        let mut problems = parameters.findings();
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

    fn understood(&self) -> bool {
        let mut choices = self.rules.iter().flat_map(|rule| rule.not.iter().chain([&rule.choice]));
        self.file_is_good && choices.all(|choice| choice.selector.is_ok())
    }
}

fn carry_out(begin: Instant, options: &BootOptions, request: Request) -> Report {
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
        problems.push(Finding::error(id::QUARANTINE_UNREADABLE, Subject::machine()).with("cause", why));
    }
    let dry_run = options.dry_run || parameters.switch == Switch::DryRun;
    if rules.is_empty() && quarantine.is_empty() {
        let verdict = match dry_run && !problems.is_empty() {
            true => Verdict::DryRun,
            false => Verdict::NoRules,
        };
        return Report::idle(verdict, problems, boot, begin.elapsed());
    }
    let run = Run {
        root,
        command_line,
        rules,
        quarantine,
        extent: Extent::Machine,
        limits: Limits::BOOT,
        begin,
        dry_run,
        problems,
    };
    let result = run.carry_out();
    Report::new(result, boot, |address| driver_now(root, address), begin.elapsed())
}

/// The driver of a function. A link that cannot be read is no vfio-pci: the report then says that the function has none.
pub(crate) fn driver_now(root: &Root, function: FunctionAddress) -> Option<String> {
    functions::driver_of(root, function).ok().flatten()
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
        problems: Vec::new(),
    })
}

pub(crate) fn boot(root: &Root) -> Boot {
    // Only to tell reports apart: without them the claim is none the worse.
    let read = |path| attributes::read(&root.path(path)).ok();
    Boot {
        kernel: read("/proc/sys/kernel/osrelease"),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
    }
}
