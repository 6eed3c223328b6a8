//! The report in short lines, for the kernel log and for people.

use reseat_core::address::DeviceAddress;

use super::{GpuReport, GpuVerdict, Kept, PeerReport, Report, Verdict};
use crate::claim::VFIO_PCI;

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Notice,
    /// Somebody should look.
    Warning,
}

/// The kernel log holds so many lines and no more, and each may go over a slow serial line while the boot waits.
const MOST_LINES: usize = 40;

impl Report {
    /// The report in lines for people: what is wrong first, the whole in the last one.
    pub fn lines(&self) -> Vec<(Tone, String)> {
        let mut lines = self.details();
        lines.push(self.last_line());
        lines
    }

    /// The same for the kernel log, which is to be short.
    pub fn log_lines(&self) -> Vec<(Tone, String)> {
        let mut lines = self.log_details();
        lines.push(self.last_line());
        lines
    }

    /// [`Report::details`] for the kernel log.
    pub fn log_details(&self) -> Vec<(Tone, String)> {
        let mut lines = self.details();
        let more = lines.len().saturating_sub(MOST_LINES);
        if more > 0 {
            lines.truncate(MOST_LINES);
            lines.push((Tone::Warning, format!("{more} more lines are in the report")));
        }
        lines
    }

    /// [`Report::lines`] without the whole: of a run that was about one GPU its lines say it all.
    pub fn details(&self) -> Vec<(Tone, String)> {
        let bad = |line: String| (Tone::Warning, line);
        let mut lines: Vec<(Tone, String)> = self.problems.iter().cloned().map(bad).collect();
        lines.extend(self.rules.iter().filter_map(|rule| {
            let which = format!("rule `{}` ({})", rule.selector, rule.source);
            match (&rule.problem, self.verdict) {
                (Some(problem), _) => Some(bad(format!("{which}: {problem}"))),
                (None, Verdict::DryRun) => Some((Tone::Notice, format!("{which}: {}", list(&rule.gpus)))),
                (None, _) => None,
            }
        }));
        let module = self.vfio_pci.iter();
        lines.extend(module.flat_map(|module| module.problem.iter().chain(&module.warning).cloned().map(bad)));
        let (claimed, others): (Vec<&GpuReport>, Vec<&GpuReport>) = self.gpus.iter().partition(|gpu| gpu.is_as_asked());
        for gpu in others.into_iter().chain(claimed) {
            lines.push(gpu.line());
            lines.extend(gpu.who_was_first().map(|line| (Tone::Notice, line)));
            lines.extend(gpu.replaces.iter().map(|other| {
                let device = gpu.device;
                (
                    Tone::Notice,
                    format!("{device}: in the place of another, which is out of service: {other}"),
                )
            }));
            lines.extend(gpu.peers.iter().map(|peer| bad(gpu.peer_line(peer))));
            lines.extend(
                gpu.display
                    .iter()
                    .map(|sign| (Tone::Notice, format!("{}: {sign}", gpu.device))),
            );
            lines.extend(
                gpu.leftovers
                    .iter()
                    .map(|left| bad(format!("{}: left behind: {left}", gpu.device))),
            );
        }
        lines
    }

    fn last_line(&self) -> (Tone, String) {
        let count = |verdict| self.gpus.iter().filter(|gpu| gpu.verdict == verdict).count();
        let (claimed, took) = (gpus(count(GpuVerdict::Claimed)), format!("{:.1} ms", self.duration_ms));
        let out = match self.gpus.iter().filter(|gpu| gpu.quarantine.is_some()).count() {
            0 => String::new(),
            several => format!(", {several} out of service"),
        };
        let tone = if self.complete { Tone::Notice } else { Tone::Warning };
        let line = match self.verdict {
            Verdict::Off => "off by the kernel command line: nothing was touched".to_owned(),
            Verdict::CrashKernel => "this kernel saves the memory of a crashed one: nothing was touched".to_owned(),
            Verdict::NoRules => "no rules: nothing to claim".to_owned(),
            Verdict::DryRun => {
                let would = gpus(count(GpuVerdict::WouldClaim));
                let whole = if self.complete { "" } else { ", and not all is in order" };
                format!("dry run: {would} would be claimed{out}{whole}; {took}")
            }
            Verdict::Claimed => format!("{claimed} claimed in {took}"),
            Verdict::Incomplete => format!("incomplete: {claimed} claimed{out} in {took}; the boot goes on"),
        };
        (tone, line)
    }
}

impl GpuReport {
    /// Who had functions of a claimed GPU before: a driver that is built in, or that was faster.
    fn who_was_first(&self) -> Option<String> {
        let had = self.functions.iter().filter_map(|function| {
            let driver = function
                .driver_before
                .as_deref()
                .filter(|driver| *driver != function.vfio_driver())?;
            Some(format!("{driver} had {}", function.address))
        });
        let had: Vec<String> = had.collect();
        let told = self.verdict == GpuVerdict::Claimed && !had.is_empty();
        told.then(|| format!("{}: before, {}", self.device, had.join(", ")))
    }

    fn line(&self) -> (Tone, String) {
        let functions = match self.functions.len() {
            1 => "1 function".to_owned(),
            several => format!("{several} functions{}", self.with_peers()),
        };
        let device = self.device;
        let why = self.problem.as_deref().unwrap_or("no reason recorded");
        let line = match self.verdict {
            GpuVerdict::WouldClaim => format!("{device}: would claim {functions}{}", self.by_variants()),
            GpuVerdict::Claimed => {
                let took = self.duration_ms;
                let variants = self.by_variants();
                format!("{device}: {functions} on {VFIO_PCI}{variants}, in D0 and pinned, in {took:.1} ms")
            }
            GpuVerdict::NotReached => format!("{device}: not claimed, not touched: {why}"),
            GpuVerdict::RolledBack => format!("{device}: not claimed, given back as it was: {why}"),
            GpuVerdict::Stuck => format!("{device}: not claimed, and not as it was: {why}"),
            GpuVerdict::Refused => match &self.quarantine {
                Some(quarantine) if quarantine.isolated => {
                    format!("{device}: out of service, isolated: {}", quarantine.reason)
                }
                Some(quarantine) => format!("{device}: out of service ({}), {why}", quarantine.reason),
                None => format!("{device}: refused: {why}"),
            },
        };
        (
            if self.is_as_asked() {
                Tone::Notice
            } else {
                Tone::Warning
            },
            line,
        )
    }
}

impl GpuReport {
    /// Which functions of others are claimed with it, since a rule takes who is in its groups.
    fn with_peers(&self) -> String {
        const MOST: usize = 8;
        let peers = self
            .functions
            .iter()
            .filter(|function| function.address.device_address() != self.device);
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

    /// Which functions a variant of vfio-pci takes.
    fn by_variants(&self) -> String {
        let variants = self.functions.iter().filter_map(|function| {
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

    fn peer_line(&self, peer: &PeerReport) -> String {
        let driver = match &peer.driver {
            Some(driver) => format!("on driver {driver}"),
            None => "without a driver".to_owned(),
        };
        let advice = match peer.kept {
            None => "`group-peers = true` in the rule claims it too",
            Some(Kept::LeftOut) => "left out by `not`",
            Some(Kept::Virtual) => "a virtual function is never claimed",
        };
        format!(
            "{}: {} [{}], {driver}, is in the same IOMMU group and left alone: nobody can open the group while a host \
             driver has it ({advice})",
            self.device, peer.address, peer.identity
        )
    }
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
