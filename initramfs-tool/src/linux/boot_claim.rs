//! One run of the boot claim, from the kernel command line to the report.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Root, attribute, evidence, functions, kernel_log, module, report_file, workers};
use crate::claim::Target;
use crate::plan;
use crate::report::{Findings, Report, Verdict};
use crate::rules::{self, CommandLine, Rule, Switch};

/// Where the operator's rules are.
const RULES_FILE: &str = "/etc/reseat/reseat.toml";

/// What a run works on.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory that stands for `/`.
    pub root: Root,
    /// The rules file. Without one named here, the usual one is read if it is there.
    pub rules: Option<PathBuf>,
    /// Where the report goes.
    pub report: PathBuf,
    /// Whether to touch nothing.
    pub dry_run: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: Root::system(),
            rules: None,
            report: report_file::CLAIM_REPORT.into(),
            dry_run: false,
        }
    }
}

/// Runs the claim, writes the report and the lines for the kernel log, and returns the report.
///
/// Whatever goes wrong is in the report: there is nothing that a boot could do about it but go on.
pub fn run(options: &Options) -> Report {
    let begin = Instant::now();
    let root = &options.root;
    let mut report = claim(begin, options);
    if let Err(error) = report_file::write(root, &options.report, &report) {
        report.problems.push(error.to_string());
    }
    for (tone, line) in report.lines() {
        if let Err(error) = kernel_log::log(root, tone, &line) {
            report.problems.push(format!("cannot write to /dev/kmsg: {error}"));
            break;
        }
    }
    report
}

fn claim(begin: Instant, options: &Options) -> Report {
    let root = &options.root;
    let mut problems = Vec::new();
    let command_line = attribute::read(&root.path("/proc/cmdline")).unwrap_or_else(|error| {
        problems.push(error.to_string());
        String::new()
    });
    let parameters = CommandLine::parse(&command_line);
    if parameters.switch == Switch::Off {
        return Report::idle(Verdict::Off, problems, begin.elapsed());
    }
    let unknown = parameters.unknown.iter();
    problems.extend(unknown.map(|parameter| format!("unknown kernel parameter `{parameter}`")));
    let mut rules = rules_from_file(options, &mut problems);
    rules.extend(parameters.rules);
    if rules.is_empty() {
        return Report::idle(Verdict::NoRules, problems, begin.elapsed());
    }

    let listing = functions::list(root);
    problems.extend(listing.problems);
    let plan = plan::plan(rules, &listing.functions, &evidence::gather(root, &command_line));
    let dry_run = options.dry_run || parameters.switch == Switch::DryRun;
    let mut findings = Findings {
        plan,
        problems,
        vfio_pci: None,
        finished: Vec::new(),
        dry_run,
    };
    if !dry_run && !findings.plan.claim.is_empty() {
        let module = module::provide_vfio_pci(root);
        if module.problem.is_none() {
            let targets = findings.plan.claim.iter().map(Target::from).collect();
            findings.finished = workers::claim(begin, targets);
        }
        findings.vfio_pci = Some(module);
    }
    // A link that cannot be read is no vfio-pci: the report then says that the function has no driver.
    let driver_now = |address| functions::driver_of(root, address).ok().flatten();
    Report::new(findings, driver_now, begin.elapsed())
}

fn rules_from_file(options: &Options, problems: &mut Vec<String>) -> Vec<Rule> {
    let (path, must_be_there) = match &options.rules {
        Some(path) => (path.as_path(), true),
        None => (Path::new(RULES_FILE), false),
    };
    let shown = path.display().to_string();
    let content = match std::fs::read(options.root.path(path)) {
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
