//! One run of the boot claim, from the kernel command line to the report.

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, io};

use reseat_core::address::FunctionAddress;

use super::run::{Extent, Run};
use crate::claim::Limits;
use crate::linux::state::{boot_quarantine, kernel_log, report, rules};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, drivers, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::system_use::SystemUse;
use crate::report::{Boot, DriversNow, Line, Report, Verdict};
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

/// Whether this kernel was started to save the memory of one that has crashed. That is all it is to do: it has little memory
/// and one processor, the devices are as the crash left them, and it restarts the machine in the end.
pub(crate) fn is_crash_kernel(root: &Root) -> bool {
    root.path("/proc/vmcore").exists()
}

pub(super) const COMMAND_LINE: &str = "/proc/cmdline";

pub(super) fn read_command_line(root: &Root) -> io::Result<String> {
    let bytes = fs::read(root.path(COMMAND_LINE))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is asked for.
pub(super) struct Request {
    pub(super) command_line: String,
    pub(super) parameters: CommandLine,
    pub(super) rules: Vec<Rule>,
    /// Whether the rules file is one, if it is there.
    pub(super) file_is_good: bool,
    pub(super) problems: Vec<Finding>,
    /// The uses of functions by the system that runs, for a look at the claim from there.
    pub(super) system_uses: Vec<SystemUse>,
}

impl Request {
    pub(super) fn gather(options: &BootOptions, command_line: String) -> Self {
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
            system_uses: Vec::new(),
        }
    }

    pub(super) fn understood(&self) -> bool {
        let mut choices = self.rules.iter().flat_map(Rule::choices);
        self.file_is_good && choices.all(|choice| choice.selector.is_ok())
    }
}

pub(super) fn carry_out(begin: Instant, options: &BootOptions, request: Request) -> Report {
    let root = &options.root;
    let boot = boot(root);
    let Request {
        command_line,
        parameters,
        rules,
        mut problems,
        system_uses,
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
        // No history is in the initramfs: reseat-keep-flr-out.service does what follows from it.
        before_claim: |_, _| Vec::new(),
        problems,
        system_uses,
    };
    let result = run.carry_out();
    Report::new(result, boot, root, begin.elapsed())
}

impl DriversNow for Root {
    /// A link that cannot be read is no vfio-pci: the report then says that the function has none.
    fn driver_of(&self, function: FunctionAddress) -> Option<String> {
        functions::driver_of(self, function).ok().flatten()
    }

    fn lets_vms_in(&self, driver: &str) -> bool {
        driver == "pci-stub" || drivers::is_vfio(self, driver)
    }
}

pub(crate) fn boot(root: &Root) -> Boot {
    // Only to tell reports apart: without them the claim is none the worse.
    let read = |path| attributes::read(&root.path(path)).ok();
    Boot {
        kernel: read("/proc/sys/kernel/osrelease"),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
    }
}
