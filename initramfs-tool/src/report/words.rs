//! The report in short lines, for the kernel log and for people.

use super::{GpuReport, GpuVerdict, Report, Verdict};
use crate::claim::VFIO_PCI;

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Notice,
    /// Somebody should look.
    Warning,
}

impl Report {
    /// The report in lines for the kernel log, worst news first, each with whether it is bad.
    pub fn lines(&self) -> Vec<(Tone, String)> {
        let mut lines: Vec<(Tone, String)> = Vec::new();
        let bad = |line: String| (Tone::Warning, line);
        lines.extend(self.problems.iter().cloned().map(bad));
        lines.extend(self.rules.iter().filter_map(|rule| {
            let problem = rule.problem.as_ref()?;
            Some(bad(format!("rule `{}` ({}): {problem}", rule.selector, rule.source)))
        }));
        if let Some(problem) = self.vfio_pci.as_ref().and_then(|module| module.problem.clone()) {
            lines.push(bad(problem));
        }
        lines.extend(self.gpus.iter().map(GpuReport::line));
        lines.push(self.last_line());
        lines
    }

    fn last_line(&self) -> (Tone, String) {
        let count = |verdict| self.gpus.iter().filter(|gpu| gpu.verdict == verdict).count();
        let took = format!("{:.1} ms", self.duration_ms);
        match self.verdict {
            Verdict::Off => (
                Tone::Notice,
                "off by the kernel command line: nothing was touched".to_owned(),
            ),
            Verdict::NoRules if self.problems.is_empty() => (Tone::Notice, "no rules: nothing to claim".to_owned()),
            Verdict::NoRules => (Tone::Warning, "no usable rules: nothing was claimed".to_owned()),
            Verdict::DryRun => (
                Tone::Notice,
                format!(
                    "dry run: {} would be claimed; {took}",
                    gpus(count(GpuVerdict::WouldClaim))
                ),
            ),
            Verdict::Claimed => (
                Tone::Notice,
                format!("{} claimed in {took}", gpus(count(GpuVerdict::Claimed))),
            ),
            Verdict::Incomplete => (
                Tone::Warning,
                format!(
                    "incomplete: {} claimed in {took}; the boot goes on",
                    gpus(count(GpuVerdict::Claimed))
                ),
            ),
        }
    }
}

impl GpuReport {
    fn line(&self) -> (Tone, String) {
        let functions = match self.functions.len() {
            1 => "1 function".to_owned(),
            several => format!("{several} functions"),
        };
        let device = self.device;
        let why = self.problem.as_deref().unwrap_or("no reason recorded");
        match self.verdict {
            GpuVerdict::WouldClaim => (Tone::Notice, format!("{device}: would claim {functions}")),
            GpuVerdict::Claimed => (
                Tone::Notice,
                format!(
                    "{device}: {functions} on {VFIO_PCI}, in D0 and pinned, in {:.1} ms",
                    self.duration_ms
                ),
            ),
            GpuVerdict::RolledBack => (
                Tone::Warning,
                format!("{device}: not claimed, given back as it was: {why}"),
            ),
            GpuVerdict::Stuck => (
                Tone::Warning,
                format!(
                    "{device}: not claimed, and {} left behind: {why}",
                    self.leftovers_in_words()
                ),
            ),
            GpuVerdict::Refused => (Tone::Warning, format!("{device}: refused: {why}")),
        }
    }

    fn leftovers_in_words(&self) -> String {
        match self.leftovers.len() {
            1 => "1 change".to_owned(),
            several => format!("{several} changes"),
        }
    }
}

fn gpus(count: usize) -> String {
    match count {
        1 => "1 GPU".to_owned(),
        several => format!("{several} GPUs"),
    }
}
