//! Getting vfio-pci into the kernel with the kernel's own modprobe.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::claim::VFIO_PCI;
use crate::linux::process::program::{Hear, Limits, Program, Ran};
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, SubjectKind, id};
use crate::model::variants;
use crate::report::{ModuleReport, milliseconds};

/// Loading that takes longer than this counts as blocked; the boot goes on without a claim.
const LOAD_LIMIT: Duration = Duration::from_secs(5);

/// The bytes of modprobe's output that are kept: a module's dependencies are some hundreds.
const OUTPUT: usize = 64 * 1024;

/// Where modprobe is if the kernel does not say.
const USUAL_MODPROBES: [&str; 3] = ["/sbin/modprobe", "/usr/sbin/modprobe", "/usr/bin/modprobe"];

/// The reason why modprobe did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModprobeError {
    /// There is no such program.
    #[error("cannot run modprobe {arguments}: there is no modprobe at `{configured}`, nor at {}", USUAL_MODPROBES.join(", "))]
    NotThere {
        /// Its arguments.
        arguments: String,
        /// Where the kernel would look for it.
        configured: String,
    },
    /// There was no time left for it.
    #[error("{line}: not tried, the time for it was over")]
    NoTime {
        /// Its command line.
        line: String,
    },
    /// It could not be started or listened to.
    #[error("cannot run {line}: {cause}")]
    NotRun {
        /// Its command line.
        line: String,
        /// Why.
        cause: io::Error,
    },
    /// It did not end in time.
    #[error("{line}: it has not come back after {:.0} s and was left behind", limit.as_secs_f64())]
    LeftBehind {
        /// Its command line.
        line: String,
        /// The time that it had.
        limit: Duration,
    },
    /// It failed.
    #[error("{line}: {status}{complaints}")]
    Failed {
        /// Its command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said, behind a colon, if it said anything.
        complaints: String,
    },
}

/// Sees to it that vfio-pci is there, loaded so that it leaves unused functions in D0.
///
/// Later is too late for that: the driver copies the parameter when it starts.
/// Nobody is waited for after `until`.
pub(crate) fn provide_vfio_pci(root: &Root, until: Instant) -> ModuleReport {
    let begin = Instant::now();
    let is_there = || root.driver(VFIO_PCI).is_dir();
    let was_there = is_there();
    let provided = match was_there {
        true => Ok(()),
        false => modprobe(root, &[VFIO_PCI, "disable_idle_d3=1"], until),
    };
    let about = |id| Finding::error(id, Subject::named(SubjectKind::Module, VFIO_PCI));
    let problem = match provided {
        Err(error) => Some(about(id::MODULE_NOT_LOADED).with("cause", error)),
        Ok(()) if is_there() => None,
        Ok(()) => Some(about(id::MODULE_WITHOUT_DRIVER).with("directory", root.driver(VFIO_PCI).display())),
    };
    let disable_idle_d3 = disable_idle_d3(root);
    let asleep = problem.is_none() && disable_idle_d3 != Some(true);
    ModuleReport {
        loaded: !was_there && problem.is_none(),
        disable_idle_d3,
        duration_ms: milliseconds(begin.elapsed()),
        warning: asleep.then(|| without_parameter(root)),
        problem,
    }
}

/// How vfio-pci is there already, or why it cannot be had, for who is not to load it; nothing if it could be loaded.
pub(crate) fn inspect(root: &Root, kernel: &str, until: Instant) -> Option<ModuleReport> {
    if root.driver(VFIO_PCI).is_dir() {
        return Some(provide_vfio_pci(root, until));
    }
    let begin = Instant::now();
    let problem = depends(root, kernel, VFIO_PCI, until).err()?;
    Some(ModuleReport {
        loaded: false,
        disable_idle_d3: None,
        duration_ms: milliseconds(begin.elapsed()),
        warning: None,
        problem: Some(
            Finding::error(id::MODULE_NOT_LOADED, Subject::named(SubjectKind::Module, VFIO_PCI)).with("cause", problem),
        ),
    })
}

/// Not the claim's failure: the pin holds all the same.
fn without_parameter(root: &Root) -> Finding {
    let warning = Finding::warning(id::IDLE_D3_ENABLED, Subject::named(SubjectKind::Module, VFIO_PCI));
    warning.remedy(match is_built_in(root) {
        true => id::SET_IDLE_D3_ON_COMMAND_LINE,
        false => id::SET_IDLE_D3_IN_MODPROBE,
    })
}

/// A module that was loaded has a state.
fn is_built_in(root: &Root) -> bool {
    !root.path("/sys/module/vfio_pci/initstate").exists()
}

fn disable_idle_d3(root: &Root) -> Option<bool> {
    match attributes::read(&root.path("/sys/module/vfio_pci/parameters/disable_idle_d3"))
        .ok()?
        .as_str()
    {
        "Y" | "1" => Some(true),
        "N" | "0" => Some(false),
        _ => None,
    }
}

/// Runs modprobe with a module and its parameters.
pub(crate) fn modprobe(root: &Root, arguments: &[&str], until: Instant) -> Result<(), ModprobeError> {
    run(root, arguments, Hear::Errors, until).map(drop)
}

/// The modules that modprobe would load with `module`, itself included, if none of them were there.
pub(crate) fn depends(root: &Root, kernel: &str, module: &str, until: Instant) -> Result<Vec<String>, ModprobeError> {
    let arguments = ["--set-version", kernel, "--show-depends", module];
    let said = run(root, &arguments, Hear::Output, until)?;
    Ok(variants::loads(&String::from_utf8_lossy(&said)))
}

/// Runs modprobe to its end, and gives what was heard. Each of several may take [`LOAD_LIMIT`], and all of them together as
/// long as `until`.
fn run(root: &Root, arguments: &[&str], hear: Hear, until: Instant) -> Result<Vec<u8>, ModprobeError> {
    let mut program = Program::new(&find_modprobe(root, arguments)?);
    program.args(arguments).with_descendants();
    let line = program.line();
    let limit = LOAD_LIMIT.min(until.saturating_duration_since(Instant::now()));
    if limit.is_zero() {
        return Err(ModprobeError::NoTime { line });
    }
    let limits = Limits {
        time: Some(limit),
        bytes: OUTPUT,
    };
    match program.run(hear, limits) {
        Ok(Ran { status: None, .. }) => Err(ModprobeError::LeftBehind { line, limit }),
        Ok(Ran {
            status: Some(status),
            said,
        }) if status.success() => Ok(said),
        Ok(Ran {
            status: Some(status),
            said,
        }) => Err(ModprobeError::Failed {
            line,
            status,
            complaints: complaints(&said),
        }),
        Err(cause) => Err(ModprobeError::NotRun { line, cause }),
    }
}

fn complaints(said: &[u8]) -> String {
    match String::from_utf8_lossy(said).trim().replace('\n', "; ").as_str() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

/// The program that the kernel itself would run, or the usual ones.
fn find_modprobe(root: &Root, arguments: &[&str]) -> Result<PathBuf, ModprobeError> {
    let configured = attributes::read(&root.path("/proc/sys/kernel/modprobe")).unwrap_or_default();
    let found = std::iter::once(configured.as_str())
        .chain(USUAL_MODPROBES)
        .filter(|path| !path.is_empty())
        .map(|path| root.path(path))
        .find(|path| path.is_file());
    found.ok_or_else(|| ModprobeError::NotThere {
        arguments: arguments.join(" "),
        configured,
    })
}
