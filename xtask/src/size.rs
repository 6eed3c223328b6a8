//! `cargo xtask size`: what the boot claim costs an initramfs, held against its limits.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::dist::{self, Dist};
use crate::files_machine::FilesMachine;

/// 500 KiB.
const SMALL: u64 = 512_000;
/// 1.6 MiB: with the GNU C library.
pub(crate) const PLAIN: u64 = 1_677_721;
/// 3 MiB.
const RESIDENT: u64 = 3 * 1024 * 1024;

/// What a pipe holds on Linux, unless somebody changes it.
const PIPE: usize = 64 * 1024;
/// A claim has 15 s; the rest is for a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

pub(crate) fn run() -> Result<()> {
    let Dist { tree: _, plain, small } = dist::dist()?;
    let small = small.context("there is no small reseat-claim")?;
    println!("\nreseat-claim, stripped:");
    let mut within = true;
    for (what, program, limit) in [("with musl", &small, SMALL), ("plain", &plain, PLAIN)] {
        within &= hold(what, dist::size(program)?, limit);
    }
    println!("resident at most, while it claims 8 GPUs with 2 functions each:");
    for (what, program) in [("with musl", &small), ("plain", &plain)] {
        within &= hold(what, resident(program)?, RESIDENT);
    }
    ensure!(within, "reseat-claim is larger than its limits");
    Ok(())
}

/// Prints a number beside its limit; whether it is within.
pub(crate) fn hold(what: &str, bytes: u64, limit: u64) -> bool {
    let verdict = if bytes <= limit { "" } else { ": TOO LARGE" };
    println!("  {what:10} {bytes:>9} bytes, of {limit} at most{verdict}");
    bytes <= limit
}

/// The most that was resident of a program's own process at one time, in bytes.
///
/// Only a process that lives can be asked, so it is held at its last words: into a pipe that is full already. What the
/// kernel tells of one that has ended counts in what there was before it became this program.
fn resident(program: &Path) -> Result<u64> {
    let machine = FilesMachine::new("size")?;
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(&[b'\n'; PIPE])?;
    let mut command = Command::new(program);
    command.arg("--root").arg(machine.root()).stdout(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    // It holds the other end of the pipe, and would keep it open.
    drop(command);
    let peak = at_its_last_words(&mut child, &machine);
    drop(reader);
    child.kill()?;
    child.wait()?;
    let report: serde_json::Value = serde_json::from_slice(&fs::read(machine.report())?)?;
    ensure!(
        report["verdict"] == "claimed",
        "{}: the files were not claimed: {report:#}",
        program.display()
    );
    peak
}

fn at_its_last_words(child: &mut Child, machine: &FilesMachine) -> Result<u64> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            bail!("it ended instead of saying something: {status}");
        }
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        // The report is written before. Asleep, it then waits for the pipe: waiting for a disk is another state.
        if machine.report().exists() && field(&status, "State:") == Some("S") {
            let peak = field(&status, "VmHWM:").and_then(|kibibytes| kibibytes.parse::<u64>().ok());
            return Ok(peak.context("/proc has no VmHWM of it")? * 1024);
        }
        thread::sleep(POLL);
    }
    bail!("no report within {} s", PATIENCE.as_secs())
}

/// The first word of a field in `/proc/PID/status`.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_more_than_the_limit_does_not_hold() {
        assert!(hold("program", SMALL, SMALL));
        assert!(!hold("program", SMALL + 1, SMALL));
    }
}
