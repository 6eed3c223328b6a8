//! Getting vfio-pci into the kernel with the kernel's own modprobe.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::claim::VFIO_PCI;
use crate::linux::process::program;
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, SubjectKind, id};
use crate::model::variants;
use crate::report::{ModuleReport, milliseconds};

/// Loading that takes longer than this counts as blocked; the boot goes on without a claim.
const LOAD_LIMIT: Duration = Duration::from_secs(5);

/// Where modprobe is if the kernel does not say.
const USUAL_MODPROBES: [&str; 3] = ["/sbin/modprobe", "/usr/sbin/modprobe", "/usr/bin/modprobe"];

/// Sees to it that vfio-pci is there, loaded so that it leaves unused functions in D0.
///
/// Later is too late for that: the driver copies the parameter when it starts.
/// Nobody is waited for after `until`.
pub(crate) fn provide_vfio_pci(root: &Root, until: Instant) -> ModuleReport {
    let begin = Instant::now();
    let is_there = || root.driver(VFIO_PCI).is_dir();
    let was_there = is_there();
    let load = || modprobe(root, &[VFIO_PCI, "disable_idle_d3=1"], until).err();
    let problem = if was_there { None } else { load() };
    let about = |id| Finding::error(id, Subject::named(SubjectKind::Module, VFIO_PCI));
    let problem = problem.map(|error| about(id::MODULE_NOT_LOADED).with("cause", error));
    let problem = problem.or_else(|| {
        let directory = root.driver(VFIO_PCI);
        (!directory.is_dir()).then(|| about(id::MODULE_WITHOUT_DRIVER).with("directory", directory.display()))
    });
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
pub(crate) fn look(root: &Root, kernel: &str, until: Instant) -> Option<ModuleReport> {
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
pub(crate) fn modprobe(root: &Root, arguments: &[&str], until: Instant) -> Result<(), String> {
    run(root, arguments, Listen::ToComplaints, until).map(drop)
}

/// The modules that modprobe would load with `module`, itself included, if none of them were there.
pub(crate) fn depends(root: &Root, kernel: &str, module: &str, until: Instant) -> Result<Vec<String>, String> {
    let arguments = ["--set-version", kernel, "--show-depends", module];
    let said = run(root, &arguments, Listen::ToAnswers, until)?;
    Ok(variants::loads(&String::from_utf8_lossy(&said)))
}

/// Which of its words are heard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listen {
    ToComplaints,
    ToAnswers,
}

/// Runs modprobe to its end, and gives what was heard. Each of several may take [`LOAD_LIMIT`], and all of them together as
/// long as `until`.
fn run(root: &Root, arguments: &[&str], listen: Listen, until: Instant) -> Result<Vec<u8>, String> {
    let modprobe = find_modprobe(root).map_err(|why| format!("cannot run modprobe {}: {why}", arguments.join(" ")))?;
    let named = format!("{} {}", modprobe.display(), arguments.join(" "));
    let limit = LOAD_LIMIT.min(until.saturating_duration_since(Instant::now()));
    if limit.is_zero() {
        return Err(format!("{named}: not tried, the time for it was over"));
    }
    let (ours, theirs) = io::pipe().map_err(|error| format!("cannot run {named}: {error}"))?;
    let (output, errors) = match listen {
        Listen::ToComplaints => (Stdio::null(), Stdio::from(theirs)),
        Listen::ToAnswers => (Stdio::from(theirs), Stdio::null()),
    };
    let mut child = Command::new(&modprobe)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        // With what it starts itself, to be ended together.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot run {named}: {error}"))?;
    let failed = |error: &dyn std::fmt::Display| format!("{named}: {error}");
    let heard = program::hear(&mut child, ours.into(), limit).map_err(|error| failed(&error))?;
    let Some(status) = heard.status else {
        // The kill takes effect once the kernel lets go of whom it holds; there is nobody to wait for that.
        kill_process_group(Pid::from_child(&child), Signal::KILL).ok();
        let limit = limit.as_secs_f64();
        return Err(format!(
            "{named}: it has not come back after {limit:.0} s and was left behind"
        ));
    };
    if status.success() {
        return Ok(heard.said);
    }
    match String::from_utf8_lossy(&heard.said).trim().replace('\n', "; ").as_str() {
        "" => Err(failed(&status)),
        words => Err(format!("{named}: {status}: {words}")),
    }
}

/// The program that the kernel itself would run, or the usual ones.
fn find_modprobe(root: &Root) -> Result<PathBuf, String> {
    let configured = attributes::read(&root.path("/proc/sys/kernel/modprobe")).unwrap_or_default();
    std::iter::once(configured.as_str())
        .chain(USUAL_MODPROBES)
        .filter(|path| !path.is_empty())
        .map(|path| root.path(path))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            format!(
                "there is no modprobe at `{configured}`, nor at {}",
                USUAL_MODPROBES.join(", ")
            )
        })
}
