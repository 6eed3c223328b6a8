//! Getting vfio-pci into the kernel with the kernel's own modprobe.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{Root, attribute};
use crate::claim::VFIO_PCI;
use crate::report::{ModuleReport, milliseconds};

/// Loading that takes longer than this counts as blocked; the boot goes on without a claim.
const LOAD_LIMIT: Duration = Duration::from_secs(5);

/// Where modprobe is if the kernel does not say.
const USUAL_MODPROBES: [&str; 3] = ["/sbin/modprobe", "/usr/sbin/modprobe", "/usr/bin/modprobe"];

/// Sees to it that vfio-pci is there, loaded so that it leaves unused functions in D0.
///
/// Later is too late for that: the driver copies the parameter when it starts.
pub(super) fn provide_vfio_pci(root: &Root) -> ModuleReport {
    let begin = Instant::now();
    let is_there = || root.driver(VFIO_PCI).is_dir();
    let was_there = is_there();
    let loaded = if was_there { Ok(()) } else { modprobe(root) };
    let problem = match loaded {
        Err(problem) => Some(problem),
        Ok(()) if is_there() => None,
        Ok(()) => Some(format!(
            "modprobe {VFIO_PCI} succeeded and no driver {VFIO_PCI} appeared"
        )),
    };
    ModuleReport {
        loaded: !was_there && problem.is_none(),
        disable_idle_d3: disable_idle_d3(root),
        duration_ms: milliseconds(begin.elapsed()),
        problem,
    }
}

fn disable_idle_d3(root: &Root) -> Option<bool> {
    match attribute::read(&root.path("/sys/module/vfio_pci/parameters/disable_idle_d3"))
        .ok()?
        .as_str()
    {
        "Y" | "1" => Some(true),
        "N" | "0" => Some(false),
        _ => None,
    }
}

fn modprobe(root: &Root) -> Result<(), String> {
    let program = find_modprobe(root)?;
    let named = format!("{} {VFIO_PCI} disable_idle_d3=1", program.display());
    let mut child = Command::new(&program)
        .args([VFIO_PCI, "disable_idle_d3=1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run {named}: {error}"))?;
    let last_words = wait(&mut child).map_err(|problem| format!("{named}: {problem}"))?;
    let status = child.wait().map_err(|error| format!("{named}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{named}: {status}: {last_words}"))
}

/// Waits until the child has closed its standard error and returns what it wrote there. A child that does not come
/// back is killed and left: it may be blocked in the kernel, and a wait for it would be as well.
fn wait(child: &mut Child) -> Result<String, String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut stderr) = child.stderr.take() {
        thread::spawn(move || {
            let mut text = String::new();
            let read: io::Result<usize> = stderr.read_to_string(&mut text);
            // Nobody listens any more once the limit has passed.
            let _unheard = sender.send(read.map(|_| text));
        });
    }
    let last_words = match receiver.recv_timeout(LOAD_LIMIT) {
        Ok(read) => read.map_err(|error| error.to_string())?,
        Err(_) => return Err(abandon(child)),
    };
    let deadline = Instant::now() + Duration::from_secs(1);
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(1)),
            Ok(Some(_)) => return Ok(last_words.trim().replace('\n', "; ")),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(abandon(child))
}

fn abandon(child: &mut Child) -> String {
    let killed = match child.kill() {
        Ok(()) => "killed",
        Err(_) => "it could not be killed",
    };
    format!("it has not come back after {} s; {killed}", LOAD_LIMIT.as_secs())
}

/// The program that the kernel itself would run, or the usual ones.
fn find_modprobe(root: &Root) -> Result<PathBuf, String> {
    let configured = attribute::read(&root.path("/proc/sys/kernel/modprobe")).unwrap_or_default();
    std::iter::once(configured.as_str())
        .chain(USUAL_MODPROBES)
        .filter(|path| !path.is_empty())
        .map(|path| root.path(path))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            format!(
                "cannot load {VFIO_PCI}: there is no modprobe at `{configured}`, nor at {}",
                USUAL_MODPROBES.join(", ")
            )
        })
}
