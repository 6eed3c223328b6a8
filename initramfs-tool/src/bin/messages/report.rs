//! The claim's report in short lines, for the kernel log and for people.

use reseat::claim::{Leftover, Operation, VFIO_PCI};
use reseat::model::finding::Finding;
use reseat::report::{GpuReport, GpuVerdict, Kept, Line, PeerReport, Report, Tone, Verdict};
use reseat_core::address::DeviceAddress;

use super::line;

/// The kernel log holds so many lines and no more, and each may go over a slow serial line while the boot waits.
const MOST_LINES: usize = 40;

/// The report in lines for people: what is wrong first, the whole in the last one.
pub(crate) fn lines(report: &Report) -> Vec<Line> {
    let mut lines = details(report);
    lines.push(last_line(report));
    lines
}

/// The same for the kernel log, which is to be short.
pub(crate) fn log_lines(report: &Report) -> Vec<Line> {
    let mut lines = log_details(report);
    lines.push(last_line(report));
    lines
}

/// [`details`] for the kernel log.
pub(crate) fn log_details(report: &Report) -> Vec<Line> {
    let mut lines = details(report);
    let more = lines.len().saturating_sub(MOST_LINES);
    if more > 0 {
        lines.truncate(MOST_LINES);
        lines.push((Tone::Warning, format!("{more} more lines are in the report")));
    }
    lines
}

/// [`lines`] without the whole: of a run that was about one GPU its lines say it all.
pub(crate) fn details(report: &Report) -> Vec<Line> {
    let bad = |line: String| (Tone::Warning, line);
    let mut lines: Vec<Line> = report.problems.iter().map(|problem| bad(line(problem))).collect();
    lines.extend(report.rules.iter().filter_map(|rule| {
        let which = format!("rule `{}` ({})", rule.selector, rule.source);
        match (&rule.problem, report.verdict) {
            (Some(problem), _) => Some(bad(format!("{which}: {}", line(problem)))),
            (None, Verdict::DryRun) => Some((Tone::Notice, format!("{which}: {}", list(&rule.gpus)))),
            (None, _) => None,
        }
    }));
    let module = report.vfio_pci.iter();
    lines.extend(module.flat_map(|module| module.problem.iter().chain(&module.warning).map(|it| bad(line(it)))));
    let (claimed, others): (Vec<&GpuReport>, Vec<&GpuReport>) = report.gpus.iter().partition(|gpu| gpu.is_as_asked());
    for line in others.into_iter().chain(claimed).flat_map(gpu_lines) {
        // What keeps every VM from every GPU is said once.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn gpu_lines(gpu: &GpuReport) -> Vec<Line> {
    let device = gpu.device;
    let tone = match gpu.is_as_asked() {
        true => Tone::Notice,
        false => Tone::Warning,
    };
    let mut lines = vec![(tone, gpu_line(gpu))];
    lines.extend(drivers_before(gpu).map(|line| (Tone::Notice, line)));
    lines.extend(gpu.replaces.iter().map(|note| (Tone::Notice, line(note))));
    lines.extend(gpu.not_usable.iter().map(|why| (Tone::Warning, line(why))));
    lines.extend(gpu.peers.iter().map(|peer| (Tone::Warning, peer_line(gpu, peer))));
    let shown = gpu.display.iter();
    lines.extend(shown.map(|sign| (Tone::Notice, format!("{device}: {}", line(sign)))));
    let left = gpu.leftovers.iter();
    lines.extend(left.map(|left| (Tone::Warning, format!("{device}: left behind: {}", leftover(left)))));
    lines
}

pub(crate) fn leftover(left: &Leftover) -> String {
    at(left.operation.as_ref(), &left.finding)
}

/// A finding, behind the operation that came to it.
fn at(operation: Option<&Operation>, finding: &Finding) -> String {
    match operation {
        Some(operation) => format!("{operation}: {}", line(finding)),
        None => line(finding),
    }
}

/// Why a GPU is not claimed.
fn why(gpu: &GpuReport) -> String {
    let operation = gpu.failure.as_ref().and_then(|failure| failure.operation.as_ref());
    match &gpu.problem {
        Some(problem) => at(operation, problem),
        None => "no reason recorded".to_owned(),
    }
}

fn last_line(report: &Report) -> Line {
    let count = |verdict| report.gpus.iter().filter(|gpu| gpu.verdict == verdict).count();
    let (claimed, took) = (
        gpus(count(GpuVerdict::Claimed)),
        format!("{:.1} ms", report.duration_ms),
    );
    let out = match report.gpus.iter().filter(|gpu| gpu.quarantine.is_some()).count() {
        0 => String::new(),
        several => format!(", {several} out of service"),
    };
    let tone = if report.complete { Tone::Notice } else { Tone::Warning };
    let line = match report.verdict {
        Verdict::Off => "off by the kernel command line: nothing was touched".to_owned(),
        Verdict::CrashKernel => "this kernel saves the memory of a crashed one: nothing was touched".to_owned(),
        Verdict::NoRules => "no rules: nothing to claim".to_owned(),
        Verdict::DryRun => {
            let would = gpus(count(GpuVerdict::WouldClaim));
            let whole = if report.complete {
                ""
            } else {
                ", and not all is in order"
            };
            format!("dry run: {would} would be claimed{out}{whole}; {took}")
        }
        Verdict::Claimed => format!("{claimed} claimed in {took}"),
        Verdict::Incomplete => format!("incomplete: {claimed} claimed{out} in {took}; the boot goes on"),
    };
    (tone, line)
}

/// Drivers that had functions of a claimed GPU before: built in, or faster than the claim.
fn drivers_before(gpu: &GpuReport) -> Option<String> {
    let had = gpu.functions.iter().filter_map(|function| {
        let driver = function
            .driver_before
            .as_deref()
            .filter(|driver| *driver != function.vfio_driver())?;
        Some(format!("{driver} had {}", function.address))
    });
    let had: Vec<String> = had.collect();
    let is_shown = gpu.verdict == GpuVerdict::Claimed && !had.is_empty();
    is_shown.then(|| format!("{}: before, {}", gpu.device, had.join(", ")))
}

fn gpu_line(gpu: &GpuReport) -> String {
    let functions = match gpu.functions.len() {
        1 => "1 function".to_owned(),
        several => format!("{several} functions{}", with_peers(gpu)),
    };
    let device = gpu.device;
    match gpu.verdict {
        GpuVerdict::WouldClaim => format!("{device}: would claim {functions}{}", by_variants(gpu)),
        GpuVerdict::Claimed => {
            let took = gpu.duration_ms;
            let variants = by_variants(gpu);
            format!("{device}: {functions} on {VFIO_PCI}{variants}, in D0 and pinned, in {took:.1} ms")
        }
        GpuVerdict::NotReached => format!("{device}: not claimed, not touched: {}", why(gpu)),
        GpuVerdict::RolledBack => format!("{device}: not claimed, given back as it was: {}", why(gpu)),
        GpuVerdict::Stuck => format!("{device}: not claimed, and not as it was: {}", why(gpu)),
        GpuVerdict::Refused => match &gpu.quarantine {
            None => format!("{device}: refused: {}", why(gpu)),
            Some(quarantine) => {
                let unreadable = "the quarantine cannot be read, which counts for every GPU";
                let reason = quarantine.reason.as_deref().unwrap_or(unreadable);
                match quarantine.isolated {
                    true => format!("{device}: out of service, isolated: {reason}"),
                    false => format!("{device}: out of service ({reason}), {}", why(gpu)),
                }
            }
        },
    }
}

/// The functions of others that are claimed with it, since a rule takes who is in its groups.
fn with_peers(gpu: &GpuReport) -> String {
    const MOST: usize = 8;
    let peers = gpu
        .functions
        .iter()
        .filter(|function| function.address.device_address() != gpu.device);
    let mut peers: Vec<String> = peers
        .map(|peer| format!("{} [{}]", peer.address, peer.identity))
        .collect();
    let more = peers.len().saturating_sub(MOST);
    peers.truncate(MOST);
    match (peers.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" (with {} of its IOMMU group)", peers.join(", ")),
        (false, more) => format!(" (with {} and {more} more of its IOMMU group)", peers.join(", ")),
    }
}

/// The functions that a variant of vfio-pci takes.
fn by_variants(gpu: &GpuReport) -> String {
    let variants = gpu.functions.iter().filter_map(|function| {
        let variant = function.variant.as_ref()?;
        let name = variant.driver.as_ref().unwrap_or(&variant.module);
        Some(format!("{} by {name}", function.address))
    });
    let variants: Vec<String> = variants.collect();
    match variants.is_empty() {
        true => String::new(),
        false => format!(" ({})", variants.join(", ")),
    }
}

fn peer_line(gpu: &GpuReport, peer: &PeerReport) -> String {
    let driver = match &peer.driver {
        Some(driver) => format!("on driver {driver}"),
        None => "without a driver".to_owned(),
    };
    let advice = match (&peer.system, peer.kept) {
        (Some(system), _) => &line(system),
        (None, None) => "`group-peers = true` in the rule claims it too",
        (None, Some(Kept::LeftOut)) => "left out by `not`",
        (None, Some(Kept::Virtual)) => "a virtual function is never claimed",
        (None, Some(Kept::Unnamed)) => "it may carry the system: `group-peers` has to name it to claim it",
    };
    format!(
        "{}: {} [{}], {driver}, is in the same IOMMU group and left alone: nobody can open the group while a host driver \
         has it ({advice})",
        gpu.device, peer.address, peer.identity
    )
}

fn list(devices: &[DeviceAddress]) -> String {
    let devices: Vec<String> = devices.iter().map(ToString::to_string).collect();
    devices.join(", ")
}

fn gpus(count: usize) -> String {
    match count {
        1 => "1 GPU".to_owned(),
        several => format!("{several} GPUs"),
    }
}
